"""Parts in parallel -> ``.part`` -> size check -> fsync -> rename.

A file counts as downloaded when each of its parts had exactly the length that Telegram's declared
size implies, whatever the library said about success.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from pathlib import Path

from tdl_sync.core.errors import FileReplaced, ItemFailed, MessageGone, SizeMismatch, StagingFailed
from tdl_sync.core.model import MediaItem, Reservation, StagedFile
from tdl_sync.core.operating_system import replace_file, sync_directory
from tdl_sync.core.ports import PART_BYTES, Notices, PartSource
from tdl_sync.core.retry import with_attempts
from tdl_sync.core.steps import (
    DownloadBegan,
    Downloaded,
    DownloadEnded,
    Resumed,
    Staged,
    Steps,
    TriedAgain,
)
from tdl_sync.core.stop import StopFlag
from tdl_sync.transfer.disk.full_disk import FullDisk
from tdl_sync.transfer.disk.part_journal import PartialFile, PartialFiles, part_length
from tdl_sync.transfer.disk.staging import Staging

PARTS_IN_FLIGHT = 18
"""Parts of one file that are asked for at once: enough to keep all connections busy with it."""

STOP_POLL_SECONDS = 0.2


class Downloader:
    """Turns reservations into staged files. ``download`` may run in many threads at once."""

    def __init__(
        self,
        parts: PartSource,
        staging: Staging,
        partials: PartialFiles,
        notices: Notices,
        stop: StopFlag,
    ) -> None:
        self._parts = parts
        self._staging = staging
        self._partials = partials
        self._stop = stop
        self._notices = notices
        self._full_disk = FullDisk((staging.directory, partials.directory), notices, stop)

    def until(self, stop: StopFlag) -> Downloader:
        """This one, ended by another flag."""
        if stop is self._stop:
            return self
        return Downloader(self._parts, self._staging, self._partials, self._notices, stop)

    def expect(self, items: Sequence[MediaItem]) -> None:
        """See ``PartSource.expect``."""
        self._parts.expect(items)

    def expect_some(self) -> None:
        """See ``PartSource.expect_some``."""
        self._parts.expect_some()

    def download(self, reservation: Reservation, steps: Steps) -> StagedFile:
        """Download one item; blocks until its staged file is complete and durable.

        A part that was written is not asked for again, not by the next of the three attempts and
        not by the next run. Raises ``ItemFailed``, ``MessageGone``, ``CredentialsRefused`` or
        ``Stopped``. The partial file and its journal stay where going on makes sense: after
        ``Stopped``, ``DownloadFailed`` and what ends more than this item.
        """
        item = reservation.item
        self._stop.check()
        steps.tell(DownloadBegan(item))
        try:
            self._write_parts(item, steps)
            staged_path = self._finish(item)
            steps.tell(Staged(item))
        except OSError as error:
            self._partials.remove(item.key)
            raise StagingFailed(error.strerror or str(error)) from error
        except (ItemFailed, MessageGone) as error:
            if isinstance(error, (MessageGone, SizeMismatch, FileReplaced)) or error.for_good:
                self._partials.remove(item.key)
            raise
        finally:
            steps.tell(DownloadEnded(item))
        return StagedFile(reservation, staged_path)

    def _write_parts(self, item: MediaItem, steps: Steps) -> None:
        with ExitStack() as closing:
            opening = self._partials.open
            file = self._full_disk.rest_while_full(
                lambda: closing.enter_context(opening(item, self._stop.check))
            )
            if file.offsets:
                steps.tell(Resumed(item, file.written_bytes))
            # The range goes one past the last part where the size is a multiple of the part size
            # (and for an empty file): only an answer from there shows that nothing follows.
            offsets = range(0, item.size_bytes + 1, PART_BYTES)
            missing = deque(offset for offset in offsets if offset not in file.offsets)
            with_attempts(
                lambda: self._fill(item, file, missing, steps),
                self._stop,
                lambda why, seconds: steps.tell(TriedAgain(item, why, seconds)),
            )

    def _fill(self, item: MediaItem, file: PartialFile, missing: deque[int], steps: Steps) -> None:
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
                    steps.tell(Downloaded(item, len(part.result())))
                    del in_flight[part]
        finally:
            missing.extend(sorted(in_flight.values()))

    def _write(self, item: MediaItem, file: PartialFile, offset_bytes: int, part: bytes) -> None:
        expected_bytes = part_length(item.size_bytes, offset_bytes)
        if len(part) != expected_bytes:
            raise SizeMismatch(item.size_bytes, item.size_bytes + len(part) - expected_bytes)
        self._full_disk.rest_while_full(lambda: file.write(offset_bytes, part))

    def _finish(self, item: MediaItem) -> Path:
        """Check the size on disk, give the file the message's date, and rename it: all durable."""
        part_path = self._staging.part_path(item.key)
        actual_bytes = part_path.stat().st_size
        if actual_bytes != item.size_bytes:
            raise SizeMismatch(item.size_bytes, actual_bytes)
        sent_at = item.date.timestamp()
        os.utime(part_path, (sent_at, sent_at))
        with part_path.open("r+b") as file:
            os.fsync(file.fileno())
        staged_path = self._staging.staged_path(item.key)
        replace_file(part_path, staged_path)
        sync_directory(self._staging.directory)
        return staged_path
