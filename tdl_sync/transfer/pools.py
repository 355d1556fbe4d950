"""Which download goes where: large files in a few threads, small ones many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tdl_sync.core.model import MediaItem
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.core.stop import Slots, StopFlag

SMALL_FILES_PER_DOWNLOAD = 8
"""A file of one part is one request, most of whose time is the way to Telegram and back: so many
of them count as one download, in a pool of their own that large files can't block."""


def most_downloads(downloads: int) -> int:
    """How many files are downloaded at once, large and small ones together."""
    return downloads * (1 + SMALL_FILES_PER_DOWNLOAD)


class DownloadPool:
    """A thread pool, and slots that keep it from being filled far ahead."""

    def __init__(self, downloads: int, stop: StopFlag) -> None:
        self.executor = ThreadPoolExecutor(downloads, "download")
        self.slots = Slots(downloads, stop)


class DownloadPools:
    """The pools of one run over one chat."""

    def __init__(self, downloads: int, stop: StopFlag) -> None:
        self._large = DownloadPool(downloads, stop)
        self._small = DownloadPool(downloads * SMALL_FILES_PER_DOWNLOAD, stop)

    def pool_of(self, item: MediaItem) -> DownloadPool:
        return self._small if item.size_bytes < PART_BYTES else self._large

    def shutdown(self) -> None:
        """Take nothing more; blocks until each download has ended, well or not."""
        self._large.executor.shutdown(wait=True)
        self._small.executor.shutdown(wait=True)
