"""What lies on the remote, by its own listing. Nothing is changed or downloaded by it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tdl_sync.core.model import ListedFile
from tdl_sync.core.naming import chat_id_of_folder
from tdl_sync.remote.check import CheckedRemote
from tdl_sync.remote.drive_folder import LISTING_SECONDS, folder_error, listed_folders
from tdl_sync.remote.rclone import Rclone
from tdl_sync.remote.rclone_errors import is_missing_directory

_HASHES = ["--hash", "--hash-type=sha256"]


def listed_files(
    rclone: Rclone, remote: str, path: str, *, with_sha256: bool = False
) -> list[ListedFile]:
    """All files in ``path`` and below, rclone's unfinished ones too; empty if there is no such
    path. ``remote`` is for errors. Raises ``TdlSyncError`` classes, each one line with the mend.
    """
    listed = rclone.ask(
        [
            *("lsjson", "-R", "--files-only", "--no-modtime", "--no-mimetype"),
            *(_HASHES if with_sha256 else []),
        ],
        path,
        timeout_seconds=LISTING_SECONDS,
    )
    if listed.exit_status == 0:
        return [
            ListedFile(
                entry["Name"],
                entry["Size"],
                entry["Path"].rpartition("/")[0],
                entry.get("Hashes", {}).get("sha256"),
            )
            for entry in listed.json()
        ]
    failure = listed.failure(remote, path.rpartition("/")[2])
    if is_missing_directory(failure):
        return []  # remotes that know no empty folders
    raise folder_error("list the files", failure)


def find_chat_folder(rclone: Rclone, remote: str, chat_id: int) -> str | None:
    """See ``ports.HandOff.find_folder``. Of several the first in alphabetical order counts.

    That is arbitrary, but the same for every run and machine; modification times of folders
    are not kept by many remotes.
    """
    return chat_folder_among(listed_folders(rclone, remote) or [], chat_id)


def chat_folder_among(folders: Iterable[tuple[str, str]], chat_id: int) -> str | None:
    """The same among folders that were listed (``drive_folder.listed_folders``)."""
    names = (name for name, _ in folders)
    return min((name for name in names if chat_id_of_folder(name) == chat_id), default=None)


@dataclass(frozen=True)
class RemoteLook:
    """A remote for those who only look. Raises as ``listed_files``, from any thread."""

    rclone: Rclone
    remote: CheckedRemote

    def find_folder(self, chat_id: int) -> str | None:
        return find_chat_folder(self.rclone, self.remote.remote, chat_id)

    def files(self, folder: str, *, with_sha256: bool = False) -> list[ListedFile]:
        """What is in the chat's folder and below, with hashes where the remote has them."""
        return [
            file
            for path in self._paths(folder)
            for file in listed_files(
                self.rclone,
                self.remote.remote,
                path,
                with_sha256=with_sha256 and self.remote.lists_sha256,
            )
        ]

    def _paths(self, folder: str) -> list[str]:
        """Drive may have several folders of one name, of which a path names only one."""
        if not self.remote.takes_folder_ids:
            return [self.remote.path(folder)]
        folders = listed_folders(self.rclone, self.remote.remote) or []
        return [self.remote.inside(each) for each in sorted(i for n, i in folders if n == folder)]
