"""What the user asked for, as one validated, frozen record."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from tdl_sync.options.chat_spelling import ChatSpelling
from tdl_sync.options.choice import Choice
from tdl_sync.options.credentials import Credentials, Proxy
from tdl_sync.options.name_template import Keeping


class Command(str, Enum):
    """What the program is asked to do."""

    SYNC = "sync"
    LOGIN = "login"
    CHATS = "chats"
    STATUS = "status"
    VERIFY = "verify"
    DOCTOR = "doctor"


class Verbosity(str, Enum):
    """How much a run says."""

    QUIET = "quiet"
    NORMAL = "normal"
    VERBOSE = "verbose"


@dataclass(frozen=True)
class Telling:
    """What a run says, and where. ``log_file`` is a second place for its lines."""

    verbosity: Verbosity
    log_file: Path | None
    lines_as_json: bool
    notify: bool


PLAINLY = Telling(Verbosity.NORMAL, None, lines_as_json=False, notify=False)


@dataclass(frozen=True)
class Config:
    """All that a run is told. ``repr()`` shows no secret.

    ``remote`` has no slash at the end and is the text that done-marks are kept by;
    ``must_be_drive`` asks that its type be checked. ``chats`` is empty only for ``login`` and for
    ``--resume`` alone (every chat with an unfinished state). The directories are absolute and
    need not exist. ``rclone`` is ``None`` where the best one is to be found. ``rclone_args`` are
    flags in their long form, one word each.
    """

    command: Command
    chats: tuple[ChatSpelling, ...]
    resume: bool
    resume_from_id: int | None
    restart: bool
    retry_failed: bool
    topic_id: int | None
    comments: bool
    takeout: bool
    follow: bool
    dry_run: bool
    choice: Choice
    keeping: Keeping
    texts: bool
    remote: str
    must_be_drive: bool
    max_disk_bytes: int
    workers: int
    downloads: int
    connections: int
    save_interval_seconds: float
    grace_seconds: float
    max_runtime_seconds: float | None
    take_over: bool
    on_quota: OnQuota
    data_dir: Path
    staging_dir: Path
    rclone: str | None
    rclone_config: Path | None
    rclone_args: tuple[str, ...] = field(repr=False)
    proxy: Proxy | None
    credentials: Credentials
    login_by_qr: bool
    print_session: bool
    telling: Telling
    as_json: bool
    repair: bool


class OnQuota(str, Enum):
    """What happens when the remote takes nothing more today. The value is what a user types."""

    EXIT = "exit"
    WAIT = "wait"
