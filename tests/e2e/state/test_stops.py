"""Whatever hangs, a stop saves the state, keeps what is staged, and ends.

Every wait here is long enough for a busy machine and much too short for what hangs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import Any

import psutil
import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, state_texts, the_state, wanted
from tests.e2e.program import SOURCE, Machine, Running
from tests.in_process import run_here

SLOW_UPLOAD = "--rclone-arg=--bwlimit-file=20k"
SIZES = (1000, 1_500_000)
STOP_SECONDS = 45.0
FLOOD_SECONDS = 300


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return stage(worlds.files(sizes=SIZES))


def uploading(scene: Scene, *arguments: str) -> Running:
    """A run whose large file is being uploaded and will be for a minute; its state is saved."""
    running = scene.machine.start("-u", SOURCE, SLOW_UPLOAD, *arguments)
    running.wait_for("moved 1_file-1.bin")
    running.wait_until(lambda: running.uploads(scene.machine.staging_directory) == {2})
    running.wait_until(lambda: state_is_saved(scene))
    return running


def state_is_saved(scene: Scene) -> bool:
    """And has taken the place of the claim."""
    texts = state_texts(scene.world).values()
    return len(texts) == 1 and not any(" claim\n" in text for text in texts)


def staged(machine: Machine) -> list[int]:
    """The messages whose files lie in the staging directory, whole."""
    names = [path.stem for path in machine.staging_directory.glob("*.staged")]
    return sorted(int(name.rpartition("_")[2]) for name in names)


def local_state(machine: Machine) -> dict[str, Any]:
    (path,) = (machine.data_directory / "state").glob("*.json")
    state: dict[str, Any] = json.loads(path.read_text())
    return state


def assert_nothing_is_lost(scene: Scene) -> None:
    """The next run uploads what is staged, without another download."""
    assert staged(scene.machine) == [2]
    scene.telegram.faults.clear()
    scene.telegram.faults.network_down = False
    scene.telegram.statistics.reset()
    ended = run_here(scene.machine, "-u", SOURCE)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert scene.telegram.statistics.counts().file_bytes == 0
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_a_signal_stops_the_run_and_what_is_uploaded_in_the_grace_time_counts(
    scene: Scene,
) -> None:
    """Here the grace time is too short for the large file, which stays where it is.

    All signals that stop a run are in ``tests/e2e/basics/test_signals.py``.
    """
    running = uploading(scene, "--grace=1s")
    children = running.children()
    running.signal(signal.SIGTERM)
    ended = running.wait(STOP_SECONDS)
    assert (ended.exit_status, ended.result["status"]) == (143, "stopped"), ended.stderr
    assert ended.said == ""
    assert not any(is_alive(child) for child in children)
    assert the_state(scene.world)["status"] == "stopped"
    assert the_state(scene.world)["last_message_id"] == 1
    assert_nothing_is_lost(scene)


def test_a_dead_network_does_not_hold_up_a_stop_and_the_state_is_kept_on_this_disk(
    scene: Scene,
) -> None:
    running = uploading(scene, "--grace=1s")
    scene.telegram.stall_connections()
    scene.telegram.faults.network_down = True
    running.signal(signal.SIGTERM)
    ended = running.wait(STOP_SECONDS)
    assert (ended.exit_status, ended.result["status"]) == (143, "stopped"), ended.stderr
    assert local_state(scene.machine)["status"] == "stopped"
    assert local_state(scene.machine)["last_message_id"] == 1
    assert_nothing_is_lost(scene)


def test_a_flood_wait_on_the_state_does_not_hold_up_a_stop(scene: Scene) -> None:
    running = uploading(scene, "--grace=1s")
    scene.telegram.faults.add(
        Fault("flood_wait", rpc="messages.EditMessage", seconds=FLOOD_SECONDS, times=None)
    )
    running.signal(signal.SIGTERM)
    ended = running.wait(STOP_SECONDS)
    assert (ended.exit_status, ended.result["status"]) == (143, "stopped"), ended.stderr
    assert local_state(scene.machine)["status"] == "stopped"
    assert_nothing_is_lost(scene)


def test_a_flood_wait_on_the_state_delays_no_file(scene: Scene) -> None:
    flood = Fault(
        "flood_wait",
        rpc="messages.SendMessage",
        after_calls=1,
        seconds=FLOOD_SECONDS,
        times=None,
    )
    scene.telegram.faults.add(flood)
    running = scene.machine.start("-u", SOURCE, SLOW_UPLOAD, "--grace=1s")
    running.wait_for(f"saving the state waits: Telegram asks for a pause of {FLOOD_SECONDS} s")
    running.wait_for("moved 1_file-1.bin")
    running.wait_until(lambda: staged(scene.machine) == [2])
    running.signal(signal.SIGTERM)
    ended = running.wait(STOP_SECONDS)
    assert (ended.exit_status, ended.result["status"]) == (143, "stopped"), ended.stderr
    assert local_state(scene.machine)["last_message_id"] == 1
    assert_nothing_is_lost(scene)


def test_a_session_that_ends_while_only_an_upload_runs_ends_the_run(scene: Scene) -> None:
    """Though the run asks Telegram for nothing; the state is kept on this disk."""
    running = uploading(scene, "--grace=1s")
    scene.telegram.faults.add(Fault("session_revoked", times=None))
    ended = running.wait(STOP_SECONDS)
    assert (ended.exit_status, ended.result["status"]) == (4, "error"), ended.stderr
    assert "it does not accept this session any more (SESSION_REVOKED)" in ended.said
    assert local_state(scene.machine)["last_message_id"] == 1
    assert_nothing_is_lost(scene)


def test_an_rclone_that_hangs_is_ended_after_the_grace_time(scene: Scene) -> None:
    running = uploading(scene, "--grace=1s")
    children = running.children()
    for child in children:
        child.suspend()
    running.signal(signal.SIGINT)
    ended = running.wait(STOP_SECONDS)
    assert (ended.exit_status, ended.result["status"]) == (130, "stopped"), ended.stderr
    assert not any(is_alive(child) for child in children)
    assert the_state(scene.world)["status"] == "stopped"
    assert_nothing_is_lost(scene)


def test_a_second_signal_ends_the_children_and_the_run_at_once(scene: Scene) -> None:
    running = uploading(scene, "--grace=1h")
    children = running.children()
    for child in children:
        child.suspend()
    running.signal(signal.SIGINT)
    running.wait_until(lambda: the_state(scene.world)["status"] == "stopped")
    running.signal(signal.SIGINT)
    ended = running.wait(STOP_SECONDS)
    assert (ended.exit_status, ended.result["status"]) == (130, "stopped"), ended.stderr
    assert ended.said == ("tdl_sync: stopped at once; what was under way is taken up next time\n")
    psutil.wait_procs(children, STOP_SECONDS)
    assert not any(is_alive(child) for child in children)
    assert_nothing_is_lost(scene)


def test_a_stop_before_the_first_file_does_not_wait_for_a_telegram_that_is_silent(
    scene: Scene,
) -> None:
    scene.telegram.faults.add(
        Fault("no_answer", rpc="messages.GetSearchCounters", times=None),
        Fault("no_answer", rpc="upload.GetFile", times=None),
    )
    running = scene.machine.start("-u", SOURCE)
    running.wait_until(lambda: scene.telegram.faults.strikes()[0][1] > 0)
    running.signal(signal.SIGTERM)
    ended = running.wait(STOP_SECONDS)
    assert (ended.exit_status, ended.result["status"]) == (143, "stopped"), ended.stderr
    scene.telegram.faults.clear()
    assert_moved(run_here(scene.machine, "-u", SOURCE), len(SIZES))


def test_a_terminal_that_is_closed_is_a_stop_like_any_other(scene: Scene) -> None:
    """Then nothing can be written there any more: that must not end the saving."""
    master, terminal = os.openpty()
    machine = scene.machine
    process = subprocess.Popen(
        machine.command("-u", SOURCE, SLOW_UPLOAD, "--grace=1s"),
        cwd=machine.working_directory,
        env=machine.environment(),
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    running = Running(process, machine.directory / "none", machine.rclone_config)
    os.set_blocking(master, False)

    def drained() -> bool:
        with contextlib.suppress(BlockingIOError):
            os.read(master, 65536)
        return running.uploads(machine.staging_directory) == {2}

    running.wait_until(drained)
    running.wait_until(lambda: drained() and state_is_saved(scene))
    os.close(master)
    running.signal(signal.SIGHUP)
    assert process.wait(STOP_SECONDS) == 129
    assert the_state(scene.world)["status"] == "stopped"
    assert_nothing_is_lost(scene)


def is_alive(child: psutil.Process) -> bool:
    return bool(child.is_running() and child.status() != psutil.STATUS_ZOMBIE)
