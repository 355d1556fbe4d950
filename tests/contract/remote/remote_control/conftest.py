"""Starts rclones of both versions, and a Drive for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from standins.drive.server import DriveStandIn
from tests.contract.remote.remote_control.on_drive import OnDrive
from tests.contract.remote.remote_control.raw_rclone import RawRclone
from tests.contract.versions import rclone_named


class Start(Protocol):
    """``config`` is a file's text; without one there is none."""

    def __call__(
        self, *options: str, config: str = "", environment: Mapping[str, str] | None = None
    ) -> RawRclone: ...


@pytest.fixture(params=["current", "oldest"])
def executable(request: pytest.FixtureRequest) -> str:
    return rclone_named(request.param)


@pytest.fixture
def is_current(executable: str) -> bool:
    return executable == rclone_named("current")


@pytest.fixture
def start(executable: str, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as closing:

        def start(
            *options: str, config: str = "", environment: Mapping[str, str] | None = None
        ) -> RawRclone:
            file: Path | str = ""
            if config:
                file = tmp_path / "rclone.conf"
                file.write_text(config)
            return closing.enter_context(RawRclone(executable, file, environment, *options))

        yield start


@pytest.fixture
def rclone(start: Start) -> RawRclone:
    """With no remote at all."""
    return start()


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    directory = tmp_path / "staging"
    directory.mkdir()
    return directory


@pytest.fixture
def drive() -> Iterator[DriveStandIn]:
    with DriveStandIn() as drive:
        yield drive
        assert drive.unknown_requests == []


@pytest.fixture
def on_drive(drive: DriveStandIn, executable: str, tmp_path: Path) -> Iterator[OnDrive]:
    """Before its ``start``, what is asked of it may be changed."""
    with ExitStack() as closing:
        yield OnDrive(drive, executable, tmp_path, closing)
