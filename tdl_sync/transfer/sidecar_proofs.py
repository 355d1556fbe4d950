"""What sidecars say of files that no mark on this machine knows.

After a machine was lost they tell a right file from a wrong one of its size, where the remote lists
hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tdl_sync.core.errors import ItemFailed, SidecarUnreadable
from tdl_sync.core.model import FileNumber, HistoryEntry, ListedFile, MediaItem
from tdl_sync.core.naming import path_of
from tdl_sync.core.ports import HandOff
from tdl_sync.transfer.job import Job
from tdl_sync.transfer.sidecar import DescribedFile, described_file, sidecar_name

_AT_ONCE = 8


class SidecarProofs:
    """Of one job. Used by one thread, but for ``wrong_path``."""

    def __init__(self, job: Job, hand_off: HandOff) -> None:
        # As they were at the start: what this run puts speaks for what it has sent itself.
        self._folders = dict(job.sidecar_folders)
        self._on_remote = job.on_remote
        self._hand_off = hand_off
        self._read: dict[FileNumber, DescribedFile | None] = {}
        self._wrong_paths: dict[FileNumber, str] = {}

    def read_ahead(self, entries: Iterable[HistoryEntry]) -> None:
        """Those of these that ``compared`` would read, side by side. Raises as ``HandOff.read``,
        but for what is wrong with one of them alone: that one proves nothing."""
        items = [each for each in entries if isinstance(each, MediaItem)]
        numbers = [each.number for each in items if self._is_to_be_read(each)]
        if len(numbers) < 2:
            return
        with ThreadPoolExecutor(_AT_ONCE, "sidecars") as pool:
            self._read.update(zip(numbers, pool.map(self._described, numbers), strict=True))

    def compared(self, item: MediaItem, files: Sequence[ListedFile]) -> ListedFile | None:
        """Of these, which have its size, the one that is right by the sidecar's hash, with that;
        ``None``: all of them are wrong. Where nothing can be compared it is the first, without a
        hash.
        """
        proof = self._proof(item)
        unknown = [each for each in files if each.sha256 is None]
        if proof is None:
            return _without_hash(files[0])
        right = [each for each in files if each.sha256 == proof.sha256]
        if right:
            return right[0]
        if unknown:
            return unknown[0]
        if any(path_of(each) == proof.path for each in files):
            self._wrong_paths[item.number] = proof.path
        return None

    def wrong_path(self, item: MediaItem) -> str | None:
        """Below the chat's folder: where its sidecar has its file, which is wrong. Any thread."""
        return self._wrong_paths.get(item.number)

    def _proof(self, item: MediaItem) -> DescribedFile | None:
        if self._is_to_be_read(item):
            self._read[item.number] = self._described(item.number)
        return self._read.get(item.number)

    def _is_to_be_read(self, item: MediaItem) -> bool:
        number = item.number
        return (
            number in self._folders
            and number not in self._read
            and any(
                each.sha256 is not None and each.size_bytes == item.size_bytes
                for each in self._on_remote.get(number, ())
            )
        )

    def _described(self, number: FileNumber) -> DescribedFile | None:
        try:
            text = self._hand_off.read(self._folders[number], sidecar_name(number))
            return described_file(text)
        except (SidecarUnreadable, ItemFailed):
            return None


def _without_hash(file: ListedFile) -> ListedFile:
    return ListedFile(file.name, file.size_bytes, file.subfolder)
