"""What is known of a chat's items before anything is moved: which are done, which stay failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tdl_sync.errors import LargerThanBudget
from tdl_sync.model import DoneMark, Failure, ListedFile, MediaItem, RemoteFile
from tdl_sync.ports import Marks

WRONG_SIZE = "wrong size on the remote"
OTHER_CONTENT = "other content on the remote"
"""Reasons of failures that ``verify --repair`` records of a file that is certainly ours, and the
only one of its message there: the next try overwrites it."""

NOT_RIGHT = "not right on the remote"
"""The same of a file that may not be one of ours: it is not overwritten."""


def given_up(failure: Failure) -> bool:
    """Whether no run tries it again by itself. What did not fit may fit today."""
    return failure.for_good and failure.reason != LargerThanBudget.reason


@dataclass(frozen=True)
class Place:
    """Where a chat's files are: ``on_remote`` is what the folder's listing shows, by message id."""

    remote: str
    folder: str
    on_remote: Mapping[int, ListedFile]


class Standing:
    """By the marks, the recorded failures and the remote's listing. All threads may ask."""

    def __init__(self, marks: Marks, place: Place, chat_id: int, *, retry_for_good: bool) -> None:
        self._marks = marks
        self._place = place
        self._retry_for_good = retry_for_good
        self._failures = {
            failure.key: failure for failure in marks.failures(place.remote, chat_id, 0)
        }

    def is_done(self, item: MediaItem) -> bool:
        """By its done-mark, or by the remote's listing; what was only listed gets its mark."""
        remote = self._place.remote
        if self._marks.is_done(remote, item.key):
            return True
        listed = self._place.on_remote.get(item.message_id)
        if listed is None or listed.size_bytes != item.size_bytes:
            return False
        failure = self._failures.get(item.key)
        if failure is not None and failure.reason in (OTHER_CONTENT, NOT_RIGHT):
            return False  # its size proves nothing
        remote_file = RemoteFile.listed(item, self._place.folder, listed)
        self._marks.write(DoneMark(remote, remote_file))
        return True

    def to_overwrite(self, item: MediaItem) -> ListedFile | None:
        """The file that this item is to replace. Never one that might be the user's own."""
        failure = self._failures.get(item.key)
        if failure is None or failure.reason not in (WRONG_SIZE, OTHER_CONTENT):
            return None
        return self._place.on_remote.get(item.message_id)

    def lasting_failure(self, item: MediaItem) -> Failure | None:
        """Why it was given up and is not tried again, if so."""
        failure = self._failures.get(item.key)
        if failure is None or not given_up(failure) or self._retry_for_good:
            return None
        return failure
