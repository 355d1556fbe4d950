"""What Telegram tells by itself: which chats have a new message, and which message was edited, or
shows by now what was bought; nothing more.

https://core.telegram.org/api/updates. An update is never believed for its content, and may get
lost: what a chat holds is what its history shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyrogram import raw

from tdl_sync.telegram.session.peers import CHANNEL_MARK, marked_id_of


def chats_with_news(updates: Any) -> Iterator[int | None]:
    """The marked ids of the chats with a new message; ``None`` where Telegram has lost count."""
    if isinstance(updates, (raw.types.Updates, raw.types.UpdatesCombined)):
        for update in updates.updates:
            yield from _in_update(update)
    elif isinstance(updates, raw.types.UpdateShort):
        yield from _in_update(updates.update)
    elif isinstance(updates, raw.types.UpdateShortMessage):
        yield int(updates.user_id)
    elif isinstance(updates, raw.types.UpdateShortChatMessage):
        yield -int(updates.chat_id)
    elif isinstance(updates, raw.types.UpdatesTooLong):
        yield None


def edited_messages(updates: Any) -> Iterator[tuple[int, int]]:
    """The marked ids of chats, and which of their messages may hold something else now."""
    if isinstance(updates, (raw.types.Updates, raw.types.UpdatesCombined)):
        among = updates.updates
    else:
        among = [updates.update] if isinstance(updates, raw.types.UpdateShort) else []
    for update in among:
        if isinstance(update, (raw.types.UpdateEditMessage, raw.types.UpdateEditChannelMessage)):
            peer = getattr(update.message, "peer_id", None)
            if peer is not None:
                yield marked_id_of(peer), int(update.message.id)
        elif isinstance(update, raw.types.UpdateMessageExtendedMedia):
            yield marked_id_of(update.peer), int(update.msg_id)


def _in_update(update: Any) -> Iterator[int | None]:
    if isinstance(update, (raw.types.UpdateNewMessage, raw.types.UpdateNewChannelMessage)):
        peer = getattr(update.message, "peer_id", None)
        yield None if peer is None else marked_id_of(peer)
    elif isinstance(update, raw.types.UpdateChannelTooLong):
        yield CHANNEL_MARK - int(update.channel_id)
