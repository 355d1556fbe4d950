"""One run over all chats that were asked for: the parts are made, checked, used and closed here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from socket import gethostname
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from tdl_sync.core.errors import (
    ChatUnreadable,
    ConfigurationError,
    HeldByAnotherRun,
    StateUnreadable,
    Stopped,
    TdlSyncError,
    TimeIsUp,
)
from tdl_sync.core.futures import in_thread
from tdl_sync.core.ports import SavedMessages
from tdl_sync.core.reports import RunReport
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import human_bytes
from tdl_sync.options.chat_spelling import ChatSpelling
from tdl_sync.options.config import Config
from tdl_sync.remote.check import ProvenRemote, prove_remote
from tdl_sync.remote.handoff import RcloneHandOff
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.rclone import Rclone
from tdl_sync.remote.rclone_config import with_writable_config
from tdl_sync.reporting.reporter import Reporter
from tdl_sync.run.chat_run import ChatRun
from tdl_sync.run.followers import Followers
from tdl_sync.run.following import POLL_SECONDS, Following
from tdl_sync.run.notice import Ending, note, sent_in_time
from tdl_sync.run.settings import RunSettings
from tdl_sync.run.telegram_session import make_data_dir, opened_to_look
from tdl_sync.run.time_left import Deadline
from tdl_sync.run.wanted_chats import unfinished_in, wanted_chats
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.state_message import HEADER
from tdl_sync.telegram.session.event_loop import EventLoopThread
from tdl_sync.transfer.disk.budget import DiskBudget
from tdl_sync.transfer.disk.leftovers import Leftovers
from tdl_sync.transfer.disk.part_journal import PartialFiles
from tdl_sync.transfer.disk.staging import Staging
from tdl_sync.transfer.download import Downloader
from tdl_sync.transfer.job import Stages

if TYPE_CHECKING:
    from tdl_sync.run.telegram_side import TelegramSide

Result = TypeVar("Result")

ONE_CHAT_ONLY = (ChatUnreadable, StateUnreadable, HeldByAnotherRun, ConfigurationError)
"""Errors that end one chat of several; the others go on."""

CLOSE_AFTER_STOP_SECONDS = 1.0


@dataclass(frozen=True)
class SyncResult:
    """How it went. ``errors`` are what ended a chat, or all of them; a signal is none.

    ``time_is_up``: the run was ended by ``--max-runtime``, which is no error either.
    """

    reports: tuple[RunReport, ...]
    errors: tuple[BaseException, ...]
    time_is_up: bool = False

    @property
    def more(self) -> bool:
        """Whether something is left that this run was not to do."""
        return self.time_is_up or any(report.more for report in self.reports)

    @property
    def some_failed_for_now(self) -> bool:
        return any(not item.for_good for report in self.reports for item in report.failed_items)


class Sync:
    """``run`` once, in a worker thread. ``abandon`` and ``reports`` from any other."""

    def __init__(
        self,
        config: Config,
        stop: StopFlag,
        progress: Reporter,
        deadline: Deadline | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._config = config
        self._following = Following(stop, poll_seconds) if config.follow else None
        self._opening: Future[TelegramSide] | None = None
        self._abandoned = Event()
        self._deadline = deadline
        self._rclone: Rclone | None = None
        self._stop = stop
        self._progress = progress
        self._runs: list[ChatRun] = []
        self._errors: list[BaseException] = []

    def run(self) -> SyncResult:
        """Everything from the checks to the last saved state. Raises only what is a bug."""
        with ExitStack() as closing:
            closing.callback(self._progress.close)
            try:
                self._run_all(closing)
            except Stopped:
                if self._stop.cause is not None and not self._time_is_up:
                    self._errors.append(self._stop.cause)
            except TdlSyncError as error:
                self._errors.append(error)
            if self._config.telling.notify:
                self._notify()
        return self.result()

    def result(self) -> SyncResult:
        """How it went so far."""
        return SyncResult(self.reports(), tuple(self._errors), self._time_is_up)

    @property
    def is_moving(self) -> bool:
        """Whether there is a state to save and hand-offs that get a grace time."""
        return any(run.is_moving for run in self._runs)

    @property
    def _time_is_up(self) -> bool:
        return isinstance(self._stop.cause, TimeIsUp)

    def reports(self) -> tuple[RunReport, ...]:
        return tuple(run.report() for run in self._runs)

    def abandon(self) -> None:
        """End all children now; what they were sending is kept and taken up next time."""
        self._abandoned.set()
        if self._rclone is not None:
            self._rclone.children.kill()

    def _run_all(self, closing: ExitStack) -> None:
        """All that can be wrong is found here, before the first byte is downloaded."""
        config = self._config
        make_data_dir(config)
        staging = Staging.open(config.staging_dir, config.max_disk_bytes)
        closing.callback(staging.close)
        closing.callback(self.abandon)
        proving = in_thread(partial(self._proven_remote, staging), "remote check")
        self._opening = opening = self._opening_telegram(closing)
        # What is wrong with the remote is told first, whatever Telegram says meanwhile.
        proven, hand_off = self._result(proving)
        closing.callback(self._stop.wait_beside, proven.cleaning)
        budget = self._budget(staging)
        marks = closing.enter_context(DoneMarks(config.data_dir / "marks"))
        telegram = self._result(opening)
        self._begin_takeout(telegram, closing)
        partials = PartialFiles(staging, config.data_dir / "partial")
        stages = Stages(
            reader=telegram.reader,
            downloader=Downloader(telegram.parts, staging, partials, self._progress, self._stop),
            hand_off=hand_off,
            marks=marks,
            staging=staging,
            budget=budget,
            leftovers=Leftovers(staging, partials, budget, self._progress),
            progress=self._progress,
            stop=self._stop,
        )
        saved_messages = telegram.saved_messages
        settings = RunSettings.of(config, proven.remote.free_bytes, self._deadline)
        with Followers(self._stop, self._progress.message) as followers:
            for wanted in wanted_chats(config.chats or self._unfinished(saved_messages), config):
                self._stop.check()
                try:
                    run = ChatRun(
                        wanted.find(telegram.chats),
                        wanted.lower_bound,
                        settings,
                        stages,
                        saved_messages,
                        LocalStates(config.data_dir / "state"),
                        self._following,
                    )
                    self._runs.append(run)
                    if self._following is None:
                        run.run()
                    else:
                        followers.begin(run)
                except ONE_CHAT_ONLY as error:
                    self._errors.append(error)
            followers.stay(ONE_CHAT_ONLY, self._errors.append)

    def _proven_remote(self, staging: Staging) -> tuple[ProvenRemote, RcloneHandOff]:
        config = self._config
        self._rclone = rclone = Rclone.find(
            executable=config.rclone,
            config_file=config.rclone_config,
            extra_arguments=config.rclone_args,
            inherited_fds=staging.lock_descriptors,
        )
        if self._abandoned.is_set():
            raise Stopped("the run has ended")
        rclone = with_writable_config(rclone, config.data_dir, self._progress.message)
        proven = prove_remote(rclone, config.remote, must_be_drive=config.must_be_drive)
        proven.cleaning.add_done_callback(self._tell_of_cleaning)
        return proven, RcloneHandOff(
            rclone,
            proven.remote,
            Pace(self._stop, self._progress.waiting),
            self._progress.message,
            config.on_quota,
            proven.folders,
        )

    def _tell_of_cleaning(self, cleaning: Future[tuple[str, ...]]) -> None:
        error = cleaning.exception()
        if error is not None and not isinstance(error, TdlSyncError):
            raise error
        for warning in cleaning.result() if error is None else (str(error),):
            if not self._stop.is_set:
                self._progress.message(f"warning: {warning}")

    def _result(self, work: Future[Result]) -> Result:
        """Wait for what goes on in another thread. Raises ``Stopped`` as soon as the run stops."""
        self._stop.wait_beside(work)
        if not work.done():
            self._stop.check()
        return work.result()

    def _budget(self, staging: Staging) -> DiskBudget:
        if staging.warning is not None:
            self._progress.message(f"warning: {staging.warning}")
        self._progress.message(
            f"staging at most {human_bytes(staging.budget_bytes)} in {staging.directory}"
        )
        return DiskBudget(staging.budget_bytes, staging.block_bytes, self._stop)

    def _opening_telegram(self, closing: ExitStack) -> Future[TelegramSide]:
        loop = EventLoopThread()
        loop.start()
        closing.callback(lambda: self._close(loop.stop))
        given_up = Event()

        def check() -> None:
            self._stop.check()
            if given_up.is_set():
                raise Stopped("the run has ended")

        def open_it() -> TelegramSide:
            # Only now: while the library is imported, rclone's first processes work.
            from tdl_sync.run.telegram_side import TelegramSide

            check()
            news = None if self._following is None else self._following.news
            return TelegramSide.opened(loop, self._config, self._stop, self._progress, news, check)

        def close() -> None:
            given_up.set()
            wait([opening])
            if opening.exception() is None:
                opening.result().close()

        opening = in_thread(open_it, "Telegram")
        closing.callback(lambda: self._close(close))
        return opening

    def _notify(self) -> None:
        """Tell the user by a note (``--notify``), or say in one line that it could not be sent."""
        errors = self._errors
        if errors and all(isinstance(error, HeldByAnotherRun) for error in errors):
            return  # the run that holds it tells how it ends
        text = note(
            Ending(
                chats=[(run.chat.title, run.report()) for run in self._runs],
                errors=errors,
                stopped=self._stop.is_set and not self._time_is_up,
                time_is_up=self._time_is_up,
                host=gethostname(),
            )
        )
        failure = sent_in_time(partial(self._send_note, text), self._stop)
        if failure is not None:
            self._progress.message(f"warning: the note of --notify could not be sent ({failure})")

    def _send_note(self, text: str) -> None:
        if self._opening is not None:
            self._opening.result().saved_messages.send_note(text)
            return
        from tdl_sync.telegram.messages.saved_messages import TelegramSavedMessages

        with opened_to_look(self._config) as telegram:  # what failed came before Telegram's turn
            TelegramSavedMessages(telegram).send_note(text)

    def _close(self, close: Callable[[], None]) -> None:
        """After a stop nothing that hangs is waited for: all that matters was saved before."""
        closing = in_thread(close, "closing")
        wait([closing], CLOSE_AFTER_STOP_SECONDS if self._stop.is_set else None)
        if closing.done():
            closing.result()

    def _begin_takeout(self, telegram: TelegramSide, closing: ExitStack) -> None:
        def end() -> None:
            line = telegram.end_takeout(success=not self._errors and not self._stop.is_set)
            if line is not None:
                self._progress.message(line)

        if self._config.takeout:
            telegram.begin_takeout()
            closing.callback(end)

    def _unfinished(self, saved_messages: SavedMessages) -> tuple[ChatSpelling, ...]:
        """``--resume`` without a chat; a line says what is left out."""
        filters = self._config.choice.canonical_text
        found = unfinished_in(saved_messages.find(HEADER), self._config.remote, filters)
        for line in found.left_out:
            self._progress.message(line)
        return found.chats
