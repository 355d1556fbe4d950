"""What a message says beside its file: plain records of hostile texts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class TextEntity:
    """A part of a text that is marked: bold, a link, a mention …

    ``offset`` and ``length`` are in UTF-16 units (https://core.telegram.org/api/entities).
    ``target`` is what a link points to, where the text itself does not say it.
    """

    kind: str
    offset: int
    length: int
    target: str | None = None


@dataclass(frozen=True)
class MessageDetails:
    """What a message says beside its file, all of it hostile.

    ``caption`` and ``entities`` are the message's own; ``album_caption`` is the text of the other
    messages of its album, of which usually one has any. Ids of chats are marked ids.
    """

    caption: str = ""
    entities: tuple[TextEntity, ...] = ()
    album_id: int | None = None
    album_caption: str = ""
    sender_id: int | None = None
    reply_to_id: int | None = None
    topic_id: int | None = None
    forwarded_from_id: int | None = None
    views: int | None = None
    edited_at: datetime | None = None


@dataclass(frozen=True)
class TextMessage:
    """A message that holds a text and no file. ``details.caption`` is its text; UTC."""

    message_id: int
    date: datetime
    details: MessageDetails
