"""How many requests may be in flight at once, found out while they are answered.

A fixed number is wrong on both ends: too few leave a fast link idle for a round trip, too many
make each request on a slow link wait so long that it is given up and sent again, for ever. So the
number follows the time that answers take: it grows while they come quickly and shrinks while
they queue, and a flood wait or a time-out halves it.
"""

from __future__ import annotations

TARGET_SECONDS = 3.0
"""How long a request may take from its sending to its answer, queueing on the link included."""

MOST_GROWTH = 8.0
MOST_SHRINKING = 0.5


class RequestWindow:
    """Begins with one request, whose answer shows what the link can carry.

    Not thread-safe: it lives on the event loop.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = 1.0
        self._fastest_seconds = float("inf")
        self._round_seconds = 0.0
        self._round_answers = 0

    @property
    def limit(self) -> int:
        return int(self._limit)

    def answered(self, seconds: float) -> None:
        """A request was answered after so long. Each round of answers moves the limit once."""
        self._fastest_seconds = min(self._fastest_seconds, seconds)
        self._round_seconds += seconds
        self._round_answers += 1
        if self._round_answers >= self.limit:
            mean_seconds = max(self._round_seconds / self._round_answers, 1e-6)
            # On a link whose round trip alone is long, waiting is not queueing.
            target_seconds = max(TARGET_SECONDS, 2 * self._fastest_seconds)
            self._scale(min(max(target_seconds / mean_seconds, MOST_SHRINKING), MOST_GROWTH))

    def refused(self) -> None:
        """Telegram asked for a pause, or an answer did not come."""
        self._scale(MOST_SHRINKING)

    def _scale(self, factor: float) -> None:
        self._limit = min(max(self._limit * factor, 1.0), float(self._most))
        self._round_seconds = 0.0
        self._round_answers = 0
