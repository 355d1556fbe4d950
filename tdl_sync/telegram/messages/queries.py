"""The requests for a chat's messages, and the zeros that Telegram wants beside what is asked; and
the newest message that it shows.

https://core.telegram.org/api/offsets and https://core.telegram.org/method/messages.search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyrogram import raw
from pyrogram.raw.core import TLObject

from tdl_sync.telegram.messages.windows import PAGE_MESSAGES


def history(
    peer: raw.base.InputPeer,
    limit: int,
    *,
    offset_id: int = 0,
    offset_date: int = 0,
    add_offset: int = 0,
    topic_id: int = 0,
) -> TLObject[Any]:
    """The newest messages, at most ``limit``; ``topic_id`` is 0 for the whole chat."""
    where: dict[str, Any] = {
        "peer": peer,
        "offset_id": offset_id,
        "offset_date": offset_date,
        "add_offset": add_offset,
        "limit": limit,
        "max_id": 0,
        "min_id": 0,
        "hash": 0,
    }
    if topic_id:
        return raw.functions.messages.GetReplies(msg_id=topic_id, **where)
    return raw.functions.messages.GetHistory(**where)


def search(
    peer: raw.base.InputPeer,
    kind: raw.base.MessagesFilter,
    limit: int,
    *,
    query: str = "",
    topic_id: int = 0,
    offset_id: int = 0,
    add_offset: int = 0,
) -> TLObject[Any]:
    """The newest messages of a kind, at most ``limit``; ``topic_id`` is 0 for the whole chat, and
    with ``offset_id`` only those that are older than this one, without the first ``add_offset``."""
    return raw.functions.messages.Search(
        peer=peer,
        q=query,
        filter=kind,
        min_date=0,
        max_date=0,
        offset_id=offset_id,
        add_offset=add_offset,
        limit=limit,
        max_id=0,
        min_id=0,
        hash=0,
        top_msg_id=topic_id or None,
    )


def newest_shown_id(page: Callable[..., Any]) -> int:
    """Of the newest message that is shown, 0 where none is; one call if that is the newest of all.

    ``page`` asks for a page of so many messages, without the first ``add_offset``.
    """
    answer, skipped = page(1), 0
    while not answer.messages and skipped < _count(answer):
        answer = page(PAGE_MESSAGES, add_offset=skipped)
        skipped += PAGE_MESSAGES
    return newest_id(answer.messages)


def newest_id(messages: Sequence[Any]) -> int:
    return max((message.id for message in messages), default=0)


def _count(answer: Any) -> int:
    """How many messages there are, shown or not."""
    return int(getattr(answer, "count", len(answer.messages)))
