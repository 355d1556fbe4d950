"""What a run tells, as one event type, and how an event reads in a log: as text or as JSON.

Both pass each line through ``text.printable``, so that nothing from Telegram or rclone drives a
terminal or forges a line, whoever made the event. The shape of the JSON is a contract: see
docs/log.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum, IntEnum

from tdl_sync.core.model import MediaItem
from tdl_sync.core.naming import file_name
from tdl_sync.core.text import printable

WARNING_PREFIX = "warning: "


class Level(IntEnum):
    """How much an event matters: ``--quiet`` shows from WARNING on, ``--verbose`` all."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


class EventKind(str, Enum):
    """What an event is about; the names are part of the JSON's contract."""

    ADMITTED = "admitted"
    DOWNLOAD = "download"
    RESUMED = "resumed"
    STAGED = "staged"
    UPLOAD = "upload"
    MARKED = "marked"
    MOVED = "moved"
    FAILED = "failed"
    RETRY = "retry"
    WAITING = "waiting"
    PROGRESS = "progress"
    MESSAGE = "message"
    SUMMARY = "summary"
    ERROR = "error"
    BUG = "bug"
    RESULT = "result"


@dataclass(frozen=True)
class Counts:
    """Files of a chat, or of all chats of a run."""

    seen: int
    done: int
    skipped: int
    failed: int


@dataclass(frozen=True)
class Event:
    """One thing that is told. ``lines`` may hold anything: they are made fit when they are shown.

    ``size_bytes`` is the file's, or what was uploaded so far; ``seconds`` is what it took, or what
    is waited for.
    """

    kind: EventKind
    level: Level
    lines: tuple[str, ...]
    chat_id: int | None = None
    message_id: int | None = None
    name: str | None = None
    size_bytes: int | None = None
    seconds: float | None = None
    reason: str | None = None
    until: datetime | None = None
    status: str | None = None
    exit_status: int | None = None
    counts: Counts | None = None
    moment: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    @classmethod
    def of_item(
        cls,
        kind: EventKind,
        level: Level,
        line: str,
        item: MediaItem,
        *,
        seconds: float | None = None,
        reason: str | None = None,
    ) -> Event:
        return cls(
            kind,
            level,
            (line,),
            chat_id=item.key.chat_id,
            message_id=item.message_id,
            name=file_name(item),
            size_bytes=item.size_bytes,
            seconds=seconds,
            reason=reason,
        )

    @classmethod
    def of_message(cls, line: str) -> Event:
        """A line whose beginning says whether it is a warning."""
        level = Level.WARNING if line.startswith(WARNING_PREFIX) else Level.INFO
        return cls(EventKind.MESSAGE, level, (line,))

    @property
    def shown_lines(self) -> list[str]:
        """The lines, fit for a terminal."""
        return [printable(line) for line in self.lines]


def told_lines(event: Event) -> list[str]:
    """The lines, fit for a terminal; of an error, with the program's name in front."""
    prefix = "tdl_sync: " if event.kind is EventKind.ERROR else ""
    return [prefix + line for line in event.shown_lines]


def as_text(event: Event) -> str:
    """Each line with the local time in front."""
    stamp = f"{event.moment.astimezone():%Y-%m-%d %H:%M:%S}"
    return "\n".join(f"{stamp} {line}" for line in told_lines(event))


def as_json(event: Event) -> str:
    """One object on one line, in ASCII, so that no stream's encoding can spoil it."""
    counts = event.counts
    figures: dict[str, object] = {
        "chat": event.chat_id,
        "message_id": event.message_id,
        "name": None if event.name is None else printable(event.name),
        "bytes": event.size_bytes,
        "seconds": None if event.seconds is None else round(event.seconds, 3),
        "reason": None if event.reason is None else printable(event.reason),
        "until": None if event.until is None else _utc(event.until),
        "status": event.status,
        "exit_status": event.exit_status,
        "seen": counts and counts.seen,
        "done": counts and counts.done,
        "skipped": counts and counts.skipped,
        "failed": counts and counts.failed,
    }
    return json.dumps(
        {
            "time": _utc(event.moment),
            "level": event.level.name.lower(),
            "event": event.kind.value,
            "text": "\n".join(event.shown_lines),
            **{key: value for key, value in figures.items() if value is not None},
        }
    )


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
