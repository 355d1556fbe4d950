"""One run over one chat: where it goes on, what it moves, and the state that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from threading import Event
from typing import Any, TypeVar

from tdl_sync.core.errors import ComeBackLater, Stopped, StorageFull, TdlSyncError, TimeIsUp
from tdl_sync.core.futures import in_thread
from tdl_sync.core.model import Chat, ChatTotals, scope_key
from tdl_sync.core.reports import RunReport
from tdl_sync.core.text import human_bytes
from tdl_sync.options.config import Config
from tdl_sync.run.admission import LeaseGate, TimedGate
from tdl_sync.run.following import Following, LaterRounds
from tdl_sync.run.parts import Parts
from tdl_sync.run.resume import ChatState, ResumePoint, Resumption, inherit
from tdl_sync.run.time_left import Deadline, TimeLeft
from tdl_sync.state.exclusive import exclusive
from tdl_sync.state.lease import Lease
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_identity import this_run
from tdl_sync.state.run_state import RunStatus
from tdl_sync.state.state_saver import StateSaver
from tdl_sync.state.state_store import StateMessage, StateStore
from tdl_sync.transfer.ledger import Rounds
from tdl_sync.transfer.pipeline import Job, Pipeline
from tdl_sync.transfer.text_archive import TextArchive

SAVE_ON_STOP_SECONDS = 1.5
"""A stopped run has its state saved within 2 s, in Telegram or else on this disk."""

SAVE_AGAIN_SECONDS = 1.0
WIND_DOWN_SECONDS = 1.0
"""What hangs longer than this after a stop is left behind: the end of the program ends it."""

SAVE_AT_END_SECONDS = 60.0

Result = TypeVar("Result")


class ChatRun:
    """``run`` once; ``report`` may be called from any thread at any time."""

    def __init__(
        self,
        chat: Chat,
        lower_bound: int,
        config: Config,
        parts: Parts,
        deadline: Deadline | None = None,
        following: Following | None = None,
    ) -> None:
        """With ``following`` the run stays with the chat until it is stopped."""
        self._chat = chat
        self._task = task = config.task
        self._scope = task.choice.scope(task.remote, chat, lower_bound)
        self._running = config.running
        self._places = config.places
        self._stages = parts.stages
        self._remote_free_bytes = parts.remote_free_bytes
        self._deadline = deadline
        self._saved_messages = parts.telegram.saved_messages
        self._local_states = LocalStates(config.places.states)
        self._identity = this_run(config.running.save_interval_seconds)
        self._time_left: TimeLeft | None = None
        self._rounds: Rounds | None = None
        self._more = False
        self._has_ended = False
        self._following = following
        self._telling: AbstractContextManager[Any] = (
            nullcontext() if following is None else following.telling
        )
        self.stays = Event()
        """Set when all that was there at the start was moved and the chat is followed."""

    @property
    def chat(self) -> Chat:
        return self._chat

    def report(self) -> RunReport:
        report = RunReport() if self._rounds is None else self._rounds.report()
        return replace(report, more=self._more)

    @property
    def is_moving(self) -> bool:
        """Whether there is a state to save when the run is stopped."""
        return self._rounds is not None and not self._has_ended

    def run(self) -> None:
        """Move the chat's files; on return, and whatever is raised, the state has been saved.

        Raises ``Stopped``, ``ConfigurationError``, ``ChatUnreadable`` and what else ends a run.
        """
        try:
            self._run_held()
        finally:
            self._has_ended = True

    def _run_held(self) -> None:
        with exclusive(
            self._chat,
            self._task.remote,
            self._identity,
            self._saved_messages,
            self._places.locks,
            self._stages.stop,
            take_over=self._running.take_over,
        ) as lease:
            if lease.warning is not None:
                self._stages.progress.message(lease.warning)
            self._run(lease)

    def _run(self, lease: Lease) -> None:
        task, stages = self._task, self._stages
        self._resumption = resumption = Resumption(
            self._chat,
            self._scope,
            task,
            stages.reader,
            stages.marks,
            StateStore(self._saved_messages, self._local_states),
            stages.hand_off.find_folder,
        )
        self._resume_point = point = resumption.point()
        inherit(point, stages.marks, self._saved_messages)
        counting = in_thread(partial(stages.reader.totals, self._chat), "totals")
        listing = stages.hand_off.prepare_folder(point.folder)
        self._texts = TextArchive(self._chat, task.remote, point.folder, listing)
        totals = counting.result()
        self._compare_with_room(totals)
        message_id = point.loaded.message_id if point.loaded else None
        lease.hold_by(StateMessage(self._saved_messages, scope_key(self._scope), message_id))
        self._gate = self._gate_of(lease)
        self._saver = StateSaver(
            lease,
            self._local_states,
            lambda: self._state.save_watermark_and_snapshot(),
            stages.progress,
            self._running.save_interval_seconds,
        )
        pipeline = self._pipeline(resumption.job(point, listing))
        self._rounds = rounds = Rounds(pipeline.ledger)
        self._state = ChatState(
            self._chat,
            point,
            self._identity,
            stages.marks,
            stages.stop,
            rounds,
            self._time_left,
        )
        with self._saver:
            self._saver.save_soon()  # it can wait: until then the claim says that the chat is ours
            try:
                self._move_in_turn(pipeline, totals)
                if self._following is not None and not self._more:
                    self._follow(self._following, lease)
            except Stopped:
                if isinstance(stages.stop.cause, StorageFull):
                    self._say_what_is_left(totals, point)
                raise
            # --retry-failed does not read on, so what it leaves is as complete as what it found.
            ended_early = task.retry_failed or self._more
            self._end(RunStatus.STOPPED if ended_early else RunStatus.COMPLETE)

    def _gate_of(self, lease: Lease) -> LeaseGate:
        deadline, stages, loaded = self._deadline, self._stages, self._resume_point.loaded
        if deadline is None:
            return LeaseGate(lease, stages.stop, stages.progress)
        self._time_left = TimeLeft(
            deadline.seconds_left,
            deadline.working_seconds,
            self._running.workers,
            loaded.state.upload_bytes_per_second if loaded else 0,
            stages.stop,
        )
        return TimedGate(lease, stages.stop, stages.progress, self._time_left)

    def _pipeline(self, job: Job) -> Pipeline:
        return Pipeline(
            job,
            self._stages,
            self._running.downloads,
            self._running.workers,
            self._saver.file_finished,
            self._gate,
        )

    # --- one round, the only one unless the chat is followed -----------------------------------

    def _move_in_turn(self, pipeline: Pipeline, totals: ChatTotals) -> None:
        progress = self._stages.progress
        with ExitStack() as turn:
            if self._following is not None:
                self._waiting(partial(turn.enter_context, self._following.turn()))
            progress.started(self._chat, totals, self._stages.budget.budget_bytes)
            self._move(pipeline)
            if self._following is not None:
                progress.idle("waiting for new messages (--follow)")

    def _move(self, pipeline: Pipeline) -> None:
        """Beside the pipeline's thread, so that nothing that hangs in it delays a stop."""
        moving = in_thread(partial(self._work, pipeline), "pipeline")
        self._stages.stop.wait_beside(moving)
        if self._stages.stop.is_set:
            self._wind_down(pipeline, moving)
            self._stages.stop.check()
        try:
            moving.result()
        except TdlSyncError:
            self._end(RunStatus.STOPPED)
            raise
        put_off = self._time_left is not None and self._time_left.some_put_off
        self._more = pipeline.limit_reached or put_off
        if self._rounds is not None:
            self._rounds.end()

    def _work(self, pipeline: Pipeline) -> None:
        if self.stays.is_set():
            self._stages.hand_off.renew_folder(self._resume_point.folder)
        if self._task.texts and not self._task.retry_failed:
            self._texts.keep(
                self._places.data_dir / "texts",
                self._stages.reader,
                self._stages.hand_off,
                self._stages.stop,
            )
        pipeline.run()

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
        with self._telling:
            self._stages.progress.finished(self._chat, self.report())

    # --- the rounds that follow ----------------------------------------------------------------

    def _follow(self, following: Following, lease: Lease) -> None:
        """Round after round, each like a run that goes on from the watermark, until the run is
        stopped, or there is no time left for what has come."""
        say, rounds = self._stages.progress.message, self._rounds
        assert rounds is not None
        later = LaterRounds(
            self._chat,
            self._resumption,
            self._resume_point,
            self._stages.marks,
            following,
            say,
            lease,
        )
        self._saver.save_soon()
        say(f"{self._chat.title!r} is followed: new messages are moved as they come")
        self.stays.set()
        while not self._more:
            job = self._waiting(partial(later.next_job, rounds.position().watermark))
            pipeline = self._pipeline(job)
            rounds.begin(pipeline.ledger, {entry.key.message_id for entry in job.again})
            self._move_in_turn(pipeline, ChatTotals(0, 0, 0))
            later.ended(job, pipeline.ledger)
            self._saver.save_when_allowed()
        say(f"{self._chat.title!r}: no time is left for what has come, so this run ends")

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

    # --- what is said of the remote's room ----------------------------------------------------

    def _compare_with_room(self, totals: ChatTotals) -> None:
        """Name a remote that is too small now, not after days."""
        free_bytes = self._remote_free_bytes
        if free_bytes is not None and free_bytes < totals.estimated_bytes:
            self._stages.progress.message(
                f"warning: {self._task.remote} has {human_bytes(free_bytes)} free, and "
                f"{self._chat.title!r} holds about {human_bytes(totals.estimated_bytes)} "
                "(an estimate): it will be full before the end unless most is there already"
            )

    def _say_what_is_left(self, totals: ChatTotals, point: ResumePoint) -> None:
        """How much room is needed, for the remote is full."""
        earlier_bytes = point.loaded.state.total_size_bytes if point.loaded else 0
        left_bytes = totals.estimated_bytes - earlier_bytes - self.report().uploaded_bytes
        self._stages.progress.message(
            f"about {human_bytes(max(0, left_bytes))} of {self._chat.title!r} are not on "
            f"{self._task.remote} yet (an estimate)"
        )
