"""What stands at a message id, before it becomes a raw object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pyrogram import raw

FILE_KINDS = (
    "document",
    "video",
    "audio",
    "voice",
    "video_note",
    "animation",
    "photo",
    "sticker",
)
OTHER_KINDS = ("text", "link", "web_page", "poll", "geo", "contact", "service")
DELETED = "deleted"


@dataclass(frozen=True)
class FilePlan:
    """A file as its message describes it; `name` is None where Telegram sends no file name."""

    kind: str
    size_bytes: int
    name: str | None
    mime_type: str
    dc_id: int
    content: bytes | None = field(default=None, repr=False)
    """What was uploaded; else the bytes are computed."""


Leaf = raw.types.Photo | raw.types.Document


@dataclass(frozen=True)
class Contents:
    """What of a message an envelope fills in; one with an `action` is a service message."""

    media: raw.base.MessageMedia | None = None
    rich_message: raw.base.RichMessage | None = None
    reply_to: Any = None
    action: raw.base.MessageAction | None = None


@dataclass(frozen=True)
class Envelope:
    """`files` in their order; `open` makes the message's contents of them, once they are raw
    objects, and `closed` what those see who have not paid. Not `is_posted`: they are no files of
    the message, though they hang on it. `counted_as` are the kinds as which Telegram counts the
    message."""

    name: str
    files: tuple[FilePlan, ...]
    open: Callable[[Sequence[Leaf]], Contents]
    closed: Callable[[Sequence[Leaf]], Contents] | None = None
    is_posted: bool = True
    counted_as: frozenset[str] = frozenset()
    in_part: Callable[[Sequence[Leaf]], Contents] | None = None
    """What pages and lists show of it, where only messages.getRichMessage shows it whole."""


@dataclass(frozen=True)
class MessagePlan:
    """One message; `date` is in seconds since the epoch, `kind` one of the kinds above."""

    kind: str
    date: int
    text: str = ""
    file: FilePlan | None = None
    grouped_id: int | None = None
    envelope: Envelope | None = None
    """Instead of a `file`."""

    @property
    def files(self) -> tuple[FilePlan, ...]:
        """All that hang on the message, in their order."""
        if self.envelope is not None:
            return self.envelope.files
        return () if self.file is None else (self.file,)

    @property
    def counted_as(self) -> frozenset[str]:
        """The kinds as which the filters of a search find the message."""
        return frozenset({self.kind}) if self.envelope is None else self.envelope.counted_as


class Recipe(Protocol):
    """The history that a chat starts with: ids 1 to `newest_id`."""

    @property
    def newest_id(self) -> int: ...

    def kinds(self) -> list[str]:
        """The kind of each id (`DELETED` for gaps), index 0 being id 1; cheap for a million."""

    def kind(self, message_id: int) -> str: ...

    def date(self, message_id: int) -> int:
        """Ascending with the id; for deleted ids, too."""

    def plan(self, message_id: int) -> MessagePlan:
        """Only for ids that are not `DELETED`."""
