"""How many bytes may be asked for at once, found out while they arrive.

A fixed number is wrong on both ends: too few leave a fast link idle for a round trip, too many
make each request on a slow link wait so long that it is given up and sent again, for ever. So the
number follows what the link carries: as many bytes as arrive in ``TARGET_SECONDS``, and a time-out
halves it (a flood wait does not, as Telegram counts requests there). It counts bytes, not requests:
twenty photos may be under way where two parts of a video may.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tdl_sync.core.ports import PART_BYTES

TARGET_SECONDS = 6.0
"""How long a request may take from its sending to its answer, queueing on the link included."""

LONGEST_TARGET_SECONDS = 8.0
"""The same where the way alone takes seconds."""

MOST_GROWTH = 32.0
MOST_SHRINKING = 0.5


@dataclass(frozen=True)
class Sent:
    """A request that is under way: when it was sent, and what had arrived until then."""

    at_seconds: float
    arrived_bytes: int


class RequestWindow:
    """Begins with one part, whose answer shows what the link can carry, while it comes.

    Not thread-safe: it lives on the event loop.
    """

    def __init__(self, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._limit_bytes = float(PART_BYTES)
        self._arrived_bytes = 0
        self._fastest_seconds = float("inf")
        self._round_began_bytes = 0
        self._round_rates: list[float] = []

    @property
    def limit_bytes(self) -> int:
        """Never less than one part."""
        return int(self._limit_bytes)

    @property
    def is_untried(self) -> bool:
        """Whether nothing has shown yet what the link can carry."""
        return not self._arrived_bytes and self._limit_bytes == PART_BYTES

    @property
    def waits_for_the_first(self) -> bool:
        """Whether no answer is whole yet, and it may open further by what is there of the first:
        that is told to ``arriving``."""
        return not self._arrived_bytes and self._limit_bytes < self._most_bytes

    def sent(self) -> Sent:
        """A request goes out now."""
        return Sent(self._clock(), self._arrived_bytes)

    def arriving(self, sent: Sent, so_far_bytes: int) -> None:
        """So much of the first answer is there. It opens as far as that shows already, by the time
        since it was asked for, which is less than the link carries."""
        seconds = max(self._clock() - sent.at_seconds, 1e-6)
        limit_bytes = so_far_bytes / seconds * TARGET_SECONDS
        self._limit_bytes = min(max(limit_bytes, self._limit_bytes), float(self._most_bytes))

    def answered(self, sent: Sent, size_bytes: int) -> None:
        """Its answer of so many bytes is there. Each round of answers moves the limit once."""
        self._arrived_bytes += size_bytes
        seconds = max(self._clock() - sent.at_seconds, 1e-6)
        self._fastest_seconds = min(self._fastest_seconds, seconds)
        self._round_rates.append((self._arrived_bytes - sent.arrived_bytes) / seconds)
        # Until so much is there each answer is news.
        is_first = self._arrived_bytes <= PART_BYTES
        if is_first or self._arrived_bytes - self._round_began_bytes >= self.limit_bytes:
            # Where even the fastest answer took long, waiting need not be queueing.
            longest_seconds = min(2 * self._fastest_seconds, LONGEST_TARGET_SECONDS)
            target_seconds = max(TARGET_SECONDS, longest_seconds)
            rate = sum(self._round_rates) / len(self._round_rates)
            factor = rate * target_seconds / self._limit_bytes
            self._scale(min(max(factor, MOST_SHRINKING), MOST_GROWTH))

    def refused(self) -> None:
        """An answer did not come."""
        self._scale(MOST_SHRINKING)

    def _scale(self, factor: float) -> None:
        most = float(self._most_bytes)
        self._limit_bytes = min(max(self._limit_bytes * factor, float(PART_BYTES)), most)
        self._round_began_bytes = self._arrived_bytes
        self._round_rates.clear()
