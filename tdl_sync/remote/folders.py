"""The chat's folder on the remote and those below it: made once, known by their ids where they have
one, and looked for again when they were seen long ago.

Which of several folders of one name files go into may be known only after a wait (`FolderChoice`).
So a folder is `ready` before anything is put into it, and files are downloaded meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from tdl_sync.core.model import ListedFile
from tdl_sync.remote.base_folder import made_base, wait_beside
from tdl_sync.remote.check import CheckedRemote
from tdl_sync.remote.drive_folder import (
    FolderChoice,
    Several,
    folder_error,
    gone_from,
    is_gone,
    make_path_on_drive,
)
from tdl_sync.remote.listing import chat_folder_among, find_chat_folder, listed_files
from tdl_sync.remote.one_of_several import Choosing
from tdl_sync.remote.rclone import CallFailed, OutcomeUnknown
from tdl_sync.remote.rclone_errors import RcloneFailure
from tdl_sync.remote.remote_control import Folder, Remote, RemoteControl

LOOK_AGAIN_SECONDS = 3600.0
"""After this time a chat's folders are looked for again. What lies in the bin is taken for a folder
without a word, by its id and by rclone's memory of it."""

_TRIES = 3
_SHORTEST_WAIT_SECONDS = 0.01

Choice = FolderChoice[list[ListedFile]]


@dataclass
class KnownFolder:
    """``drive_id`` where files go by the folder's id. ``names`` may be in it already."""

    drive_id: str | None
    names: set[str] = field(default_factory=set)
    seen_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Target:
    """Where a file goes. ``look_first`` unless the name is known to be new there."""

    remote: Remote
    path: str
    look_first: bool = True


class ChatFolders:
    """All methods may be called from any thread. They raise ``TdlSyncError`` classes."""

    def __init__(
        self,
        control: RemoteControl,
        remote: CheckedRemote,
        on_line: Callable[[str], None],
        seen: list[Folder] | None,
        *,
        others_at_work: bool = False,
    ) -> None:
        """``seen`` are those on the remote, if they were listed a moment ago: with them the first
        chat's folder is found, and that is looked for, without another listing.
        ``others_at_work``: other machines move the same chat, and may make the folders below its
        own at the same time; that one, and the remote's, any machine may make."""
        self._control = control
        self._remote = remote
        self._on_line = on_line
        self._seen = seen
        self._others_at_work = others_at_work
        self._folders: dict[str, KnownFolder] = {}
        self._choices: dict[str, Choice] = {}
        self._making = threading.RLock()

    def find(self, chat_id: int) -> str | None:
        """See ``ports.HandOff.find_folder``."""
        if self._seen is not None:
            return chat_folder_among(self._seen, chat_id)
        return find_chat_folder(self._control, self._remote, chat_id)

    def prepare(self, folder: str) -> list[ListedFile]:
        """Make the chat's folder and list what is in it and below. Once, before the first move:
        parallel ones into a folder that is not there yet would make several of one name.

        Where others may make it, too, it is not `ready` yet."""
        hash_kinds = self._remote.listed_hashes
        if not self._remote.takes_folder_ids:
            self._make_by_path(folder)
            self._folders[folder] = KnownFolder(drive_id=None)
            return listed_files(self._control, self._remote.base, folder, hash_kinds=hash_kinds)
        with self._making:
            seen, self._seen = self._seen, None
            self._folders.pop(folder, None)
            choice = self._choices[folder] = self._choice(folder, seen, hash_kinds)
            while not self._go_on(folder) and not choice.is_there:
                wait_beside(self._control, choice.seconds_left)
        return [file for files in choice.shown.values() for file in files]

    def seconds_until_ready(self, folder: str) -> float:
        """Until it is known where files of this folder go: to be called again after so long, while
        it is not 0. It is made, and those above it, where they are not there."""
        if self.is_ready(folder):
            return 0.0
        with self._making:
            parts = folder.split("/")
            for count in range(1, len(parts) + 1):
                path = "/".join(parts[:count])
                if not self._go_on(path):
                    return max(_SHORTEST_WAIT_SECONDS, self._choices[path].seconds_left)
        return 0.0

    def is_ready(self, folder: str) -> bool:
        return folder in self._folders or not self._remote.takes_folder_ids

    def _go_on(self, folder: str) -> bool:
        """Whether its id is known by now."""
        if folder in self._folders:
            return True
        if folder not in self._choices:
            self._choices[folder] = self._choice(folder)
        choice = self._choices[folder]
        if not choice.go_on():
            return False
        del self._choices[folder]
        found = choice.found
        assert found is not None
        if found.others:
            self._on_line(self._told_of_several(found, folder))
        names = {file.name for files in found.inside.values() for file in files}
        self._folders[folder] = KnownFolder(found.counts, names)
        return True

    def _choice(
        self,
        folder: str,
        seen: list[Folder] | None = None,
        hash_kinds: Collection[str] = (),
    ) -> Choice:
        parent_folder, _, name = folder.rpartition("/")
        remote, parent = self._remote, self._remote.parent
        if parent_folder:
            above = self._folders[parent_folder].drive_id
            assert above is not None
            parent = remote.parent_inside(above, parent_folder)

        def inside(folder_id: str) -> list[ListedFile]:
            place = remote.inside(folder_id)
            return listed_files(self._control, place, hash_kinds=hash_kinds)

        alone = bool(parent_folder) and not self._others_at_work
        return FolderChoice(self._control, parent, name, inside, Choosing(alone=alone), seen)

    def _told_of_several(self, found: Several[list[ListedFile]], folder: str) -> str:
        several = _several(self._remote, len(found.inside), folder)
        if any(found.others.values()):
            return (
                f"{several}; files go into the one with the id {found.counts}, those in the others "
                "count as moved. What is in the others may be moved into that one on Drive"
            )
        # Below the chat's folder that does not look.
        mend = "may be removed on Drive" if "/" in folder else "verify --repair removes them"
        return (
            f"{several}; files go into the one with the id {found.counts}, the others are empty, "
            f"and {mend}"
        )

    def target(self, size_bytes: int, folder: str, name: str) -> Target:
        """Where a file of this size goes: by the folder's id if there is one.

        There Drive is asked three times for a file that is new: is the name free (rclone looks
        before each upload), begin a session, send. Looking twice is left out.
        """
        known = self._known(folder)
        if known is None or known.drive_id is None:
            # Of a file without content there is no upload session, as below.
            once = self._remote.on_drive and not size_bytes
            return Target(self._remote.base_once if once else self._remote.base, f"{folder}/{name}")
        inside = self._remote.inside if size_bytes else self._remote.inside_once
        is_new = name not in known.names
        known.names.add(name)
        return Target(inside(known.drive_id), name, look_first=not is_new)

    def is_seen(self, folder: str) -> bool:
        """Whether the chat's folder was among those that were listed at the start."""
        return self._seen is not None and any(each.name == folder for each in self._seen)

    def forget_seen(self) -> None:
        """What was listed at the start is not all that is there."""
        self._seen = None

    def list_again(self, chat_folder: str) -> None:
        """Learn what is in the chat's folder and below that an earlier listing did not show."""
        known = self._folders.get(chat_folder)
        if known is None or known.drive_id is None:
            return
        listing = listed_files(self._control, self._remote.inside(known.drive_id))
        names = {file.name for file in listing}
        with self._making:
            for folder, each in self._folders.items():
                if f"{folder}/".startswith(f"{chat_folder}/"):
                    each.names |= names

    def may_hold(self, folder: str, name: str) -> None:
        """It may be there already, whatever its listing has shown."""
        known = self._known(folder)
        if known is not None:
            known.names.add(name)

    def _known(self, folder: str) -> KnownFolder | None:
        """What is known of a folder. One below the chat's folder that goes by its path is made when
        it is first needed: once, since several that make it at a time would make several of one
        name."""
        known = self._folders.get(folder)
        if known is None and self._remote.takes_folder_ids:
            # It was ready, and was seen to be gone since then.
            while seconds := self.seconds_until_ready(folder):
                wait_beside(self._control, seconds)
            return self._folders.get(folder)
        if known is None and "/" in folder:
            with self._making:
                known = self._folders.get(folder)
                if known is None:
                    self._known(folder.rpartition("/")[0])
                    self._make_by_path(folder)
                    known = self._folders[folder] = KnownFolder(drive_id=None)
        return known

    def is_due(self, chat_folder: str, after_seconds: float) -> bool:
        """Whether it is to be looked for again: it was seen so long ago."""
        known = self._folders.get(chat_folder)
        return known is not None and time.monotonic() >= known.seen_at + after_seconds

    def look_again(self, chat_folder: str, after_seconds: float) -> None:
        """Make the chat's folder again if it is gone, unless it was seen a shorter time ago.

        Those below it are made when they are needed.
        """
        with self._making:
            if not self.is_due(chat_folder, after_seconds):
                return
            # What rclone remembers of folders, and of its configuration, is as old as the run.
            self._control.forget_remotes()
            if self._remote.takes_folder_ids:
                self._look_for_ids(chat_folder)
            else:
                self._look_by_path(chat_folder)

    def _look_by_path(self, chat_folder: str) -> None:
        # What is below it, and may be gone, is made when it is needed: by one call, as at first.
        for folder in [each for each in self._folders if each.startswith(f"{chat_folder}/")]:
            del self._folders[folder]
        # Where there are no empty folders one may be missing that nobody has removed.
        if self._remote.has_empty_folders and is_gone(
            self._control, self._remote.base, chat_folder
        ):
            self._tell_that_it_is_gone(chat_folder)
            self._make_by_path(chat_folder)
        self._folders[chat_folder] = KnownFolder(drive_id=None)

    def _look_for_ids(self, chat_folder: str) -> None:
        known = self._folders[chat_folder]
        ids_in: dict[str, dict[str, str]] = {}
        for folder in sorted(self._folders):  # parents come first
            if folder.startswith(f"{chat_folder}/"):
                ids = ids_in.setdefault(folder.rpartition("/")[0], {})
                ids[self._folders[folder].drive_id or ""] = folder
        if gone_from(self._control, self._remote.base, [known.drive_id or ""]):
            self._tell_that_it_is_gone(chat_folder)
            self._forget_choices_below(chat_folder)
            if self._remote.parts:  # with that above it, for all that is known
                base_id, _ = made_base(self._control, self._remote, self._wait)
                if base_id != self._remote.base_id:
                    self._choices.clear()
                self._remote = replace(self._remote, base_id=base_id)
            self.prepare(chat_folder)
            for folder in (each for ids in ids_in.values() for each in ids.values()):
                del self._folders[folder]
            return
        for parent_folder, ids in ids_in.items():
            parent, gone = self._folders.get(parent_folder), set(ids)
            if parent is not None:
                gone = gone_from(self._control, self._remote.inside(parent.drive_id or ""), ids)
            for folder_id in gone:
                del self._folders[ids[folder_id]]
                self._forget_choices_below(ids[folder_id])
        known.seen_at = time.monotonic()

    def _forget_choices_below(self, gone: str) -> None:
        """Those of folders that would be made in one that is in the bin."""
        for folder in [each for each in self._choices if each.startswith(f"{gone}/")]:
            del self._choices[folder]

    def _wait(self, _: str, seconds: float) -> None:
        wait_beside(self._control, seconds)

    def _tell_that_it_is_gone(self, chat_folder: str) -> None:
        self._on_line(
            f"warning: the folder {chat_folder!r} is not in {self._remote.remote!r} any more, "
            "so it is made again; what was in it counts as moved"
        )

    def _make_by_path(self, folder: str) -> None:
        """No harm where it is there."""
        if self._remote.on_drive:
            shown = make_path_on_drive(self._control, self._remote.parent, folder)
            if shown > 1:
                self._on_line(
                    f"{_several(self._remote, shown, folder)}, and rclone, which goes by their "
                    "name here, looks into one of them only: on Drive, move what is in the "
                    "others into that one, and remove those"
                )
            return
        failure: RcloneFailure | None = None
        for _ in range(_TRIES):
            try:
                self._control.make_folder(self._remote.base, folder)
                return
            except CallFailed as failed:
                failure = failed.failure(self._remote.remote, *folder.split("/"))
                break
            except OutcomeUnknown as unknown:
                failure = RcloneFailure(self._remote.remote, 0, str(unknown))
        assert failure is not None
        what = "make a folder" if "/" in folder else f"make the folder {folder!r}"
        raise folder_error(what, failure)


def _several(remote: CheckedRemote, count: int, folder: str) -> str:
    path = f"{remote.remote.rstrip('/')}/{folder}"
    return f"warning: Drive has {count} folders {path!r}"
