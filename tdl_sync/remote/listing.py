"""What lies on the remote, by its own listing. Nothing is changed or downloaded by it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from tdl_sync.core.model import ListedFile
from tdl_sync.core.naming import chat_id_of_folder
from tdl_sync.remote.base_folder import ids_of
from tdl_sync.remote.check import CheckedRemote, look_at_remote
from tdl_sync.remote.drive_folder import folder_error, listed_folders
from tdl_sync.remote.rclone import CallFailed
from tdl_sync.remote.remote_control import Folder, Remote, RemoteControl


def listed_files(
    control: RemoteControl, remote: Remote, path: str = "", *, hash_kinds: Collection[str] = ()
) -> list[ListedFile]:
    """All files in ``path`` of the remote and below, rclone's unfinished ones too; empty if there
    is no such path. Raises ``TdlSyncError`` classes, each one line with the mend.
    """
    try:
        # Remotes that know no empty folders have no such path where nothing lies.
        return control.files(remote, path, hash_kinds=hash_kinds) or []
    except CallFailed as failed:
        failure = failed.failure(remote.name, *path.split("/"))
        raise folder_error("list the files", failure) from failed


def find_chat_folder(control: RemoteControl, remote: CheckedRemote, chat_id: int) -> str | None:
    """See ``ports.HandOff.find_folder``. Of several the first in alphabetical order counts.

    That is arbitrary, but the same for every run and machine; modification times of folders
    are not kept by many remotes.
    """
    return chat_folder_among(listed_folders(control, remote.base) or [], chat_id)


def chat_folder_among(folders: Iterable[Folder], chat_id: int) -> str | None:
    """The same among folders that were listed (``drive_folder.listed_folders``)."""
    names = (folder.name for folder in folders)
    return min((name for name in names if chat_id_of_folder(name) == chat_id), default=None)


def listed_elsewhere(control: RemoteControl, source: str) -> list[ListedFile]:
    """See ``ports.RemoteFiles.elsewhere``."""
    place = look_at_remote(control, source)
    return listed_files(control, place.base, hash_kinds=place.listed_hashes)


@dataclass(frozen=True)
class RemoteLook:
    """A remote for those who only look. Raises as ``listed_files``, from any thread."""

    control: RemoteControl
    remote: CheckedRemote
    _ids_by_folder: dict[str, list[str]] = field(default_factory=dict)

    def find_folder(self, chat_id: int) -> str | None:
        return find_chat_folder(self.control, self.remote, chat_id)

    def files(self, folder: str, *, with_hashes: bool = False) -> list[ListedFile]:
        """What is in the chat's folder and below, with hashes where the remote has them."""
        hash_kinds = self.remote.listed_hashes if with_hashes else ()
        if not self.remote.takes_folder_ids:
            return listed_files(self.control, self.remote.base, folder, hash_kinds=hash_kinds)
        # Drive may have several folders of one name, of which a path names only one.
        return [
            file
            for drive_id in self._ids(folder)
            for file in listed_files(
                self.control, self.remote.inside(drive_id), hash_kinds=hash_kinds
            )
        ]

    def read(self, folder: str, name: str) -> bytes | None:
        """A text of ours, ``None`` if it is not there."""
        if not self.remote.takes_folder_ids:
            return self._read(self.remote.base, f"{folder}/{name}")
        chat_folder, slash, below = folder.partition("/")
        if chat_folder not in self._ids_by_folder:
            self._ids_by_folder[chat_folder] = self._ids(chat_folder)
        texts = (
            self._read(self.remote.inside(drive_id), f"{below}{slash}{name}")
            for drive_id in self._ids_by_folder[chat_folder]
        )
        return next((text for text in texts if text is not None), None)

    def _ids(self, folder: str) -> list[str]:
        folders = listed_folders(self.control, self.remote.base) or []
        return ids_of(folders, folder)

    def _read(self, remote: Remote, path: str) -> bytes | None:
        try:
            return self.control.read(remote, path)
        except CallFailed as failed:
            if failed.is_missing:
                return None
            failure = failed.failure(self.remote.remote, *path.split("/"))
            raise folder_error("read a file", failure) from failed

    def elsewhere(self, source: str) -> list[ListedFile]:
        """See ``ports.RemoteFiles.elsewhere``."""
        return listed_elsewhere(self.control, source)
