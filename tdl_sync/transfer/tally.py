"""Counts what becomes of each item, so that the sum at the end shows that none was lost."""

from __future__ import annotations

import threading
import time
from collections import Counter

from tdl_sync.core.model import FailedItem, Failure, MediaItem, RunReport

MOST_FAILED_ITEMS = 1000
"""So many failed items are kept by name; all are counted."""


class Tally:
    """All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._seen = 0
        self._moved = 0
        self._done_before = 0
        self._downloaded_files = 0
        self._skipped: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._failed_items: list[FailedItem] = []
        self._downloaded_bytes = 0
        self._uploaded_bytes = 0

    def seen(self, items: int) -> None:
        with self._lock:
            self._seen += items

    def done_before(self) -> None:
        with self._lock:
            self._done_before += 1

    def skipped(self, rule: str) -> None:
        with self._lock:
            self._skipped[rule] += 1

    def downloaded(self, item: MediaItem) -> None:
        with self._lock:
            self._downloaded_files += 1
            self._downloaded_bytes += item.size_bytes

    def moved(self, item: MediaItem) -> None:
        with self._lock:
            self._moved += 1
            self._uploaded_bytes += item.size_bytes

    def failed(self, failure: Failure, name: str) -> None:
        with self._lock:
            self._failed[failure.reason] += 1
            if len(self._failed_items) < MOST_FAILED_ITEMS:
                self._failed_items.append(
                    FailedItem(
                        failure.key.message_id,
                        name,
                        failure.reason,
                        failure.detail,
                        failure.for_good,
                    )
                )

    @property
    def downloaded_files(self) -> int:
        with self._lock:
            return self._downloaded_files

    def report(self) -> RunReport:
        """The counts as they are now."""
        with self._lock:
            return RunReport(
                seen=self._seen,
                moved=self._moved,
                done_before=self._done_before,
                skipped_by_rule=dict(self._skipped),
                failed_by_reason=dict(self._failed),
                failed_items=tuple(self._failed_items),
                downloaded_bytes=self._downloaded_bytes,
                uploaded_bytes=self._uploaded_bytes,
                seconds=time.monotonic() - self._started,
            )
