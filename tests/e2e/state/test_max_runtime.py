"""Runners that must be gone after some time: each moves what it can, and leaves nothing behind."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel, WorldItem
from tdl_sync.run.time_left import CLOSING_SECONDS
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import (
    assert_on_remote,
    remote_files,
    state_texts,
    wanted,
)
from tests.e2e.program import SOURCE, Ended, Machine
from tests.e2e.state.machines import another

FILES = 8
FILE_BYTES = 1_060_000
MOST_RUNS = 40
GRACE_SECONDS = 1
MOVING_SECONDS = 5


def runner(scene: Scene, directory: Path) -> Machine:
    """A machine that is new: only Telegram and the remote know of the runs before."""
    return another(directory, scene.telegram, scene.machine)


class PlayedFast:
    """Hours made so short that a run moves one file or two, however busy this machine is."""

    def __init__(self, scene: Scene) -> None:
        began_at = time.monotonic()
        assert scene.machine.run("-u", "me").exit_status == 0
        startup_seconds = time.monotonic() - began_at
        self._seconds = 1.5 * startup_seconds + CLOSING_SECONDS + GRACE_SECONDS + MOVING_SECONDS

    @property
    def options(self) -> tuple[str, str]:
        return f"--max-runtime={self._seconds:.0f}", f"--grace={GRACE_SECONDS}"

    @property
    def moving_seconds(self) -> float:
        """The most that a run can have for moving: all, had it no start."""
        return self._seconds - CLOSING_SECONDS - GRACE_SECONDS

    def learn_from(self, ended: Ended) -> None:
        """A run that came to nothing: its start alone takes longer than it did before."""
        if any(re.match(r" *downloaded +0 B", line) for line in ended.log):
            self._seconds *= 1.5


def own_notes(scene: Scene) -> tuple[Channel, list[WorldItem]]:
    """What the first, unhurried run has put on the remote."""
    saved = scene.world.saved_messages
    return saved, wanted(saved)


def state_of_source(scene: Scene) -> dict[str, Any]:
    chat_id = str(scene.world.source.chat_id)
    states = [json.loads(text.split("\n")[1]) for text in state_texts(scene.world).values()]
    (state,) = [state for state in states if state["channel_id"] == chat_id]
    return dict(state)


def left_behind(machine: Machine) -> list[str]:
    return [path.name for path in machine.staging_directory.iterdir() if path.name != ".lock"]


def test_a_channel_that_no_runner_can_move_in_its_time_is_moved_by_several(
    stage: Stage, tmp_path: Path
) -> None:
    """The upload is the slow leg; what a runner leaves on its disk would be lost with it."""
    scene = stage(worlds.files(sizes=[FILE_BYTES] * FILES))
    source = scene.world.source
    hours = PlayedFast(scene)
    scene.telegram.statistics.reset()
    runs: list[Ended] = []
    while not runs or runs[-1].result["status"] == "more":
        assert len(runs) < MOST_RUNS, runs[-1].stderr
        machine = runner(scene, tmp_path / f"runner-{len(runs)}")
        # All files take somewhat longer than what one run has.
        bytes_per_second = FILES * FILE_BYTES / (1.2 * hours.moving_seconds)
        slow_upload = f"--rclone-arg=--bwlimit-file={bytes_per_second:.0f}B"
        runs.append(machine.run("-u", SOURCE, *hours.options, "--workers=1", slow_upload))
        hours.learn_from(runs[-1])
        assert (runs[-1].exit_status, runs[-1].said) == (0, ""), runs[-1].stderr
        assert left_behind(machine) == []
    assert len(runs) > 1
    assert runs[-1].result["status"] == "complete"
    assert_on_remote(scene.machine, (source, wanted(source)), own_notes(scene))
    assert sum(run.numbers()["bytes"] for run in runs) == FILES * FILE_BYTES
    assert scene.telegram.statistics.counts().file_bytes == FILES * FILE_BYTES
    assert state_of_source(scene)["total_uploaded"] == FILES


def test_a_file_that_takes_longer_than_a_run_is_tried_once_and_keeps_nothing_else_back(
    stage: Stage, tmp_path: Path
) -> None:
    scene = stage(worlds.files(sizes=[20_000_000, 1000, 2000]))
    source = scene.world.source
    hours = PlayedFast(scene)
    runs: list[Ended] = []
    while not runs or runs[-1].result["status"] == "more":
        assert len(runs) < MOST_RUNS, runs[-1].stderr
        machine = runner(scene, tmp_path / f"runner-{len(runs)}")
        runs.append(machine.run("-u", SOURCE, *hours.options, "--rclone-arg=--bwlimit-file=200k"))
        hours.learn_from(runs[-1])
    assert len(runs) > 1, "it was to be tried"
    assert (runs[-1].exit_status, runs[-1].result["status"]) == (3, "failed")
    for path in remote_files(scene.machine):
        if path.name.startswith("1_file-1.bin"):  # an rclone that is ended leaves that on a disk
            assert path.stat().st_size < 20_000_000
            path.unlink()
    assert_on_remote(scene.machine, (source, wanted(source, [2, 3])), own_notes(scene))
    state = state_of_source(scene)
    assert state["failures"] == {"longer than the run time": 1}
    assert (state["failed"], state["last_message_id"]) == ("1", 3)
