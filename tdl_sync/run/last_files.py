"""Tells when the last file of a chat is on the disk, and has but to be uploaded."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tdl_sync.core.steps import Admitted, DownloadEnded, Step


class LastFiles:
    """All threads may call everything."""

    def __init__(self, on_disk: Callable[[], None]) -> None:
        """``on_disk`` is called once, and returns at once."""
        self._on_disk = on_disk
        self._lock = threading.Lock()
        self._downloads = 0
        self._all_are_begun = False
        self._is_told = False

    def told(self, step: Step) -> None:
        if isinstance(step, Admitted):
            self._change(1)
        elif isinstance(step, DownloadEnded):
            self._change(-1)

    def all_are_begun(self) -> None:
        """No further one is admitted."""
        self._all_are_begun = True
        self._change(0)

    def _change(self, downloads: int) -> None:
        with self._lock:
            self._downloads += downloads
            if self._downloads or not self._all_are_begun or self._is_told:
                return
            self._is_told = True
        self._on_disk()
