"""What senders and topics are called, as Telegram's answers say beside the messages.

Everything here is hostile, and changes: whoever needs a name takes it once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pyrogram import raw

from tdl_sync.core.model import HistoryEntry, MediaItem
from tdl_sync.telegram.session.peers import marked_id_of

MOST_NAMES = 50_000
"""So many senders are remembered; an answer names a few hundred."""


class Names:
    """All threads may call everything."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._senders: OrderedDict[int, str] = OrderedDict()
        self._topics: dict[tuple[int, int], str] = {}

    def learn(self, answer: Any) -> None:
        """What an answer with messages says of those who sent them."""
        found = [
            (_marked_id(each), _name_of(each))
            for each in (*getattr(answer, "users", ()), *getattr(answer, "chats", ()))
        ]
        with self._lock:
            for marked_id, name in found:
                self._senders[marked_id] = name
                self._senders.move_to_end(marked_id)
            while len(self._senders) > MOST_NAMES:
                self._senders.popitem(last=False)

    def unknown_topics(self, chat_id: int, entries: Iterable[HistoryEntry]) -> list[int]:
        """Those that these are in, and whose titles were never told."""
        topic_ids = {
            entry.details.topic_id
            for entry in entries
            if isinstance(entry, MediaItem) and entry.details.topic_id is not None
        }
        with self._lock:
            return sorted(each for each in topic_ids if (chat_id, each) not in self._topics)

    def learn_topics(self, chat_id: int, topic_ids: Iterable[int], topics: Iterable[Any]) -> None:
        """Those of them that are not among ``topics`` are gone, and have no name."""
        titles = {
            topic.id: topic.title for topic in topics if isinstance(topic, raw.types.ForumTopic)
        }
        with self._lock:
            for topic_id in topic_ids:
                self._topics[chat_id, topic_id] = titles.get(topic_id, "")

    def named(self, chat_id: int, entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
        """The entries with what is known of their senders and topics."""
        return [
            self._named(chat_id, entry) if isinstance(entry, MediaItem) else entry
            for entry in entries
        ]

    def _named(self, chat_id: int, item: MediaItem) -> MediaItem:
        details = item.details
        with self._lock:
            sender = "" if details.sender_id is None else self._senders.get(details.sender_id, "")
            topic_id = details.topic_id
            topic = "" if topic_id is None else self._topics.get((chat_id, topic_id), "")
        if not sender and not topic:
            return item
        named = replace(details, sender_name=details.sender_name or sender, topic_name=topic)
        return replace(item, details=named)


def _name_of(peer: Any) -> str:
    if isinstance(peer, raw.types.User):
        parts = (peer.first_name, peer.last_name)
        return " ".join(part for part in parts if part) or peer.username or ""
    return getattr(peer, "title", None) or ""


def _marked_id(peer: Any) -> int:
    if isinstance(peer, (raw.types.User, raw.types.UserEmpty)):
        return int(peer.id)
    if isinstance(peer, (raw.types.Channel, raw.types.ChannelForbidden)):
        return marked_id_of(raw.types.PeerChannel(channel_id=peer.id))
    return marked_id_of(raw.types.PeerChat(chat_id=peer.id))
