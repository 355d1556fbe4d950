"""Removes empty folders that machines which started at once have left beside the one that counts.

rclone removes a folder by its name, and takes any of several. It refuses one in which something is,
so it can't hit the one that counts, once something is in that; and it must not matter which of the
others it hits. One whose turn does not come is tried by the other end of Drive's listing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from tdl_sync.remote import one_of_several
from tdl_sync.remote.base_folder import wait_beside
from tdl_sync.remote.check import CheckedRemote
from tdl_sync.remote.drive_folder import folder_error
from tdl_sync.remote.one_of_several import one_that_counts
from tdl_sync.remote.rclone import CallFailed, OutcomeUnknown
from tdl_sync.remote.remote_control import DatedFolder, Remote, RemoteControl

OLDEST_RACE = timedelta(hours=1)
"""Who makes a folder knows long before that which one counts."""

_LOOK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class EmptyDoubles:
    """Empty folders of one path beside the one that counts. ``parent_id`` is that of the folder in
    which all are, empty for the root. ``kept_because`` is why none may be removed; empty if they
    may."""

    path: str
    name: str
    parent_id: str
    counts: str
    empty_ids: frozenset[str]
    kept_because: str = ""


class DoubleFolders:
    """Of one remote. One thread. Raises ``TdlSyncError`` classes."""

    def __init__(
        self,
        control: RemoteControl,
        remote: CheckedRemote,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._control = control
        self._remote = remote
        self._now = now

    def of(self, chat_folder: str, *, looks_below: bool) -> list[EmptyDoubles]:
        """Beside each folder on the way to the chat's, beside that one, and beside those below it
        if asked to: that lists all that is there once more. Below folders of one path it does not
        look, until one is left of them."""
        remote = self._remote
        if not remote.takes_folder_ids:
            return []
        found: list[EmptyDoubles] = []
        parent_id, path = "", remote.root.path
        for number, name in enumerate((*remote.parts, chat_folder)):
            path += name if not number else f"/{name}"
            several = self._several(parent_id, name)
            if not several:
                return found
            counts, doubles = self._among(several, path, parent_id)
            found += doubles
            parent_id = counts
        return [*found, *self._below(parent_id, path)] if looks_below else found

    def _below(self, chat_folder_id: str, path: str) -> Iterator[EmptyDoubles]:
        by_path: dict[str, list[DatedFolder]] = {}
        for each in self._listed(self._remote.inside(chat_folder_id), below=True):
            by_path.setdefault(each.path, []).append(each)
        for inner, several in sorted(by_path.items()):
            above = by_path.get(inner.rpartition("/")[0], [])
            if len(several) > 1 and len(above) < 2:
                parent_id = above[0].drive_id if above else chat_folder_id
                yield from self._among(several, f"{path}/{inner}", parent_id)[1]

    def _among(
        self, several: Sequence[DatedFolder], path: str, parent_id: str
    ) -> tuple[str, list[EmptyDoubles]]:
        """The one of these that counts, and those that are empty beside it, if any are."""
        shows_something = {each.drive_id: self._holds_anything(each) for each in several}
        counts = one_that_counts(shows_something)
        empty = [
            each
            for each in several
            if each.drive_id != counts and not shows_something[each.drive_id]
        ]
        if not empty:
            return counts, []
        why = "" if shows_something[counts] else "nothing is in any of them yet"
        why = why or self._why_not_old(empty)
        ids = frozenset(each.drive_id for each in empty)
        return counts, [EmptyDoubles(path, several[0].name, parent_id, counts, ids, why)]

    def remove(self, chat_folder: str, found: Sequence[EmptyDoubles]) -> tuple[int, list[str]]:
        """Put those that may be removed into the bin, of what ``of`` has found before, if they are
        seen to be empty once more; how many were, and in a line each why others were not."""
        if any(not each.kept_because for each in found):
            wait_beside(self._control, one_of_several.LAG_SECONDS)
        again = {each.path: each for each in self.of(chat_folder, looks_below=True)}
        removed, left = 0, []
        for doubles in found:
            why = doubles.kept_because
            if not why and again.get(doubles.path) != doubles:
                why = "they have changed meanwhile"
            if not why:
                count = self._removed(doubles)
                removed += count
                if count < len(doubles.empty_ids):
                    why = "rclone finds others by their name; remove them on Drive"
            if why:
                left.append(f"empty folders {doubles.path!r} left: {why}")
        return removed, left

    def _removed(self, doubles: EmptyDoubles) -> int:
        gone: frozenset[str] = frozenset()
        parent = self._remote.with_bin(doubles.parent_id)
        in_vain, by_listing = 0, False
        while gone != doubles.empty_ids and in_vain < 2:
            # By its name rclone takes the first that is listed, and after a listing the last.
            self._control.forget_remotes()
            if by_listing:
                with suppress(CallFailed):
                    self._control.folders(parent)
            with suppress(CallFailed, OutcomeUnknown):
                self._control.remove_empty_folder(parent, doubles.name)
            now_gone = self._gone(doubles, gone)
            in_vain = in_vain + 1 if now_gone == gone else 0
            by_listing = by_listing != (now_gone == gone)
            gone = now_gone
        return len(gone)

    def _gone(self, doubles: EmptyDoubles, known: frozenset[str]) -> frozenset[str]:
        """Listings may lag."""
        deadline = time.monotonic() + one_of_several.LAG_SECONDS
        while True:
            listed = self._several(doubles.parent_id, doubles.name)
            gone = doubles.empty_ids - {each.drive_id for each in listed}
            if gone != known or time.monotonic() > deadline:
                return gone
            wait_beside(self._control, _LOOK_AGAIN_SECONDS)

    def _several(self, parent_id: str, name: str) -> Sequence[DatedFolder]:
        remote = self._remote
        parent = remote.inside(parent_id) if parent_id else remote.root.looked_at
        return [each for each in self._listed(parent) if each.name == name]

    def _listed(self, parent: Remote, *, below: bool = False) -> list[DatedFolder]:
        look = self._control.dated_folders_below if below else self._control.dated_folders
        try:
            return look(parent)
        except CallFailed as failed:
            error = failed.failure(self._remote.remote)
            raise folder_error("list the folders", error) from failed

    def _holds_anything(self, folder: DatedFolder) -> bool:
        try:
            return self._control.holds_anything(self._remote.inside(folder.drive_id))
        except CallFailed as failed:
            error = failed.failure(self._remote.remote, folder.name)
            raise folder_error("list a folder", error) from failed

    def _why_not_old(self, folders: Sequence[DatedFolder]) -> str:
        newest_allowed = self._now() - OLDEST_RACE
        old = all(each.changed_at and each.changed_at < newest_allowed for each in folders)
        return "" if old else "one of them is not an hour old, and may be a machine's that starts"
