"""An rclone that outlives its killed program is waited for, and what it moved counts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from standins.telegram.world import worlds
from tests.e2e.conftest import Stage, set_stage
from tests.e2e.expectations import assert_on_remote, wanted
from tests.e2e.program import SOURCE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield set_stage(stack, tmp_path)


def deaf_rclone(directory: Path) -> Path:
    """One that does not notice the end of its parent: its log goes nowhere."""
    real = shutil.which("rclone")
    wrapper = directory / "deaf-rclone"
    wrapper.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *moveto*) exec "{real}" "$@" 2>/dev/null ;; esac\n'
        f'exec "{real}" "$@"\n'
    )
    wrapper.chmod(0o700)
    return wrapper


def uploads(directory: Path) -> list[psutil.Process]:
    """The rclones that work on a staged file of this directory."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if "moveto" in words and any(word.startswith(str(directory)) for word in words):
            found.append(process)
    return found


def test_the_next_run_waits_for_an_rclone_of_the_killed_one_and_believes_what_it_moved(
    stage: Stage, tmp_path: Path
) -> None:
    scene = stage(worlds.files(sizes=[4_000_000]))
    machine = scene.machine
    slowly = {"RCLONE_BWLIMIT": "2M", "RCLONE_DISABLE": "Move"}
    running = machine.start("-u", SOURCE, "--rclone", str(deaf_rclone(tmp_path)), variables=slowly)
    running.wait_until(lambda: uploads(machine.staging_directory) != [])
    running.kill()
    assert uploads(machine.staging_directory) != []
    ended = machine.run("-u", SOURCE)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert ended.numbers()["done"] == ended.numbers()["seen"] == 1
    assert uploads(machine.staging_directory) == []
    assert " moved " not in ended.stderr.partition("seen ")[0]
    assert_on_remote(machine, (scene.world.source, wanted(scene.world.source)))
    assert set(scene.telegram.statistics.counts().parts.values()) == {1}
