"""Moves the files of one chat: message -> admitted -> downloaded -> checked -> handed off ->
marked -> state.

``Pipeline._move`` is the whole life of one file. Two pools run it, so that downloads and uploads
overlap and neither can starve the other; the caller's thread lists the chat and admits items,
and waits wherever there is no room, so nothing is listed far ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from tdl_sync.core.errors import (
    ChatUnreadable,
    ItemFailed,
    LargerThanBudget,
    LongerThanRun,
    MessageGone,
    Stopped,
    TdlSyncError,
)
from tdl_sync.core.futures import then
from tdl_sync.core.model import (
    Chat,
    DoneMark,
    HistoryEntry,
    HistoryPage,
    ListedFile,
    MediaItem,
    Reservation,
    SkippedItem,
    StagedFile,
)
from tdl_sync.core.ports import ChatReader, HandOff, Marks, ProgressListener
from tdl_sync.core.stop import Slots, StopFlag
from tdl_sync.options.choice import WHOLE_CHAT, Choice
from tdl_sync.options.name_template import PLAIN_KEEPING, Keeping
from tdl_sync.transfer.admission import OpenGate
from tdl_sync.transfer.copies_in_sidecars import AlsoPosted, InSidecars
from tdl_sync.transfer.disk.budget import DiskBudget
from tdl_sync.transfer.disk.leftovers import Leftovers
from tdl_sync.transfer.disk.staging import Staging
from tdl_sync.transfer.download import Downloader
from tdl_sync.transfer.duplicates import Duplicates, EachByItself
from tdl_sync.transfer.known import Done, DoneByListing, GivenUp, KnownFiles, Place, learn_files
from tdl_sync.transfer.ledger import Ledger
from tdl_sync.transfer.pools import DownloadPool, DownloadPools
from tdl_sync.transfer.recovery import take_up
from tdl_sync.transfer.upload import Destination, Uploader
from tdl_sync.transfer.watermark import NewestFirst, OldestFirst

MOST_IN_FLIGHT = 1000
"""Items admitted and not settled; the budget bounds their bytes, this bounds their number."""

GONE = "deleted"


@dataclass(frozen=True)
class Job:
    """What is to be moved: the messages with ``after_id < id <= up_to_id`` and ``again``.

    ``again`` are files that earlier runs did not move, all up to ``after_id``; ``on_remote`` is
    what the remote's listing shows, by message id. Of what lies in the staging directory all is
    taken up, or only what is ``leftovers_of`` these messages. ``sidecar_folders`` says where the
    sidecars are that the remote has, by message id; it grows with each.
    """

    chat: Chat
    remote: str
    folder: str
    after_id: int
    up_to_id: int
    again: tuple[HistoryEntry, ...]
    on_remote: Mapping[int, Sequence[ListedFile]]
    retry_failed_for_good: bool
    choice: Choice = WHOLE_CHAT
    keeping: Keeping = PLAIN_KEEPING
    leftovers_of: frozenset[int] | None = None
    sidecar_folders: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stages:
    """The parts that a file passes through, shared by all chats of a run."""

    reader: ChatReader
    downloader: Downloader
    hand_off: HandOff
    marks: Marks
    staging: Staging
    budget: DiskBudget
    leftovers: Leftovers
    progress: ProgressListener
    stop: StopFlag


class Pipeline:
    """One run over one chat. ``run`` once, ``wait_for_hand_offs`` after it was stopped."""

    def __init__(
        self,
        job: Job,
        stages: Stages,
        downloads: int,
        workers: int,
        on_settled: Callable[[], None],
        gate: OpenGate | None = None,
    ) -> None:
        """``on_settled`` is called after each item that was moved, failed or found gone."""
        self._job = job
        self._stages = stages
        self._gate = gate or OpenGate()
        self._pools = DownloadPools(downloads, stages.stop)
        self._hand_offs = ThreadPoolExecutor(workers, "hand-off")
        self._flight_slots = Slots(MOST_IN_FLIGHT, stages.stop)
        self._known = KnownFiles(
            stages.marks,
            Place(job.remote, job.folder, job.on_remote),
            stages.marks.failures(job.remote, job.chat.id, 0),
            retry_for_good=job.retry_failed_for_good,
        )
        self._uploader = Uploader(
            Destination(job.chat, job.remote, job.folder, job.keeping, job.sidecar_folders),
            stages.hand_off,
            stages.marks,
            self._known.to_overwrite,
            stages.progress,
            self._gate,
            stages.stop,
        )
        self._taken_up_ids: set[int] = set()
        self._given_up: TdlSyncError | None = None
        frontier = (
            NewestFirst(job.after_id, job.up_to_id)
            if job.choice.newest_first
            else OldestFirst(job.after_id)
        )
        self.limit_reached = False
        self.ledger = Ledger(
            job.remote, frontier, stages.marks, stages.progress, stages.stop, on_settled
        )
        self._duplicates = self._deduped() if job.choice.dedupe else EachByItself()

    def _deduped(self) -> Duplicates:
        job, stages = self._job, self._stages
        also_posted = AlsoPosted()
        if job.keeping.with_sidecar:
            also_posted = InSidecars(
                stages.hand_off, self._hand_offs, stages.stop, job.sidecar_folders
            )
        return Duplicates(
            job.remote,
            job.chat.id,
            stages.marks,
            self.ledger,
            also_posted,
            stages.stop,
            self._end_for,
        )

    def run(self) -> None:
        """Move everything; returns when each item is settled.

        Raises ``Stopped`` when the run was stopped, from outside or by an error, which is the stop
        flag's cause then (running hand-offs go on, until ``HandOff.terminate``), and
        ``ChatUnreadable`` when the chat ceased to be readable; what was under way then has been
        finished first.
        """
        try:
            self._move_all()
        except Exception as error:
            self._stages.stop.set(error)  # no cause of its own if the flag is set already
            raise Stopped("the run is stopping") from error
        finally:
            self._pools.shutdown()
            self._hand_offs.shutdown(wait=False)
        if self._given_up is not None:
            raise self._given_up

    def _move_all(self) -> None:
        try:
            if self._job.choice.dedupe:
                self._learn_files()
            self._take_up_leftovers()
            taken = 0
            items = self._duplicates.firsts(self._items())
            for item in islice(items, self._job.choice.limit):
                if self._given_up is not None:
                    raise self._given_up
                if self._gate.is_over:
                    self._gate.put_off(item)
                    break
                self._move(item)
                taken += 1
            self.limit_reached = taken == self._job.choice.limit
        except ChatUnreadable as error:
            self._given_up = error
        self.ledger.wait_for_all()

    def wait_for_hand_offs(self) -> None:
        """After a stop: block until each hand-off has ended, well or not."""
        self._hand_offs.shutdown(wait=True)

    def _move(self, item: MediaItem) -> None:
        """The whole life of one file, from its message to its done-mark."""
        reservation = self._admit(item)  # room on the disk is taken, or this waits
        if reservation is None:
            self._duplicates.not_moved(item)
            return
        pool = self._pools.pool_of(item)
        staged = pool.executor.submit(
            self._download, reservation, pool
        )  # complete, checked, synced
        marked = then(
            staged, self._hand_offs, self._uploader.upload
        )  # on the remote, off the disk, marked
        marked.add_done_callback(partial(self._settle, reservation))  # counted, room given back

    def _admit(self, item: MediaItem) -> Reservation | None:
        """Wait for leave, a free download and room; ``None`` if it must wait or can never fit."""
        try:
            if not self._gate.admits(item):
                return None
        except LongerThanRun as failure:
            self.ledger.opened()
            self.ledger.failed(item, failure)
            return None
        self._flight_slots.take()
        pool = self._pools.pool_of(item)
        pool.slots.take()
        budget, leftovers = self._stages.budget, self._stages.leftovers
        adopted_bytes = leftovers.take_partial(item)
        try:
            reservation = budget.reserve(item, partial(leftovers.make_room, item), adopted_bytes)
        except LargerThanBudget as failure:
            pool.slots.give_back()
            self._flight_slots.give_back()
            self._gate.settled(item, moved=False)
            self.ledger.opened()
            self.ledger.failed(item, failure)
            return None
        self.ledger.opened()
        self._stages.progress.disk(budget.used_bytes)
        self._stages.progress.admitted(item)
        return reservation

    def _download(self, reservation: Reservation, pool: DownloadPool) -> StagedFile:
        self._gate.downloading(reservation.item)
        try:
            staged = self._stages.downloader.download(reservation)
        finally:
            pool.slots.give_back()
        self._gate.staged(reservation.item)
        self.ledger.downloaded(reservation.item)
        return staged

    def _settle(self, reservation: Reservation, marked: Future[DoneMark]) -> None:
        """Book what became of an item, and give its room back if its bytes are gone.

        What can't even be booked ends the run.
        """
        try:
            self._book(reservation, marked)
        except Exception as error:  # noqa: BLE001 - a callback's exception would only be logged
            self._stages.stop.set(error)

    def _book(self, reservation: Reservation, marked: Future[DoneMark]) -> None:
        item, error = reservation.item, marked.exception()
        self._gate.settled(item, moved=error is None)
        if not self._stages.staging.holds(item.key):
            self._stages.budget.release(reservation)
        elif isinstance(error, (ItemFailed, ChatUnreadable)):
            self._stages.leftovers.keep(reservation)
        self._stages.progress.disk(self._stages.budget.used_bytes)
        self._flight_slots.give_back()
        if error is None:
            self._duplicates.moved(item, marked.result())
            self.ledger.moved(reservation)
            return
        self._duplicates.not_moved(item)
        if isinstance(error, ItemFailed):
            self.ledger.failed(item, error)
        elif isinstance(error, MessageGone):
            self.ledger.left_out(item, GONE)
        else:
            self._end_for(error)
            self.ledger.left()

    def _end_for(self, error: BaseException) -> None:
        """One item met something that ends more than itself: this chat, or the whole run.

        A stage that was stopped is no cause: the flag is set already.
        """
        if isinstance(error, ChatUnreadable):
            self._given_up = error
        else:
            self._stages.stop.set(error)

    def _items(self) -> Iterator[MediaItem]:
        """The items that are not done, in the run's order; the others are booked on the way."""
        # What was staged and not handed off is among the leftovers and among the failures.
        again = [each for each in self._job.again if each.key.message_id not in self._taken_up_ids]
        for entry in again:
            self.ledger.seen(1)
            if isinstance(entry, SkippedItem):
                self._stages.marks.forget_failure(self._job.remote, entry.key)
                self.ledger.skipped(entry)
            elif self._is_done(entry):
                self.ledger.done_before(entry)
            else:
                yield entry
        reader, job = self._stages.reader, self._job
        for page in job.choice.pages(reader, job.chat, job.after_id, job.up_to_id):
            yield from self._items_of(page)

    def _items_of(self, page: HistoryPage) -> Iterator[MediaItem]:
        self.ledger.listed(page)
        for entry in page.entries:
            if entry.key.message_id in self._taken_up_ids:
                continue
            self.ledger.seen(1)
            self._stages.stop.check()
            if self._given_up is not None:
                raise self._given_up
            if isinstance(entry, SkippedItem):
                self.ledger.skipped(entry)
                continue
            known = self._look_up(entry)
            if isinstance(known, Done):
                self.ledger.done_before(entry)
            elif isinstance(known, GivenUp):
                self.ledger.failed_before(entry, known.failure)
            else:
                yield entry

    def _look_up(self, item: MediaItem) -> Done | GivenUp | None:
        """What is known of it; what the listing alone shows is marked."""
        known = self._known.of(item)
        if isinstance(known, DoneByListing):
            self._stages.marks.write(DoneMark(self._job.remote, known.file))
        return known

    def _is_done(self, item: MediaItem) -> bool:
        return isinstance(self._look_up(item), Done)

    def _learn_files(self) -> None:
        job, stages = self._job, self._stages
        learn_files(
            job.remote,
            job.chat,
            job.on_remote,
            stages.reader,
            stages.marks,
            self._is_done,
            stages.progress,
        )

    def _take_up_leftovers(self) -> None:
        """Hand off what an earlier run had staged: see ``recovery`` for all that it may find."""
        job, stages = self._job, self._stages
        for found in take_up(
            job.chat,
            stages.reader,
            stages.leftovers,
            self._is_done,
            self._duplicates.leads,
            job.leftovers_of,
        ):
            self._flight_slots.take()
            self._gate.taken_up(found.item)
            self._taken_up_ids.add(found.item.message_id)
            self.ledger.seen(1)
            self.ledger.opened()
            reservation = stages.budget.adopted(found.item)
            staged = StagedFile(reservation, found.leftover.path, from_earlier_run=True)
            marked = self._hand_offs.submit(self._uploader.upload, staged)
            marked.add_done_callback(partial(self._settle, reservation))
