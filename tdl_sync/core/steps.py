"""What happens to a file in a run, step by step: one stream, told once to all that count, measure
or show it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypeAlias

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import MediaItem, MessageKey


class Direction(str, Enum):
    """Which way a file's bytes go: from Telegram, or to the remote."""

    DOWN = "down"
    UP = "up"


@dataclass(frozen=True)
class _OfItem:
    item: MediaItem

    @property
    def key(self) -> MessageKey:
        return self.item.key


@dataclass(frozen=True)
class Seen:
    """So many more files were found in the chat's history."""

    files: int


@dataclass(frozen=True)
class DoneBefore(_OfItem):
    """It was there already. ``believed``: nothing but its name and size on the remote says so."""

    believed: bool = False


@dataclass(frozen=True)
class Skipped:
    """It is not wanted, or not there any more."""

    key: MessageKey
    rule: str


class TakenUp(_OfItem):
    """An earlier run has staged it: it is to be handed off, whatever time is left."""


class Admitted(_OfItem):
    """It has room on the staging disk, and a download will begin with it."""


@dataclass(frozen=True)
class DiskUsed:
    """So much of the budget is reserved now, for all files."""

    used_bytes: int


class DownloadBegan(_OfItem):
    direction: ClassVar = Direction.DOWN


@dataclass(frozen=True)
class Resumed(_OfItem):
    """Its download goes on where an earlier one ended: so many of its bytes are there."""

    bytes_there: int


@dataclass(frozen=True)
class Downloaded(_OfItem):
    more_bytes: int


class Staged(_OfItem):
    """It is on the staging disk, checked and durable."""


class DownloadEnded(_OfItem):
    """Well or not."""

    direction: ClassVar = Direction.DOWN


@dataclass(frozen=True)
class UploadBegan(_OfItem):
    """This staged file is handed off, to be at this path then."""

    staged_name: str
    remote_path: str
    direction: ClassVar = Direction.UP


@dataclass(frozen=True)
class Uploaded(_OfItem):
    """So much of it has been sent by this attempt."""

    total_bytes: int


class UploadEnded(_OfItem):
    """Well or not."""

    direction: ClassVar = Direction.UP


@dataclass(frozen=True)
class TriedAgain(_OfItem):
    """An attempt failed; the next one comes after this pause."""

    why: str
    pause_seconds: float


@dataclass(frozen=True)
class Moved(_OfItem):
    """It is on the remote and marked; its staged file is deleted, which freed so much."""

    freed_bytes: int


@dataclass(frozen=True)
class Failed:
    """``name`` is fit for a terminal. ``was_told``: by an earlier run, and it is where it was."""

    failure: Failure
    name: str
    was_told: bool = False

    @property
    def key(self) -> MessageKey:
        return self.failure.key


class Left(_OfItem):
    """The run ends before it came to anything: it is neither done nor failed."""


Step: TypeAlias = (
    Seen
    | DoneBefore
    | Skipped
    | TakenUp
    | Admitted
    | DiskUsed
    | DownloadBegan
    | Resumed
    | Downloaded
    | Staged
    | DownloadEnded
    | UploadBegan
    | Uploaded
    | UploadEnded
    | TriedAgain
    | Moved
    | Failed
    | Left
)


class Steps:
    """Of one chat's run. Any thread may tell; who is told returns quickly and never raises."""

    def __init__(self, *told: Callable[[Step], None]) -> None:
        """All are told everything, in this order."""
        self._told = told

    def tell(self, step: Step) -> None:
        for told in self._told:
            told(step)
