"""When the bytes of files came and went, by a stand-in's own clock. Not thread-safe."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

STEP_SECONDS = 0.1


class Flow:
    """The bytes of each tenth of a second since the beginning."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_at = clock()
        self._steps: Counter[int] = Counter()

    def add(self, count_bytes: int) -> None:
        self._steps[int((self._clock() - self._began_at) / STEP_SECONDS)] += count_bytes

    def steps(self) -> dict[int, int]:
        """By the number of the step; nothing for those without a byte."""
        return dict(self._steps)
