"""Folders on Google Drive, where one name can stand for many: each is made once, and has an id.

Drive's listings lag, so what was just made may not be seen, by us or by rclone: who then makes it
again has two of it. So a folder is made by one request, and then waited for. What other machines
make meanwhile is told from ours by `one_of_several`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tdl_sync.core.errors import RateLimited, RemoteNotNow, RemoteUnfit, TdlSyncError
from tdl_sync.core.model import path_at
from tdl_sync.core.operating_system import steady_seconds
from tdl_sync.remote import one_of_several
from tdl_sync.remote.one_of_several import (
    MOST_BETWEEN_SECONDS,
    AskForOthers,
    Choosing,
    LookAgain,
    Make,
    NotShown,
    Others,
    Take,
)
from tdl_sync.remote.rclone import CallFailed, OutcomeUnknown
from tdl_sync.remote.rclone_errors import RcloneFailure, classified, was_answered
from tdl_sync.remote.remote_control import Folder, Remote, RemoteControl

LISTING_LAG_SECONDS = one_of_several.LAG_SECONDS
"""What has arrived is in the listings after this time."""

ARRIVING_SECONDS = 2.0
"""What a dead rclone, or a call that was broken off, had given to the system to send has arrived
after this time."""

_SHOWN_WITHIN_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.5
_TRIES = 3

Found = TypeVar("Found")
Content = TypeVar("Content")


@dataclass(frozen=True)
class DriveParent:
    """A folder in which others are made and looked for.

    ``once`` is the same folder as a remote that tries a request once: rclone would send one again
    whose answer was lost, and make two folders. ``path`` is for errors.
    """

    looked_at: Remote
    once: Remote
    path: str


@dataclass(frozen=True)
class Several(Generic[Content]):
    """What a look has shown of the folders of one name, by their ids: what is in each."""

    inside: Mapping[str, Content]
    counts: str
    """The id of the one that files go into."""

    @property
    def others(self) -> Mapping[str, Content]:
        return {each: inside for each, inside in self.inside.items() if each != self.counts}


@dataclass(frozen=True)
class Listed:
    """What a folder has shown, and when, by `steady_seconds`."""

    folders: Sequence[Folder]
    at: float


@dataclass(frozen=True)
class Look(Generic[Content]):
    """``into`` lists what is in the folder with this id. It gives ``nothing``, which is false, for
    one in which nothing is."""

    into: Callable[[str], Content]
    nothing: Content


class FolderChoice(Generic[Content]):
    """The one folder of a name that this and all other machines put things into; it is made if
    there is none. One thread at a time. All raises ``TdlSyncError`` classes, each one line with
    the mend."""

    def __init__(
        self,
        control: RemoteControl,
        parent: DriveParent,
        name: str,
        look: Look[Content],
        choosing: Choosing,
        seen: Listed | None = None,
        before_making: Callable[[], None] = lambda: None,
        others: Callable[[], Others] = Others,
    ) -> None:
        """``seen`` is what the parent has shown; it may be old: rclone looks, too, before it makes
        a folder. ``others`` is what ``choosing`` asks for, if it does. All moments are by
        `steady_seconds`, which goes on while the machine sleeps."""
        self._control = control
        self._parent = parent
        self._name = name
        self._look = look
        self._choosing = choosing
        self._seen = seen
        self._before_making = before_making
        self._others = others
        self._failures: list[RcloneFailure] = []
        self._look_at = 0.0
        self.found: Several[Content] | None = None
        """Once it is chosen."""
        self.shown: Mapping[str, Content] = {}
        """By the last look."""

    @property
    def is_there(self) -> bool:
        """Whether it is certain that there is one, though not yet which one counts."""
        return self._choosing.is_there

    @property
    def seconds_left(self) -> float:
        """Until it can be decided, as far as that is known."""
        return 0.0 if self.found else max(0.0, self._look_at - steady_seconds())

    def go_on(self) -> bool:
        """Look, if it is time to, and make one, if it is time to. Whether it is chosen by now."""
        while self.found is None and not self.seconds_left:
            listed, self._seen = self._seen, None
            if listed is None:
                asked_at = steady_seconds()
                folders = listed_folders(self._control, self._parent.looked_at) or []
                listed = Listed(folders, asked_at)
            ids = {each.drive_id for each in listed.folders if each.name == self._name}
            self.shown = self._contents(sorted(ids))
            shows_something = {each: bool(inside) for each, inside in self.shown.items()}
            looked_at = steady_seconds()
            step = self._choosing.looked(shows_something, looked_at, listed.at)
            if isinstance(step, AskForOthers):
                self._choosing.told(self._others())
                if steady_seconds() > looked_at + MOST_BETWEEN_SECONDS:
                    continue
                step = self._choosing.looked(shows_something, looked_at, listed.at)
            if isinstance(step, Make):
                self._make()
            elif isinstance(step, LookAgain):
                self._look_at = step.at
            elif isinstance(step, NotShown):
                raise not_shown(self._parent, self._name)
            elif isinstance(step, Take):
                self.found = Several(self.shown, step.folder_id)
        return self.found is not None

    def _contents(self, ids: Sequence[str]) -> Mapping[str, Content]:
        if len(ids) == 1 and self._choosing.is_new:
            return {ids[0]: self._look.nothing}
        return {each: self._look.into(each) for each in ids}

    def chosen(self, wait: Callable[[float], None]) -> Several[Content]:
        """The same until it is; ``wait`` is told for how long."""
        while not self.go_on():
            wait(self.seconds_left)
        assert self.found is not None
        return self.found

    def _make(self) -> None:
        if len(self._failures) == _TRIES:
            # Who waits then and goes on, as after a rate limit, has as many tries again.
            last, self._failures = self._failures[-1], []
            raise folder_error("make the folder", last)
        self._before_making()
        looked_at = steady_seconds()
        failure = _failure_to_make(self._control, self._parent, self._name)
        ended_at = steady_seconds()
        if failure is None:
            self._choosing.made(looked_at, ended_at)
            return
        self._failures.append(failure)
        listed_at = ended_at + seconds_until_listed(failure.last_error)
        self._choosing.may_be_made(looked_at, ended_at, listed_at)


def make_drive_path(control: RemoteControl, parent: DriveParent) -> list[Folder]:
    """Make the folder ``parent`` itself, which is not there, with all its parents; returns when
    Drive shows it, with the folders in it: there are some if another program was quicker.

    Where folders go by their path: by their ids `FolderChoice` makes each part of it. Raises
    ``TdlSyncError`` classes, each one line with the mend.
    """
    return _make_once(control, parent, "", lambda: listed_folders(control, parent.looked_at))


def make_path_on_drive(control: RemoteControl, base: DriveParent, path: str) -> int:
    """Make the folder ``path`` in ``base``, whose parents are there; returns when it is shown, and
    how many are: more than one if others have made it as well.

    For a Drive below another remote, where files go by their path and only the outer one knows the
    names. Raises as ``make_drive_path``.
    """
    parent, _, name = path.rpartition("/")
    inside = Remote(_below(base.looked_at.text, parent), configured=base.looked_at.name)

    def look() -> int | None:
        folders = listed_folders(control, inside) or []
        return sum(folder.name == name for folder in folders) or None

    return look() or _make_once(control, base, path, look)


def _below(remote: str, path: str) -> str:
    return path_at(remote, path) if path else remote


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
    """The same; a path that is not there is looked for until then, by `steady_seconds`."""
    return _wait_for(lambda: listed_folders(control, remote), deadline - steady_seconds())


def folder_error(what: str, failure: RcloneFailure) -> TdlSyncError:
    return classified(failure) or RemoteUnfit(
        f"rclone can't {what} on {failure.remote!r}: {failure.last_error}; "
        "mend that or name another place with --remote"
    )


def not_shown(parent: DriveParent, name: str) -> TdlSyncError:
    """It was made, for all that is known."""
    return RemoteNotNow(
        f"{'/'.join(filter(None, (parent.path, name)))!r} was made, but the remote has "
        "not shown it for a minute; start again later"
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
            raise not_shown(parent, name)
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
