"""Downloads rest while a disk is full, and go on by themselves.

The budget keeps our own files within the disk; this is for a disk that somebody else fills.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

from tdl_sync.core.ports import Notices
from tdl_sync.core.stop import StopFlag

REST_SECONDS = 5.0
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))

Result = TypeVar("Result")


class FullDisk:
    """One for all downloads: the first that finds the disk full says so, and the first that
    finds room again. All threads may use it."""

    def __init__(self, directories: tuple[Path, ...], notices: Notices, stop: StopFlag) -> None:
        """``directories`` are where downloads write."""
        self._directories = directories
        self._notices = notices
        self._stop = stop
        self._changed = threading.Lock()
        self._is_full = False

    def rest_while_full(self, work: Callable[[], Result]) -> Result:
        """Call ``work``, which writes, until the disk has room for it; it has to be one that can
        be called again after half a write. Raises ``Stopped``, and what ``work`` raises otherwise.
        """
        rested = False
        while True:
            try:
                result = work()
            except OSError as error:
                if error.errno not in FULL:
                    raise
            else:
                if rested:
                    self._has_room()
                return result
            self._has_none()
            rested = True
            self._stop.sleep(REST_SECONDS)

    def _has_none(self) -> None:
        with self._changed:
            if self._is_full:
                return
            self._is_full = True
        fullest = min(self._directories, key=lambda each: psutil.disk_usage(str(each)).free)
        self._notices.waiting(
            "downloading",
            f"the disk of {fullest} is full; it goes on when there is room again, uploads go on",
            None,
        )

    def _has_room(self) -> None:
        with self._changed:
            if not self._is_full:
                return
            self._is_full = False
        self._notices.message("the disk has room again: downloads go on")
