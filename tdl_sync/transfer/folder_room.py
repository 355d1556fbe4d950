"""Where files go when a folder on the remote holds as much as it should: into numbered folders in
it, which are found again by the remote's listing.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Sequence

from tdl_sync.core.model import ListedFile

_PART = re.compile(r"part ([2-9]|[1-9][0-9]{1,4})")


def part_name(number: int) -> str:
    """Of the folder for what is too much: the first is number 2."""
    return f"part {number}"


class FolderRoom:
    """Of the chat's folder, and each below it. All methods may be called from any thread.

    Folders are named by those on the way to them, from the chat's on.
    """

    def __init__(self, most: int | None = None, listing: Iterable[ListedFile] = ()) -> None:
        """``most`` things go into a folder, ``None`` for any number; ``listing`` is what is in the
        chat's folder and below, other files and sidecars included."""
        self._most = most
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._full: set[str] = set()
        subfolders: set[str] = set()
        for file in listing:
            self._counts[file.subfolder] += 1
            subfolders.add(file.subfolder)
        for subfolder in {above for each in subfolders for above in _with_those_above(each)}:
            self._counts[subfolder.rpartition("/")[0]] += 1

    def of(self, folders: Sequence[str]) -> tuple[str, ...]:
        """Where a file goes that belongs into this folder: that one, or the first with room of
        those for what is too much."""
        with self._lock:
            number, place = 1, tuple(folders)
            while self._has_no_room("/".join(place)):
                number += 1
                place = (*folders, part_name(number))
            return place

    def put(self, folders: Sequence[str], count: int) -> None:
        """So many more are in it."""
        with self._lock:
            self._counts["/".join(folders)] += count

    def refused(self, folders: Sequence[str]) -> bool:
        """The remote says that the folder takes no more. Whether others may take it: one that was
        opened for what is too much, and in which nothing is yet, is not refused for being full."""
        with self._lock:
            path = "/".join(folders)
            if folders and _PART.fullmatch(folders[-1]) and not self._counts[path]:
                return False
            self._full.add(path)
            return True

    def _has_no_room(self, path: str) -> bool:
        return path in self._full or (self._most is not None and self._counts[path] >= self._most)


def _with_those_above(path: str) -> list[str]:
    parts = path.split("/") if path else []
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
