"""Folders on Google Drive, where one name can stand for many: each is made once, and has an id.

Drive's listings lag, so what was just made may not be seen, by us or by rclone: who then makes it
again has two of it. So a folder is made by one request, and then waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tdl_sync.core.errors import ComeBackLater, ConfigurationError, RateLimited, TdlSyncError
from tdl_sync.remote.rclone import Rclone, RcloneAnswer
from tdl_sync.remote.rclone_errors import RcloneFailure, classified, is_missing_directory

LISTING_LAG_SECONDS = 6.0
"""What a call has made that failed without an answer is in the listings after this time."""

LISTING_SECONDS = 3600.0
"""A folder of 100,000 files is a hundred pages on Drive, each of some seconds on a bad day."""

_SHOWN_WITHIN_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.5
_TRIES = 3

# One request: rclone itself would send it again when its answer was lost, and make two.
_MKDIR_ONCE = ["mkdir", "--retries=1", "--low-level-retries=1"]

Found = TypeVar("Found")


@dataclass(frozen=True)
class DriveFolder:
    """``ids`` are those of all folders of this name; files go into the first."""

    ids: tuple[str, ...]

    @property
    def duplicates(self) -> int:
        return len(self.ids) - 1


def make_drive_path(rclone: Rclone, path: str) -> list[tuple[str, str]]:
    """Make ``REMOTE:PATH``, which is not there, with all its parents; returns when Drive shows it,
    with the folders in it: there are some if another program was quicker.

    Raises ``TdlSyncError`` classes, each one line with the mend.
    """
    return _make_once(rclone, path, lambda: listed_folders(rclone, path))


def make_drive_folder(
    rclone: Rclone,
    parent: str,
    path: str,
    name: str,
    seen: Sequence[tuple[str, str]] | None = None,
) -> DriveFolder:
    """Make ``path``, which is ``name`` below ``parent``; returns when Drive shows it.

    ``seen`` is what ``listed_folders`` has shown of the parent; without it, that is looked at
    first. It may be some seconds old: rclone looks, too, before it makes a folder.

    Of several folders with that name every run takes the same as the first: the least id, since
    Drive has no order that does not change. Raises as ``make_drive_path``.
    """

    def look() -> DriveFolder | None:
        return _named(name, listed_folders(rclone, parent) or [])

    found = look() if seen is None else _named(name, seen)
    return found or _make_once(rclone, path, look, name)


def _named(name: str, folders: Sequence[tuple[str, str]]) -> DriveFolder | None:
    ids = sorted(folder_id for folder_name, folder_id in folders if folder_name == name)
    return DriveFolder(tuple(ids)) if ids else None


def gone_from(rclone: Rclone, parent: str, folder_ids: Collection[str]) -> set[str]:
    """Which of these folders are not in ``parent`` any more: in none of its listings, for as long
    as those lag. Raises as ``make_drive_path``."""
    gone = set(folder_ids)

    def look() -> bool | None:
        gone.difference_update(folder_id for _, folder_id in listed_folders(rclone, parent) or [])
        return None if gone else True

    _wait_for(look, LISTING_LAG_SECONDS)
    return gone


def listed_folders(
    rclone: Rclone, path: str, *, timeout_seconds: float = LISTING_SECONDS
) -> list[tuple[str, str]] | None:
    """Name and id (empty on remotes without) of each folder in ``path``; None: no such path."""
    listed = rclone.ask(
        ["lsjson", "--dirs-only", "--no-modtime"], path, timeout_seconds=timeout_seconds
    )
    if listed.exit_status == 0:
        return [(entry["Name"], entry.get("ID", "")) for entry in listed.json()]
    failure = listed.failure(path)
    if is_missing_directory(failure):
        return None
    raise folder_error("list the folders", failure)


def folder_error(what: str, failure: RcloneFailure) -> TdlSyncError:
    return classified(failure) or ConfigurationError(
        f"rclone can't {what} on {failure.remote!r}: {failure.last_error}; "
        "mend that or name another place with --remote"
    )


def _make_once(rclone: Rclone, path: str, look: Callable[[], Found | None], *names: str) -> Found:
    made = RcloneAnswer(0, b"", "")
    for _ in range(_TRIES):
        made = rclone.ask(_MKDIR_ONCE, path)
        if made.exit_status != 0:
            _raise_unless_it_may_pass(made.failure(path, *names))
        found = _wait_for(
            look, _SHOWN_WITHIN_SECONDS if made.exit_status == 0 else LISTING_LAG_SECONDS
        )
        if found is not None:
            return found
        if made.exit_status == 0:
            raise ComeBackLater(
                f"{path!r} was made, but the remote has not shown it for a minute; "
                "start again later"
            )
    raise folder_error("make the folder", made.failure(path, *names))


def _raise_unless_it_may_pass(failure: RcloneFailure) -> None:
    error = classified(failure)
    if error is not None and not isinstance(error, RateLimited):
        raise error


def _wait_for(look: Callable[[], Found | None], seconds: float) -> Found | None:
    deadline = time.monotonic() + seconds
    while (found := look()) is None and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_SECONDS)
    return found
