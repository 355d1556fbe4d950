"""What is known of a chat's files before anything is moved: which are done, which stay failed, and
which of Telegram's files are on the remote where no mark says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tdl_sync.core.errors import LargerThanBudget
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import Chat, ListedFile, MediaItem, RemoteFile
from tdl_sync.core.naming import path_of
from tdl_sync.core.ports import ChatReader, MarkReader, Marks, ProgressListener


def given_up(failure: Failure) -> bool:
    """Whether no run tries it again by itself. What did not fit may fit today."""
    return failure.for_good and failure.reason != LargerThanBudget.reason


@dataclass(frozen=True)
class Place:
    """Where a chat's files are: ``on_remote`` is what the folder's listing shows, by message id.

    Several files may begin with one id: people put theirs beside ours.
    """

    remote: str
    folder: str
    on_remote: Mapping[int, Sequence[ListedFile]]


@dataclass(frozen=True)
class DoneByMark:
    """Its done-mark says that it is on the remote."""


@dataclass(frozen=True)
class DoneByListing:
    """The remote's listing alone shows it: its mark is still to be written."""

    file: RemoteFile


@dataclass(frozen=True)
class GivenUp:
    """It failed for good, and this run does not try it again."""

    failure: Failure


Done = DoneByMark | DoneByListing


class KnownFiles:
    """By the marks, the recorded failures and the remote's listing. All threads may ask; nothing
    is written by asking."""

    def __init__(
        self,
        marks: MarkReader,
        place: Place,
        failures: Iterable[Failure],
        *,
        retry_for_good: bool,
    ) -> None:
        """``failures`` are those of the chat, as they are when the run begins."""
        self._marks = marks
        self._place = place
        self._retry_for_good = retry_for_good
        self._failures = {failure.key: failure for failure in failures}

    def of(self, item: MediaItem) -> Done | GivenUp | None:
        """``None``: it is to be moved."""
        if self._marks.is_done(self._place.remote, item.key):
            return DoneByMark()
        failure = self._failures.get(item.key)
        fitting = [each for each in self._listed(item) if each.size_bytes == item.size_bytes]
        if fitting and not (failure is not None and failure.distrusted):
            return DoneByListing(RemoteFile.listed(item, self._place.folder, fitting[0]))
        if failure is not None and given_up(failure) and not self._retry_for_good:
            return GivenUp(failure)
        return None

    def to_overwrite(self, item: MediaItem) -> ListedFile | None:
        """The very file that ``verify --repair`` saw to be ours and wrong, if it is still there.

        Never another one of the same message: that may be the user's own.
        """
        failure = self._failures.get(item.key)
        if failure is None:
            return None
        return next(
            (each for each in self._listed(item) if path_of(each) == failure.overwrites), None
        )

    def _listed(self, item: MediaItem) -> Sequence[ListedFile]:
        return self._place.on_remote.get(item.message_id, ())


_MESSAGES_AT_ONCE = 100


def learn_files(
    remote: str,
    chat: Chat,
    listed_ids: Iterable[int],
    reader: ChatReader,
    marks: Marks,
    is_done: Callable[[MediaItem], bool],
    progress: ProgressListener,
) -> None:
    """``listed_ids`` are the messages with a file on the remote and without a mark; ``is_done``
    marks what the listing proves. Blocks for one or two calls in a hundred messages.
    """
    ids = sorted({*listed_ids, *marks.ids_of_unknown_files(remote, chat.id, 0)})
    if ids:
        progress.message(
            f"reading {len(ids)} messages again whose files are on the remote, to know their copies"
        )
    for start in range(0, len(ids), _MESSAGES_AT_ONCE):
        for entry in reader.fetch(chat, ids[start : start + _MESSAGES_AT_ONCE]):
            if isinstance(entry, MediaItem) and is_done(entry):
                marks.learn_file(remote, entry)
    marks.files_are_known(remote, chat.id, 0)
