"""Machines and stand-ins for whole runs; a call that no stand-in could answer fails its test."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from standins.drive.files.world import DriveFile, DriveName
from standins.drive.server import DriveStandIn
from standins.shaping import Shaping
from standins.telegram.server import StandIn
from standins.telegram.world.world import World
from tests.e2e.expectations import wanted
from tests.e2e.program import SOURCE, Ended, Machine, Running
from tests.in_process import run_here

# Signals, terminals and processes are looked at as POSIX has them.
collect_ignore_glob = ["test_*.py"] if sys.platform == "win32" else []


@dataclass(frozen=True)
class Scene:
    """A stand-in with its world, and a fresh machine that can reach it."""

    telegram: StandIn
    machine: Machine

    @property
    def world(self) -> World:
        return self.telegram.world


Stage: TypeAlias = Callable[..., Scene]


def set_stage(stack: ExitStack, directory: Path) -> Stage:
    count = 0

    def stage(world: World, shaping: Shaping | None = None) -> Scene:
        nonlocal count
        count += 1
        telegram = stack.enter_context(StandIn(world, shaping))
        stack.callback(lambda: _check(telegram))
        return Scene(telegram, Machine(directory / f"machine-{count}", telegram))

    return stage


def _check(telegram: StandIn) -> None:
    assert telegram.unknown_rpcs == []


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Call it with a world (and a shaping)."""
    with ExitStack() as stack:
        yield set_stage(stack, tmp_path)


@pytest.fixture(scope="module")
def module_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The same for runs that several tests look at."""
    with ExitStack() as stack:
        yield set_stage(stack, tmp_path_factory.mktemp("module"))


REMOTE = "gdrive:a/b"


@dataclass(frozen=True)
class DriveScene:
    """Both stand-ins, and a fresh machine that can reach them."""

    telegram: StandIn
    drive: DriveStandIn
    machine: Machine

    @property
    def world(self) -> World:
        return self.telegram.world

    @property
    def rclone_config(self) -> Path:
        return self.machine.rclone_config

    def run(self, *arguments: str, remote: str = REMOTE) -> Ended:
        """From start to end, in this process."""
        return run_here(self.machine, "-u", SOURCE, "--remote", remote, *arguments)

    def start(self, *arguments: str, remote: str = REMOTE) -> Running:
        return self.machine.start("-u", SOURCE, "--remote", remote, *arguments)

    def present(self, drive: DriveName = "user") -> list[DriveFile]:
        """What a person would see there: not what is in the bin."""
        return [file for file in self.drive.files(drive) if not file.trashed]

    def staged(self) -> list[Path]:
        """Complete downloads that wait on the disk."""
        return sorted(self.machine.staging_directory.rglob("*.staged"))

    def assert_all_there(self, drive: DriveName = "user") -> None:
        """Each file of the chat once, in one folder, whole; nothing else, and nothing staged."""
        channel = self.world.source
        present = self.present(drive)
        twice = [
            path for path, count in Counter(file.path for file in present).items() if count > 1
        ]
        assert twice == []
        folders = sorted(file.path for file in present if file.is_folder)
        assert len(folders) == 3
        assert folders[:2] == ["a", "a/b"]
        assert folders[2].endswith(f"[{channel.chat_id}]")
        files = {int(file.name.partition("_")[0]): file for file in present if not file.is_folder}
        assert len(files) == len(present) - len(folders)
        expected = {item.message_id: item for item in wanted(channel)}
        assert files.keys() == expected.keys()
        for message_id, item in expected.items():
            assert files[message_id].md5 == item.file.md5(), message_id
            assert files[message_id].path.startswith(f"{folders[2]}/")
        assert self.staged() == []


SetScene: TypeAlias = Callable[..., DriveScene]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[SetScene]:
    """Call it with a world (and what else `DriveStandIn` takes)."""
    with ExitStack() as closing:

        def set_scene(world: World, **drive_settings: Any) -> DriveScene:
            telegram = closing.enter_context(StandIn(world))
            drive = closing.enter_context(DriveStandIn(**drive_settings))
            machine = Machine(tmp_path / "machine", telegram)
            machine.rclone_config.unlink()
            drive.rclone_config(machine.directory)
            machine.variables.update(drive.environment())
            # Drive's own pace is what these tests are not about.
            machine.variables["RCLONE_DRIVE_PACER_MIN_SLEEP"] = "1ms"
            machine.variables["TESTS_FOLDER_WAIT_SECONDS"] = "0"
            closing.callback(lambda: _check_both(telegram, drive))
            return DriveScene(telegram, drive, machine)

        yield set_scene


def _check_both(telegram: StandIn, drive: DriveStandIn) -> None:
    _check(telegram)
    assert drive.unknown_requests == []
