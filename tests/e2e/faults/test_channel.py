"""A chat that changes while it is moved: a run moves what was there when it began."""

from __future__ import annotations

import signal

import pytest

from standins.shaping import Shaping
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, the_state, wanted
from tests.e2e.program import SOURCE
from tests.in_process import run_here

MIB = 1024 * 1024


def test_what_is_posted_during_a_run_is_for_the_next_run(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 6 * MIB]), Shaping(total_bytes_per_second=4 * MIB))
    source = scene.world.source
    running = scene.machine.start("-u", SOURCE, "--downloads=1")
    running.wait_for("moved 1_file-1.bin")
    new_id = source.append(file=FilePlan("document", 1234, "new.txt", "text/plain", 2))
    assert_moved(running.wait(), 2)
    assert_on_remote(scene.machine, (source, wanted(source, [1, 2])))
    assert the_state(scene.world)["last_message_id"] == 2
    assert_moved(run_here(scene.machine, "-u", SOURCE), 1)
    assert_on_remote(scene.machine, (source, wanted(source)))
    assert the_state(scene.world)["last_message_id"] == new_id


@pytest.mark.parametrize("size_bytes", [2 * MIB, 5 * MIB], ids=["same size", "another size"])
def test_a_message_that_gets_another_file_while_its_file_waits_is_left_to_the_next_run(
    stage: Stage, size_bytes: int
) -> None:
    """Parts of two files are never mixed, not even where both have the same size."""
    scene = stage(
        worlds.files(sizes=[1000, 6 * MIB, 2 * MIB]), Shaping(total_bytes_per_second=MIB / 4)
    )
    source = scene.world.source
    running = scene.machine.start("-u", SOURCE, "--downloads=1")
    running.wait_for("moved 1_file-1.bin")
    source.replace_file(3, FilePlan("photo", size_bytes, None, "image/jpeg", 2))
    scene.world.file_reference_epoch += 1
    scene.telegram.shaping = Shaping()
    ended = running.wait()
    assert (ended.exit_status, ended.result["status"]) == (3, "failed")
    assert (
        "failed: 3 3_file-3.bin: the message holds another file now; the next run moves that"
        in ended.log
    )
    assert_on_remote(scene.machine, (source, wanted(source, [1, 2])))
    assert_moved(run_here(scene.machine, "-u", SOURCE), 1)
    assert_on_remote(scene.machine, (source, wanted(source)))


def test_a_chat_that_becomes_private_in_mid_file_ends_alone(stage: Stage) -> None:
    """Its other files could not be had either; the next chat is moved."""
    scene = stage(
        worlds.files(sizes=[1000, 8 * MIB, 2000]), Shaping(total_bytes_per_second=MIB / 4)
    )
    source = scene.world.source
    running = scene.machine.start("-u", SOURCE, "-u", "@stand_in_news", "--downloads=1")
    running.wait_for("moved 1_file-1.bin")
    source.private = True
    scene.telegram.faults.add(Fault("channel_private", rpc="upload.GetFile", times=None))
    scene.telegram.shaping = Shaping()
    ended = running.wait()
    assert (ended.exit_status, ended.said) == (
        2,
        "tdl_sync: cannot read the chat '@stand_in_source' ('Stand-in: all kinds'): Telegram "
        "no longer shows it to this account (CHANNEL_PRIVATE). Join it again, then run again: "
        "what is done stays done.\n",
    )
    assert "News: nothing to move" in ended.log
    assert ended.numbers()["failed"] == 0
    scene.telegram.faults.clear()
    scene.telegram.shaping = Shaping()
    source.private = False
    assert_moved(run_here(scene.machine, "-u", SOURCE), 2)
    assert_on_remote(scene.machine, (source, wanted(source)))


def test_a_file_that_is_closed_in_a_chat_that_is_open_fails_alone(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 3 * MIB, 2000]))
    second = scene.world.source.item(2)
    assert second is not None
    scene.telegram.faults.add(
        Fault("channel_private", rpc="upload.GetFile", file_id=second.file.file_id, times=None)
    )
    ended = run_here(scene.machine, "-u", SOURCE)
    assert (ended.exit_status, ended.numbers()["done"], ended.numbers()["failed"]) == (0, 2, 1)
    assert "Telegram refuses the file: CHANNEL_PRIVATE" in ended.stderr
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source, [1, 3])))


@pytest.mark.parametrize("rpc", ["messages.GetHistory", "upload.GetFile"])
def test_a_stop_ends_a_long_flood_wait_at_once(stage: Stage, rpc: str) -> None:
    scene = stage(worlds.files(sizes=[1000, 3 * MIB]))
    scene.telegram.faults.add(Fault("flood_wait", rpc=rpc, seconds=3000, after_calls=1, times=None))
    running = scene.machine.start("-u", SOURCE)
    running.wait_for("waits: Telegram asks for a pause of 3000 s")
    running.signal(signal.SIGINT)
    ended = running.wait()
    assert (ended.exit_status, ended.result["status"], ended.said) == (130, "stopped", "")
    scene.telegram.faults.clear()
    assert run_here(scene.machine, "-u", SOURCE).exit_status == 0
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
