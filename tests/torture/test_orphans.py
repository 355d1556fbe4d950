"""An rclone that outlives its killed program is waited for, and what it moved counts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from scripts.rclones import uploaded_by, uploads_below
from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, set_stage
from tests.e2e.expectations import assert_on_remote, wanted
from tests.e2e.program import PATIENCE_SECONDS, SOURCE, Ended, Running

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A chat with one file that takes two seconds to upload."""
    with ExitStack() as stack:
        yield set_stage(stack, tmp_path)(worlds.files(sizes=[4_000_000]))


def killed_in_mid_upload(scene: Scene, *arguments: str, stops_first: bool) -> psutil.Process:
    """What is left of a run: the rclone that was uploading, stopped before the kill or not."""
    slowly = {"RCLONE_BWLIMIT_FILE": "2M", "RCLONE_DISABLE": "Move"}
    running = scene.machine.start("-u", SOURCE, *arguments, variables=slowly)
    rclone = uploading(running, scene.machine.staging_directory)
    if stops_first:
        rclone.suspend()
    running.kill()
    return rclone


def uploading(running: Running, staging: Path) -> psutil.Process:
    found: list[psutil.Process] = []

    def look() -> bool:
        found.extend(uploads_below(running.process.pid, staging))
        return bool(found)

    running.wait_until(look)
    return found[0]


def assert_moved_once(scene: Scene, ended: Ended) -> None:
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert ended.numbers()["done"] == ended.numbers()["seen"] == 1
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
    assert set(scene.telegram.statistics.counts().parts.values()) == {1}


def test_no_run_works_beside_an_rclone_of_a_killed_one_that_does_not_end(scene: Scene) -> None:
    """Whatever holds it up, when it comes back it may still upload, or delete what it has sent."""
    rclone = killed_in_mid_upload(scene, stops_first=True)
    try:
        ended = scene.machine.run("-u", SOURCE)
        assert ended.exit_status == 5, ended.stderr
        assert "another run uses the staging directory" in ended.said
        assert len(list(scene.machine.staging_directory.glob("*.staged"))) == 1
    finally:
        rclone.resume()
    # Its program is gone: it notices that and ends by itself.
    rclone.wait(PATIENCE_SECONDS)
    assert_moved_once(scene, scene.machine.run("-u", SOURCE))


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


def test_the_next_run_waits_for_an_rclone_of_the_killed_one_and_believes_what_it_moved(
    scene: Scene, tmp_path: Path
) -> None:
    deaf = str(deaf_rclone(tmp_path))
    rclone = killed_in_mid_upload(scene, "--rclone", deaf, stops_first=False)
    assert uploaded_by(rclone, scene.machine.staging_directory) != set()
    ended = scene.machine.run("-u", SOURCE)
    assert uploaded_by(rclone, scene.machine.staging_directory) == set()
    assert " moved " not in ended.stderr.partition("seen ")[0]
    assert_moved_once(scene, ended)
