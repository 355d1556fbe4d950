"""A chat in memory: what is read of it, and what changes it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timezone

from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.model import (
    FIRST,
    Chat,
    ChatTotals,
    FileLocation,
    HistoryEntry,
    HistoryPage,
    LocationKind,
    MediaItem,
    MediaType,
    MessageKey,
    SkippedItem,
    TextMessage,
)
from tdl_sync.core.shards import WHOLE, Shard

CHAT_ID = -1002147483649
FIRST_DATE = datetime(2021, 3, 4, 5, 6, 7, tzinfo=timezone.utc)


def item_of(
    message_id: int,
    size_bytes: int,
    *,
    chat_id: int = CHAT_ID,
    file_name: str | None = "a.bin",
    date: datetime = FIRST_DATE,
) -> MediaItem:
    """A document of that size in a channel."""
    return MediaItem(
        key=MessageKey(chat_id, 0, message_id),
        media_type=MediaType.DOCUMENT,
        file_name=file_name,
        mime_type="application/octet-stream",
        size_bytes=size_bytes,
        date=date,
        location=FileLocation(LocationKind.DOCUMENT, 2, message_id, 1, b"reference"),
    )


def further_of(item: MediaItem, index: int, *, file_name: str | None = "b.bin") -> MediaItem:
    """One more file of the same message, as long as its first one."""
    location = replace(item.location, file_id=item.location.file_id + index * 2**40)
    key = replace(item.key, index=index)
    return replace(item, key=key, file_name=file_name, location=location)


def copy_of(item: MediaItem, message_id: int) -> MediaItem:
    """The same file, posted again."""
    return replace(item, key=replace(item.key, message_id=message_id))


class FakeChatReader:
    """``ports.ChatReader`` of one chat. All threads may call everything.

    ``messages`` holds every message by id, ``None`` for one without a file, and ``further`` what
    messages hold beside their first file. ``errors`` is what
    the next calls raise, one each; a ``None`` lets a call through. ``calls`` counts the calls
    that would be one of Telegram's.
    """

    def __init__(
        self, messages: Mapping[int, HistoryEntry | None], messages_per_page: int = 100
    ) -> None:
        self.reads = "what there is"
        self.messages = dict(messages)
        self.further: dict[int, list[HistoryEntry]] = {}
        self.errors: list[BaseException | None] = []
        self.gone: TdlSyncError | None = None
        self.calls = 0
        self._messages_per_page = messages_per_page
        self._lock = threading.Lock()

    @classmethod
    def of(cls, items: Iterable[HistoryEntry], messages_per_page: int = 100) -> FakeChatReader:
        items = list(items)
        firsts = {item.key.message_id: item for item in items if item.key.index == FIRST}
        reader = cls(firsts, messages_per_page)
        for item in items:
            if item.key.index != FIRST:
                reader.further.setdefault(item.key.message_id, []).append(item)
        return reader

    def _held_by(self, message_id: int) -> list[HistoryEntry]:
        """By a message that is there. The caller holds the lock."""
        first = self.messages[message_id]
        return [*([] if first is None else [first]), *self.further.get(message_id, ())]

    def newest_message_id(self, chat: Chat) -> int:
        self._call()
        with self._lock:
            return max(self.messages, default=0)

    def read_ahead(self, chat: Chat, after_id: int) -> Future[Sequence[HistoryEntry]]:
        """What it would have to open is always open."""
        nothing: Future[Sequence[HistoryEntry]] = Future()
        nothing.set_result(())
        return nothing

    def totals(self, chat: Chat) -> ChatTotals:
        self._call()
        with self._lock:
            items = [each for each in self.messages.values() if isinstance(each, MediaItem)]
        return ChatTotals(len(items), sum(item.size_bytes for item in items), len(items))

    def counts(self, chat: Chat) -> dict[MediaType, int | None]:
        self._call()
        with self._lock:
            entries = [entry for each in self.messages for entry in self._held_by(each)]
        found = {(e.message_id, e.media_type) for e in entries if isinstance(e, MediaItem)}
        counts: dict[MediaType, int | None] = {
            kind: sum(each is kind for _, each in found) for kind in MediaType
        }
        del counts[MediaType.STICKER]
        return counts

    def pages(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[HistoryPage]:
        read_up_to_id = after_id
        while read_up_to_id < up_to_id:
            self._call()
            with self._lock:
                newer = sorted(each for each in self.messages if each > read_up_to_id)
                page = newer[: self._messages_per_page]
                full = len(page) == self._messages_per_page
                read_up_to_id = min(up_to_id, page[-1]) if full else up_to_id
                wanted = [each for each in page if each <= up_to_id and shard.holds(each)]
                held = [self._held_by(each) for each in wanted]
            yield _page(held, read_up_to_id)

    def pages_newest_first(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[HistoryPage]:
        read_down_to_id = up_to_id + 1
        while read_down_to_id > after_id + 1:
            self._call()
            with self._lock:
                older = sorted((e for e in self.messages if e < read_down_to_id), reverse=True)
                page = older[: self._messages_per_page]
                full = len(page) == self._messages_per_page
                read_down_to_id = max(after_id + 1, page[-1]) if full else after_id + 1
                wanted = [e for e in page if e >= read_down_to_id and shard.holds(e)]
                held = [self._held_by(each) for each in wanted]
            yield _page(held, read_down_to_id)

    def texts(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[list[TextMessage]]:
        """There are none here."""
        self._call()
        return iter(())

    def last_id_before(self, chat: Chat, moment: datetime) -> int:
        self._call()
        with self._lock:
            return max(
                (
                    message_id
                    for message_id, entry in self.messages.items()
                    if isinstance(entry, MediaItem) and entry.date < moment
                ),
                default=0,
            )

    def fetch(
        self, chat: Chat, message_ids: Sequence[int], shard: Shard = WHOLE
    ) -> list[HistoryEntry]:
        self._call()
        with self._lock:
            return [
                entry
                for message_id in message_ids
                if shard.holds(message_id)
                for entry in (
                    (message_id in self.messages and self._held_by(message_id))
                    or [SkippedItem(MessageKey(chat.id, 0, message_id), "deleted")]
                )
            ]

    def holds(self, chat: Chat, shard: Shard, message_id: int) -> bool:
        return shard.holds(message_id)

    def append(self, size_bytes: int) -> int:
        """Somebody posts a file; the id of its message."""
        with self._lock:
            message_id = max(self.messages, default=0) + 1
            self.messages[message_id] = item_of(message_id, size_bytes)
            return message_id

    def delete(self, message_id: int) -> None:
        with self._lock:
            del self.messages[message_id]

    def resize(self, message_id: int, size_bytes: int) -> None:
        """The sender replaces the file by another."""
        with self._lock:
            entry = self.messages[message_id]
            assert isinstance(entry, MediaItem)
            self.messages[message_id] = replace(entry, size_bytes=size_bytes)

    def _call(self) -> None:
        with self._lock:
            self.calls += 1
            error = self.errors.pop(0) if self.errors else self.gone
        if error is not None:
            raise error


def _page(messages: Sequence[list[HistoryEntry]], read_up_to_id: int) -> HistoryPage:
    """Of what each message holds."""
    entries = [entry for held in messages for entry in held]
    kinds = {(e.message_id, e.media_type) for e in entries if isinstance(e, MediaItem)}
    return HistoryPage(tuple(entries), len(messages), read_up_to_id, tuple(kinds))
