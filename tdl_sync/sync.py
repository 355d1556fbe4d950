"""One run over all chats that were asked for: the parts are made, checked, used and closed here."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from tdl_sync.budget import DiskBudget
from tdl_sync.chat_run import ChatRun, RunSettings
from tdl_sync.chat_spelling import ByMarkedId, ChatSpelling
from tdl_sync.config import Config
from tdl_sync.done_marks import DoneMarks
from tdl_sync.download import Downloader
from tdl_sync.errors import (
    ChatUnreadable,
    ConfigurationError,
    HeldByAnotherRun,
    StateUnreadable,
    Stopped,
    TdlSyncError,
)
from tdl_sync.event_loop import EventLoopThread
from tdl_sync.handoff import RcloneHandOff
from tdl_sync.human_units import human_bytes
from tdl_sync.local_state import LocalStates
from tdl_sync.model import RunReport, RunStatus, Scope
from tdl_sync.part_journal import PartialFiles
from tdl_sync.pipeline import Stages
from tdl_sync.progress import LogProgress, TerminalProgress
from tdl_sync.rclone import Rclone
from tdl_sync.remote_check import CheckedRemote, check_remote
from tdl_sync.shelf import Shelf
from tdl_sync.staging import Staging
from tdl_sync.state_message import HEADER, decode, scope_key
from tdl_sync.stop import StopFlag
from tdl_sync.telegram.chats import ChatBook
from tdl_sync.telegram.client import TelegramClient, TelegramSettings
from tdl_sync.telegram.history import TelegramChatReader
from tdl_sync.telegram.parts import TelegramPartSource
from tdl_sync.telegram.saved_messages import TelegramSavedMessages

ONE_CHAT_ONLY = (ChatUnreadable, StateUnreadable, HeldByAnotherRun, ConfigurationError)
"""Errors that end one chat of several; the others go on."""


@dataclass(frozen=True)
class SyncResult:
    """How it went. ``errors`` are what ended a chat, or all of them; a signal is none."""

    reports: tuple[RunReport, ...]
    errors: tuple[BaseException, ...]

    @property
    def some_failed_for_now(self) -> bool:
        return any(not item.for_good for report in self.reports for item in report.failed_items)


def telegram_settings(config: Config) -> TelegramSettings:
    return TelegramSettings(
        session_directory=config.data_dir,
        api_id=config.credentials.api_id,
        api_hash=config.credentials.api_hash,
        session_string=config.credentials.session_string,
        proxy=config.proxy,
    )


def make_data_dir(config: Config) -> None:
    """Make the data directory for the owner alone. Raises ``ConfigurationError``."""
    try:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the data directory {config.data_dir} cannot be made: {error.strerror}; "
            "choose another with --data-dir"
        ) from error


class Sync:
    """``run`` once, in a worker thread. ``abandon`` and ``reports`` from any other."""

    def __init__(
        self, config: Config, stop: StopFlag, progress: LogProgress | TerminalProgress
    ) -> None:
        self._config = config
        self._stop = stop
        self._progress = progress
        self._hand_off: RcloneHandOff | None = None
        self._runs: list[ChatRun] = []
        self._errors: list[BaseException] = []

    def run(self) -> SyncResult:
        """Everything from the checks to the last saved state. Raises only what is a bug."""
        with ExitStack() as closing:
            closing.callback(self._progress.close)
            try:
                self._run_all(closing)
            except Stopped:
                if self._stop.cause is not None:
                    self._errors.append(self._stop.cause)
            except TdlSyncError as error:
                self._errors.append(error)
        return SyncResult(self.reports(), tuple(self._errors))

    def reports(self) -> tuple[RunReport, ...]:
        return tuple(run.report() for run in self._runs)

    def abandon(self) -> None:
        """End all children now; what they were sending is kept and taken up next time."""
        if self._hand_off is not None:
            self._hand_off.terminate(grace_seconds=0.0)

    def _run_all(self, closing: ExitStack) -> None:
        """All that can be wrong is found here, before the first byte is downloaded."""
        config = self._config
        make_data_dir(config)
        staging = Staging.open(config.staging_dir, config.max_disk_bytes)
        closing.callback(staging.close)
        remote, self._hand_off = self._checked_remote(staging)
        budget = self._budget(staging)
        marks = closing.enter_context(DoneMarks(config.data_dir / "marks"))
        telegram = self._telegram(closing)
        chats = ChatBook(telegram)
        reader = TelegramChatReader(telegram, chats)
        parts = TelegramPartSource(telegram, reader, config.connections)
        partials = PartialFiles(staging, config.data_dir / "partial")
        stages = Stages(
            reader=reader,
            downloader=Downloader(parts, staging, partials, self._progress, self._stop),
            hand_off=self._hand_off,
            marks=marks,
            staging=staging,
            budget=budget,
            shelf=Shelf(staging, partials, budget, self._progress),
            progress=self._progress,
            stop=self._stop,
        )
        saved_messages = TelegramSavedMessages(telegram)
        settings = self._settings(remote)
        for spelling in config.chats or self._unfinished(saved_messages):
            self._stop.check()
            try:
                run = ChatRun(
                    chats.resolve(spelling),
                    config.resume_from_id or spelling.from_message_id,
                    settings,
                    stages,
                    saved_messages,
                    LocalStates(config.data_dir / "state"),
                )
                self._runs.append(run)
                run.run()
            except ONE_CHAT_ONLY as error:
                self._errors.append(error)

    def _checked_remote(self, staging: Staging) -> tuple[CheckedRemote, RcloneHandOff]:
        config = self._config
        rclone = Rclone.find(
            executable=config.rclone,
            config_file=config.rclone_config,
            extra_arguments=config.rclone_args,
            inherited_fds=staging.lock_descriptors,
        )
        remote = check_remote(rclone, config.remote, must_be_drive=config.must_be_drive)
        for warning in remote.warnings:
            self._progress.message(f"warning: {warning}")
        return remote, RcloneHandOff(rclone, remote)

    def _budget(self, staging: Staging) -> DiskBudget:
        if staging.warning is not None:
            self._progress.message(f"warning: {staging.warning}")
        self._progress.message(
            f"staging at most {human_bytes(staging.budget_bytes)} in {staging.directory}"
        )
        return DiskBudget(staging.budget_bytes, staging.block_bytes, self._stop)

    def _telegram(self, closing: ExitStack) -> TelegramClient:
        loop = EventLoopThread()
        loop.start()
        closing.callback(loop.stop)

        def on_wait(what: str, why: str, until: datetime) -> None:
            self._progress.waiting(what, why, until)

        telegram = TelegramClient(
            loop, telegram_settings(self._config), self._stop, on_wait, self._progress.message
        )
        telegram.start()
        closing.callback(telegram.stop)
        return telegram

    def _settings(self, remote: CheckedRemote) -> RunSettings:
        config = self._config
        return RunSettings(
            remote=config.remote,
            remote_free_bytes=remote.free_bytes,
            downloads=config.downloads,
            workers=config.workers,
            save_interval_seconds=config.save_interval_seconds,
            grace_seconds=config.grace_seconds,
            demand_saved_state=config.resume,
            ignore_watermark=config.restart,
            only_failed=config.retry_failed,
            choice=config.choice,
        )

    def _unfinished(self, saved_messages: TelegramSavedMessages) -> list[ChatSpelling]:
        """``--resume`` without a chat: every chat whose state message is not complete."""
        return [
            ByMarkedId(state.channel_id, text=str(state.channel_id))
            for state in (decode(saved.text) for saved in saved_messages.find(HEADER))
            if state.status is not RunStatus.COMPLETE
            and state.scope_key == scope_key(Scope(self._config.remote, state.channel_id))
        ]
