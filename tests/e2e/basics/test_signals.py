"""A run that is told to stop saves its state, and the next one goes on as if nothing had been."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from standins.shaping import Shaping
from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, remote_files, the_state, wanted
from tests.e2e.program import SOURCE, Running
from tests.in_process import run_here

MIB = 1024 * 1024
FILES = 6
AT_ONCE = "tdl_sync: stopped at once; what was under way is taken up next time\n"


def in_mid_run(stage: Stage, *arguments: str) -> tuple[Scene, Running]:
    """A run that has moved a file or two and is busy with the next, for some seconds."""
    slow = Shaping(total_bytes_per_second=MIB / 2)
    scene = stage(worlds.files(sizes=[1000] + [MIB] * (FILES - 1)), slow)
    running = scene.machine.start("-u", SOURCE, "--downloads=2", *arguments)
    running.wait_for("moved 1_file-1.bin")
    return scene, running


def complete_files(scene: Scene) -> dict[Path, int]:
    """What is whole on the remote, and when it was touched last."""
    return {
        path: path.stat().st_ctime_ns
        for path in remote_files(scene.machine)
        if path.stat().st_size == (1000 if path.name.startswith("1_") else MIB)
    }


def assert_the_next_run_finishes(scene: Scene) -> None:
    """And touches nothing that was whole."""
    scene.telegram.shaping = Shaping()
    before = complete_files(scene)
    ended = run_here(scene.machine, "-u", SOURCE)
    figures = ended.numbers()
    assert_moved(ended, figures["seen"])
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
    after = complete_files(scene)
    assert {path: after[path] for path in before} == before
    state = the_state(scene.world)
    assert (state["status"], state["last_message_id"]) == ("complete", FILES)
    assert not list(scene.machine.staging_directory.glob("m*"))


@pytest.mark.parametrize(
    ("number", "exit_status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_a_signal_stops_a_run_with_its_state_saved(
    stage: Stage, number: signal.Signals, exit_status: int
) -> None:
    scene, running = in_mid_run(stage, "--grace=1m")
    running.signal(number)
    ended = running.wait()
    assert (ended.exit_status, ended.result["status"], ended.said) == (exit_status, "stopped", "")
    figures = ended.numbers()
    assert figures["failed"] == 0
    assert 1 <= figures["done"] == len(complete_files(scene)) < FILES
    state = the_state(scene.world)
    assert state["status"] == "stopped"
    assert state["total_uploaded"] == figures["done"]
    assert_the_next_run_finishes(scene)


def test_a_run_that_nohup_started_outlives_its_terminal(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000] + [MIB] * 3), Shaping(total_bytes_per_second=3 * MIB))
    machine = scene.machine
    running = machine.start("-u", SOURCE, command=["nohup", *machine.command()])
    running.wait_for("moved 1_file-1.bin")
    running.signal(signal.SIGHUP)
    assert_moved(running.wait(), 4)


def test_a_signal_during_the_checks_leaves_at_once_with_nothing_done(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]), Shaping(round_trip_seconds=1.0))
    running = scene.machine.start("-u", SOURCE)
    running.wait_for("staging at most")
    running.signal(signal.SIGINT)
    ended = running.wait()
    assert ended.exit_status == 130
    assert ended.said in ("", AT_ONCE)  # by whether the network answered in time
    assert ended.stdout == "result: status=stopped seen=0 done=0 skipped=0 failed=0 bytes=0\n"
    assert remote_files(scene.machine) == []


def test_a_kill_at_any_moment_loses_nothing_and_doubles_nothing(stage: Stage) -> None:
    """Three kills, then a run to the end; what was staged or written is not asked for again."""
    scene, running = in_mid_run(stage)
    running.kill()
    for line in ("staging at most", "moved "):
        again = scene.machine.start("-u", SOURCE, "--downloads=2")
        again.wait_for(line)
        again.kill()
    scene.telegram.shaping = Shaping()
    assert run_here(scene.machine, "-u", SOURCE).exit_status == 0
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
    assert the_state(scene.world)["status"] == "complete"


def test_an_upload_that_never_got_its_name_is_not_taken_for_the_file(stage: Stage) -> None:
    """rclone, killed right before it would have verified and renamed what it sent."""
    scene = stage(worlds.files(sizes=[1000, 2000]))
    source = scene.world.source
    folder = scene.machine.remote_directory / "files" / f"Stand-in_ all kinds [{source.chat_id}]"
    folder.mkdir(parents=True)
    half = folder / "2_file-2.bin.c97c3a94.partial"
    half.write_bytes(bytes(2000))
    ended = run_here(scene.machine, "-u", SOURCE)
    assert_moved(ended, 2)
    assert f"removed {half.name}, which an upload that was killed left on the remote" in ended.log
    assert_on_remote(scene.machine, (source, wanted(source)))
