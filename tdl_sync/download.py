"""Parts in parallel -> ``.part`` -> size check -> fsync -> rename.

A file counts as downloaded when each of its parts had exactly the length that Telegram's declared
size implies, whatever the library said about success.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import BinaryIO

from tdl_sync.attempts import with_attempts
from tdl_sync.errors import SizeMismatch, StagingFailed
from tdl_sync.model import MediaItem, Reservation, StagedFile
from tdl_sync.operating_system import sync_directory
from tdl_sync.ports import PART_BYTES, PartSource, ProgressListener
from tdl_sync.staging import Staging
from tdl_sync.stop import StopFlag

PARTS_IN_FLIGHT = 16
"""Parts of one file that are asked for at once: enough to keep all connections busy with it."""

STOP_POLL_SECONDS = 0.2


class Downloader:
    """Turns reservations into staged files. ``download`` may run in many threads at once."""

    def __init__(
        self, parts: PartSource, staging: Staging, progress: ProgressListener, stop: StopFlag
    ) -> None:
        self._parts = parts
        self._staging = staging
        self._progress = progress
        self._stop = stop

    def download(self, reservation: Reservation) -> StagedFile:
        """Download one item; blocks until its staged file is complete and durable.

        A part that was written is not asked for again by the next of the three attempts. Raises
        ``ItemFailed``, ``MessageGone``, ``CredentialsRefused`` or ``Stopped``; the partial file is
        gone then, so that the reservation can be released.
        """
        item = reservation.item
        self._stop.check()
        part_path = self._staging.part_path(item.key)
        self._progress.download_started(item)
        try:
            self._write_parts(item, part_path)
            staged_path = self._finish(item, part_path)
        except OSError as error:
            raise StagingFailed(error.strerror or str(error)) from error
        finally:
            part_path.unlink(missing_ok=True)
            self._progress.download_finished(item)
        return StagedFile(reservation, staged_path)

    def _write_parts(self, item: MediaItem, path: Path) -> None:
        # The range goes one past the last part where the size is a multiple of the part size
        # (and for an empty file): only an answer from there shows that nothing follows.
        missing = deque(range(0, item.size_bytes + 1, PART_BYTES))
        with path.open("wb", buffering=0) as file:
            with_attempts(lambda: self._fill(item, file, missing), self._stop)
            os.fsync(file.fileno())

    def _fill(self, item: MediaItem, file: BinaryIO, missing: deque[int]) -> None:
        """Fetch the missing parts, oldest first; what was not written is missing afterwards."""
        in_flight: dict[Future[bytes], int] = {}
        try:
            while missing or in_flight:
                self._stop.check()
                while missing and len(in_flight) < PARTS_IN_FLIGHT:
                    offset_bytes = missing.popleft()
                    part = self._parts.fetch_part(item, offset_bytes, PART_BYTES)
                    in_flight[part] = offset_bytes
                finished, _ = wait(in_flight, STOP_POLL_SECONDS, FIRST_COMPLETED)
                for part in finished:
                    self._write(item, file, in_flight[part], part.result())
                    del in_flight[part]
        finally:
            missing.extend(sorted(in_flight.values()))

    def _write(self, item: MediaItem, file: BinaryIO, offset_bytes: int, part: bytes) -> None:
        expected_bytes = min(PART_BYTES, item.size_bytes - offset_bytes)
        if len(part) != expected_bytes:
            raise SizeMismatch(item.size_bytes, item.size_bytes + len(part) - expected_bytes)
        file.seek(offset_bytes)
        remaining = memoryview(part)
        while remaining:
            remaining = remaining[file.write(remaining) :]
        self._progress.downloaded(item, len(part))

    def _finish(self, item: MediaItem, part_path: Path) -> Path:
        """Check the size on disk, give the file the message's date, and rename it durably."""
        actual_bytes = part_path.stat().st_size
        if actual_bytes != item.size_bytes:
            raise SizeMismatch(item.size_bytes, actual_bytes)
        sent_at = item.date.timestamp()
        os.utime(part_path, (sent_at, sent_at))
        staged_path = self._staging.staged_path(item.key)
        part_path.replace(staged_path)
        sync_directory(self._staging.directory)
        return staged_path
