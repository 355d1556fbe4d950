"""A chat's folders where they go by their paths: on everything but Drive, and on a Drive that is
reached through another remote (crypt, alias and their like)."""

from __future__ import annotations

import time
from collections.abc import Callable

from tdl_sync.core.model import ListedFile
from tdl_sync.remote.check import CheckedRemote
from tdl_sync.remote.drive_folder import folder_error, is_gone, make_path_on_drive
from tdl_sync.remote.folders import ChatFolders, Target, told_of_several
from tdl_sync.remote.listing import listed_files
from tdl_sync.remote.rclone import CallFailed, OutcomeUnknown
from tdl_sync.remote.rclone_errors import RcloneFailure
from tdl_sync.remote.remote_control import Folder, Remote, RemoteControl

_TRIES = 3


class FoldersByPath(ChatFolders):
    """See `ChatFolders`. Their paths are known, so they are always ready; one below the chat's
    folder is made when something is first to go into it."""

    def __init__(
        self,
        control: RemoteControl,
        remote: CheckedRemote,
        on_line: Callable[[str], None],
        seen: list[Folder] | None,
    ) -> None:
        super().__init__(control, remote, on_line, seen)
        self._made_at: dict[str, float] = {}

    def prepare(self, folder: str) -> list[ListedFile]:
        self._make(folder)
        hash_kinds = self._remote.listed_hashes
        return listed_files(self._control, self._remote.base, folder, hash_kinds=hash_kinds)

    def is_ready(self, folder: str) -> bool:
        return True

    def seconds_until_ready(self, folder: str) -> float:
        return 0.0

    def target(self, size_bytes: int, folder: str, name: str) -> Target:
        self._be_there(folder)
        # Of a file without content there is no upload session: tried again, it might be two.
        once = self._remote.on_drive and not size_bytes
        return Target(self._remote.base_once if once else self._remote.base, f"{folder}/{name}")

    def list_again(self, chat_folder: str) -> None:
        """Nothing: each file is looked for before it is sent."""

    def may_hold(self, folder: str, name: str) -> None:
        """Nothing: each file is looked for before it is sent."""

    def _be_there(self, folder: str) -> None:
        """One below the chat's folder is made, with those above it, if it was not: once, since
        several that make it at a time would make several of one name."""
        if folder in self._made_at or "/" not in folder:
            return
        with self._making:
            if folder not in self._made_at:
                self._be_there(folder.rpartition("/")[0])
                self._make(folder)

    def _place_in(self, chat_folder: Folder, path: str) -> tuple[Remote, str]:
        return self._remote.base, f"{chat_folder.name}/{path}"

    def _seen_at(self, chat_folder: str) -> float | None:
        return self._made_at.get(chat_folder)

    def _look(self, chat_folder: str) -> None:
        # What is below it, and may be gone, is made when it is needed: by one call, as at first.
        for folder in [each for each in self._made_at if each.startswith(f"{chat_folder}/")]:
            del self._made_at[folder]
        # Where there are no empty folders one may be missing that nobody has removed.
        if self._remote.has_empty_folders and is_gone(
            self._control, self._remote.base, chat_folder
        ):
            self._tell_that_it_is_gone(chat_folder)
            self._make(chat_folder)
        self._made_at[chat_folder] = time.monotonic()

    def _make(self, folder: str) -> None:
        """No harm where it is there."""
        if self._remote.on_drive:
            shown = make_path_on_drive(self._control, self._remote.parent, folder)
            if shown > 1:
                self._on_line(
                    f"{told_of_several(self._remote, shown, folder)}, and rclone, which goes by "
                    "their name here, looks into one of them only: on Drive, move what is in the "
                    "others into that one, and remove those"
                )
        else:
            self._make_by_call(folder)
        self._made_at[folder] = time.monotonic()

    def _make_by_call(self, folder: str) -> None:
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
