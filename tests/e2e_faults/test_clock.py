"""A machine whose clock is wrong moves its files like any other, and its user is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from standins.telegram import worlds
from standins.telegram.server import INJECT_DIRECTORY
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, wanted
from tests.e2e.program import SOURCE

MIB = 1024 * 1024

WRONG_CLOCK = """
import runpy
import time

right_time = time.time
time.time = lambda: right_time() + {seconds}
runpy.run_path({inject!r}, run_name="sitecustomize")
"""


def wrong_clock(directory: Path, seconds: int) -> dict[str, str]:
    """What lets a Python start with a clock that is wrong by so much."""
    directory.mkdir()
    inject = str(INJECT_DIRECTORY / "sitecustomize.py")
    (directory / "sitecustomize.py").write_text(WRONG_CLOCK.format(seconds=seconds, inject=inject))
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
