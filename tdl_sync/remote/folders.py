"""The chat's folder on the remote and those below it: made once, and looked for again when they
were seen long ago.

On most of Drive they go by their ids (`folders_by_id`), elsewhere by their paths
(`folders_by_path`).
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from tdl_sync.core.model import ListedFile
from tdl_sync.core.operating_system import steady_seconds
from tdl_sync.remote.check import CheckedRemote
from tdl_sync.remote.drive_folder import Listed
from tdl_sync.remote.listing import chat_folder_among, find_chat_folder
from tdl_sync.remote.remote_control import Folder, Remote, RemoteControl

LOOK_AGAIN_SECONDS = 3600.0
"""After this time a chat's folders are looked for again. What lies in the bin is taken for a folder
without a word, by its id and by rclone's memory of it."""


SEEN_SECONDS = 60.0
"""For so long what was listed at the start is believed."""


@dataclass(frozen=True)
class Target:
    """Where a file goes. ``look_first`` unless the name is known to be new there."""

    remote: Remote
    path: str
    look_first: bool = True


class ChatFolders(ABC):
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
        self._listed = None if seen is None else Listed(seen, steady_seconds())
        self._ours_alone: set[str] = set()
        self._making = threading.RLock()

    def find(self, chat_id: int) -> str | None:
        """See ``ports.HandOff.find_folder``."""
        if self._seen is not None:
            return chat_folder_among(self._seen.folders, chat_id)
        return find_chat_folder(self._control, self._remote, chat_id)

    def is_seen(self, folder: str) -> bool:
        """Whether the chat's folder was among those that were listed at the start."""
        seen = self._seen
        return seen is not None and any(each.name == folder for each in seen.folders)

    def nobody_else_makes(self, folder: str) -> None:
        """See ``ports.HandOff.nobody_else_makes``."""
        self._ours_alone.add(folder)

    def seen_place(self, folder: str, name: str) -> tuple[Remote, str] | None:
        """Where a file of this chat's folder, or of one below it, would be, by the folders that
        were listed at the start; ``None`` unless the chat's was among them, and once."""
        chat_folder, _, below = folder.partition("/")
        seen = self._seen
        found = [each for each in (seen.folders if seen else ()) if each.name == chat_folder]
        if len(found) != 1:
            return None
        return self._place_in(found[0], f"{below}/{name}" if below else name)

    def forget_seen(self) -> None:
        """What was listed at the start is not all that is there."""
        self._listed = None

    @property
    def _seen(self) -> Listed | None:
        """What was listed at the start, unless that is long ago: of several chats, or of a chat
        that has to wait, others may have made the folder since."""
        if self._listed is not None and steady_seconds() > self._listed.at + SEEN_SECONDS:
            self._listed = None
        return self._listed

    def is_due(self, chat_folder: str, after_seconds: float) -> bool:
        """Whether it is to be looked for again: it was seen so long ago."""
        seen_at = self._seen_at(chat_folder)
        return seen_at is not None and time.monotonic() >= seen_at + after_seconds

    def look_again(self, chat_folder: str, after_seconds: float) -> None:
        """Make the chat's folder again if it is gone, unless it was seen a shorter time ago.

        Those below it are made when they are needed.
        """
        with self._making:
            if not self.is_due(chat_folder, after_seconds):
                return
            # What rclone remembers of folders, and of its configuration, is as old as the run.
            self._control.forget_remotes()
            self._look(chat_folder)

    @abstractmethod
    def prepare(self, folder: str) -> list[ListedFile]:
        """Make the chat's folder and list what is in it and below. Once, before the first move:
        parallel ones into a folder that is not there yet would make several of one name.

        Where others may make it, too, it is not `is_ready` yet."""

    @abstractmethod
    def is_ready(self, folder: str) -> bool:
        """Whether it is known where files of this folder go."""

    @abstractmethod
    def seconds_until_ready(self, folder: str) -> float:
        """Until it is known where files of this folder go: to be called again after so long, while
        it is not 0. It is made, and those above it, where they are not there."""

    @abstractmethod
    def target(self, size_bytes: int, folder: str, name: str) -> Target:
        """Where a file of this size goes."""

    @abstractmethod
    def list_again(self, chat_folder: str) -> None:
        """Learn what is in the chat's folder and below that an earlier listing did not show."""

    @abstractmethod
    def may_hold(self, folder: str, name: str) -> None:
        """It may be there already, whatever its listing has shown."""

    @abstractmethod
    def _place_in(self, chat_folder: Folder, path: str) -> tuple[Remote, str]:
        """Where a path in this folder is."""

    @abstractmethod
    def _seen_at(self, chat_folder: str) -> float | None:
        """When it was there, by the monotonic clock; ``None`` before it was prepared."""

    @abstractmethod
    def _look(self, chat_folder: str) -> None:
        """Whether it is still there, one at a time."""

    def _tell_that_it_is_gone(self, chat_folder: str) -> None:
        self._on_line(
            f"warning: the folder {chat_folder!r} is not in {self._remote.remote!r} any more, "
            "so it is made again; what was in it counts as moved"
        )


def told_of_several(remote: CheckedRemote, count: int, folder: str) -> str:
    """The beginning of a line about ``count`` folders of one path."""
    path = f"{remote.remote.rstrip('/')}/{folder}"
    return f"warning: Drive has {count} folders {path!r}"
