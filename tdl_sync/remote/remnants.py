"""What killed rclones have left on a remote: part of a file, under a name of rclone's own.

To a remote that can rename, rclone since 1.63 sends a file as ``<name>.<8 signs>.partial`` and
renames it at the end (https://rclone.org/docs/#inplace); one that is killed leaves that behind,
and no rclone ever goes on from there or removes it. (Some versions overwrite it when they send
the same file again.)

A remnant is removed only when

- it lies in the chat's own folder, whose lock and lease are ours,
- its name is one that rclone makes of exactly the name of a message's file, and
- that file is on the remote under its own name: just moved by this run, or listed at its start.

So it can't be anything else, and it is not needed. Even an rclone of a run that has lost its lease
on another machine, and still writes to it, loses nothing but its attempt: its source stays, and
its file is there. What is left of files that were never moved stays, ``verify`` names it.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Sequence

from tdl_sync.core.model import ListedFile
from tdl_sync.core.naming import number_of

_UNDER_WAY = re.compile(r"(.*)\.[0-9a-z]{8}\.partial", re.DOTALL)
"""Older versions take eight letters and digits at random, newer ones a hash."""

_SUFFIX_BYTES = len(".12345678.partial")
_LENGTHENED_BYTES = 100
"""To longer names the suffix is not added, it takes the place of their end."""

_LONGEST_SIGN_BYTES = 4


def is_under_way(name: str) -> bool:
    """Whether rclone calls a file so while it sends it to a remote that can rename it afterwards.

    One that was killed leaves it behind, and it may have the whole file's size without having been
    verified.
    """
    return _UNDER_WAY.fullmatch(name) is not None


def is_remnant(partial_name: str, name: str) -> bool:
    """Whether rclone calls the file ``name`` so while it sends it. A file that is called
    ``….partial`` on Telegram is no remnant of itself."""
    match = _UNDER_WAY.fullmatch(partial_name)
    if match is None or partial_name == name or number_of(name) is None:
        return False
    name_bytes, stem_bytes = len(name.encode()), len(match[1].encode())
    if name_bytes <= _LENGTHENED_BYTES:
        return match[1] == name
    cut_bytes = name_bytes - _SUFFIX_BYTES - stem_bytes
    return name.startswith(match[1]) and 0 <= cut_bytes < _LONGEST_SIGN_BYTES


class Remnants:
    """What was listed of them, by folder. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: defaultdict[str, set[str]] = defaultdict(set)

    def sort_out(self, folder: str, listing: Sequence[ListedFile]) -> list[ListedFile]:
        """Take them out of the listing of the chat's folder and what is below; returns the rest."""
        with self._lock:
            for file in listing:
                if is_under_way(file.name):
                    self._names[_path(folder, file)].add(file.name)
        return [file for file in listing if not is_under_way(file.name)]

    def needless(self, folder: str, listing: Sequence[ListedFile]) -> list[tuple[str, str]]:
        """Folders and names of those whose file is in the listing, too."""
        with self._lock:
            folders = {folder for folder, names in self._names.items() if names}
        return [
            (path, name)
            for file in listing
            if (path := _path(folder, file)) in folders
            for name in self.of(path, file.name)
        ]

    def of(self, folder: str, name: str) -> list[str]:
        """The names of what is left of this file, each told once."""
        with self._lock:
            found = [each for each in self._names[folder] if is_remnant(each, name)]
            self._names[folder].difference_update(found)
        return sorted(found)


def _path(folder: str, file: ListedFile) -> str:
    return "/".join(filter(None, (folder, file.subfolder)))
