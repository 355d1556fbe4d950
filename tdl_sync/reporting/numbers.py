"""The numbers that a progress display shows, counted from what a listener is told."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from enum import Enum

from tdl_sync.core.model import Chat, ChatTotals, MediaItem, MessageKey
from tdl_sync.core.naming import file_name
from tdl_sync.core.text import printable

_SPEED_WINDOW_SECONDS = 20.0
_FORECAST_WINDOW_SECONDS = 300.0
_OPEN_WAIT_SECONDS = 30.0
"""How long a wait without a known end is shown after it was last told."""


class Direction(str, Enum):
    DOWN = "down"
    UP = "up"


@dataclass(frozen=True)
class Transfer:
    """One file in flight. ``name`` is fit for a terminal."""

    direction: Direction
    name: str
    done_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class Waiting:
    """What waits, why, and until when (aware, if known). The texts are fit for a terminal."""

    what: str
    why: str
    until: datetime | None


@dataclass(frozen=True)
class Snapshot:
    """All numbers at one moment. Speeds are bytes a second; sums are of this run's chat.

    ``total_files`` is Telegram's counter, an upper bound, and ``total_bytes`` an estimate.
    ``remaining_seconds`` is None as long as nothing can be said.
    """

    title: str
    total_files: int
    total_bytes: int
    budget_bytes: int
    seen: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    done_bytes: int = 0
    disk_bytes: int = 0
    download_speed: float = 0.0
    upload_speed: float = 0.0
    remaining_seconds: float | None = None
    transfers: tuple[Transfer, ...] = ()
    waiting: Waiting | None = None
    counted_by_telegram: bool = True
    idle: str = ""
    """Why nothing is moved at the moment; empty while something is."""

    @property
    def finished(self) -> int:
        return self.done + self.failed


class SpeedMeter:
    """Bytes a second, averaged over the last ``window_seconds``. Not safe for threads."""

    def __init__(self, window_seconds: float, clock: Callable[[], float]) -> None:
        self._window_seconds = window_seconds
        self._clock = clock
        self._started = clock()
        self._buckets: deque[tuple[int, int]] = deque()

    def add(self, transferred_bytes: int) -> None:
        """One bucket a second, so that many small steps take no memory."""
        second = int(self._clock())
        if self._buckets and self._buckets[-1][0] == second:
            transferred_bytes += self._buckets.pop()[1]
        self._buckets.append((second, transferred_bytes))
        self._forget_old()

    def bytes_per_second(self) -> float:
        self._forget_old()
        elapsed = min(self._clock() - self._started, self._window_seconds)
        return sum(transferred for _, transferred in self._buckets) / max(elapsed, 1.0)

    def _forget_old(self) -> None:
        oldest = self._clock() - self._window_seconds
        while self._buckets and self._buckets[0][0] < oldest:
            self._buckets.popleft()


class ProgressNumbers:
    """Counts for one chat. All methods may be called from any thread and take no time."""

    def __init__(
        self,
        chat: Chat,
        totals: ChatTotals,
        budget_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._totals = totals
        self._wait_over_at = 0.0
        self._transfers: dict[tuple[Direction, MessageKey], Transfer] = {}
        self._download_meter = SpeedMeter(_SPEED_WINDOW_SECONDS, clock)
        self._upload_meter = SpeedMeter(_SPEED_WINDOW_SECONDS, clock)
        self._forecast_meter = SpeedMeter(_FORECAST_WINDOW_SECONDS, clock)
        self._counts = Snapshot(
            title=printable(chat.title) or str(chat.id),
            total_files=totals.files,
            total_bytes=totals.estimated_bytes,
            budget_bytes=budget_bytes,
            counted_by_telegram=totals.files > 0,
        )

    def snapshot(self) -> Snapshot:
        with self._lock:
            counts = self._counts
            return replace(
                counts,
                # Messages may have come, or a counter may lag: never "5 of 4".
                total_files=max(self._totals.files, counts.seen - counts.skipped),
                total_bytes=max(self._totals.estimated_bytes, counts.done_bytes),
                download_speed=self._download_meter.bytes_per_second(),
                upload_speed=self._upload_meter.bytes_per_second(),
                remaining_seconds=self._remaining_seconds(),
                transfers=tuple(self._transfers.values()),
                waiting=counts.waiting if self._clock() < self._wait_over_at else None,
            )

    def count(self, **more: int) -> None:
        """Add to the snapshot's counts, by their names."""
        with self._lock:
            sums = {name: getattr(self._counts, name) + count for name, count in more.items()}
            self._counts = replace(self._counts, **sums)

    def counted(self, totals: ChatTotals) -> None:
        with self._lock:
            self._totals = totals
            self._counts = replace(self._counts, counted_by_telegram=totals.files > 0)

    def disk(self, used_bytes: int) -> None:
        with self._lock:
            self._counts = replace(self._counts, disk_bytes=used_bytes)

    def waiting(self, waiting: Waiting) -> None:
        seconds = _OPEN_WAIT_SECONDS
        if waiting.until is not None:
            seconds = (waiting.until - datetime.now(timezone.utc)).total_seconds()
        with self._lock:
            self._wait_over_at = self._clock() + seconds
            self._counts = replace(self._counts, waiting=waiting)

    def idle(self, why: str) -> None:
        with self._lock:
            self._counts = replace(self._counts, idle=why)

    def transfer_started(self, direction: Direction, item: MediaItem) -> None:
        name = printable(file_name(item))
        with self._lock:
            self._transfers[direction, item.key] = Transfer(direction, name, 0, item.size_bytes)

    def resumed(self, item: MediaItem, bytes_there: int) -> None:
        """They count for the file, and not for the speed."""
        with self._lock:
            self._add_to_download(item, bytes_there)

    def downloaded(self, item: MediaItem, more_bytes: int) -> None:
        with self._lock:
            self._download_meter.add(more_bytes)
            self._add_to_download(item, more_bytes)

    def _add_to_download(self, item: MediaItem, more_bytes: int) -> None:
        transfer = self._transfers.get((Direction.DOWN, item.key))
        if transfer is not None:
            self._transfers[Direction.DOWN, item.key] = replace(
                transfer, done_bytes=transfer.done_bytes + more_bytes
            )

    def uploaded(self, item: MediaItem, total_bytes: int) -> None:
        with self._lock:
            transfer = self._transfers.get((Direction.UP, item.key))
            if transfer is None or total_bytes < transfer.done_bytes:
                return
            self._upload_meter.add(total_bytes - transfer.done_bytes)
            self._forecast_meter.add(total_bytes - transfer.done_bytes)
            self._transfers[Direction.UP, item.key] = replace(transfer, done_bytes=total_bytes)

    def transfer_finished(self, direction: Direction, item: MediaItem) -> None:
        with self._lock:
            self._transfers.pop((direction, item.key), None)

    def _remaining_seconds(self) -> float | None:
        """Uploading is the last leg, so its rate over some minutes decides.

        What is left is counted in files of average size: the estimate of the bytes also covers
        what rules skip.
        """
        speed = self._forecast_meter.bytes_per_second()
        if (
            self._counts.idle
            or speed <= 0
            or self._totals.files <= 0
            or self._totals.estimated_bytes <= 0
        ):
            return None
        files = max(0, self._totals.files - self._counts.finished)
        average_bytes = self._totals.estimated_bytes / self._totals.files
        sent_bytes = sum(
            transfer.done_bytes
            for transfer in self._transfers.values()
            if transfer.direction is Direction.UP
        )
        return max(0.0, files * average_bytes - sent_bytes) / speed
