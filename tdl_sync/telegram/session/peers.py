"""Chats and users as Telegram describes them: their one kind of id, and what is said of them.

https://core.telegram.org/api/bots/ids
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyrogram import raw

from tdl_sync.core.model import Chat, ChatKind

CHANNEL_MARK = -1_000_000_000_000

_CHANNELS = (raw.types.Channel, raw.types.ChannelForbidden)
_GROUPS = (raw.types.Chat, raw.types.ChatForbidden)


def is_addressable(found: Any) -> bool:
    """Whether it is a chat or a person, with an id of theirs and what it takes to address them.

    An answer also holds communities and what is no more, whose ids count otherwise, and authors of
    messages whose access hash is good for nothing but their pictures
    (https://core.telegram.org/api/min).
    """
    if isinstance(found, (raw.types.User, raw.types.Channel)):
        return not found.min
    return isinstance(found, (*_CHANNELS, *_GROUPS))


def marked_id_of(peer: Any) -> int:
    """Of a ``PeerChannel``, ``PeerChat`` or ``PeerUser``."""
    if isinstance(peer, raw.types.PeerChannel):
        return CHANNEL_MARK - int(peer.channel_id)
    if isinstance(peer, raw.types.PeerChat):
        return -int(peer.chat_id)
    return int(peer.user_id)


def marked_id(found: Any) -> int:
    """Of a whole chat or user, as here and below."""
    if isinstance(found, _CHANNELS):
        return CHANNEL_MARK - int(found.id)
    return -int(found.id) if isinstance(found, _GROUPS) else int(found.id)


def input_peer(found: Any) -> raw.base.InputPeer:
    """How to address it."""
    if isinstance(found, _CHANNELS):
        return raw.types.InputPeerChannel(channel_id=found.id, access_hash=found.access_hash or 0)
    if isinstance(found, raw.types.User):
        return raw.types.InputPeerUser(user_id=found.id, access_hash=found.access_hash or 0)
    if isinstance(found, _GROUPS):
        return raw.types.InputPeerChat(chat_id=found.id)
    return raw.types.InputPeerEmpty()


def access_hash_of(found: Any) -> int:
    """0 for a basic group, which needs none."""
    return int(getattr(found, "access_hash", None) or 0)


def chat_of(found: Any) -> Chat:
    return Chat(
        marked_id(found), _title(found), _kind(found), _username(found), became_id=_became(found)
    )


def _became(found: Any) -> int | None:
    """A group keeps its messages when it becomes a supergroup, which has ids of its own
    (https://core.telegram.org/api/channel#migration)."""
    if not isinstance(found, raw.types.Chat) or found.migrated_to is None:
        return None
    became: Any = found.migrated_to
    return CHANNEL_MARK - int(became.channel_id)


@dataclass(frozen=True)
class Barred:
    """Why a chat may not be read, and what its user can do."""

    why: str
    next_step: str


def why_unreadable(found: Any) -> Barred | None:
    """``None`` for a chat that looks as if it can be read."""
    if isinstance(found, (raw.types.ChannelForbidden, raw.types.ChatForbidden)):
        return Barred(
            "this account was removed from it",
            "Ask to be let in again, or log in with an account that is a member.",
        )
    return None


def _title(found: Any) -> str:
    if isinstance(found, raw.types.User):
        names = (found.first_name, found.last_name)
        return " ".join(name for name in names if name) or str(found.id)
    return str(found.title)


def _kind(found: Any) -> ChatKind:
    if isinstance(found, raw.types.Channel) and found.monoforum:
        return ChatKind.DIRECT_MESSAGES
    if isinstance(found, _CHANNELS):
        return ChatKind.CHANNEL if found.broadcast else ChatKind.SUPERGROUP
    return ChatKind.USER if isinstance(found, raw.types.User) else ChatKind.GROUP


def _username(found: Any) -> str | None:
    """The one that leads to it; what was bought at auction stands in a list of its own
    (https://core.telegram.org/api/fragment)."""
    return next(iter(usernames_of(found)), None)


def usernames_of(found: Any) -> list[str]:
    """All that lead to it."""
    several: Any = getattr(found, "usernames", None) or ()
    names = [getattr(found, "username", None), *(each.username for each in several if each.active)]
    return [str(name) for name in names if name]
