"""How long the way to the stand-in is and how wide, and how far its listings lag behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..shaping import TokenBucket

_SHORTEST_SLEEP_SECONDS = 0.001


@dataclass(frozen=True)
class Shaping:
    """None means: as fast as it goes. The bandwidths count bodies, both ways."""

    call_seconds: float = 0.0
    """Added to every call, as the way there and back."""
    connect_seconds: float = 0.0
    """Added to every new connection."""
    connection_bytes_per_second: float | None = None
    total_bytes_per_second: float | None = None
    listing_lag_seconds: float = 0.0
    """A new file or folder is in no listing before it is that old; it can be had by its id. One
    that was renamed is listed by its name before for as long."""
    lags_differ: bool = False
    """Each file and folder has a lag of its own, from none to ``listing_lag_seconds``; and a
    listing has no order, as Drive promises none."""


class Pacer:
    """Holds one connection's bytes back until both its own line and the common one let them."""

    def __init__(
        self, shaping: Callable[[], Shaping], total: TokenBucket, total_lock: threading.Lock
    ) -> None:
        self._shaping = shaping
        self._total = total
        self._total_lock = total_lock
        self._own = TokenBucket()

    def wait_for(self, count_bytes: int, sleep: Callable[[float], object]) -> None:
        shaping = self._shaping()
        now = time.monotonic()
        own = self._own.passed_at(count_bytes, shaping.connection_bytes_per_second, now)
        with self._total_lock:
            total = self._total.passed_at(count_bytes, shaping.total_bytes_per_second, now)
        delay_seconds = max(own, total) - now
        if delay_seconds > _SHORTEST_SLEEP_SECONDS:
            sleep(delay_seconds)
