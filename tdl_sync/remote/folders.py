"""The chat's folder on the remote and those below it: made once, known by their ids where they have
one, and looked for again when they were seen long ago."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tdl_sync.core.model import ListedFile
from tdl_sync.remote.check import CheckedRemote
from tdl_sync.remote.drive_folder import (
    DriveFolder,
    folder_error,
    gone_from,
    is_gone,
    make_drive_folder,
    make_path_on_drive,
)
from tdl_sync.remote.listing import chat_folder_among, find_chat_folder, listed_files
from tdl_sync.remote.rclone import CallFailed, OutcomeUnknown
from tdl_sync.remote.rclone_errors import RcloneFailure
from tdl_sync.remote.remote_control import Folder, Remote, RemoteControl

LOOK_AGAIN_SECONDS = 3600.0
"""After this time a chat's folders are looked for again. What lies in the bin is taken for a folder
without a word, by its id and by rclone's memory of it."""

_TRIES = 3


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
    ) -> None:
        """``seen`` are those on the remote, if they were listed a moment ago: with them the first
        chat's folder is found, and that is looked for, without another listing."""
        self._control = control
        self._remote = remote
        self._on_line = on_line
        self._seen = seen
        self._folders: dict[str, KnownFolder] = {}
        self._making = threading.RLock()

    def find(self, chat_id: int) -> str | None:
        """See ``ports.HandOff.find_folder``."""
        if self._seen is not None:
            return chat_folder_among(self._seen, chat_id)
        return find_chat_folder(self._control, self._remote, chat_id)

    def prepare(self, folder: str) -> list[ListedFile]:
        """Make the chat's folder and list what is in it and below. Once, before the first move:
        parallel ones into a folder that is not there yet would make several of one name."""
        hash_kinds = self._remote.listed_hashes
        if not self._remote.takes_folder_ids:
            self._make_by_path(folder)
            self._folders[folder] = KnownFolder(drive_id=None)
            return listed_files(self._control, self._remote.base, folder, hash_kinds=hash_kinds)
        seen, self._seen = self._seen, None
        on_drive = make_drive_folder(self._control, self._remote.parent, folder, seen)
        if on_drive.duplicates:
            self._on_line(
                f"{_several(self._remote, on_drive, folder)}; files go into the one "
                f"with the id {on_drive.ids[0]}, those in the others count as moved. "
                "What is in the others may be moved into that one on Drive"
            )
        listing = [
            file
            for folder_id in on_drive.ids
            for file in listed_files(
                self._control, self._remote.inside(folder_id), hash_kinds=hash_kinds
            )
        ]
        self._folders[folder] = KnownFolder(on_drive.ids[0], {file.name for file in listing})
        return listing

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
        """What is known of a folder. One below the chat's folder is made when it is first needed:
        once, since several that make it at a time would make several of one name."""
        known = self._folders.get(folder)
        if known is None and "/" in folder:
            with self._making:
                known = self._folders.get(folder)
                if known is None:
                    known = self._folders[folder] = self._made_below(folder)
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
        known.seen_at = time.monotonic()

    def _tell_that_it_is_gone(self, chat_folder: str) -> None:
        self._on_line(
            f"warning: the folder {chat_folder!r} is not in {self._remote.remote!r} any more, "
            "so it is made again; what was in it counts as moved"
        )

    def _made_below(self, folder: str) -> KnownFolder:
        parent_folder, _, name = folder.rpartition("/")
        parent = self._known(parent_folder)
        if parent is None or parent.drive_id is None:
            self._make_by_path(folder)
            return KnownFolder(drive_id=None)
        inside = self._remote.parent_inside(parent.drive_id, parent_folder)
        drive_id = make_drive_folder(self._control, inside, name).ids[0]
        listing = listed_files(self._control, self._remote.inside(drive_id))
        return KnownFolder(drive_id, {file.name for file in listing})

    def _make_by_path(self, folder: str) -> None:
        """No harm where it is there."""
        if self._remote.on_drive:
            found = make_path_on_drive(self._control, self._remote.parent, folder)
            if found.duplicates:
                self._on_line(
                    f"{_several(self._remote, found, folder)}, and rclone, which goes by their "
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


def _several(remote: CheckedRemote, found: DriveFolder, folder: str) -> str:
    path = f"{remote.remote.rstrip('/')}/{folder}"
    return f"warning: Drive has {len(found.ids)} folders {path!r}"
