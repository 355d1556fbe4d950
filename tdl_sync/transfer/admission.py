"""Whether a further item may begin."""

from __future__ import annotations

from tdl_sync.core.model import MediaItem


class OpenGate:
    """Lets everything through."""

    @property
    def is_over(self) -> bool:
        """Whether it is useless to look for further items."""
        return False

    def admits(self, item: MediaItem) -> bool:
        """May block. False: this run must leave the item to the next one."""
        return True
