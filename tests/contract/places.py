"""Places to hand files off to, one for each kind of remote and each rclone, and the fake."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from standins.drive.server import DriveStandIn
from tdl_sync.core.model import (
    FileLocation,
    LocationKind,
    MediaItem,
    MediaType,
    MessageKey,
    Reservation,
    StagedFile,
)
from tdl_sync.core.ports import HandOff
from tdl_sync.core.stop import StopFlag
from tdl_sync.remote.check import CheckedRemote, check_remote
from tdl_sync.remote.drive_folder import listed_folders
from tdl_sync.remote.handoff import RcloneHandOff
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.remote_control import Folder, RemoteControl
from tests.contract.rclone_servers import S3_KEY, S3_SECRET, served
from tests.contract.rclones import Looker, looker_beside, opened_control
from tests.fakes.handoff import FakeHandOff

CHAT_ID = -1002147483649
FOLDER = f"Ann's $(touch x) `films` [{CHAT_ID}]"
MESSAGE_DATE = datetime(2021, 3, 4, 5, 6, 7, tzinfo=timezone.utc)

OBSCURED_PASSWORD = "8RfwdqxJ3jdk1n07bXGGY0XqPrJRIg"
"""What `rclone obscure` makes of a word; it wants that form in a configuration."""


class Place(Protocol):
    """A hand-off and a look at what it made."""

    @property
    def handoff(self) -> HandOff: ...

    def as_started_again(self) -> HandOff:
        """One that has just listed the remote's folders, as at a run's start."""

    def content(self, folder: str, name: str) -> bytes: ...


@dataclass
class FakePlace:
    handoff: FakeHandOff

    def as_started_again(self) -> FakeHandOff:
        return self.handoff

    def content(self, folder: str, name: str) -> bytes:
        return self.handoff.folders[folder][name]


@dataclass
class RclonePlace:
    control: RemoteControl
    handoff: RcloneHandOff
    remote: CheckedRemote

    def as_started_again(self) -> RcloneHandOff:
        return hand_off(self.control, self.remote, listed_folders(self.control, self.remote.base))

    @property
    def shares_hash(self) -> bool:
        """Whether contents can be compared without sending them."""
        return self.remote.shares_hash

    @property
    def looker(self) -> Looker:
        return looker_beside(self.control)

    def path(self, *parts: str) -> str:
        """As one says it to a ``looker``."""
        return "/".join((self.remote.remote, *parts))

    @property
    def sent_bytes(self) -> int:
        """By this rclone since its start."""
        sent = self.control.rclone.call("core/stats", {"group": "global_stats"})["bytes"]
        assert isinstance(sent, int)
        return sent

    def content(self, folder: str, name: str) -> bytes:
        return self.looker.run(["cat"], self.path(folder, name))


def hand_off(
    control: RemoteControl, remote: CheckedRemote, folders: list[Folder] | None = None
) -> RcloneHandOff:
    """As a run makes it, for moves of which neither a wait nor a warning is expected."""

    def unexpected(*told: object) -> None:
        raise AssertionError(told)

    pace = Pace(StopFlag(), unexpected)
    return RcloneHandOff(control, remote, pace, unexpected, folders=folders)


class Remotes:
    """One remote of each kind, started when it is first asked for, shared by all tests.

    ``start`` one, and set ``variables`` in the environment of rclone, before its ``place``.
    """

    def __init__(self, directory: Path, closing: ExitStack) -> None:
        self._directory = directory
        self._closing = closing
        self._config = directory / "rclone.conf"
        self._config.touch()
        self._makers: dict[str, Callable[[Path], str]] = {
            "plain": _plain,
            "crypt": _crypt,
            "webdav": self._webdav,
            "s3": self._s3,
            "gdrive": self._drive,
        }
        self._started: set[str] = set()
        self.variables: dict[str, str] = {}
        self._controls: dict[tuple[str, str | None], RemoteControl] = {}
        self._checked: dict[tuple[str, str | None], CheckedRemote] = {}
        self._numbers = itertools.count(1)
        self._stand_in: DriveStandIn | None = None

    @property
    def drive(self) -> DriveStandIn:
        """The stand-in behind the remote of the kind ``gdrive``, once that was started."""
        assert self._stand_in is not None
        return self._stand_in

    def place(self, kind: str, executable: str | None) -> RclonePlace:
        """An empty place of its own. ``executable`` is None for the current rclone."""
        control = self._control(kind, executable)
        if (kind, executable) not in self._checked:
            self._checked[kind, executable] = check_remote(control, f"{kind}:checked")
        base = f"{kind}:place-{next(self._numbers)}"
        looker_beside(control).run(["mkdir"], base)
        remote = replace(self._checked[kind, executable], remote=base, base_id="")
        return RclonePlace(control, hand_off(control, remote), remote)

    def _control(self, kind: str, executable: str | None) -> RemoteControl:
        """One for all tests; another one if a test has ended it."""
        control = self._controls.get((kind, executable))
        if control is None or control.rclone.stopping:
            control = opened_control(self._closing, executable, self._config)
            self._controls[kind, executable] = control
        return control

    def start(self, kind: str) -> None:
        if kind in self._started:
            return
        directory = self._directory / kind
        directory.mkdir()
        section = self._makers[kind](directory)
        with self._config.open("a") as config:
            config.write(f"[{kind}]\n{section}\n")
        self._started.add(kind)

    def _drive(self, directory: Path) -> str:
        drive = self._closing.enter_context(DriveStandIn())
        self._stand_in = drive
        self._closing.callback(lambda: _check(drive))
        self.variables.update(drive.environment(), RCLONE_DRIVE_PACER_MIN_SLEEP="1ms")
        sections = drive.rclone_config(directory).read_text().split("\n\n")
        return sections[0].partition("\n")[2]

    def _webdav(self, directory: Path) -> str:
        url = self._closing.enter_context(served("webdav", directory))
        return f"type = webdav\nurl = {url}\nvendor = other\n"

    def _s3(self, directory: Path) -> str:
        url = self._closing.enter_context(served("s3", directory))
        return (
            f"type = s3\nprovider = Other\nendpoint = {url}\n"
            f"access_key_id = {S3_KEY}\nsecret_access_key = {S3_SECRET}\n"
        )


def _check(drive: DriveStandIn) -> None:
    assert drive.unknown_requests == []


def _plain(directory: Path) -> str:
    return f"type = alias\nremote = {directory}\n"


def _crypt(directory: Path) -> str:
    return (
        f"type = crypt\nremote = {directory}\nfilename_encryption = off\nsuffix = none\n"
        f"directory_name_encryption = false\npassword = {OBSCURED_PASSWORD}\n"
    )


def stage(staging: Path, content: bytes, message_id: int = 1) -> StagedFile:
    path = staging / f"{message_id}.staged"
    path.write_bytes(content)
    os.utime(path, (MESSAGE_DATE.timestamp(), MESSAGE_DATE.timestamp()))
    item = MediaItem(
        MessageKey(CHAT_ID, 0, message_id),
        MediaType.DOCUMENT,
        "any name",
        "application/octet-stream",
        len(content),
        MESSAGE_DATE,
        FileLocation(LocationKind.DOCUMENT, 2, 1, 1, b""),
    )
    return StagedFile(Reservation(item, len(content)), path)


def ignore_bytes(total_bytes: int) -> None:
    """For moves whose progress does not matter."""
