"""The pace that all uploads share: when the remote is unwilling, all of them slow down together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdl_sync.core.errors import QuotaExceeded
from tdl_sync.core.stop import StopFlag

SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
FIRST_QUOTA_PAUSE_SECONDS = 10.0
LONGEST_QUOTA_PAUSE_SECONDS = 1800.0

OnWait = Callable[[str, str, "datetime | None"], None]
"""Told what waits, why, and until when."""

WHAT_WAITS = "uploading"


@dataclass(frozen=True)
class Turn:
    """One upload's leave to begin. ``began_at`` is on the monotonic clock."""

    began_at: float


class Pace:
    """Spaces the beginnings of uploads. All threads may use it.

    Nothing waits as long as all goes well. Each sign that the remote is unwilling doubles the
    time between two beginnings, each upload that goes well halves it. Uploads that began before
    the last such sign say nothing new.
    """

    def __init__(self, stop: StopFlag, on_wait: OnWait) -> None:
        self._stop = stop
        self._on_wait = on_wait
        self._changed = threading.Condition()
        self._pause_seconds = 0.0
        self._next_begin = 0.0
        self._slowed_at = 0.0
        self._quota_until: datetime | None = None
        stop.wakes(self._changed)

    def take_turn(self) -> Turn:
        """Wait until an upload may begin. Raises ``Stopped``."""
        with self._changed:
            while True:
                self._stop.check()
                now = time.monotonic()
                if now >= self._next_begin:
                    self._next_begin = now + self._pause_seconds
                    return Turn(now)
                self._changed.wait(self._next_begin - now)

    def sleep(self, seconds: float) -> None:
        """Sleep, or raise ``Stopped`` as soon as the run stops."""
        self._stop.sleep(seconds)

    def slow_down(self, turn: Turn, why: str, at_least_seconds: float = 0.0) -> None:
        """The remote is unwilling (a rate limit, no answer); the user is told ``why``."""
        with self._changed:
            if turn.began_at < self._slowed_at or self._quota_until is not None:
                return
            self._pause(SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, at_least_seconds)
            until = self._clock_of_next_begin()
        self._on_wait(WHAT_WAITS, why, until)

    def rest(self, turn: Turn, quota: QuotaExceeded) -> None:
        """The day's quota is used up. Google does not say when its day ends: try now and then."""
        with self._changed:
            if turn.began_at < self._slowed_at:
                return
            if self._quota_until is None:
                self._quota_until = quota.resume_at
                self._pause_seconds = 0.0
            self._pause(FIRST_QUOTA_PAUSE_SECONDS, LONGEST_QUOTA_PAUSE_SECONDS)
            until, next_try = self._quota_until, self._clock_of_next_begin()
        self._on_wait(
            WHAT_WAITS,
            f"Quota exceeded, resume in 24 hours, at {until:%Y-%m-%d %H:%M} ({quota.why}); "
            f"since Google may be earlier, the next try is at {next_try:%H:%M:%S}",
            None,
        )

    def went_well(self, turn: Turn) -> None:
        with self._changed:
            if turn.began_at < self._slowed_at or self._pause_seconds == 0.0:
                return
            halved = self._pause_seconds / 2
            over = self._quota_until is not None or halved < SHORTEST_PAUSE_SECONDS
            self._quota_until = None
            self._pause_seconds = 0.0 if over else halved
            self._next_begin = min(self._next_begin, time.monotonic() + self._pause_seconds)
            self._changed.notify_all()

    def _pause(self, shortest: float, longest: float, at_least_seconds: float = 0.0) -> None:
        now = time.monotonic()
        self._pause_seconds = min(max(2 * self._pause_seconds, shortest), longest)
        self._next_begin = now + max(self._pause_seconds, at_least_seconds)
        self._slowed_at = now

    def _clock_of_next_begin(self) -> datetime:
        left_seconds = self._next_begin - time.monotonic()
        return datetime.now().astimezone() + timedelta(seconds=left_seconds)
