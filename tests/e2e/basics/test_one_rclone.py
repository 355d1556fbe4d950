"""One rclone serves a whole run, and what becomes of it is not what becomes of the run."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest

from scripts.rclones import rclones_below, uploads_below
from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, wanted
from tests.e2e.program import SOURCE, Machine, Running
from tests.standins.rclone_on_drive import executable

MIB = 1024 * 1024
SLOW_UPLOAD = "--rclone-arg=--bwlimit-file=300k"


def counting_rclone(machine: Machine) -> tuple[str, Path]:
    """A program that notes each start in a file and then is rclone."""
    starts = machine.directory / "starts"
    program = machine.directory / "rclone"
    program.write_text(
        f'#!/bin/sh\necho "$1" >> {shlex.quote(str(starts))}\nexec {executable()} "$@"\n'
    )
    program.chmod(0o700)
    return str(program), starts


def test_rclone_is_started_once_for_a_run_and_each_hand_off_is_a_line(stage: Stage) -> None:
    """Whatever is asked of the remote before the first byte, and for however many files."""
    scene = stage(worlds.files(sizes=[1000 + number for number in range(12)]))
    program, starts = counting_rclone(scene.machine)
    ended = scene.machine.run("-u", SOURCE, "-v", "--sidecar", f"--rclone={program}")
    assert_moved(ended, 12)
    assert starts.read_text().split() == ["serve"]
    folder = f"box:files/Stand-in_ all kinds [{scene.world.source.chat_id}]"
    (line,) = (line for line in ended.stderr.splitlines() if "rclone: 7_file-7.bin" in line)
    handed_over, _, moveto = line.partition(": moveto ")
    assert handed_over.endswith("handed to rclone: 7_file-7.bin")
    staged, remote_path = moveto.split(" ", 1)
    assert staged.endswith("_7.staged")
    assert remote_path == f"{folder}/7_file-7.bin"


@pytest.mark.parametrize(
    "command",
    [["verify", "-u", SOURCE], ["doctor"], ["--dry-run", "-u", SOURCE]],
    ids=lambda command: command[0],
)
def test_a_command_that_only_looks_starts_it_once_as_well(stage: Stage, command: list[str]) -> None:
    """But for a question about its version, where that is told."""
    scene = stage(worlds.files(sizes=[1000]))
    program, starts = counting_rclone(scene.machine)
    scene.machine.run(*command, f"--rclone={program}")
    assert [start for start in starts.read_text().split() if start != "version"] == ["serve"]


def uploading_rclone(running: Running, machine: Machine) -> psutil.Process:
    """The one that moves a file at this moment."""
    running.wait_until(lambda: bool(uploads_below(running.process.pid, machine.staging_directory)))
    (rclone,) = rclones_below(running.process.pid)
    return rclone


def started(scene: Scene, *arguments: str) -> tuple[Running, psutil.Process]:
    running = scene.machine.start("-u", SOURCE, SLOW_UPLOAD, "-v", *arguments)
    return running, uploading_rclone(running, scene.machine)


SIGNALS = [signal.SIGKILL] if sys.platform == "win32" else [signal.SIGKILL, signal.SIGSTOP]


@pytest.mark.parametrize("number", SIGNALS)
def test_an_rclone_that_dies_or_hangs_is_replaced_and_the_run_goes_on(
    stage: Stage, number: signal.Signals
) -> None:
    """No file fails of it, and none is downloaded again."""
    # None so small that it may have arrived between the look and the blow.
    scene = stage(worlds.files(sizes=[MIB, MIB, MIB, MIB]))
    running, rclone = started(scene)
    rclone.send_signal(number)
    ended = running.wait()
    assert_moved(ended, 4)
    assert "rclone did not live to answer" in ended.stderr
    assert not rclone.is_running() or rclone.status() == psutil.STATUS_ZOMBIE
    assert scene.telegram.statistics.counts().file_bytes == 4 * MIB
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_an_rclone_that_is_killed_whenever_it_begins_ends_the_run_which_goes_on_later(
    stage: Stage,
) -> None:
    """As a machine does that has no memory for it."""
    scene = stage(worlds.files(sizes=[MIB, MIB]))
    running, rclone = started(scene, "--workers=1")
    killed: set[int] = set()
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.02):
            for each in uploads_below(running.process.pid, scene.machine.staging_directory):
                killed.add(each.pid)
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    ended = running.wait()
    over.set()
    killer.join()
    assert ended.exit_status == 75, ended.stderr
    assert rclone.pid in killed
    assert "rclone ended 5 times in a minute, at last: it was killed by signal 9" in ended.said
    assert_moved(scene.machine.run("-u", SOURCE), 2)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
