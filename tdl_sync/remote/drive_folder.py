"""Folders on Google Drive, where one name can stand for many: each is made once, and has an id.

Drive's listings lag, so what was just made may not be seen, by us or by rclone: who then makes it
again has two of it. So a folder is made by one request, and then waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tdl_sync.core.errors import RateLimited, RemoteNotNow, RemoteUnfit, TdlSyncError
from tdl_sync.remote.rclone import CallFailed, OutcomeUnknown
from tdl_sync.remote.rclone_errors import RcloneFailure, classified, was_answered
from tdl_sync.remote.remote_control import Folder, Remote, RemoteControl

LISTING_LAG_SECONDS = 6.0
"""What has arrived is in the listings after this time."""

ARRIVING_SECONDS = 2.0
"""What a dead rclone, or a call that was broken off, had given to the system to send has arrived
after this time."""

ARRIVING_SECONDS = 2.0
"""What a dead rclone had given to the system to send has arrived after this time."""

_SHOWN_WITHIN_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.5
_TRIES = 3

Found = TypeVar("Found")


@dataclass(frozen=True)
class DriveFolder:
    """``ids`` are those of all folders of this name; files go into the first."""

    ids: tuple[str, ...]

    @property
    def duplicates(self) -> int:
        return len(self.ids) - 1


@dataclass(frozen=True)
class DriveParent:
    """A folder in which others are made and looked for.

    ``once`` is the same folder as a remote that tries a request once: rclone would send one again
    whose answer was lost, and make two folders. ``path`` is for errors.
    """

    looked_at: Remote
    once: Remote
    path: str


def make_drive_path(control: RemoteControl, parent: DriveParent) -> list[Folder]:
    """Make the folder ``parent`` itself, which is not there, with all its parents; returns when
    Drive shows it, with the folders in it: there are some if another program was quicker.

    Raises ``TdlSyncError`` classes, each one line with the mend.
    """
    return _make_once(control, parent, "", lambda: listed_folders(control, parent.looked_at))


def make_drive_folder(
    control: RemoteControl, parent: DriveParent, name: str, seen: Sequence[Folder] | None = None
) -> DriveFolder:
    """Make ``name`` in ``parent``; returns when Drive shows it.

    ``seen`` is what ``listed_folders`` has shown of the parent; without it, that is looked at
    first. It may be some seconds old: rclone looks, too, before it makes a folder.

    Of several folders with that name every run takes the same as the first: the least id, since
    Drive has no order that does not change. Raises as ``make_drive_path``.
    """

    def look() -> DriveFolder | None:
        return _named(name, listed_folders(control, parent.looked_at) or [])

    found = look() if seen is None else _named(name, seen)
    return found or _make_once(control, parent, name, look)


def make_path_on_drive(control: RemoteControl, base: DriveParent, path: str) -> DriveFolder:
    """Make the folder ``path`` in ``base``, whose parents are there; returns when it is shown.

    For a Drive below another remote, where files go by their path and only the outer one knows the
    names. Raises as ``make_drive_path``.
    """
    parent, _, name = path.rpartition("/")
    inside = Remote(_below(base.looked_at.text, parent), configured=base.looked_at.name)

    def look() -> DriveFolder | None:
        return _named(name, listed_folders(control, inside) or [])

    return look() or _make_once(control, base, path, look)


def _below(remote: str, path: str) -> str:
    separator = "" if not path or remote.endswith((":", "/")) else "/"
    return f"{remote}{separator}{path}"


def _named(name: str, folders: Sequence[Folder]) -> DriveFolder | None:
    ids = sorted(folder.drive_id for folder in folders if folder.name == name)
    return DriveFolder(tuple(ids)) if ids else None


def gone_from(control: RemoteControl, parent: Remote, folder_ids: Collection[str]) -> set[str]:
    """Which of these folders are not in ``parent`` any more: in none of its listings, for as long
    as those lag. Raises as ``make_drive_path``."""
    gone = set(folder_ids)

    def look() -> bool | None:
        gone.difference_update(each.drive_id for each in listed_folders(control, parent) or [])
        return None if gone else True

    _wait_for(look, LISTING_LAG_SECONDS)
    return gone


def is_gone(control: RemoteControl, parent: Remote, name: str) -> bool:
    """The same of a folder that has no id, or none that can be asked for."""

    def look() -> bool | None:
        folders = listed_folders(control, parent) or []
        return True if any(folder.name == name for folder in folders) else None

    return _wait_for(look, LISTING_LAG_SECONDS) is None


def seconds_until_listed(last_error: str) -> float:
    """When all is in the listings that a call has made which has failed with this."""
    if was_answered(last_error):
        return LISTING_LAG_SECONDS
    return ARRIVING_SECONDS + LISTING_LAG_SECONDS


def listed_folders(control: RemoteControl, remote: Remote) -> list[Folder] | None:
    """The folders in ``remote``; ``None``: no such path. Raises as ``make_drive_path``."""
    try:
        return control.folders(remote)
    except CallFailed as failed:
        raise folder_error("list the folders", failed.failure(remote.name)) from failed


def listed_folders_by(
    control: RemoteControl, remote: Remote, deadline: float
) -> list[Folder] | None:
    """The same; a path that is not there is looked for until then, by the monotonic clock."""
    return _wait_for(lambda: listed_folders(control, remote), deadline - time.monotonic())


def folder_error(what: str, failure: RcloneFailure) -> TdlSyncError:
    return classified(failure) or RemoteUnfit(
        f"rclone can't {what} on {failure.remote!r}: {failure.last_error}; "
        "mend that or name another place with --remote"
    )


def _make_once(
    control: RemoteControl, parent: DriveParent, name: str, look: Callable[[], Found | None]
) -> Found:
    failure: RcloneFailure | None = None
    for _ in range(_TRIES):
        failure = _failure_to_make(control, parent, name)
        found = _wait_for(
            look, seconds_until_listed(failure.last_error) if failure else _SHOWN_WITHIN_SECONDS
        )
        if found is not None:
            return found
        if failure is None:
            raise RemoteNotNow(
                f"{'/'.join(filter(None, (parent.path, name)))!r} was made, but the remote has "
                "not shown it for a minute; start again later"
            )
    assert failure is not None
    raise folder_error("make the folder", failure)


def _failure_to_make(
    control: RemoteControl, parent: DriveParent, name: str
) -> RcloneFailure | None:
    """Why it was not made, or perhaps was; raises what the next try would fail of, too."""
    try:
        control.make_folder(parent.once, name)
    except CallFailed as failed:
        failure = failed.failure(parent.path, *name.split("/"))
        error = classified(failure)
        if error is not None and not isinstance(error, RateLimited):
            raise error from failed
        return failure
    except OutcomeUnknown as unknown:
        return RcloneFailure(parent.path, 0, str(unknown))
    return None


def _wait_for(look: Callable[[], Found | None], seconds: float) -> Found | None:
    deadline = time.monotonic() + seconds
    while (found := look()) is None and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_SECONDS)
    return found
