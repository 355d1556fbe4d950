"""A power cut after a run takes back nothing that the run called done."""

from __future__ import annotations

import os
import shutil

import pytest

from standins.telegram.world import worlds
from tests.durability import DurableSteps
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, remote_files, wanted
from tests.e2e.program import SOURCE
from tests.in_process import run_here


def test_on_a_disk_of_this_machine_each_file_is_synced_with_its_folder(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = stage(worlds.files(sizes=[0, 1000, 2000]))
    remote = scene.machine.remote_directory
    steps = DurableSteps(remote, monkeypatch)
    assert_moved(run_here(scene.machine, "-u", SOURCE, "--sidecar"), 3)
    files = remote_files(scene.machine)
    assert len(files) == 6
    synced = [f"sync {path.relative_to(remote).as_posix()}" for path in files]
    folder = f"sync {files[0].parent.relative_to(remote).as_posix()}/"
    assert sorted(steps.of(*(path.name for path in files))) == sorted(synced)
    assert steps.steps.count(folder) == 6
    assert "sync ./" in steps.steps


def test_a_file_whose_rclone_was_killed_before_it_came_to_the_date_gets_that_later(
    stage: Stage,
) -> None:
    """All its bytes are there, so it is not sent again; with this machine's records lost."""
    scene = stage(worlds.files(sizes=[1000, 2000]))
    machine = scene.machine
    assert_moved(run_here(machine, "-u", SOURCE), 2)
    os.utime(remote_files(machine)[0])
    shutil.rmtree(machine.data_directory)
    shutil.rmtree(machine.staging_directory)
    scene.telegram.statistics.reset()
    assert run_here(machine, "-u", SOURCE, "--restart").numbers()["done"] == 2
    assert scene.telegram.statistics.counts().file_bytes == 0
    assert_on_remote(machine, (scene.world.source, wanted(scene.world.source)))


def test_what_the_disk_of_the_remote_does_not_keep_is_not_done(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    remote, real = scene.machine.remote_directory, os.fsync

    def fail_there(descriptor: int) -> None:
        found = os.fstat(descriptor)
        if any(os.path.samestat(path.stat(), found) for path in remote.rglob("1_file-1.bin")):
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail_there)
    ended = run_here(scene.machine, "-u", SOURCE)
    assert (ended.exit_status, ended.numbers()["done"], ended.numbers()["failed"]) == (3, 1, 1)
