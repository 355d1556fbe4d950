"""The one takeout session that an account can have (https://core.telegram.org/api/takeout)."""

from __future__ import annotations

import threading
from collections import Counter


class Takeout:
    """All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._open = False
        self._calls: Counter[str] = Counter()
        self.ended_with: list[bool] = []
        """For each session that was ended: whether the client called it a success."""

    def begin(self) -> int:
        with self._lock:
            self._number += 1
            self._open = True
            return self._number

    def takes(self, takeout_id: int, request: type) -> bool:
        """Whether a call may be made within this session; it is counted."""
        with self._lock:
            if not self._open or takeout_id != self._number:
                return False
            self._calls[request.__name__] += 1
            return True

    def end(self, *, success: bool) -> bool:
        """False if there is none."""
        with self._lock:
            was_open, self._open = self._open, False
            if was_open:
                self.ended_with.append(success)
            return was_open

    def revoke(self) -> None:
        """The user ends it from elsewhere."""
        with self._lock:
            self._open = False

    def calls(self) -> Counter[str]:
        """How many calls of each kind were made within sessions."""
        with self._lock:
            return Counter(self._calls)
