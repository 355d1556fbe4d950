"""A chat's folders where they have ids, as most of Drive's have.

Which of several folders of one name files go into may be known only after a wait (`FolderChoice`).
So a folder is ready before anything is put into it, and files are downloaded meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from tdl_sync.core.model import ListedFile
from tdl_sync.remote.base_folder import made_base, wait_beside
from tdl_sync.remote.check import CheckedRemote
from tdl_sync.remote.drive_folder import FolderChoice, Listed, Look, Several, gone_from
from tdl_sync.remote.folders import ChatFolders, Target, told_of_several
from tdl_sync.remote.listing import listed_files
from tdl_sync.remote.one_of_several import NOBODY, Choosing, Others
from tdl_sync.remote.remote_control import Folder, Remote, RemoteControl

_SHORTEST_WAIT_SECONDS = 0.01

Choice = FolderChoice[list[ListedFile]]


@dataclass
class KnownFolder:
    """``names`` may be in it already."""

    drive_id: str
    names: set[str]
    seen_at: float = field(default_factory=time.monotonic)


class FoldersById(ChatFolders):
    """See `ChatFolders`."""

    def __init__(
        self,
        control: RemoteControl,
        remote: CheckedRemote,
        on_line: Callable[[str], None],
        seen: list[Folder] | None,
        *,
        others_at_work: bool = False,
    ) -> None:
        """``others_at_work``: other machines move the same chat, and may make the folders below its
        own at the same time; that one any machine may make unless it is known that none does, and
        the remote's any machine."""
        super().__init__(control, remote, on_line, seen)
        self._remote = remote
        """With another id of its base folder once that was made again."""
        self._others_at_work = others_at_work
        self._folders: dict[str, KnownFolder] = {}
        self._choices: dict[str, Choice] = {}

    def prepare(self, folder: str) -> list[ListedFile]:
        hash_kinds = self._remote.listed_hashes
        with self._making:
            seen = self._seen
            self.forget_seen()
            self._folders.pop(folder, None)
            choice = self._choices[folder] = self._choice(folder, seen, hash_kinds)
            while not self._go_on(folder) and not choice.is_there:
                wait_beside(self._control, choice.seconds_left)
        return [file for files in choice.shown.values() for file in files]

    def seconds_until_ready(self, folder: str) -> float:
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
        return folder in self._folders

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
        seen: Listed | None = None,
        hash_kinds: Collection[str] = (),
    ) -> Choice:
        parent_folder, _, name = folder.rpartition("/")
        remote, parent = self._remote, self._remote.parent
        if parent_folder:
            parent = remote.parent_inside(self._folders[parent_folder].drive_id, parent_folder)

        def inside(folder_id: str) -> list[ListedFile]:
            place = remote.inside(folder_id)
            return listed_files(self._control, place, hash_kinds=hash_kinds)

        others_make_it = self._others_at_work if parent_folder else folder not in self._ours_alone
        choosing = Choosing(Others() if others_make_it else NOBODY)
        return FolderChoice(self._control, parent, name, Look(inside, []), choosing, seen)

    def _told_of_several(self, found: Several[list[ListedFile]], folder: str) -> str:
        several = told_of_several(self._remote, len(found.inside), folder)
        if any(found.others.values()):
            return (
                f"{several}; files go into the one with the id {found.counts}, those in the others "
                "count as moved. What is in the others may be moved into that one on Drive"
            )
        return (
            f"{several}; files go into the one with the id {found.counts}, the others are empty, "
            "and verify --repair removes them"
        )

    def target(self, size_bytes: int, folder: str, name: str) -> Target:
        """By the folder's id Drive is asked three times for a file that is new: is the name free
        (rclone looks before each upload), begin a session, send. Looking twice is left out.
        """
        known = self._known(folder)
        # Of a file without content there is no upload session: tried again, it might be two.
        inside = self._remote.inside if size_bytes else self._remote.inside_once
        is_new = name not in known.names
        known.names.add(name)
        return Target(inside(known.drive_id), name, look_first=not is_new)

    def list_again(self, chat_folder: str) -> None:
        known = self._folders.get(chat_folder)
        if known is None:
            return
        listing = listed_files(self._control, self._remote.inside(known.drive_id))
        names = {file.name for file in listing}
        with self._making:
            for folder, each in self._folders.items():
                if f"{folder}/".startswith(f"{chat_folder}/"):
                    each.names |= names

    def may_hold(self, folder: str, name: str) -> None:
        self._known(folder).names.add(name)

    def _known(self, folder: str) -> KnownFolder:
        """Waited for where it was ready, and was seen to be gone since then."""
        while (known := self._folders.get(folder)) is None:
            wait_beside(self._control, self.seconds_until_ready(folder))
        return known

    def _place_in(self, chat_folder: Folder, path: str) -> tuple[Remote, str]:
        return self._remote.inside(chat_folder.drive_id), path

    def _seen_at(self, chat_folder: str) -> float | None:
        known = self._folders.get(chat_folder)
        return None if known is None else known.seen_at

    def _look(self, chat_folder: str) -> None:
        known = self._folders[chat_folder]
        ids_in: dict[str, dict[str, str]] = {}
        for folder in sorted(self._folders):  # parents come first
            if folder.startswith(f"{chat_folder}/"):
                ids = ids_in.setdefault(folder.rpartition("/")[0], {})
                ids[self._folders[folder].drive_id] = folder
        if gone_from(self._control, self._remote.base, [known.drive_id]):
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
                gone = gone_from(self._control, self._remote.inside(parent.drive_id), ids)
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
