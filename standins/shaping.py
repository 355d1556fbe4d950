"""How long the way to the stand-in is and how wide: round-trip time and bandwidth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

CREDIT_SECONDS = 0.05
"""What a bucket may catch up after the event loop was late; without it a cap delivers less."""
_SLICE_SECONDS = 0.01
_SMALLEST_SLICE_BYTES = 4096
_LARGEST_SLICE_BYTES = 256 * 1024
_SHORTEST_SLEEP_SECONDS = 0.001


@dataclass(frozen=True)
class Shaping:
    """None means: as fast as it goes. The bandwidths count what the stand-in sends."""

    round_trip_seconds: float = 0.0
    connection_bytes_per_second: float | None = None
    total_bytes_per_second: float | None = None

    def for_one(self, slowed_to: float | None) -> Shaping:
        """The same for a connection that is slower than the others."""
        rate = self.connection_bytes_per_second
        if slowed_to is None or (rate is not None and rate <= slowed_to):
            return self
        return replace(self, connection_bytes_per_second=slowed_to)

    def slice_bytes(self) -> int:
        """How much is written at once, so that connections share the total fairly."""
        rates = (self.connection_bytes_per_second, self.total_bytes_per_second)
        known = [rate for rate in rates if rate is not None]
        if not known:
            return 2**62
        wanted = int(min(known) * _SLICE_SECONDS)
        return max(_SMALLEST_SLICE_BYTES, min(wanted, _LARGEST_SLICE_BYTES))


class TokenBucket:
    """Says when bytes have passed a line of a given rate; the rate may change at any time."""

    def __init__(self) -> None:
        self._free_at_seconds = 0.0

    def passed_at(self, count_bytes: int, rate: float | None, now_seconds: float) -> float:
        """Take the line for `count_bytes` and return the time when they are through."""
        if rate is None:
            self._free_at_seconds = now_seconds
            return now_seconds
        start = max(self._free_at_seconds, now_seconds - CREDIT_SECONDS)
        self._free_at_seconds = start + count_bytes / rate
        return self._free_at_seconds


class Pacer:
    """Holds one connection's bytes back until both its own line and the common one let them."""

    def __init__(self, shaping: Callable[[], Shaping], total: TokenBucket) -> None:
        self._shaping = shaping
        self._total = total
        self._own = TokenBucket()

    async def wait_for(self, count_bytes: int) -> None:
        shaping = self._shaping()
        loop = asyncio.get_running_loop()
        now = loop.time()
        own = self._own.passed_at(count_bytes, shaping.connection_bytes_per_second, now)
        total = self._total.passed_at(count_bytes, shaping.total_bytes_per_second, now)
        delay_seconds = max(own, total) - now
        if delay_seconds > _SHORTEST_SLEEP_SECONDS:
            await asyncio.sleep(delay_seconds)
