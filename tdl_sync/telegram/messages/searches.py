"""The request that searches a chat (https://core.telegram.org/method/messages.search)."""

from __future__ import annotations

from typing import Any

from pyrogram import raw
from pyrogram.raw.core import TLObject


def search(
    peer: raw.base.InputPeer,
    kind: raw.base.MessagesFilter,
    limit: int,
    *,
    query: str = "",
    topic_id: int = 0,
) -> TLObject[Any]:
    """The newest messages of a kind, at most ``limit``; ``topic_id`` is 0 for the whole chat."""
    return raw.functions.messages.Search(
        peer=peer,
        q=query,
        filter=kind,
        min_date=0,
        max_date=0,
        offset_id=0,
        add_offset=0,
        limit=limit,
        max_id=0,
        min_id=0,
        hash=0,
        top_msg_id=topic_id or None,
    )
