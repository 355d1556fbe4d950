"""The folder on Drive that a remote's path names, by its id: each part of the path by itself.

Of several folders with one path rclone takes the first that Drive lists, which may be another one
for each machine, and for each call. So it is told the id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

from tdl_sync.core.errors import Stopped
from tdl_sync.core.operating_system import steady_seconds
from tdl_sync.remote.begun_folder import BegunFolder
from tdl_sync.remote.drive_folder import (
    DriveParent,
    FolderChoice,
    Listed,
    Look,
    Several,
    folder_error,
    listed_folders,
)
from tdl_sync.remote.one_of_several import Choosing, Others, one_that_counts
from tdl_sync.remote.rclone import CallFailed
from tdl_sync.remote.remote_control import Folder, Remote, RemoteControl

_SLEEP_SECONDS = 0.25

Wait = Callable[[str, float], None]
"""Wait for the folder of this path, for so many seconds."""


class DrivePath(Protocol):
    """A remote on Drive whose folders have ids: what `CheckedRemote` says of it."""

    @property
    def root(self) -> DriveParent: ...

    @property
    def parts(self) -> tuple[str, ...]: ...

    def inside(self, folder_id: str) -> Remote: ...

    def parent_inside(self, folder_id: str, path: str) -> DriveParent: ...


@dataclass(frozen=True)
class Inside:
    """What a look into a folder has shown."""

    folders: Sequence[Folder]
    has_files: bool = False

    def __bool__(self) -> bool:
        return bool(self.folders) or self.has_files


def made_base(
    control: RemoteControl,
    remote: DrivePath,
    wait: Wait,
    seen: Sequence[Folder] | None = None,
    begun: BegunFolder | None = None,
    listed_at: float = 0.0,
    others: Callable[[], Others] = Others,
) -> tuple[str, Sequence[Folder]]:
    """The id of the remote's folder, which is made if it is not there, and the folders in it. Only
    of a remote that has ``parts``. Whoever makes it, or finds that nothing is in it yet,
    waits, so that all machines take the same, unless ``others`` says that there are none, which is
    asked once, and only where it counts.

    ``seen`` are the folders in which the path begins, if they were just listed. ``begun`` is told
    before a folder is made; what was begun before is ``listed_at``. Raises as ``FolderChoice``.
    """
    others = cache(others)
    parent, path = remote.root, remote.root.path
    listed, folder_id = None if seen is None else Listed(seen, steady_seconds()), ""
    folders: Sequence[Folder] = ()
    for number, name in enumerate(remote.parts):
        choice = FolderChoice(
            control,
            parent,
            name,
            Look(lambda each: _inside(control, remote.inside(each)), Inside(())),
            Choosing(make_after=listed_at),
            listed,
            begun.begin if begun is not None else lambda: None,
            others,
        )
        path += name if not number else f"/{name}"
        found = choice.chosen(partial(wait, path))
        folder_id, folders = found.counts, found.inside[found.counts].folders
        listed = Listed(folders, steady_seconds())
        parent = remote.parent_inside(folder_id, path)
    return folder_id, folders


def found_base(control: RemoteControl, remote: DrivePath) -> str:
    """The id for who only looks; empty where there is no such folder, or none by an id."""
    found = parts_found(control, remote)
    return found[-1].counts if found and found[-1] is not None else ""


def parts_found(
    control: RemoteControl, remote: DrivePath, *, look_into_all: bool = False
) -> list[Several[Inside | None] | None]:
    """The folders of each part of the path, ``None`` for one that is not there. Whether something
    is in them is looked up where there are several, or if all are asked for."""
    found: list[Several[Inside | None] | None] = []
    parent = remote.root.looked_at
    for name in remote.parts:
        ids = ids_of(listed_folders(control, parent) or (), name)
        if not ids:
            return [*found, None]
        if len(ids) == 1 and not look_into_all:
            several = Several[Inside | None]({ids[0]: None}, ids[0])
        else:
            inside = {each: _inside(control, remote.inside(each)) for each in ids}
            counts = one_that_counts({each: bool(shown) for each, shown in inside.items()})
            several = Several[Inside | None](inside, counts)
        found.append(several)
        parent = remote.inside(several.counts)
    return found


def ids_of(folders: Sequence[Folder], name: str) -> list[str]:
    return sorted({each.drive_id for each in folders if each.name == name})


def wait_beside(control: RemoteControl, seconds: float) -> None:
    """Raises ``Stopped`` as soon as rclone is ended for good."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if control.rclone.stopping:
            raise Stopped("the run is stopping")
        time.sleep(min(_SLEEP_SECONDS, left))


def _inside(control: RemoteControl, remote: Remote) -> Inside:
    folders = listed_folders(control, remote) or []
    if folders:
        return Inside(folders)
    try:
        return Inside((), has_files=control.holds_anything(remote))
    except CallFailed as failed:
        raise folder_error("list a folder", failed.failure(remote.name)) from failed
