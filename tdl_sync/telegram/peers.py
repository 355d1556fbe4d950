"""Telegram's ids of chats and users as one kind of number, the marked id.

https://core.telegram.org/api/bots/ids
"""

from __future__ import annotations

from typing import Any

from pyrogram import raw

CHANNEL_MARK = -1_000_000_000_000


def marked_id_of(peer: Any) -> int:
    """Of a ``PeerChannel``, ``PeerChat`` or ``PeerUser``."""
    if isinstance(peer, raw.types.PeerChannel):
        return CHANNEL_MARK - int(peer.channel_id)
    if isinstance(peer, raw.types.PeerChat):
        return -int(peer.chat_id)
    return int(peer.user_id)
