"""What is known of a chat's files before anything is moved: which are done, which stay failed, and
which of Telegram's files are on the remote where no mark says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tdl_sync.core.errors import LargerThanBudget
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import ListedFile, MarkedFile, MediaItem, RemoteFile
from tdl_sync.core.naming import name_beside, path_of
from tdl_sync.core.ports import MarkReader
from tdl_sync.options.choice import Replacing
from tdl_sync.transfer.job import Job


def given_up(failure: Failure) -> bool:
    """Whether no run tries it again by itself. What did not fit may fit today."""
    return failure.for_good and failure.reason != LargerThanBudget.reason


@dataclass(frozen=True)
class DoneByMark:
    """Its done-mark says that it is on the remote."""


@dataclass(frozen=True)
class DoneByListing:
    """The remote's listing alone shows it: its mark is still to be written."""

    file: RemoteFile


@dataclass(frozen=True)
class DoneByAdoption:
    """Another program has moved it, and it was taken for done: its mark is still to be written."""

    file: RemoteFile


@dataclass(frozen=True)
class GivenUp:
    """It failed for good, and this run does not try it again."""

    failure: Failure


Done = DoneByMark | DoneByListing | DoneByAdoption


class KnownFiles:
    """By the marks, the recorded failures and the remote's listing. All threads may ask; nothing
    is written by asking."""

    def __init__(
        self,
        marks: MarkReader,
        job: Job,
        failures: Iterable[Failure],
        may_give_way: Callable[[MediaItem], bool] = lambda item: True,
    ) -> None:
        """``failures`` are those of the chat, as they are when the run begins. ``may_give_way``
        tells of an item whether the file that its message held before may be written over.

        Several files on the remote may begin with one id: people put theirs beside ours.
        """
        self._may_give_way = may_give_way
        self._marks = marks
        self._job = job
        self._failures = {failure.key: failure for failure in failures}
        self._again = {entry.key for entry in job.again}
        # What a message held before is no proof of what it holds now.
        former = marks.former_files(job.remote, job.chat.id, 0)
        self._former = {f"{each.file.folder}/{each.file.name}" for each in former}
        self._staying = {
            f"{each.file.folder}/{each.file.name}" for each in former if not each.gives_way
        }

    def of(self, item: MediaItem) -> Done | GivenUp | None:
        """``None``: it is to be moved."""
        if self._marks.is_done(self._job.remote, item.key):
            return DoneByMark() if self.replaced(item) is None else None
        failure = self._failures.get(item.key)
        fitting = self.fitting(item)
        if fitting and not (failure is not None and failure.distrusted):
            return DoneByListing(RemoteFile.listed(item, self._job.folder, fitting[0]))
        adopted = self._job.adopted.get(item.number)
        if adopted is not None and adopted.is_of(item) and not self.is_distrusted(item):
            return DoneByAdoption(RemoteFile.adopted(item, adopted))
        if failure is not None and given_up(failure) and not self._job.retry_failed_for_good:
            return GivenUp(failure)
        return None

    def replaced(self, item: MediaItem) -> MarkedFile | None:
        """The file that was moved of it, where its message holds another one by now."""
        may_be = item.key in self._again or item.key in self._failures
        if not may_be and not self._job.all_may_be_replaced:
            return None
        marked = self._marks.marked(self._job.remote, item.key)
        return marked if marked is not None and marked.is_replaced_by(item) else None

    def is_distrusted(self, item: MediaItem) -> bool:
        """Whether a file of that name and size on the remote is no proof."""
        failure = self._failures.get(item.key)
        return failure is not None and failure.distrusted

    def path_before(self, item: MediaItem) -> str | None:
        """Where on the remote, below the chat's folder, an earlier run has put it or wanted to, or
        ``verify --repair`` saw a file to be ours and wrong.

        Never another one of the same message: that may be the user's own.
        """
        failure = self._failures.get(item.key)
        if failure is not None and failure.overwrites is not None:
            return failure.overwrites
        replaced = self.replaced(item)
        if replaced is None and not self._staying:
            return None
        return self._path_instead_of(replaced, item)

    def _path_instead_of(self, replaced: MarkedFile | None, item: MediaItem) -> str | None:
        """``None`` where its own path is free."""
        job = self._job
        path = job.path(item)
        whole_path = f"{job.folder}/{path}"
        if replaced is not None and whole_path == f"{replaced.folder}/{replaced.name}":
            if job.replacing is Replacing.OVER and self._may_give_way(item):
                return path
        elif whole_path not in self._staying:
            return None
        folder, slash, name = path.rpartition("/")
        return f"{folder}{slash}{name_beside(item, name)}"

    def twin(self, item: MediaItem) -> ListedFile | None:
        """One that is listed with its id and size, if nothing is known of an attempt of ours."""
        if self.is_distrusted(item):
            return None
        same_size = self.fitting(item)
        return same_size[0] if same_size else None

    def fitting(self, item: MediaItem) -> list[ListedFile]:
        """What the remote lists with its id and size."""
        listed = self._job.on_remote.get(item.number, ())
        return [
            each
            for each in listed
            if each.size_bytes == item.size_bytes
            and f"{self._job.folder}/{path_of(each)}" not in self._former
        ]
