"""A name and a size on the remote are no proof where there is a better one, and counted as such."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
import pytest

from scripts.rclones import uploads_below
from standins.telegram.world import worlds
from tests.contract.old_rclone import old_rclone
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, wanted
from tests.e2e.program import SOURCE
from tests.e2e.state.machines import another
from tests.in_process import run_here
from tests.standins.rclone_on_drive import executable

MIB = 1024 * 1024


@pytest.mark.parametrize("version", ["newest", "oldest"])
def test_a_killed_upload_that_left_the_whole_size_with_holes_is_replaced_by_what_is_staged(
    stage: Stage, version: str
) -> None:
    """As uploads in several streams do."""
    scene = stage(worlds.files(sizes=[MIB]))
    machine, source = scene.machine, scene.world.source
    rclone = f"--rclone={executable() if version == 'newest' else old_rclone()}"
    running = machine.start("-u", SOURCE, rclone, "--rclone-arg=--bwlimit-file=200k")
    running.wait_until(lambda: bool(uploads_below(running.process.pid, machine.staging_directory)))
    running.wait_until(lambda: any(machine.remote_directory.rglob("*]")))
    children = running.children()
    running.kill()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, 30)
    (folder,) = (each for each in machine.remote_directory.rglob("*]") if each.is_dir())
    (folder / "1_file-1.bin").write_bytes(bytes(MIB))
    assert_moved(run_here(machine, "-u", SOURCE, rclone), 1)
    assert scene.telegram.statistics.counts().file_bytes == MIB
    assert_on_remote(machine, (source, wanted(source)))


def test_what_is_believed_by_name_and_size_alone_is_counted(stage: Stage, tmp_path: Path) -> None:
    """Of another machine's files on a remote without hashes nothing better is known."""
    scene = stage(worlds.files(sizes=[1000, 2000, 3000]))
    assert_moved(run_here(scene.machine, "-u", SOURCE), 3)
    second = another(tmp_path / "second", scene.telegram, scene.machine)
    ended = run_here(second, "-u", SOURCE, "--restart")
    assert_moved(ended, 3)
    assert "0 moved now, 3 there before (3 of them by name and size alone)" in ended.stderr
    again = run_here(second, "-u", SOURCE, "--restart")
    assert "by name and size alone" not in again.stderr
    verified = run_here(second, "verify", "-u", SOURCE)
    assert "0 compared by size and SHA-256, 3 by size alone" in verified.stdout
