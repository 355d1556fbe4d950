"""Which download goes where: large files in a few threads, small ones many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tdl_sync.core.model import MediaItem
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.core.stop import Slots, StopFlag

SMALL_FILES_PER_DOWNLOAD = 8
"""A file of one part is one request, most of whose time is the way to Telegram and back: so many
of them count as one download, in a lane of their own that large files can't block."""


class Lane:
    """A thread pool, and slots that keep it from being filled far ahead."""

    def __init__(self, downloads: int, stop: StopFlag) -> None:
        self.pool = ThreadPoolExecutor(downloads, "download")
        self.slots = Slots(downloads, stop)


class DownloadLanes:
    """The lanes of one run over one chat."""

    def __init__(self, downloads: int, stop: StopFlag) -> None:
        self._large = Lane(downloads, stop)
        self._small = Lane(downloads * SMALL_FILES_PER_DOWNLOAD, stop)

    def lane_of(self, item: MediaItem) -> Lane:
        return self._small if item.size_bytes < PART_BYTES else self._large

    def shutdown(self) -> None:
        """Take nothing more; blocks until each download has ended, well or not."""
        self._large.pool.shutdown(wait=True)
        self._small.pool.shutdown(wait=True)
