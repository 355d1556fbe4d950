"""Where the remote is a disk of this machine, what was moved there outlives a power cut.

rclone writes and renames, and deletes the source; none of that is on a disk before the system
writes it there, some thirty seconds later and in no order. So it is synced before the mark is
written: what the mark says is to be true after any end.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tdl_sync.core.errors import HandOffFailed
from tdl_sync.core.operating_system import in_utf8, sync_all_disks, sync_directory, sync_file
from tdl_sync.remote.chain import LOCAL, kinds_below, local_directory
from tdl_sync.remote.rclone import CallFailed
from tdl_sync.remote.remote_control import RemoteControl

_SAME_DATE_SECONDS = 2.0
"""As exactly as every file system keeps it."""


@dataclass(frozen=True)
class _Place:
    """``is_here``: on this machine, or in part. ``directory``: where files have their names."""

    is_here: bool
    directory: Path | None


class PowerCut:
    """All methods may be called from any thread; they return when it can do no harm any more.

    They raise ``HandOffFailed`` where the disk does not write, ``Stopped``, and what ends a run.
    """

    def __init__(self, control: RemoteControl, remote: str) -> None:
        self._control = control
        self._remote = remote
        # Now: after a stop rclone answers no questions, and what ends in the grace time counts.
        self._place = self._look()
        self._whole_lock = threading.Lock()
        self._whole_began_at = 0.0
        self._synced_parents: set[Path] = set()

    def outlived_by(self, path: str) -> None:
        """Sync the file that was put at ``path`` below the remote, and the names on its way."""
        place = self._place
        if not place.is_here:
            return
        if place.directory is None:
            self._sync_whole()
            return
        try:
            self._sync_file(in_utf8(place.directory / path))
        except FileNotFoundError:
            self._sync_whole()  # an option of rclone's has given it another name
        except OSError as error:
            why = f"it was moved, but the remote's disk does not keep it ({error.strerror})"
            raise HandOffFailed(why) from error

    def keep_date(self, path: str, seconds: float) -> None:
        """Let the file at ``path`` bear this date, in seconds, if it can be reached and does not.

        To such a disk rclone gives the bytes first, and the date when all are there.
        """
        directory = self._place.directory
        if directory is None:
            return
        with contextlib.suppress(OSError):
            file = in_utf8(directory / path)
            if abs(os.stat(file).st_mtime - seconds) >= _SAME_DATE_SECONDS:
                os.utime(file, (seconds, seconds))

    def outlived_by_all(self) -> None:
        """Sync all that was put there, by whoever that was."""
        if self._place.is_here:
            self._sync_whole()

    def _look(self) -> _Place:
        try:
            sections = self._control.sections()
        except CallFailed:
            return _Place(is_here=True, directory=None)  # for all that is known
        is_here = LOCAL in kinds_below(sections, self._remote)
        return _Place(is_here, local_directory(sections, self._remote) if is_here else None)

    def _sync_file(self, path: Path) -> None:
        sync_file(path)
        sync_directory(path.parent)
        if path.parent in self._synced_parents:
            return
        # The directory itself may have been made just now, and those above it.
        for parent in path.parent.parents:
            with contextlib.suppress(PermissionError):
                sync_directory(parent)
        self._synced_parents.add(path.parent)

    def _sync_whole(self) -> None:
        """All disks of the machine: one call serves all who wait for its beginning."""
        asked_at = time.monotonic()
        with self._whole_lock:
            if self._whole_began_at <= asked_at:
                self._whole_began_at = time.monotonic()
                sync_all_disks()
