"""Removes one of two files of a message: that one and never the other, though both may have one
name, and rclone deletes what it finds by a name.

On Drive rclone takes any of several files with one name. So each is given a name that no file had
before, which harms none; which one has it is told by its id; and a surplus one is deleted by that
name, once the one that stays is seen to be there. The new name begins with the message's id like
the old one: whatever ends this half-way leaves both, under names by which they are found again.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import splitext

from tdl_sync.core.doubles import Likeness, likeness
from tdl_sync.core.model import ListedFile
from tdl_sync.core.naming import number_of, path_of
from tdl_sync.remote.check import CheckedRemote
from tdl_sync.remote.drive_folder import LISTING_LAG_SECONDS, listed_folders
from tdl_sync.remote.rclone import CallFailed, OutcomeUnknown
from tdl_sync.remote.rclone_errors import classified
from tdl_sync.remote.remote_control import Remote, RemoteControl

_LOOK_AGAIN_SECONDS = 0.5
_TRIES_FOR_EACH = 3
"""A listing that lags can show a file under the name that it had before."""


_NEW_NAME = re.compile(r"[1-9][0-9]{0,18}(\.[0-9]{1,3})?_double-[0-9a-f]{16}(\..*)?", re.DOTALL)


class NotRemoved(Exception):
    """Nothing was deleted, for this reason: fit for the end of a line, and without names."""


@dataclass(frozen=True)
class _Place:
    """Where files lie: their paths are below ``prefix`` of ``remote``."""

    remote: Remote
    prefix: str = ""


class SurplusRemoval:
    """One thread. Raises ``NotRemoved``, and ``TdlSyncError`` classes for what holds for all."""

    def __init__(self, control: RemoteControl, remote: CheckedRemote) -> None:
        self._control = control
        self._remote = remote

    def remove(self, folder: str, surplus: Sequence[ListedFile], kept: ListedFile) -> None:
        """All ``surplus`` ones have one path below ``folder``, and each is another file than
        ``kept``; as the remote's listing has shown them, with its hashes.

        When this returns they are gone, and ``kept`` is there under its name; or under theirs, if
        an earlier removal was broken off and has left it with another.
        """
        remote = self._remote
        if not remote.listed_hashes:
            raise NotRemoved("the remote lists no hash by which the one that stays is known again")
        try:
            if remote.renames_by_id:
                self._remove_by_id(folder, surplus, kept)
            elif remote.names_are_unique:
                self._remove_by_name(_Place(remote.base, f"{folder}/"), surplus, kept)
            else:
                raise NotRemoved("rclone can't tell two files from each other on this remote")
        except CallFailed as failed:
            error = classified(failed.failure(remote.remote, *folder.split("/")))
            raise error or NotRemoved(failed.reason) from failed
        except OutcomeUnknown as unknown:
            raise NotRemoved(str(unknown)) from unknown

    def _remove_by_id(self, folder: str, surplus: Sequence[ListedFile], kept: ListedFile) -> None:
        places = self._places(folder)
        kept_place = self._place_of(kept, places)
        of_place: defaultdict[_Place, list[ListedFile]] = defaultdict(list)
        for file in surplus:
            of_place[self._place_of(file, places)].append(file)
        for place, files in of_place.items():
            self._remove_in(place, files, kept, kept_place)

    def _places(self, folder: str) -> list[_Place]:
        """By the folder's id where that can be: Drive may have several of its name."""
        if not self._remote.takes_folder_ids:
            return [_Place(self._remote.base, f"{folder}/")]
        folders = listed_folders(self._control, self._remote.base) or []
        ids = sorted(each.drive_id for each in folders if each.name == folder)
        return [_Place(self._remote.inside(each)) for each in ids]

    def _place_of(self, file: ListedFile, places: Sequence[_Place]) -> _Place:
        if len(places) == 1:
            return places[0]
        for place in places:
            found = self._look(place, path_of(file))
            if found is not None and found.remote_id == file.remote_id:
                return place
        raise NotRemoved("the chat has several folders of one name, and it is not found in one")

    def _remove_by_name(
        self, place: _Place, surplus: Sequence[ListedFile], kept: ListedFile
    ) -> None:
        for file in surplus:
            if path_of(file) == path_of(kept):
                raise NotRemoved("the remote lists one name twice")
            self._must_be(kept, self._look(place, path_of(kept)))
            self._must_be(file, self._look(place, path_of(file)))
            self._control.delete_file(place.remote, place.prefix + path_of(file))

    def _remove_in(
        self, place: _Place, surplus: Sequence[ListedFile], kept: ListedFile, kept_place: _Place
    ) -> None:
        path = path_of(surplus[0])
        wanted = {each.remote_id: each for each in surplus}
        renamed: dict[str, str] = {}  # the last path of each, by its id
        try:
            for _ in range(_TRIES_FOR_EACH * (len(wanted) + 1)):
                new_path = self._renamed(place, path)
                renamed[self._shown(place, new_path).remote_id] = new_path
                if not renamed.keys() <= {*wanted, kept.remote_id}:
                    raise NotRemoved(
                        "there are others by its name that were not listed; look again"
                    )
                if wanted.keys() <= renamed.keys():
                    break
            else:
                raise NotRemoved("the remote's listings lag; repair again")
            self._must_be_shown(kept, kept_place, renamed.get(kept.remote_id, path_of(kept)))
            for remote_id, file in wanted.items():
                self._must_be(file, self._look(place, renamed[remote_id]))
                self._control.delete_file(place.remote, place.prefix + renamed[remote_id])
        finally:
            if kept.remote_id in renamed:
                self._give_back(place, renamed[kept.remote_id], path_of(kept))
        if kept_place == place and is_renamed(kept.name) and not is_renamed(surplus[0].name):
            self._give_back(place, path_of(kept), path)

    def _give_back(self, place: _Place, path: str, old_path: str) -> None:
        self._control.rename(place.remote, place.prefix + path, place.prefix + old_path)

    def _renamed(self, place: _Place, path: str) -> str:
        new_path = _new_path(path)
        self._control.rename(place.remote, place.prefix + path, place.prefix + new_path)
        return new_path

    def _shown(self, place: _Place, path: str) -> ListedFile:
        deadline = time.monotonic() + LISTING_LAG_SECONDS
        while (found := self._look(place, path)) is None:
            if time.monotonic() > deadline:
                raise NotRemoved("the remote does not show its new name; repair again")
            time.sleep(_LOOK_AGAIN_SECONDS)
        return found

    def _must_be_shown(self, file: ListedFile, place: _Place, path: str) -> None:
        """Of its name there may be others still, in a listing that lags."""
        deadline = time.monotonic() + LISTING_LAG_SECONDS
        while True:
            try:
                return self._must_be(file, self._look(place, path))
            except NotRemoved:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _look(self, place: _Place, path: str) -> ListedFile | None:
        return self._control.file(place.remote, place.prefix + path, self._remote.listed_hashes)

    @staticmethod
    def _must_be(file: ListedFile, found: ListedFile | None) -> None:
        if found is None:
            raise NotRemoved("it is not there any more as it was listed; look again")
        if found.remote_id != file.remote_id or likeness(found, file) is not Likeness.SAME:
            raise NotRemoved("it is not any more what was listed; look again")


def is_renamed(name: str) -> bool:
    """Whether a file was left with such a name by a removal that was broken off."""
    return _NEW_NAME.fullmatch(name) is not None


def _new_path(path: str) -> str:
    """For a file, beside its old one: with its message's id, and with its ending, by which Drive
    tells its kind."""
    folder, slash, name = path.rpartition("/")
    new_name = f"{number_of(name)}_double-{secrets.token_hex(8)}{splitext(name)[1]}"
    return f"{folder}{slash}{new_name}"
