"""A machine whose clock is wrong moves its files like any other, and its user is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from standins.shaping import Shaping
from standins.telegram.server import INJECT_DIRECTORY
from standins.telegram.world import worlds
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, the_state, wanted
from tests.e2e.program import SOURCE

MIB = 1024 * 1024

SET_CLOCK = """
import pathlib
import runpy
import time

right_time = time.time
shift = pathlib.Path({shift!r})
time.time = lambda: right_time() + (float(shift.read_text()) if shift.exists() else 0)
runpy.run_path({inject!r}, run_name="sitecustomize")
"""

WRONG_CLOCK = """
import runpy
import time

right_time = time.time
time.time = lambda: right_time() + {seconds}
runpy.run_path({inject!r}, run_name="sitecustomize")
"""


def wrong_clock(directory: Path, seconds: int) -> dict[str, str]:
    """What lets a Python start with a clock that is wrong by so much."""
    return started_with(directory, WRONG_CLOCK, seconds=seconds)


def set_clock(directory: Path) -> tuple[dict[str, str], Path]:
    """What lets a Python start with a clock that is wrong by the seconds that are written to the
    file, as soon as they are."""
    shift = directory / "shift"
    return started_with(directory, SET_CLOCK, shift=str(shift)), shift


def started_with(directory: Path, code: str, **facts: object) -> dict[str, str]:
    directory.mkdir()
    inject = str(INJECT_DIRECTORY / "sitecustomize.py")
    (directory / "sitecustomize.py").write_text(code.format(inject=inject, **facts))
    return {"PYTHONPATH": os.pathsep.join([str(directory), str(INJECT_DIRECTORY)])}


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        (1200, "this machine's clock is 20 min 00 s ahead of Telegram's"),
        (-7200, "this machine's clock is 2 h 00 min behind Telegram's"),
    ],
)
def test_a_wrong_clock_is_named_and_does_no_harm(stage: Stage, seconds: int, line: str) -> None:
    scene = stage(worlds.files(sizes=[1000, 2 * MIB + 5]))
    clock = wrong_clock(scene.machine.directory / "clock", seconds)
    ended = scene.machine.run("-u", SOURCE, variables=clock)
    assert_moved(ended, 2)
    assert len([each for each in ended.log if each.startswith(f"warning: {line}: ")]) == 1
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_a_clock_that_is_nearly_right_is_not_mentioned(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    clock = wrong_clock(scene.machine.directory / "clock", 20)
    ended = scene.machine.run("-u", SOURCE, variables=clock)
    assert_moved(ended, 1)
    assert [each for each in ended.log if "machine's clock" in each] == []


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_is_set_during_a_run_costs_nothing(stage: Stage, seconds: int) -> None:
    """No part is asked for again, no connection is opened anew, and nothing is said or waits."""
    scene = stage(worlds.files(sizes=[MIB] * 8), Shaping(total_bytes_per_second=3 * MIB))
    clock, shift = set_clock(scene.machine.directory / "clock")
    running = scene.machine.start("-u", SOURCE, "--downloads=1", variables=clock)
    running.wait_for("moved 2_file-2.bin")  # each connection has been opened by now
    connections = scene.telegram.statistics.counts().connections
    new = shift.with_name("new")
    new.write_text(str(seconds))
    new.replace(shift)
    ended = running.wait()
    assert_moved(ended, 8)
    assert [each for each in ended.log if "wait" in each or "warning" in each] == []
    counts = scene.telegram.statistics.counts()
    assert (set(counts.parts.values()), counts.connections) == ({1}, connections)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
    assert the_state(scene.world)["status"] == "complete"
