"""What the user asked for, as validated, frozen records: one for each part that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from tdl_sync.options.adopt_template import AdoptTemplate
from tdl_sync.options.bandwidth import UNLIMITED, Bandwidth
from tdl_sync.options.chat_spelling import ChatSpelling
from tdl_sync.options.choice import WHOLE_CHAT, Choice, Replacing
from tdl_sync.options.credentials import TelegramSettings
from tdl_sync.options.hooks import NO_HOOKS, HookCommands
from tdl_sync.options.name_template import PLAIN_KEEPING, Keeping


class Command(str, Enum):
    """What the program is asked to do."""

    SYNC = "sync"
    LOGIN = "login"
    CHATS = "chats"
    STATUS = "status"
    VERIFY = "verify"
    DOCTOR = "doctor"
    FIND = "find"
    ADOPT = "adopt"
    DEMO = "demo"


class OnQuota(str, Enum):
    """What happens when the remote takes nothing more today. The value is what a user types."""

    EXIT = "exit"
    WAIT = "wait"


class Verbosity(str, Enum):
    """How much a run says."""

    QUIET = "quiet"
    NORMAL = "normal"
    VERBOSE = "verbose"


@dataclass(frozen=True)
class PageSettings:
    """The page to watch, and where the rates of the last day are kept for it."""

    file: Path
    rates: Path


@dataclass(frozen=True)
class MetricsSettings:
    """The file of figures for Prometheus, and the part of each chat that they are of."""

    file: Path
    shard: str


@dataclass(frozen=True)
class Telling:
    """What a run says, and where. ``log_file`` is a second place for its lines."""

    verbosity: Verbosity
    log_file: Path | None
    lines_as_json: bool
    notify: bool
    page: PageSettings | None = None
    metrics: MetricsSettings | None = None


PLAINLY = Telling(Verbosity.NORMAL, None, lines_as_json=False, notify=False)


@dataclass(frozen=True)
class Chats:
    """The chats, and from where on each is read.

    ``spellings`` is empty only for ``login`` and for ``--resume`` alone (every chat with an
    unfinished state).
    """

    spellings: tuple[ChatSpelling, ...]
    from_id: int | None
    topic_id: int | None
    comments: bool


@dataclass(frozen=True)
class Task:
    """What of each chat goes where, and what is known of that from earlier runs.

    ``remote`` has no slash at the end and is the text that done-marks are kept by. ``resume``
    demands a saved state, ``restart`` leaves out what the watermark says, and ``retry_failed``
    takes only what has failed. ``replaced`` asks for a look at all messages, which of them hold
    another file now than the one that was moved; ``None`` does not.
    """

    remote: str
    choice: Choice = WHOLE_CHAT
    keeping: Keeping = PLAIN_KEEPING
    texts: bool = False
    catalogue: bool = False
    resume: bool = False
    restart: bool = False
    retry_failed: bool = False
    replaced: Replacing | None = None

    @property
    def names_topics(self) -> bool:
        expression = self.choice.filters.expression
        return self.keeping.template.names_topics or (
            expression is not None and "topic_name" in expression.names
        )


@dataclass(frozen=True)
class Running:
    """How a run goes about it."""

    max_disk_bytes: int
    workers: int
    downloads: int
    connections: int
    save_interval_seconds: float
    grace_seconds: float
    max_runtime_seconds: float | None
    on_quota: OnQuota
    take_over: bool
    takeout: bool
    follow: bool
    bandwidth: Bandwidth = UNLIMITED


@dataclass(frozen=True)
class Places:
    """Directories on this machine. They are absolute and need not exist."""

    data_dir: Path
    staging_dir: Path

    @property
    def marks(self) -> Path:
        return self.data_dir / "marks"

    @property
    def states(self) -> Path:
        return self.data_dir / "state"

    @property
    def reading(self) -> Path:
        """For what is read from the remote, for a moment."""
        return self.data_dir / "reading"

    @property
    def catalogues(self) -> Path:
        """The local copies of ``--catalogue``."""
        return self.data_dir / "catalogues"

    @property
    def begun_folders(self) -> Path:
        """Which remotes' base folders are being made."""
        return self.data_dir / "begun"

    @property
    def chats(self) -> Path:
        """What was learnt of chats: which name led where, and how to address it."""
        return self.data_dir / "chats"

    @property
    def locks(self) -> Path:
        return self.data_dir / "locks"

    @property
    def partial(self) -> Path:
        """What is known of files that are being downloaded or sent."""
        return self.data_dir / "partial"

    @property
    def texts(self) -> Path:
        """Where the chats' texts are put together."""
        return self.data_dir / "texts"

    @property
    def inside(self) -> tuple[Path, ...]:
        """All that we make in the data directory, as far as the user does not say where."""
        states = (self.marks, self.states, self.partial, self.locks)
        known = (self.reading, self.begun_folders, self.catalogues)
        return (*states, *known, self.chats, self.texts)


@dataclass(frozen=True)
class RcloneSettings:
    """Which rclone, and how. ``program`` is ``None`` where the best one is to be found.

    ``arguments`` are flags in their long form, one word each. ``must_be_drive`` asks that the
    remote's type be checked. ``bandwidth`` is the same as ``Running.bandwidth``.
    """

    program: str | None
    config_file: Path | None
    arguments: tuple[str, ...] = field(repr=False)
    must_be_drive: bool
    bandwidth: Bandwidth = UNLIMITED


@dataclass(frozen=True)
class Apart:
    """Chats that are moved in a way of their own: a table of the settings file, which errors call
    by ``name``. ``must_be_drive`` is as in ``RcloneSettings``."""

    name: str
    chats: Chats
    task: Task
    must_be_drive: bool


@dataclass(frozen=True)
class Config:
    """All that a run is told. ``repr()`` shows no secret.

    ``apart`` are chats for which others than ``chats`` and ``task`` hold. ``left_out`` are chats
    that have a table in the settings file and were not asked for: under another name than the one
    that stands there they would be taken for chats without.

    The switches are those of single commands.
    """

    command: Command
    chats: Chats
    task: Task
    running: Running
    places: Places
    rclone: RcloneSettings
    telegram: TelegramSettings
    telling: Telling
    dry_run: bool
    login_by_qr: bool
    print_session: bool
    as_json: bool
    repair: bool
    yes: bool
    hooks: HookCommands = NO_HOOKS
    words: tuple[str, ...] = ()
    """What ``find`` looks for."""
    adopt_from: str | None = None
    """Where ``adopt`` looks: any place that rclone knows."""
    adopt_template: AdoptTemplate | None = None
    undo: bool = False
    session_import: str | None = None
    """The file with another program's session that ``login`` takes over, ``-`` for standard
    input."""
    apart: tuple[Apart, ...] = ()
    left_out: tuple[ChatSpelling, ...] = ()

    @property
    def names_chats(self) -> bool:
        return bool(self.chats.spellings or self.apart)

    @property
    def groups(self) -> Iterator[Config]:
        """For each group of chats that are moved alike what holds for it; at least one, which has
        no chats where none was named."""
        if self.chats.spellings or not self.apart:
            yield replace(self, apart=())
        for each in self.apart:
            rclone = replace(self.rclone, must_be_drive=each.must_be_drive)
            yield replace(self, chats=each.chats, task=each.task, rclone=rclone, apart=())

    @property
    def names_topics(self) -> bool:
        """Whether titles of topics are needed: each costs a call now and then."""
        return any(group.task.names_topics for group in self.groups)

    @property
    def by_remote(self) -> dict[str, Config]:
        """One of the groups for each remote that anything goes to."""
        found: dict[str, Config] = {}
        for group in self.groups:
            if group.task.remote not in found or group.rclone.must_be_drive:
                found[group.task.remote] = group
        return found
