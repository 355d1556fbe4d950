"""One run over one chat: where it goes on, what it moves, and the state that it leaves."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, wait
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial

from tdl_sync.beginning import Beginning, Start
from tdl_sync.errors import (
    ComeBackLater,
    Stopped,
    StorageFull,
    TdlSyncError,
    TimeIsUp,
)
from tdl_sync.futures import in_thread
from tdl_sync.gate import LeaseGate, TimedGate
from tdl_sync.hold import holding
from tdl_sync.human_units import human_bytes
from tdl_sync.lease import Lease
from tdl_sync.ledger import Ledger
from tdl_sync.local_state import LocalStates
from tdl_sync.model import (
    Chat,
    ChatTotals,
    RunReport,
    RunState,
    RunStatus,
)
from tdl_sync.pipeline import Pipeline, Stages
from tdl_sync.ports import SavedMessages
from tdl_sync.run_identity import this_run
from tdl_sync.run_settings import RunSettings
from tdl_sync.run_state import LoadedState, StateMessage
from tdl_sync.state_message import scope_key
from tdl_sync.state_saver import StateSaver
from tdl_sync.texts import TextArchive
from tdl_sync.time_left import TimeLeft

SAVE_ON_STOP_SECONDS = 1.5
"""A stopped run has its state saved within 2 s, in Telegram or else on this disk."""

SAVE_AGAIN_SECONDS = 1.0
WIND_DOWN_SECONDS = 1.0
"""What hangs longer than this after a stop is left behind: the end of the program ends it."""

SAVE_AT_END_SECONDS = 60.0


class ChatRun:
    """``run`` once; ``report`` may be called from any thread at any time."""

    def __init__(
        self,
        chat: Chat,
        lower_bound: int,
        settings: RunSettings,
        stages: Stages,
        saved_messages: SavedMessages,
        local_states: LocalStates,
    ) -> None:
        self._chat = chat
        self._scope = settings.choice.scope(settings.remote, chat, lower_bound)
        self._settings = settings
        self._stages = stages
        self._saved_messages = saved_messages
        self._local_states = local_states
        self._identity = this_run(settings.save_interval_seconds)
        self._time_left: TimeLeft | None = None
        self._started_at = datetime.now(timezone.utc)
        self._status = RunStatus.RUNNING
        self._ledger: Ledger | None = None
        self._more = False

    def report(self) -> RunReport:
        report = RunReport() if self._ledger is None else self._ledger.report()
        return replace(report, more=self._more)

    @property
    def is_moving(self) -> bool:
        """Whether there is a state to save when the run is stopped."""
        return self._ledger is not None

    def run(self) -> None:
        """Move the chat's files; on return, and whatever is raised, the state has been saved.

        Raises ``Stopped``, ``ConfigurationError``, ``ChatUnreadable`` and what else ends a run.
        """
        settings = self._settings
        with holding(
            self._chat,
            settings.remote,
            self._identity,
            self._saved_messages,
            settings.lock_directory,
            self._stages.stop,
            take_over=settings.take_over,
        ) as lease:
            self._run(lease)

    def _gate(self, lease: Lease, loaded: LoadedState | None) -> LeaseGate:
        settings, stages = self._settings, self._stages
        if settings.deadline is None:
            return LeaseGate(lease, stages.stop, stages.progress)
        self._time_left = TimeLeft(
            settings.deadline.seconds_left,
            settings.deadline.working_seconds,
            settings.workers,
            loaded.state.upload_bytes_per_second if loaded else 0,
            stages.stop,
        )
        return TimedGate(lease, stages.stop, stages.progress, self._time_left)

    def _run(self, lease: Lease) -> None:
        start = Start(
            self._chat,
            self._scope,
            self._settings,
            self._stages,
            self._saved_messages,
            self._local_states,
        )
        beginning = start.begin()
        listing = self._stages.hand_off.prepare_folder(beginning.folder)
        remote = self._settings.remote
        self._texts = TextArchive(self._chat, remote, beginning.folder, listing)
        totals = self._stages.reader.totals(self._chat)
        self._stages.progress.started(self._chat, totals, self._stages.budget.budget_bytes)
        self._compare_with_room(totals)
        message_id = beginning.loaded.message_id if beginning.loaded else None
        lease.hold_by(StateMessage(self._saved_messages, scope_key(self._scope), message_id))
        saver = StateSaver(
            lease,
            self._local_states,
            lambda: self._state(beginning, pipeline.ledger),
            self._stages.progress,
            self._settings.save_interval_seconds,
        )
        pipeline = Pipeline(
            start.job(beginning, listing),
            self._stages,
            self._settings.downloads,
            self._settings.workers,
            saver.file_finished,
            self._gate(lease, beginning.loaded),
        )
        self._ledger = pipeline.ledger
        with saver:
            saver.save_soon()  # it can wait: until then the claim says that the chat is ours
            try:
                self._move(pipeline, saver)
            except Stopped:
                if isinstance(self._stages.stop.cause, StorageFull):
                    self._say_what_is_left(totals, beginning)
                raise
        self._stages.progress.finished(self.report())

    def _move(self, pipeline: Pipeline, saver: StateSaver) -> None:
        """Beside the pipeline's thread, so that nothing that hangs in it delays a stop."""
        moving = in_thread(partial(self._work, pipeline), "pipeline")
        self._stages.stop.wait_beside(moving)
        if self._stages.stop.is_set:
            self._wind_down(pipeline, saver, moving)
            self._stages.stop.check()
        try:
            moving.result()
        except TdlSyncError:
            self._status = RunStatus.STOPPED
            saver.save_now(SAVE_AT_END_SECONDS)
            self._stages.progress.finished(self.report())
            raise
        # --retry-failed does not read on, so what it leaves is as complete as what it found.
        put_off = self._time_left is not None and self._time_left.some_put_off
        self._more = pipeline.limit_reached or put_off
        ended_early = self._settings.only_failed or self._more
        self._status = RunStatus.STOPPED if ended_early else RunStatus.COMPLETE
        saver.save_now(SAVE_AT_END_SECONDS)

    def _work(self, pipeline: Pipeline) -> None:
        if self._settings.texts_directory is not None and not self._settings.only_failed:
            self._texts.keep(self._settings.texts_directory, self._stages)
        pipeline.run()

    def _wind_down(self, pipeline: Pipeline, saver: StateSaver, moving: Future[None]) -> None:
        """The run was stopped: save, let running hand-offs end in their grace time, save again."""
        cause = self._stages.stop.cause
        self._more = isinstance(cause, TimeIsUp)
        self._status = RunStatus.QUOTA if isinstance(cause, ComeBackLater) else RunStatus.STOPPED
        saver.save_now(SAVE_ON_STOP_SECONDS)
        grace_seconds = self._settings.grace_seconds - self._stages.stop.seconds_ago
        self._stages.hand_off.terminate(max(0.0, grace_seconds))
        ending = in_thread(pipeline.wait_for_hand_offs, "the last hand-offs")
        wait((moving, ending), WIND_DOWN_SECONDS)
        saver.save_now(SAVE_AGAIN_SECONDS)
        self._stages.progress.finished(self.report())

    # --- what is said of the remote's room ----------------------------------------------------

    def _compare_with_room(self, totals: ChatTotals) -> None:
        """Name a remote that is too small now, not after days."""
        free_bytes = self._settings.remote_free_bytes
        if free_bytes is not None and free_bytes < totals.estimated_bytes:
            self._stages.progress.message(
                f"warning: {self._settings.remote} has {human_bytes(free_bytes)} free, and "
                f"{self._chat.title!r} holds about {human_bytes(totals.estimated_bytes)} "
                "(an estimate): it will be full before the end unless most is there already"
            )

    def _say_what_is_left(self, totals: ChatTotals, beginning: Beginning) -> None:
        """How much room is needed, for the remote is full."""
        earlier_bytes = beginning.loaded.state.total_size_bytes if beginning.loaded else 0
        left_bytes = totals.estimated_bytes - earlier_bytes - self.report().uploaded_bytes
        self._stages.progress.message(
            f"about {human_bytes(max(0, left_bytes))} of {self._chat.title!r} are not on "
            f"{self._settings.remote} yet (an estimate)"
        )

    # --- the state that it leaves --------------------------------------------------------------

    def _state(self, beginning: Beginning, ledger: Ledger) -> RunState:
        """What to save now. The watermark is saved on this disk, too."""
        report, position = ledger.report(), ledger.position()
        earlier = beginning.loaded.state if beginning.loaded else None
        failures = self._stages.marks.failures(self._scope.remote, self._chat.id, 0)
        self._save_watermark(position.watermark)
        return RunState(
            scope_key=scope_key(self._scope),
            channel_id=self._chat.id,
            channel_name=self._chat.title,
            last_message_id=position.watermark,
            total_downloaded=ledger.downloaded_files + (earlier.total_downloaded if earlier else 0),
            total_uploaded=report.moved + (earlier.total_uploaded if earlier else 0),
            total_size_bytes=report.uploaded_bytes + (earlier.total_size_bytes if earlier else 0),
            timestamp=datetime.now(timezone.utc),
            status=self._status,
            remote=self._settings.remote,
            folder=beginning.folder,
            started=earlier.started if earlier else self._started_at,
            done_above_ids=position.done_above,
            failed_ids=tuple(sorted(failure.key.message_id for failure in failures)),
            failures_by_reason=Counter(failure.reason for failure in failures),
            run=self._identity,
            lower_bound=self._scope.lower_bound,
            upload_bytes_per_second=self._upload_bytes_per_second(earlier),
        )

    def _upload_bytes_per_second(self, earlier: RunState | None) -> int:
        if self._time_left is not None:
            return self._time_left.upload_bytes_per_second
        return earlier.upload_bytes_per_second if earlier else 0

    def _save_watermark(self, message_id: int) -> None:
        """On this disk. Where it can't be written the run ends, but its state is still saved."""
        try:
            self._stages.marks.save_watermark(self._scope, message_id)
        except TdlSyncError as error:
            self._stages.stop.set(error)
