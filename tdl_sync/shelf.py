"""Staged files whose hand-off failed: kept for the next run, as long as nobody needs their room."""

from __future__ import annotations

import threading

from tdl_sync.budget import DiskBudget
from tdl_sync.model import Reservation
from tdl_sync.ports import ProgressListener
from tdl_sync.staging import Staging


class Shelf:
    """Keeping a file saves its second download; keeping it at any price would fill the budget
    and block the run for ever. All methods may be called from any thread."""

    def __init__(self, staging: Staging, budget: DiskBudget, progress: ProgressListener) -> None:
        self._staging = staging
        self._budget = budget
        self._progress = progress
        self._lock = threading.Lock()
        self._kept: list[Reservation] = []

    def keep(self, reservation: Reservation) -> None:
        """Keep a staged file together with its reservation."""
        with self._lock:
            self._kept.append(reservation)
        if self._budget.someone_waits:
            self.clear()

    def clear(self) -> None:
        """Delete what is kept; its items failed, so the next run downloads them again."""
        with self._lock:
            kept, self._kept = self._kept, []
        for reservation in kept:
            path = self._staging.staged_path(reservation.item.key)
            path.unlink(missing_ok=True)
            self._budget.release(reservation)
            self._progress.message(
                f"deleted the staged file of message {reservation.item.message_id}, whose upload "
                f"failed: {reservation.item.size_bytes} bytes freed for others"
            )
