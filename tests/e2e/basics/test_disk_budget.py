"""Never more than the budget lies on the staging disk, and a disk of that size is enough."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from standins.shaping import Shaping
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tdl_sync.core.text import human_bytes
from tests.e2e.conftest import Stage
from tests.e2e.disk import Sampler, fill, free_bytes, small_disk
from tests.e2e.expectations import assert_moved, assert_on_remote, wanted
from tests.e2e.program import SOURCE, Running
from tests.in_process import run_here
from tests.waiting import until

MIB = 1024 * 1024
FILE_BYTES = MIB - 100
"""Takes a whole MiB of a disk that gives out blocks."""

BUDGET_BYTES = 3 * MIB
BUDGET = f"--max-disk={BUDGET_BYTES}B"
BLOCK_BYTES = 4096


def test_eight_downloads_at_once_never_hold_more_than_three_files_of_room(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[FILE_BYTES] * 20))
    with Sampler(scene.machine.staging_directory) as sampler:
        ended = scene.machine.run("-u", SOURCE, "--downloads=8", BUDGET)
    print(f"{sampler.samples} samples, the longest gap {sampler.longest_gap_seconds * 1000:.0f} ms")
    assert_moved(ended, 20)
    assert sampler.most_bytes <= BUDGET_BYTES
    assert sampler.most_files >= 2
    assert sampler.samples > 50
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_a_disk_of_exactly_the_budget_is_enough(stage: Stage, tmp_path: Path) -> None:
    """The program keeps a margin off what is free, so the disk is filled up after it looked."""
    scene = stage(worlds.files(sizes=[FILE_BYTES] * 12), Shaping(round_trip_seconds=0.1))
    with small_disk(tmp_path / "disk", 64 * MIB) as disk:
        staging = disk / "staging"
        running = scene.machine.start("-u", SOURCE, "--downloads=8", BUDGET, f"--staging={staging}")
        running.wait_for("staging at most 3.1 MB")
        with standing_still(running):
            has_bytes = sum(path.stat().st_blocks * 512 for path in staging.iterdir())
            fill(disk / "ballast", free_bytes(disk) - (BUDGET_BYTES - has_bytes))
            assert free_bytes(disk) == BUDGET_BYTES - has_bytes
        scene.telegram.shaping = Shaping()
        with Sampler(staging) as sampler:
            ended = running.wait()
        assert_moved(ended, 12)
        assert not [line for line in ended.log if "disk failed" in line]
        assert sampler.most_bytes <= BUDGET_BYTES
        # The exam is real: what the budget holds fits, and one block more does not.
        fill(disk / "fits", BUDGET_BYTES)
        (disk / "fits").unlink()
        with pytest.raises(OSError, match="No space left") as caught:
            fill(disk / "too large", BUDGET_BYTES + BLOCK_BYTES)
        assert caught.value.errno == errno.ENOSPC
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


@contextmanager
def standing_still(running: Running) -> Iterator[None]:
    process = psutil.Process(running.process.pid)
    process.suspend()
    try:
        until(lambda: process.status() == psutil.STATUS_STOPPED)
        yield
    finally:
        process.resume()


def test_what_a_killed_run_left_counts_and_is_not_downloaded_again(stage: Stage) -> None:
    sizes = [2 * MIB, 12 * MIB, 12 * MIB]
    scene = stage(worlds.files(sizes=sizes))
    first, second, third = (item.file.file_id for item in scene.world.source.items())
    scene.telegram.faults.add(
        Fault("no_answer", rpc="upload.GetFile", file_id=second, after_calls=6, times=None)
    )
    staging = scene.machine.staging_directory
    budget = f"--max-disk={14 * MIB}B"
    with Sampler(staging) as sampler:
        running = scene.machine.start("-u", SOURCE, budget, "--rclone-arg=--bwlimit-file=100k")
        running.wait_until(
            lambda: (
                bool(list(staging.glob("*_1.staged")))
                and any(part.stat().st_blocks * 512 >= 4 * MIB for part in staging.glob("*_2.part"))
            )
        )
        running.kill()
    (staged,) = staging.glob("*.staged")
    assert staged.stat().st_size == 2 * MIB
    assert list(staging.glob("*.part"))
    scene.telegram.faults.clear()
    scene.telegram.statistics.reset()
    with Sampler(staging) as again:
        ended = scene.machine.run("-u", SOURCE, budget)
    assert_moved(ended, 3)
    assert max(sampler.most_bytes, again.most_bytes) <= 14 * MIB
    served_bytes = scene.telegram.statistics.counts().bytes_by_file
    assert first not in served_bytes
    assert served_bytes[second] <= 9 * MIB
    assert served_bytes[third] == 12 * MIB
    assert [path.name for path in staging.iterdir()] == [".lock"]
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_a_budget_that_the_disk_does_not_have_is_made_smaller_and_said(
    stage: Stage, tmp_path: Path
) -> None:
    scene = stage(worlds.files(sizes=[FILE_BYTES] * 4))
    with small_disk(tmp_path / "disk", 4 * MIB) as disk:
        staging = disk / "staging"
        free = free_bytes(disk)
        ended = run_here(scene.machine, "-u", SOURCE, f"--staging={staging}")
        assert_moved(ended, 4)
    kept_back = free // 20
    assert ended.log[2] == (
        f"warning: --max-disk asks for 50 GB, but the disk of {staging} has only "
        f"{human_bytes(free)} free: at most {human_bytes(free - kept_back)} are used; free some of "
        "it, or choose a larger disk with --staging"
    )
