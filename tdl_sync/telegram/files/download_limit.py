"""How many bytes may be asked for, where the user has set a limit (``--bwlimit``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from tdl_sync.core.ports import PART_BYTES
from tdl_sync.options.bandwidth import UNLIMITED, Bandwidth

DEPTH_BYTES = PART_BYTES
"""What was not used may be used up later: a timer that comes late costs no speed."""

LEAST_UNANSWERED_BYTES = 3 * PART_BYTES
UNANSWERED_SECONDS = 2.0
"""So much may be under way: what a line that stood still owes comes all at once when it is free."""

LOOK_AGAIN_SECONDS = 0.05


class DownloadLimit:
    """A bucket that fills at the rate that holds now: whoever finds something in it may ask for a
    whole part, and the next one waits until that is paid. In any time no more than ``DEPTH_BYTES``
    and one part are asked for beyond the limit. For all data centres together; lives on the loop.
    """

    def __init__(
        self,
        bandwidth: Bandwidth = UNLIMITED,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._bandwidth = bandwidth
        self._clock = clock
        self._now = now
        self._rate: int | None = None
        self._filled_at = clock()
        self._bytes = float(DEPTH_BYTES)
        self._unanswered_bytes = 0

    def seconds_left(self) -> float:
        """Until something may be asked for, 0 for now; to be asked again then."""
        if not self._bandwidth.is_set:
            return 0.0
        self._fill()
        if self._rate is None:
            return 0.0
        most_unanswered = max(LEAST_UNANSWERED_BYTES, self._rate * UNANSWERED_SECONDS)
        if self._unanswered_bytes >= most_unanswered:
            return LOOK_AGAIN_SECONDS
        # Less than a byte is nothing: a clock may not be able to tell the time that it takes.
        return -self._bytes / self._rate if self._bytes <= -1.0 else 0.0

    def asked(self, size_bytes: int) -> None:
        self._unanswered_bytes += size_bytes
        self._bytes -= size_bytes

    def answered(self, size_bytes: int) -> None:
        """Its answer is there, or will never be."""
        self._unanswered_bytes -= size_bytes

    def _fill(self) -> None:
        now = self._clock()
        if self._rate is not None:
            # What has passed since the last look was under the rate that held then.
            self._bytes += (now - self._filled_at) * self._rate
            self._bytes = min(self._bytes, float(DEPTH_BYTES))
        self._filled_at = now
        rate = self._bandwidth.at(self._now()).down
        if self._rate is None and rate is not None:
            self._bytes = 0.0  # what was asked for without a limit is nobody's debt
        self._rate = rate
