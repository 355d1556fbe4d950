"""Whether a further item may begin, and what a run that counts its time is told of it."""

from __future__ import annotations

from tdl_sync.core.model import MediaItem


class OpenGate:
    """Lets everything through; what happens to an item behind it is of no interest."""

    @property
    def is_over(self) -> bool:
        """Whether it is useless to look for further items."""
        return False

    def admits(self, item: MediaItem) -> bool:
        """May block. False: this run must leave the item to the next one."""
        return True

    def put_off(self, item: MediaItem) -> None:
        """There was no time to ask for it."""

    def taken_up(self, item: MediaItem) -> None:
        """It was staged by an earlier run and is handed off now."""

    def downloading(self, item: MediaItem) -> None: ...

    def staged(self, item: MediaItem) -> None: ...

    def sending(self, item: MediaItem) -> None: ...

    def sent(self, item: MediaItem, total_bytes: int) -> None: ...

    def settled(self, item: MediaItem, *, moved: bool) -> None: ...
