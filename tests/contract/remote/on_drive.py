"""A hand-off to a Drive that can be made to fail, and a look at what lies there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from standins.drive.files.world import DriveFile
from standins.drive.server import DriveStandIn
from standins.drive.shaping import Shaping
from tdl_sync.core.ports import HandOff
from tdl_sync.core.stop import StopFlag
from tdl_sync.remote.handoff import RcloneHandOff
from tdl_sync.remote.pace import Pace
from tests.contract.places import FOLDER, RclonePlace
from tests.contract.rclones import opened_control

AT_ONCE = "--low-level-retries=1"
"""A user's option for rclone, with which a call that failed is not made again by rclone itself."""


@contextmanager
def drive_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[DriveStandIn]:
    """A Drive that every rclone of this process finds. At the end it was asked for nothing that it
    does not know."""
    with DriveStandIn() as standin:
        for name, value in standin.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("RCLONE_DRIVE_PACER_MIN_SLEEP", "1ms")
        yield standin
        assert standin.unknown_requests == []


@dataclass(frozen=True)
class OnDrive:
    """``waits`` are the reasons for which uploads have waited, ``lines`` what else was said."""

    drive: DriveStandIn
    place: RclonePlace
    closing: ExitStack
    waits: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def prepared(self, *user_options: str) -> HandOff:
        """A hand-off to the chat's folder, which is there and empty."""
        # By an rclone of its own: what one tells is told to all hand-offs that it has.
        rclone = self.place.control.rclone
        control = opened_control(self.closing, rclone.executable, rclone.config_file, *user_options)

        def on_wait(what: str, why: str, until: datetime | None) -> None:
            self.waits.append(why)

        pace = Pace(StopFlag(), on_wait)
        handoff = RcloneHandOff(control, self.place.remote, pace, self.lines.append, folders=[])
        assert handoff.prepare_folder(FOLDER) == []
        self.drive.statistics.reset()
        return handoff

    @property
    def calls(self) -> dict[str, int]:
        """Drive's calls since the hand-off was prepared."""
        return self.drive.statistics.counts().calls

    @property
    def there(self) -> list[DriveFile]:
        """What lies in the chat's folder and below."""
        base = f"{self.place.remote.remote.partition(':')[2]}/{FOLDER}/"
        return [
            file
            for file in self.drive.files("user")
            if not file.trashed and file.path.startswith(base)
        ]

    @property
    def names(self) -> list[str]:
        """The names of all that, each as often as it is there."""
        return sorted(file.name for file in self.there)


@contextmanager
def on_drive(drive: DriveStandIn, place: RclonePlace) -> Iterator[OnDrive]:
    """Whose faults end with the block."""
    try:
        with ExitStack() as closing:
            yield OnDrive(drive, place, closing)
    finally:
        drive.faults.clear()
        drive.shaping = Shaping()
