"""The work of one run on a chat that is ours: round after round of files, and the state saved."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from typing import TypeVar

from tdl_sync.core.balance import Balance
from tdl_sync.core.errors import ComeBackLater, Stopped, StorageFull, TdlSyncError, TimeIsUp
from tdl_sync.core.futures import in_thread
from tdl_sync.core.model import (
    NOT_COUNTED,
    NOTHING,
    READER,
    Amount,
    Chat,
    ChatTotals,
    Reading,
)
from tdl_sync.core.reports import RunReport
from tdl_sync.core.shards import WHOLE
from tdl_sync.core.steps import Steps
from tdl_sync.core.text import human_bytes
from tdl_sync.options.config import Config
from tdl_sync.run.admission import cut_when_lapsed, wait_until_not_lapsed, wait_until_ours
from tdl_sync.run.books import Counts, balanced_in_time, is_whole
from tdl_sync.run.cataloguing import Cataloguing
from tdl_sync.run.following import Following, LaterRounds
from tdl_sync.run.last_files import LastFiles
from tdl_sync.run.resume import ChatState, ResumePoint, Resumption
from tdl_sync.run.time_left import Deadline, TimeLeft
from tdl_sync.state.lease import Lease
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_state import RunIdentity, RunStatus
from tdl_sync.state.state_saver import StateSaver
from tdl_sync.transfer.job import Job, Stages
from tdl_sync.transfer.pipeline import Pipeline
from tdl_sync.transfer.tally import Tally
from tdl_sync.transfer.text_archive import TextArchive

SAVE_ON_STOP_SECONDS = 1.5
"""A stopped run has its state saved within 2 s, in Telegram or else on this disk."""

SAVE_AGAIN_SECONDS = 1.0
WIND_DOWN_SECONDS = 1.0
"""What hangs longer than this after a stop is left behind: the end of the program ends it."""

SAVE_AT_END_SECONDS = 60.0

Result = TypeVar("Result")


@dataclass(frozen=True)
class ChatStart:
    """What is known when a chat's run begins to move. ``job`` is the first round's; ``counting``
    gives what Telegram counts in the chat, some time or never. ``for_balance`` gives that, too,
    where nothing is to be read before the books are balanced."""

    chat: Chat
    resumption: Resumption
    point: ResumePoint
    job: Job
    counting: Future[ChatTotals]
    texts: TextArchive
    lease: Lease
    identity: RunIdentity
    for_balance: Future[Counts] | None
    none_is_there: bool
    """The chat's folder on the remote shows no file."""
    catalogue: Cataloguing


class ChatSession:
    """``run`` once; ``report`` may be called from any thread at any time."""

    def __init__(
        self,
        start: ChatStart,
        config: Config,
        stages: Stages,
        local_states: LocalStates,
        deadline: Deadline | None,
        following: Following | None,
        stays: Event,
    ) -> None:
        """``stays`` is set when all that was there at the start was moved and the chat is
        followed."""
        self._start = start
        self._task = config.task
        self._running = config.running
        self._texts_directory = config.places.texts
        self._stages = stages
        self._following = following
        self._stays = stays
        self._more = False
        self._is_through = False
        self._balance: Balance | None = None
        self._time_left = None if deadline is None else self._begun_time_left(deadline)
        self._tally = Tally()
        measuring = () if self._time_left is None else (self._time_left.told,)
        self._last_files = LastFiles(self._look_before_the_end)
        self._steps = Steps(
            self._tally.told, *measuring, stages.progress.told, self._last_files.told
        )
        self._saver = StateSaver(
            start.lease,
            local_states,
            lambda: self._state.save_watermark_and_snapshot(),
            stages.progress,
            config.running.save_interval_seconds,
        )
        self._for_balance = start.for_balance
        self._first = self._pipeline(start.job, self._all_is_read)
        self._state = ChatState(
            start.chat,
            start.point,
            start.identity,
            stages.marks,
            stages.stop,
            self._tally,
            self._first.ledger,
            self._time_left,
            partial(stages.reader.holds, start.chat, start.point.scope.shard),
            partial(stages.leftovers.has_begun_attempts, start.chat.id),
        )

    def report(self) -> RunReport:
        return replace(
            self._tally.report(),
            more=self._more,
            balance=self._balance,
            before=self._moved_before(),
            none_is_there=self._start.none_is_there,
            is_through=self._is_through,
        )

    def run(self) -> None:
        """See ``ChatRun.run``."""
        start, stages, lease = self._start, self._stages, self._start.lease
        with (
            self._saver,
            cut_when_lapsed(
                lease, stages.hand_off, stages.progress, self._saver.save_soon, start.chat
            ),
        ):
            start.catalogue.begin(start.job)
            if not start.job.is_empty or self._task.texts or self._following is not None:
                # It can wait: until then the claim says that the chat is ours. Where nothing is to
                # be moved the save at the end is the first, and two round trips sooner.
                self._saver.save_soon()
            try:
                self._move_in_turn(self._first, self._start.counting)
                self._waiting(self._balance_books)
                self._waiting(self._catalogue_round)
                self._is_through = True
                ends = self._more or self._start.chat.became_id is not None
                if self._following is not None and not ends:
                    self._follow(self._following)
            except Stopped:
                if isinstance(self._stages.stop.cause, StorageFull):
                    self._say_what_is_left()
                raise
            # --retry-failed does not read on, so what it leaves is as complete as what it found.
            # What failed for now is for the next run, so the scope is not complete either.
            left = not self._has_read_on or self._more or self.report().failed_for_now
            self._end(RunStatus.STOPPED if left else RunStatus.COMPLETE)

    @property
    def _has_read_on(self) -> bool:
        """Up to the chat's newest message: this run, or the last one that did."""
        if not self._task.retry_failed:
            return True
        loaded = self._start.point.loaded
        was_complete = loaded is not None and loaded.state.status is RunStatus.COMPLETE
        return was_complete and not self._start.point.is_read_again

    def _begun_time_left(self, deadline: Deadline) -> TimeLeft:
        loaded = self._start.point.loaded
        return TimeLeft(
            deadline.seconds_left,
            deadline.working_seconds,
            self._running.workers,
            loaded.state.upload_bytes_per_second if loaded else 0,
            self._stages.stop,
        )

    def _pipeline(self, job: Job, on_listed: Callable[[], None] = lambda: None) -> Pipeline:
        return Pipeline(
            job,
            self._stages,
            self._running.downloads,
            self._running.workers,
            self._saver.file_finished,
            self._steps,
            partial(wait_until_ours, self._start.lease, self._stages.stop, self._stages.progress),
            self._time_left,
            partial(wait_until_not_lapsed, self._start.lease, self._stages.stop),
            on_listed,
        )

    def _moved_before(self) -> Amount:
        """What earlier runs have moved below the point at which this one begins."""
        point = self._start.point
        if point.loaded is None or point.after_id < point.loaded.state.last_message_id:  # --restart
            return NOTHING
        state = point.loaded.state
        files = max(0, state.total_uploaded - len(state.done_above_ids))
        moved_bytes = state.total_size_bytes * files // max(state.total_uploaded, 1)
        return Amount(files, moved_bytes)

    @property
    def _is_to_be_balanced(self) -> bool:
        scope = self._start.point.scope
        return not self._task.retry_failed and is_whole(scope, self._task.choice)

    def _all_is_read(self) -> None:
        """Beside the last files that are on their way: all that is counted has been read."""
        self._last_files.all_are_begun()
        if self._for_balance is None and self._is_to_be_balanced:
            counts = partial(self._stages.reader.counts, self._start.chat)
            self._for_balance = in_thread(counts, "counts")

    def _look_before_the_end(self) -> None:
        """Beside the last upload: a round trip less after it."""
        in_thread(self._start.lease.look, "look at the lease")

    def _balance_books(self) -> None:
        """The first round is over. It changes nothing of how the run ends."""
        start, position = self._start, self._state.ledger.position()
        if self._more or not self._is_to_be_balanced:
            return
        up_to_id = max(start.job.up_to_id, position.watermark)
        reader, stop = self._stages.reader, self._stages.stop
        read = {WHOLE: Reading(up_to_id, READER, position.seen)}
        self._balance = balanced_in_time(reader, start.chat, read, stop, self._for_balance)
        self._state.balance = self._balance
        for line in self._balance.lines:
            self._stages.progress.message(f"warning: {start.chat.title!r}: {line}")

    def _catalogue_round(self) -> None:
        self._start.catalogue.round_ended(self._state.ledger.position().watermark)

    # --- one round, the only one unless the chat is followed -----------------------------------

    def _move_in_turn(self, pipeline: Pipeline, counting: Future[ChatTotals] | None = None) -> None:
        progress = self._stages.progress
        with ExitStack() as turn:
            if self._following is not None:
                self._waiting(partial(turn.enter_context, self._following.turn()))
            before = NOTHING if counting is None else self._moved_before()
            totals = replace(NOT_COUNTED, before=before)
            budget_bytes = self._stages.budget.budget_bytes
            progress.started(self._start.chat, totals, budget_bytes, self._tally.of_round)
            if counting is not None:
                counting.add_done_callback(partial(self._show_count, before))
            self._move(pipeline)
            if self._following is not None:
                progress.idle("waiting for new messages (--follow)")

    def _show_count(self, before: Amount, counting: Future[ChatTotals]) -> None:
        if counting.exception() is None:
            totals = replace(counting.result(), before=before)
            self._stages.progress.counted(self._start.chat, totals)

    def _move(self, pipeline: Pipeline) -> None:
        """Beside the pipeline's thread, so that nothing that hangs in it delays a stop."""
        moving = in_thread(partial(self._work, pipeline), "pipeline")
        stop = self._stages.stop
        stop.wait_beside(moving)
        if stop.is_set:
            if not stop.ends_all:
                self._end_at_the_remote(pipeline, moving)
            if stop.ends_all:
                self._wind_down(pipeline, moving)
            stop.check()
        try:
            moving.result()
        except TdlSyncError:
            self._end(RunStatus.STOPPED)
            raise
        put_off = self._time_left is not None and self._time_left.some_put_off
        self._more = pipeline.ended_early or put_off
        self._tally.round_ended()

    def _work(self, pipeline: Pipeline) -> None:
        if self._stays.is_set():
            self._stages.hand_off.renew_folder(self._start.point.folder)
        if self._task.texts and not self._task.retry_failed:
            self._start.texts.keep(
                self._texts_directory,
                self._stages.reader,
                self._stages.hand_off,
                self._stages.stop,
            )
        pipeline.run()

    def _end_at_the_remote(self, pipeline: Pipeline, moving: Future[None]) -> None:
        """The remote takes nothing more, and others go on: what is being sent or downloaded comes
        to its end first, so that nothing of it meets what others do. A stop of the run ends that.
        """
        self._save_stopped()

        def end() -> None:
            wait((moving,))
            pipeline.wait_for_hand_offs()

        ending, of_run = in_thread(end, "what goes to the remote"), self._stages.stop.of_run
        of_run.wait_beside(ending)
        if not of_run.is_set:
            self._saver.save_now(SAVE_AT_END_SECONDS)
            self._tell_the_end()

    def _wind_down(self, pipeline: Pipeline, moving: Future[None]) -> None:
        """The run was stopped: save, let running hand-offs end in their grace time, save again."""
        self._save_stopped()
        grace_seconds = self._running.grace_seconds - self._stages.stop.seconds_ago
        self._stages.hand_off.terminate(max(0.0, grace_seconds))
        ending = in_thread(pipeline.wait_for_hand_offs, "the last hand-offs")
        wait((moving, ending), WIND_DOWN_SECONDS)
        self._saver.save_now(SAVE_AGAIN_SECONDS)
        self._tell_the_end()

    def _save_stopped(self) -> None:
        cause = self._stages.stop.cause
        self._more = isinstance(cause, TimeIsUp)
        self._state.status = (
            RunStatus.QUOTA if isinstance(cause, ComeBackLater) else RunStatus.STOPPED
        )
        self._saver.save_now(SAVE_ON_STOP_SECONDS)

    def _end(self, status: RunStatus) -> None:
        """Nothing stops the run; it has come to its end, or an error ends it for this chat."""
        self._state.status = status
        self._saver.save_now(SAVE_AT_END_SECONDS)
        self._tell_the_end()

    def _tell_the_end(self) -> None:
        telling = nullcontext() if self._following is None else self._following.telling
        with telling:
            self._stages.progress.finished(self._start.chat, self.report())

    # --- the rounds that follow ----------------------------------------------------------------

    def _follow(self, following: Following) -> None:
        """Round after round, each like a run that goes on from the watermark, until the run is
        stopped, or there is no time left for what has come."""
        say, start = self._stages.progress.message, self._start
        later = LaterRounds(
            start.resumption,
            start.job,
            following,
            say,
            self._start.lease,
        )
        self._saver.save_soon()
        say(f"{self._start.chat.title!r} is followed: new messages are moved as they come")
        self._stays.set()
        while not self._more:
            position = self._state.ledger.position()
            job = self._waiting(partial(later.next_job, position.watermark))
            if job.after_id == position.watermark:
                job = replace(job, seen=position.seen)
            pipeline = self._pipeline(job)
            self._tally.round_begins({entry.key.number for entry in job.again})
            self._state.ledger = pipeline.ledger
            self._move_in_turn(pipeline)
            later.ended(job, self._tally.of_round(), pipeline.ledger.position().watermark)
            self._waiting(self._catalogue_round)
            self._saver.save_when_allowed()
        say(f"{self._start.chat.title!r}: no time is left for what has come, so this run ends")

    def _waiting(self, work: Callable[[], Result]) -> Result:
        """Do what moves nothing; where the run ends meanwhile its state is saved."""
        try:
            return work()
        except Stopped:
            self._save_stopped()
            self._tell_the_end()
            raise
        except TdlSyncError:
            self._end(RunStatus.STOPPED)
            raise

    def _say_what_is_left(self) -> None:
        """How much room is needed, for the remote is full."""
        counting, loaded = self._start.counting, self._start.point.loaded
        if not counting.done() or counting.exception() is not None:
            return
        if counting.result() is NOT_COUNTED or self._start.point.scope.filters:
            return  # of a part nobody knows how much it is
        earlier_bytes = loaded.state.total_size_bytes if loaded else 0
        left_bytes = (
            counting.result().estimated_bytes - earlier_bytes - self.report().uploaded_bytes
        )
        self._stages.progress.message(
            f"about {human_bytes(max(0, left_bytes))} of {self._start.chat.title!r} are not on "
            f"{self._task.remote} yet (an estimate)"
        )
