"""Which of several messages with one file is moved, and which wait for it. Pure.

Telegram keeps a file once, however often it is posted (``model.FileIdentity``). The message that
comes first *leads*: it is moved like any other. The others wait until it has arrived, or until it
is certain that it will not; then the next one leads.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from tdl_sync.core.model import FileIdentity, MediaItem


class Claim(Enum):
    """What becomes of an item."""

    LEADS = "it is moved"
    WAITS = "another message with its file is on its way"
    IS_COPY = "another message with its file has arrived"


class Copies:
    """Not thread-safe: the caller holds a lock around every call."""

    def __init__(self) -> None:
        self._waiting: dict[FileIdentity, deque[MediaItem]] = {}
        self._next_leaders: deque[MediaItem] = deque()
        self.waiting = 0
        """How many items wait: nobody moves them, and they are not known to be copies."""

    def claim(self, item: MediaItem, *, arrived: bool) -> Claim:
        """``arrived``: a message with this file is done. Each item claims once."""
        if item.identity in self._waiting:
            self._waiting[item.identity].append(item)
            self.waiting += 1
            return Claim.WAITS
        if arrived:
            return Claim.IS_COPY
        self._waiting[item.identity] = deque()
        return Claim.LEADS

    def is_under_way(self, file: FileIdentity) -> bool:
        return file in self._waiting

    def arrived(self, file: FileIdentity) -> list[MediaItem]:
        """The leader is done, durably; returns its copies, which waited for that."""
        copies = list(self._waiting.pop(file))
        self.waiting -= len(copies)
        return copies

    def not_moved(self, file: FileIdentity) -> None:
        """The leader failed, is gone or was left: the copy that waits longest leads now."""
        waiting = self._waiting[file]
        if waiting:
            self._next_leaders.append(waiting.popleft())
        else:
            del self._waiting[file]

    def next_leader(self) -> MediaItem | None:
        """A copy that waited and is to be moved now, each once; ``None`` if there is none."""
        if not self._next_leaders:
            return None
        self.waiting -= 1
        return self._next_leaders.popleft()

    @property
    def has_next_leader(self) -> bool:
        return bool(self._next_leaders)
