"""Which of a chat's files are still to be moved; the others are booked on the way.

Whoever only looks asks ``known`` itself and books nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tdl_sync.core.model import DoneMark, HistoryPage, ListedFile, MediaItem, SkippedItem
from tdl_sync.transfer.job import Job, Stages
from tdl_sync.transfer.known import (
    Done,
    DoneByListing,
    GivenUp,
    KnownFiles,
)
from tdl_sync.transfer.ledger import Ledger
from tdl_sync.transfer.recovery import Found, take_up

_MESSAGES_AT_ONCE = 100


class Remaining:
    """Of one job. Used by one thread, but for ``to_overwrite``."""

    def __init__(self, job: Job, stages: Stages, ledger: Ledger, check: Callable[[], None]) -> None:
        """``check`` raises when no more of the chat is to be listed."""
        self._job = job
        self._stages = stages
        self._ledger = ledger
        self._check = check
        failures = stages.marks.failures(job.remote, job.chat.id, 0)
        self._known = KnownFiles(stages.marks, job, failures)
        self._taken_up_ids: set[int] = set()

    def to_overwrite(self, item: MediaItem) -> ListedFile | None:
        """See ``KnownFiles``; any thread may ask."""
        return self._known.to_overwrite(item)

    def staged(self, leads: Callable[[MediaItem], bool]) -> list[Found]:
        """What an earlier run had staged and not handed off, which is not listed again: see
        ``recovery`` for all that may lie there."""
        job, stages = self._job, self._stages
        found = take_up(
            job.chat, stages.reader, stages.leftovers, self._is_done, leads, job.leftovers_of
        )
        self._taken_up_ids.update(each.item.message_id for each in found)
        return found

    def files(self) -> Iterator[MediaItem]:
        """In the run's order; blocks for the reader's calls."""
        # What was staged and not handed off is among the leftovers and among the failures.
        again = [each for each in self._job.again if each.key.message_id not in self._taken_up_ids]
        # At once: each would be durable by itself, and they may be a hundred thousand.
        gone = [entry.key for entry in again if isinstance(entry, SkippedItem)]
        if gone:
            self._stages.marks.forget_failures(self._job.remote, gone)
        for entry in again:
            self._ledger.seen(1)
            if isinstance(entry, SkippedItem):
                self._ledger.skipped(entry)
            elif self._is_done(entry):
                self._ledger.done_before(entry)
            else:
                yield entry
        reader, job = self._stages.reader, self._job
        for page in job.choice.pages(reader, job.chat, job.after_id, job.up_to_id):
            yield from self._files_of(page)

    def _files_of(self, page: HistoryPage) -> Iterator[MediaItem]:
        self._ledger.listed(page)
        for entry in page.entries:
            if entry.key.message_id in self._taken_up_ids:
                continue
            self._ledger.seen(1)
            self._check()
            if isinstance(entry, SkippedItem):
                self._ledger.skipped(entry)
                continue
            known = self._look_up(entry)
            if isinstance(known, Done):
                self._ledger.done_before(entry)
            elif isinstance(known, GivenUp):
                self._ledger.failed_before(entry, known.failure)
            else:
                yield entry

    def learn_files(self) -> None:
        """Learn which of Telegram's files are on the remote where no mark says so.

        After a machine was lost only the remote's listing tells what is done: ids and sizes. Marks
        of before do not say it either. So before copies can be told, these messages are read once
        more; one that was edited since proves nothing, for it may hold another file than the one
        that was moved. Blocks for one or two calls in a hundred messages.
        """
        job, marks = self._job, self._stages.marks
        ids = sorted({*job.on_remote, *marks.ids_of_unknown_files(job.remote, job.chat.id, 0)})
        if ids:
            self._stages.progress.message(
                f"reading {len(ids)} messages again whose files are on the remote, to know their "
                "copies"
            )
        for start in range(0, len(ids), _MESSAGES_AT_ONCE):
            for entry in self._stages.reader.fetch(
                job.chat, ids[start : start + _MESSAGES_AT_ONCE]
            ):
                if isinstance(entry, MediaItem) and self._is_done(entry):
                    marks.learn_file(job.remote, entry)
        marks.files_are_known(job.remote, job.chat.id, 0)

    def _look_up(self, item: MediaItem) -> Done | GivenUp | None:
        """What is known of it; what the listing alone shows is marked."""
        known = self._known.of(item)
        if isinstance(known, DoneByListing):
            self._stages.marks.write(DoneMark(self._job.remote, known.file))
        return known

    def _is_done(self, item: MediaItem) -> bool:
        return isinstance(self._look_up(item), Done)
