"""What a raw message says beside its file: caption, sender, album, what it answers.

Everything read here is hostile: it is copied into plain records and judged later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pyrogram import raw

from tdl_sync.core.model import HistoryEntry, MediaItem, MessageDetails, TextEntity
from tdl_sync.telegram.session.clock import utc
from tdl_sync.telegram.session.peers import marked_id_of

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
    """The entries with the captions of their albums, whose messages must all be among them."""
    entries = list(entries)
    captions: dict[int, list[str]] = {}
    for entry in entries:
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
