"""When each call began and ended, by the machine's monotonic clock. Not thread-safe."""

from __future__ import annotations

import time
from collections import defaultdict, deque

NotedCall = tuple[str, float, float]
"""Its name, and when it began and ended; 0.0 for one that has not ended yet."""

CONNECTION = "connection"
"""The name of a connection that was opened, as a call without an answer."""


class CallsNoted:
    """Nothing is noted before ``begin``: whoever lets a million calls be answered wants no list."""

    def __init__(self) -> None:
        self._is_noting = False
        self._calls: list[list[str | float]] = []
        self._open: defaultdict[str, deque[list[str | float]]] = defaultdict(deque)

    def begin(self) -> None:
        """From now on, afresh."""
        self._is_noting = True
        self._calls = []
        self._open.clear()

    def began(self, name: str) -> None:
        if self._is_noting:
            call: list[str | float] = [name, time.monotonic(), 0.0]
            self._calls.append(call)
            self._open[name].append(call)

    def ended(self, name: str) -> None:
        """Of several of one name the one that began first."""
        if self._open[name]:
            self._open[name].popleft()[2] = time.monotonic()

    def calls(self) -> list[NotedCall]:
        """In the order in which they began."""
        return [(str(name), float(began), float(ended)) for name, began, ended in self._calls]
