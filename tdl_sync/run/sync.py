"""One run over all chats that were asked for: the parts are used and closed here."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from socket import gethostname

from tdl_sync.core.errors import (
    EXIT_BUG,
    EXIT_COME_BACK_LATER,
    ChatError,
    ChatFoundLater,
    ComeBackLater,
    HeldByAnotherRun,
    Stopped,
    TdlSyncError,
    TimeIsUp,
)
from tdl_sync.core.reports import Outcome, RunReport
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import Config
from tdl_sync.reporting.reporter import Reporter
from tdl_sync.run.chat_run import ChatRun
from tdl_sync.run.followers import Followers
from tdl_sync.run.following import POLL_SECONDS, Following
from tdl_sync.run.hooks import Hooks
from tdl_sync.run.in_turn import InTurn
from tdl_sync.run.notice import Ending, note, sent_in_time
from tdl_sync.run.out_remotes import OutRemotes
from tdl_sync.run.parts import AllParts, Opening
from tdl_sync.run.time_left import Deadline
from tdl_sync.run.wanted_chats import chats_to_move

GIVES_WAY_SECONDS = 300.0
"""A chat whose reading is to pause for longer gives way to the others."""


@dataclass(frozen=True)
class SyncResult:
    """How it went. ``errors`` are what ended a chat, or all of them; a signal is none.

    ``time_is_up``: the run was ended by ``--max-runtime``, which is no error either.
    """

    reports: tuple[RunReport, ...]
    errors: tuple[BaseException, ...]
    time_is_up: bool = False
    failed_hooks: int = 0
    remotes_out: int = 0
    """Of several remotes so many took nothing more, and what goes to the others went on."""

    @property
    def more(self) -> bool:
        """Whether something is left that this run was not to do."""
        return self.time_is_up or any(report.more for report in self.reports)

    @property
    def some_failed_for_now(self) -> bool:
        return any(report.failed_for_now for report in self.reports)


class Sync:
    """``run`` once, in a worker thread. ``abandon`` and ``result`` from any other."""

    def __init__(
        self,
        config: Config,
        stop: StopFlag,
        progress: Reporter,
        deadline: Deadline | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._config = config
        self._following = Following(stop, poll_seconds) if config.running.follow else None
        on_news = None if self._following is None else self._following.news.tell
        self._hooks = Hooks(config.hooks, tuple(config.by_remote), stop, progress.message)
        self._opening = Opening(
            config, stop, progress, on_news, self._has_succeeded, self._hooks.file_moved
        )
        self._deadline = deadline
        self._stop = stop
        self._progress = progress
        self._runs: list[ChatRun] = []
        self._out = OutRemotes(self._opening.stops, progress.message)
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
            self._errors += [each for each in self._out.errors() if each not in self._errors]
            if not self._is_held_elsewhere:  # the run that holds it tells how it ends
                if self._config.telling.notify:
                    self._notify()
                result = self.result()
                self._progress.last_words = tuple(note(self._ending()).split("\n"))
                self._progress.outcome = self._outcome(result)
                self._hooks.end(self._progress.outcome, result.reports, note(self._ending()))
        return self.result()

    def result(self) -> SyncResult:
        """How it went so far."""
        reports = tuple(run.report() for run in self._runs)
        errors = tuple(self._errors)
        return SyncResult(
            reports, errors, self._time_is_up, self._hooks.failed, self._out.count_beside_others
        )

    @property
    def _is_held_elsewhere(self) -> bool:
        errors = self._errors
        return bool(errors) and all(isinstance(error, HeldByAnotherRun) for error in errors)

    @property
    def is_moving(self) -> bool:
        """Whether there is a state to save and hand-offs that get a grace time."""
        return any(run.is_moving for run in self._runs)

    @property
    def _time_is_up(self) -> bool:
        return isinstance(self._stop.cause, TimeIsUp)

    def abandon(self) -> None:
        """End all children now; what they were sending is kept and taken up next time."""
        self._opening.abandon()

    def _has_succeeded(self) -> bool:
        return not self._errors and not self._stop.is_set and not self._out.errors()

    def _run_all(self, closing: ExitStack) -> None:
        self._hooks.check()
        parts = self._opening.parts(closing)
        try:
            self._run_chats(parts)
        except Stopped:
            raise
        except TdlSyncError:
            parts.wait_until_proven()  # what is wrong with the remote is told first, and alone
            raise
        parts.wait_until_proven()  # with no chat at all, too

    def _run_chats(self, parts: AllParts) -> None:
        telegram, on_line = parts.telegram, self._progress.message
        with Followers(self._stop, on_line) as followers:
            wanted = chats_to_move(self._config, telegram.saved_messages, on_line)

            def on_error(error: ChatError) -> None:
                parts.wait_until_proven()
                self._errors.append(error)

            in_turn = InTurn(wanted, telegram, on_line, on_error)
            for found in in_turn:
                self._stop.check()
                # Those that are followed are at work side by side.
                gives_way = self._following is None and in_turn.has_others
                telegram.reader.longest_wait_seconds = GIVES_WAY_SECONDS if gives_way else math.inf
                remote = found.config.task.remote
                if self._out.leaves(remote, found.chat.title):
                    continue
                try:
                    run = ChatRun(
                        found.chat,
                        found.lower_bound,
                        found.config,
                        parts.of(found.config.task.remote),
                        self._deadline,
                        self._following,
                    )
                    self._runs.append(run)
                    self._hooks.begin(found.chat)
                    if self._following is None:
                        run.run()
                    else:
                        followers.begin(run)
                except Stopped:
                    self._stop.check()
                    self._out.ended(remote, found.chat.title)
                except ChatFoundLater as error:
                    in_turn.put_off(found, error)
                except TdlSyncError as error:
                    parts.wait_until_proven()
                    if error.of_remote:
                        self._opening.stops.of(remote).set(error)
                        self._stop.check()
                        self._out.ended(remote, found.chat.title)
                    elif isinstance(error, ChatError):
                        self._errors.append(error)
                    else:
                        raise
            followers.stay(self._errors.append, self._out.ended)

    def _notify(self) -> None:
        """Tell the user by a note (``--notify``), or say in one line that it could not be sent."""
        text = note(self._ending())
        failure = sent_in_time(partial(self._send_note, text), self._stop)
        if failure is not None:
            self._progress.message(f"warning: the note of --notify could not be sent ({failure})")

    def _ending(self) -> Ending:
        return Ending(
            chats=[(run.chat.title, run.report()) for run in self._runs],
            errors=self._errors,
            stopped=self._was_stopped,
            time_is_up=self._time_is_up,
            host=gethostname(),
        )

    @property
    def _was_stopped(self) -> bool:
        return self._stop.is_set and self._stop.cause is None

    def _outcome(self, result: SyncResult) -> Outcome:
        """As the result line has it."""
        errors = result.errors
        if any(_status(error) != EXIT_COME_BACK_LATER for error in errors):
            return Outcome.ERROR
        if self._was_stopped:
            return Outcome.STOPPED
        if errors:
            quota = any(isinstance(error, ComeBackLater) for error in errors)
            return Outcome.QUOTA if quota else Outcome.ERROR
        if result.some_failed_for_now:
            return Outcome.FAILED
        return Outcome.MORE if result.more else Outcome.COMPLETE

    def _send_note(self, text: str) -> None:
        if self._opening.telegram is not None:
            self._opening.telegram.result().saved_messages.send_note(text)
            return
        from tdl_sync.run.telegram_side import opened_to_look

        with opened_to_look(self._config) as telegram:  # what failed came before Telegram's turn
            telegram.saved_messages.send_note(text)


def _status(error: BaseException) -> int:
    return error.exit_status if isinstance(error, TdlSyncError) else EXIT_BUG
