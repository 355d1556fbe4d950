"""What a raw message says beside its file: caption, sender, album, what it answers.

Everything read here is hostile: it is copied into plain records and judged later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pyrogram import raw

from tdl_sync.core.model import HistoryEntry, MediaItem, MessageDetails, TextEntity
from tdl_sync.telegram.session.clock import utc
from tdl_sync.telegram.session.peers import marked_id_of

ALBUM_NEIGHBOURS = 9
"""An album is up to ten messages, one after the other."""

_ENTITY_PREFIX = "MessageEntity"


def details_of(message: raw.types.Message) -> MessageDetails:
    reply: Any = message.reply_to
    if not isinstance(reply, raw.types.MessageReplyHeader):
        reply = None
    forward: Any = message.fwd_from
    return MessageDetails(
        caption=str(message.message),
        entities=tuple(_entity(each) for each in message.entities or ()),
        album_id=message.grouped_id,
        sender_id=_id_of(message.from_id),
        reply_to_id=reply.reply_to_msg_id if reply else None,
        topic_id=_topic_of(reply) if reply else None,
        forwarded_from_id=_id_of(forward.from_id) if forward else None,
        views=message.views,
        edited_at=utc(message.edit_date) if message.edit_date else None,
        forwards=message.forwards,
        sender_name=message.post_author or "",
    )


def with_album_captions(entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
    """The entries with the captions of their albums, whose messages must all be among them. What
    an album is called does not depend on the end from which it is read."""
    entries = list(entries)
    captions: dict[int, list[str]] = {}
    for entry in sorted(entries, key=lambda each: each.key):
        if isinstance(entry, MediaItem) and entry.details.album_id and entry.details.caption:
            captions.setdefault(entry.details.album_id, []).append(entry.details.caption)
    return [
        replace(entry, details=_with_others(entry.details, captions))
        if isinstance(entry, MediaItem) and entry.details.album_id in captions
        else entry
        for entry in entries
    ]


def _with_others(details: MessageDetails, captions: dict[int, list[str]]) -> MessageDetails:
    assert details.album_id is not None
    others = [text for text in captions[details.album_id] if text != details.caption]
    return replace(details, album_caption="\n".join(dict.fromkeys(others)))


def post_of(message: Any) -> int:
    """The message that began what this one belongs to, as comments to their post: itself, where it
    answers none of its chat."""
    reply = getattr(message, "reply_to", None)
    if not isinstance(reply, raw.types.MessageReplyHeader):
        return int(message.id)
    answered_id = reply.reply_to_msg_id
    if reply.reply_to_peer_id not in (None, message.peer_id):
        answered_id = None
    return reply.reply_to_top_id or answered_id or int(message.id)


def album_of(message: Any) -> int | None:
    return getattr(message, "grouped_id", None)


def is_shown(message: object) -> bool:
    """Not one of which no more is told than its id, and that its album goes on around."""
    return not isinstance(message, raw.types.MessageEmpty)


def album_at_the_end(messages: Sequence[Any]) -> int | None:
    """Where the album begins of which more may come behind these messages; ``None`` for none."""
    tail = messages[-(ALBUM_NEIGHBOURS + 1) :]
    last = next(filter(is_shown, reversed(tail)), None)
    if last is None or album_of(last) is None:
        return None
    start = next(at for at, each in enumerate(tail) if album_of(each) == album_of(last))
    is_whole = len(tail) - start > ALBUM_NEIGHBOURS
    return None if is_whole else len(messages) - len(tail) + start


def _topic_of(reply: raw.types.MessageReplyHeader) -> int | None:
    """A message of a forum's topic answers the topic's first message, or names it beside."""
    if not reply.forum_topic:
        return None
    return reply.reply_to_top_id or reply.reply_to_msg_id


def _id_of(peer: Any) -> int | None:
    return None if peer is None else marked_id_of(peer)


def _entity(entity: Any) -> TextEntity:
    name = type(entity).__name__.removeprefix(_ENTITY_PREFIX)
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    target = getattr(entity, "url", None) or getattr(entity, "language", None)
    user_id = getattr(entity, "user_id", None)
    if isinstance(user_id, int):
        target = str(user_id)
    return TextEntity(kind, entity.offset, entity.length, target or None)
