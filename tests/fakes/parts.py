"""Bytes that nobody stores, given out in parts: late, out of order, and wrong where asked for."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from standins.telegram.world.content import FileRecord
from tdl_sync.core.model import MediaItem

Fault = BaseException | Callable[[bytes], bytes]
"""What a fetch raises instead of giving its bytes, or what it makes of them."""


def content_of(item: MediaItem) -> bytes:
    """All bytes of a file that ``FakePartSource`` gives out."""
    return record_of(item).read(0, item.size_bytes)


def record_of(item: MediaItem) -> FileRecord:
    file_id = item.location.file_id
    return FileRecord(file_id, 1, item.location.dc_id, item.size_bytes, seed=file_id)


def whole_part(part: bytes) -> bytes:
    return part


def short_part(part: bytes) -> bytes:
    return part[:-1]


def empty_part(part: bytes) -> bytes:
    return b""


def long_part(part: bytes) -> bytes:
    return part + b"!"


class FakePartSource:
    """``ports.PartSource`` without a network. All threads may call everything.

    ``most_seconds`` is how late a part comes at most; each comes at a time of its own, so they
    overtake each other. ``faults`` are what the next fetches of a message meet, by message id;
    each strikes once. ``on_fetch`` is called for each fetch, in the caller's thread.
    """

    def __init__(
        self,
        most_seconds: float = 0.0,
        record: Callable[[MediaItem], FileRecord] = record_of,
        on_fetch: Callable[[MediaItem, int], None] | None = None,
    ) -> None:
        self.faults: defaultdict[int, list[Fault]] = defaultdict(list)
        self.asked: list[tuple[int, int]] = []
        self.on_fetch = on_fetch
        self._most_seconds = most_seconds
        self._record = record
        self._random = random.Random(1)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(8, "fake-parts")

    def expect(self, items: Sequence[MediaItem]) -> None:
        """What it would have to open is always open."""

    def expect_some(self) -> None:
        """So is what that would need."""

    def fetch_part(self, item: MediaItem, offset_bytes: int, limit_bytes: int) -> Future[bytes]:
        if self.on_fetch is not None:
            self.on_fetch(item, offset_bytes)
        with self._lock:
            self.asked.append((item.message_id, offset_bytes))
            faults = self.faults[item.message_id]
            fault = faults.pop(0) if faults else None
            seconds = self._random.uniform(0, self._most_seconds)
        return self._pool.submit(self._part, item, offset_bytes, limit_bytes, fault, seconds)

    def asked_of(self, message_id: int) -> list[int]:
        """The offsets that were asked for of this message's file, in order."""
        with self._lock:
            return [offset for asked_id, offset in self.asked if asked_id == message_id]

    def close(self) -> None:
        self._pool.shutdown()

    def _part(
        self, item: MediaItem, offset: int, limit: int, fault: Fault | None, seconds: float
    ) -> bytes:
        time.sleep(seconds)
        if isinstance(fault, BaseException):
            raise fault
        part = self._record(item).read(offset, limit)
        return part if fault is None else fault(part)
