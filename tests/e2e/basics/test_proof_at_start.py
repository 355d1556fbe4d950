"""The start proves what a run needs: that this rclone reads a file of this staging directory, moves
it to this remote, and that it is there by the hash that will count.

With the real rclone, the current and the oldest one.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from standins.telegram.world import worlds
from tdl_sync.remote.remote_control import FoundFile, Remote, RemoteControl
from tests.contract.versions import rclone_named
from tests.e2e.conftest import Scene, Stage
from tests.e2e.disk import Sampler, fill
from tests.e2e.expectations import assert_moved, assert_on_remote, remote_files, wanted
from tests.e2e.program import SOURCE, Machine
from tests.in_process import run_here

MEND = (
    "an rclone in a snap or a container sees other directories, and one of another user may not "
    "enter ours: name another one with --rclone, or a directory that it may use with --staging"
)


@pytest.fixture(params=["current", "oldest"])
def executable(request: pytest.FixtureRequest) -> str:
    return rclone_named(request.param)


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return stage(worlds.files(sizes=[1000, 2000]))


def script(machine: Machine, *lines: str) -> str:
    """A program in rclone's place, which is to end as rclone itself."""
    program = machine.directory / "bin" / "rclone"
    program.parent.mkdir()
    program.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    program.chmod(0o755)
    return str(program)


def elsewhere(machine: Machine, executable: str) -> str:
    """As in a snap: other files in the place of the staging directory."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"]).returncode:
        pytest.skip("no mounts of its own can be had here")
    other = machine.directory / "other"
    other.mkdir()
    mount = f"mount --bind {shlex.quote(str(other))} {shlex.quote(str(machine.staging_directory))}"
    return script(machine, f'exec unshare -m sh -c \'{mount} && exec "$@"\' - {executable} "$@"')


@pytest.fixture
def open_machine(scene: Scene) -> Iterator[Machine]:
    """One of which others can reach what they may read: unlike what is in the tests' directory."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        machine = Machine(Path(directory, "machine"), scene.telegram)
        machine.directory.chmod(0o755)
        yield machine


def as_another_user(machine: Machine, executable: str) -> str:
    """Who may use the configuration and the remote, but not what is ours alone."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can be somebody else")
    machine.remote_directory.mkdir(exist_ok=True)
    machine.remote_directory.chmod(0o777)
    machine.rclone_config.chmod(0o644)
    own = shutil.copy(executable, machine.directory / "bin-of-all")
    Path(own).chmod(0o755)
    return script(
        machine,
        "export HOME=/",
        f'exec setpriv --reuid=65534 --regid=65534 --clear-groups {shlex.quote(str(own))} "$@"',
    )


def refused(machine: Machine, program: str, why: str) -> None:
    start = f"{program} can't move files out of the staging directory {machine.staging_directory}: "
    line = f"{re.escape(start)}{why}; {re.escape(MEND)}"
    ended = run_here(machine, "-u", SOURCE, f"--rclone={program}")
    assert re.fullmatch(f"tdl_sync: {line}\n", ended.said), ended.said
    assert ended.exit_status == 2
    examined = run_here(machine, "doctor", f"--rclone={program}")
    assert re.search(f"^WRONG  remote: {line}$", examined.stdout, re.MULTILINE)
    assert examined.exit_status == 2
    assert remote_files(machine) == []
    assert left_in(machine) == []


def left_in(machine: Machine) -> list[str]:
    names = {path.name for path in machine.staging_directory.iterdir()}
    return sorted(names - {".lock"})


def test_an_rclone_that_sees_another_directory_is_refused(scene: Scene, executable: str) -> None:
    scene.machine.staging_directory.mkdir(mode=0o700)
    program = elsewhere(scene.machine, executable)
    refused(scene.machine, program, "it does not see what lies there")


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_an_rclone_of_another_user_is_refused(
    open_machine: Machine, executable: str, mode: int
) -> None:
    """Also where it might enter the directory till now: what is staged is for its owner alone."""
    open_machine.staging_directory.mkdir(mode=mode)
    program = as_another_user(open_machine, executable)
    refused(open_machine, program, "it does not see what lies there")


def test_what_a_killed_start_has_staged_for_the_proof_is_removed_and_told_to_nobody(
    scene: Scene, executable: str
) -> None:
    """It is no download that waits, and no file of somebody else's in the bounded disk."""
    machine = scene.machine
    machine.staging_directory.mkdir(mode=0o700)
    (machine.staging_directory / ".probe-0123abcd").write_bytes(b"x" * 8192)
    ended = run_here(machine, "-u", SOURCE, f"--rclone={executable}", "--max-disk=9k")
    assert_moved(ended, 2)
    assert left_in(machine) == []
    assert_on_remote(machine, (scene.world.source, wanted(scene.world.source)))
    assert not [line for line in ended.log if "probe" in line]


@pytest.mark.parametrize("left_bytes", [0, 4096, 4097, 8192])
def test_the_proof_keeps_within_the_bounded_disk(scene: Scene, left_bytes: int) -> None:
    """Where what lies there leaves no block of it free, nothing is staged before the first file."""
    machine = scene.machine
    machine.staging_directory.mkdir(mode=0o700)
    if left_bytes:
        fill(machine.staging_directory / "somebody's", left_bytes)
    with Sampler(machine.staging_directory) as sampler:
        ended = run_here(machine, "-u", SOURCE, "--max-disk=9k")
    assert sampler.most_bytes <= 9000
    channel, has_room = scene.world.source, left_bytes <= 4096
    assert_on_remote(machine, (channel, wanted(channel) if has_room else []))
    assert ended.exit_status == 0


@pytest.mark.parametrize("change", ["other bytes", "cut", "later"])
def test_a_remote_that_keeps_something_else_than_what_arrived_is_refused(
    scene: Scene, executable: str, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """As one that makes its pictures smaller, or a scanner that takes files apart."""
    machine = scene.machine
    move, look = RemoteControl.move, RemoteControl.file_with_hashes
    looks = 0

    def move_and_change(control: RemoteControl, source: Path, *to: Any, **how: Any) -> None:
        move(control, source, *to, **how)
        name = str(to[1]).rpartition("/")[2]
        (arrived,) = [each for each in remote_files(machine) if each.name == name]
        content = arrived.read_bytes()
        arrived.write_bytes(content[:-1] + (b"" if change == "cut" else b"?"))

    def look_in_vain_once(control: RemoteControl, remote: Remote, *of: Any) -> FoundFile | None:
        nonlocal looks
        looks += remote.text == "box:files"
        return None if looks == 1 and change == "later" else look(control, remote, *of)

    monkeypatch.setattr(RemoteControl, "move", move_and_change)
    monkeypatch.setattr(RemoteControl, "file_with_hashes", look_in_vain_once)
    ended = run_here(machine, "-u", SOURCE, f"--rclone={executable}")
    found = "of 63 bytes instead of 64" if change == "cut" else "with another [a-z0-9]+"
    assert re.fullmatch(
        f"tdl_sync: 'box:files' shows the file that was just moved there {found}, so nothing that "
        "is sent there can be proven; name another with --remote\n",
        ended.said,
    )
    assert ended.exit_status == 2
    assert ended.result["done"] == "0"


@pytest.mark.parametrize(
    ("remote", "why"),
    [
        (":memory:x", "keeps files in rclone's memory, where they are lost when the run ends"),
        ("above:x", "keeps files in rclone's memory, where they are lost when the run ends"),
        (
            "{staging}",
            "lies in the staging directory {staging}, which is for files on their way only",
        ),
        (
            "staged:",
            "lies in the staging directory {staging}, which is for files on their way only",
        ),
    ],
)
def test_a_remote_that_does_not_keep_what_it_takes_is_refused(
    stage: Stage, remote: str, why: str
) -> None:
    """No proof at the start would show it."""
    scene = stage(worlds.files(sizes=[1000]))
    machine = scene.machine
    with machine.rclone_config.open("a") as config:
        config.write(
            "\n[above]\ntype = alias\nremote = below:\n[below]\ntype = memory\n"
            f"[staged]\ntype = alias\nremote = {machine.staging_directory}/x\n"
        )
    remote = remote.format(staging=machine.staging_directory)
    ended = run_here(machine, "-u", SOURCE, "--remote", remote)
    assert ended.exit_status == 2
    assert f"{remote!r} {why.format(staging=machine.staging_directory)}" in ended.said
    assert scene.telegram.statistics.counts().file_bytes == 0
