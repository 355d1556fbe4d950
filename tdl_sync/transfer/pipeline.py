"""Moves the files of one chat: message -> admitted -> downloaded -> checked -> handed off ->
marked -> state.

``Pipeline._move`` is the whole life of one file. Two pools run it, so that downloads and uploads
overlap and neither can starve the other; the caller's thread lists the chat and admits items,
and waits wherever there is no room, so nothing is listed far ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
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
from tdl_sync.core.futures import in_thread, then
from tdl_sync.core.model import DoneMark, MediaItem, Reservation, StagedFile
from tdl_sync.core.steps import Admitted, DiskUsed, Steps, TakenUp
from tdl_sync.core.stop import Slots
from tdl_sync.transfer.admission import OpenGate
from tdl_sync.transfer.again import GONE
from tdl_sync.transfer.copies_in_sidecars import AlsoPosted, InSidecars
from tdl_sync.transfer.duplicates import Duplicates, EachByItself
from tdl_sync.transfer.job import Job, Stages
from tdl_sync.transfer.ledger import Ledger
from tdl_sync.transfer.pools import DownloadPool, DownloadPools
from tdl_sync.transfer.remaining import Remaining
from tdl_sync.transfer.upload import Uploader
from tdl_sync.transfer.watermark import NewestFirst, OldestFirst

MOST_IN_FLIGHT = 1000
"""Items admitted and not settled; the budget bounds their bytes, this bounds their number."""


class Pipeline:
    """One run over one chat. ``run`` once, ``wait_for_hand_offs`` after it was stopped."""

    def __init__(
        self,
        job: Job,
        stages: Stages,
        downloads: int,
        workers: int,
        on_settled: Callable[[], None],
        steps: Steps,
        wait_until_ours: Callable[[], None],
        gate: OpenGate | None = None,
        wait_until_not_lapsed: Callable[[], None] = lambda: None,
        on_listed: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_settled`` is called after each item that was moved, failed or found gone;
        ``on_listed`` once, when all messages were read and what they hold is on its way.

        ``wait_until_ours`` is called before an item begins: it blocks while another run may have
        taken the chat, and raises ``Stopped``. ``wait_until_not_lapsed``, before a hand-off, blocks
        only while our hold on the chat has lapsed.
        """
        self._job = job
        self._stages = stages
        self._steps = steps
        self._wait_until_ours = wait_until_ours
        self._on_listed = on_listed
        self._gate = gate or OpenGate()
        self._pools = DownloadPools(downloads, stages.stop)
        self._hand_offs = ThreadPoolExecutor(workers, "hand-off")
        self._flight_slots = Slots(MOST_IN_FLIGHT, stages.stop)
        self._given_up: TdlSyncError | None = None
        self._listed: Future[None] | None = None
        frontier = (
            NewestFirst(job.after_id, job.up_to_id)
            if job.choice.newest_first
            else OldestFirst(job.after_id)
        )
        self.ended_early = False
        """Whether more of the chat may be wanted: the limit was reached, or the time was over."""

        self.ledger = Ledger(
            job.remote,
            frontier,
            stages.marks,
            steps,
            stages.stop,
            on_settled,
            job.seen,
        )
        self._remaining = Remaining(job, stages, self.ledger, self._check)
        self._uploader = Uploader(
            job,
            stages,
            self._remaining.path_before,
            steps,
            wait_until_not_lapsed,
            self._remaining.former,
            self._remaining.is_marked,
        )
        self._duplicates = self._deduped() if job.choice.dedupe else EachByItself()

    def _deduped(self) -> Duplicates:
        job, stages = self._job, self._stages
        also_posted = AlsoPosted()
        if job.keeping.with_sidecar:
            also_posted = InSidecars(job, stages, self._hand_offs)
        return Duplicates(job, stages, self.ledger, also_posted, self._end_for)

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
            self._remaining.begin()
            if self._job.choice.dedupe:
                self._remaining.learn_files()
            self._take_up_leftovers()
            taken = 0
            limit = self._job.choice.limit
            items = self._duplicates.firsts(self._remaining.files())
            for item in islice(items, limit):
                self._check()
                if self._gate.is_over:
                    self.ended_early = True
                    break
                self._move(item)
                taken += 1
            self.ended_early |= taken == limit
            if not self.ended_early:
                self._on_listed()
        except ChatUnreadable as error:
            self._given_up = error
        self.ledger.wait_for_all()

    def _check(self) -> None:
        """Raises what has ended this chat, or ``Stopped``."""
        self._stages.stop.check()
        if self._given_up is not None:
            raise self._given_up

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
        # Complete, checked, synced.
        staged = pool.executor.submit(self._download, reservation, pool)
        # On the remote, off the disk, marked.
        marked = then(staged, self._hand_offs, self._uploader.upload)
        # Counted, and its room given back.
        marked.add_done_callback(partial(self._settle, reservation))

    def _admit(self, item: MediaItem) -> Reservation | None:
        """Wait for leave, a free download and room; ``None`` if it must wait or can never fit."""
        self._wait_until_ours()
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
            reservation = budget.reserve(
                item, partial(leftovers.make_room, item), adopted_bytes, self._stages.stop
            )
        except LargerThanBudget as failure:
            pool.slots.give_back()
            self._flight_slots.give_back()
            self.ledger.opened()
            self.ledger.failed(item, failure)
            return None
        except Stopped:
            if adopted_bytes:
                leftovers.keep(Reservation(item, adopted_bytes))
            raise
        self.ledger.opened()
        self._steps.tell(DiskUsed(budget.used_bytes))
        self._steps.tell(Admitted(item))
        return reservation

    def _download(self, reservation: Reservation, pool: DownloadPool) -> StagedFile:
        try:
            return self._stages.downloader.download(reservation, self._steps)
        finally:
            pool.slots.give_back()

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
        attempt = self._stages.leftovers.attempt(item)
        if error is None:
            self._stages.leftovers.marked(item.key)
        if not self._stages.staging.holds(item.key):
            self._stages.budget.release(reservation)
        elif isinstance(error, ItemFailed):
            self._stages.leftovers.keep(reservation)
        self._steps.tell(DiskUsed(self._stages.budget.used_bytes))
        self._flight_slots.give_back()
        if error is None:
            self._duplicates.moved(item, marked.result())
            self._stages.on_moved(marked.result())
            self.ledger.moved(reservation)
            return
        self._duplicates.not_moved(item)
        if isinstance(error, ItemFailed):
            self.ledger.failed(item, error, None if attempt is None else attempt.path)
        elif isinstance(error, MessageGone):
            self.ledger.left_out(item, GONE)
        else:
            self._end_for(error)
            self.ledger.left(item)
            if self._stages.staging.holds(item.key):
                # Other chats may go on, and need the room more; only now, as nobody else does.
                self._stages.leftovers.keep(reservation)

    def _end_for(self, error: BaseException) -> None:
        """One item met something that ends more than itself: this chat, or the whole run.

        A stage that was stopped is no cause: the flag is set already.
        """
        if isinstance(error, ChatUnreadable):
            self._given_up = error
        else:
            self._stages.stop.set(error)

    def _take_up_leftovers(self) -> None:
        """Hand off what an earlier run had staged."""
        for found in self._remaining.staged(self._duplicates.leads):
            self._flight_slots.take()
            self._steps.tell(TakenUp(found.item))
            self.ledger.seen(1)
            self.ledger.opened()
            reservation = self._stages.budget.adopted(found.item)
            staged = StagedFile(
                reservation, found.leftover.path, found.is_known, found.may_be_there
            )
            upload = partial(self._upload, staged)
            if staged.may_be_there:
                # Not before the remote lists what has arrived; what needn't wait for that goes on.
                marked = then(self._is_listed(), self._hand_offs, upload)
            else:
                marked = self._hand_offs.submit(upload)
            marked.add_done_callback(partial(self._settle, reservation))

    def _upload(self, staged: StagedFile, _: None = None) -> DoneMark:
        return self._uploader.upload(staged)

    def _is_listed(self) -> Future[None]:
        """Ends when the remote lists all that earlier runs have sent."""
        if self._listed is None:
            seconds = self._stages.hand_off.seconds_until_listed()
            waiting = partial(self._stages.stop.sleep, seconds)
            self._listed = in_thread(waiting, "until it is listed")
        return self._listed
