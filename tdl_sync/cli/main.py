"""The command line: signals, exit status, and the one place where an error becomes text."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from tdl_sync.cli.parse import TextRequested, parse_config, telling_at_a_glance
from tdl_sync.commands.doctor import examine
from tdl_sync.commands.login import login, offer_login, offer_reconnect
from tdl_sync.commands.output import NobodyReads, StandardOutput
from tdl_sync.core.errors import (
    EXIT_BUG,
    EXIT_COME_BACK_LATER,
    EXIT_COMPLETE,
    EXIT_SOME_FAILED,
    ComeBackLater,
    TdlSyncError,
    TimeIsUp,
)
from tdl_sync.core.model import Outcome
from tdl_sync.core.operating_system import share_freed_memory
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import Command, Config, Telling
from tdl_sync.reporting.events import Counts, Event, EventKind, Level
from tdl_sync.reporting.outlets import progress_for
from tdl_sync.reporting.stderr import (
    check_log_file,
    keep,
    of_bug,
    say,
    tell,
    tell_what_nobody_caught,
)
from tdl_sync.reporting.summary import result_line
from tdl_sync.run.sync import Sync, SyncResult
from tdl_sync.run.time_left import Deadline

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGHUP", "SIGINT", "SIGTERM") if hasattr(signal, name)
)

SECONDS_AFTER_GRACE = 2.4
"""What hangs is left behind this long after the grace time: with the usual 5 s of it the whole
stop takes less than the 7.5 s that CI runners give."""

SECONDS_BEFORE_MOVING = 1.5
"""The same where nothing was moved yet, so that nothing is to be saved or waited for."""

SECONDS_BETWEEN_LOOKS = 0.2
"""How long the main thread sleeps at most. Python's signal handlers run in it, once it is awake;
but the system may hand a signal to another thread, which wakes nobody, and on Windows Ctrl-C does
not end a wait for a lock: https://docs.python.org/3/library/signal.html#signals-and-threads"""

# The order in which exit states count when a run over several chats met more than one.
EXIT_ORDER = (1, 2, 4, 5, 129, 130, 143, 75, 3, 0)


@dataclass(frozen=True)
class Ended:
    """The work's own end, in the queue that also takes signals."""

    result: SyncResult


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Returns the exit status; never raises for what a user can cause."""
    os.umask(0o077)
    share_freed_memory()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        config = parse_config(words, os.environ)
        check_log_file(config.telling)
    except TextRequested as wanted:
        sys.stdout.write(wanted.text)
        return EXIT_COMPLETE
    except Exception as error:  # noqa: BLE001 - here, too, errors become text
        return report_error(error, telling_at_a_glance(words, os.environ))
    tell_what_nobody_caught(config.telling)
    try:
        return COMMANDS[config.command](config)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - the one place where errors become text
        return report_error(error, config.telling)


def report_error(error: BaseException, telling: Telling) -> int:
    """Tell what went wrong; the status to exit with."""
    if isinstance(error, TdlSyncError):
        status = error.exit_status
        tell(Event(EventKind.ERROR, Level.ERROR, (str(error),), exit_status=status), telling)
        return status
    tell(of_bug(error), telling)
    return EXIT_BUG


def doctor(config: Config) -> int:
    """Print a line for each part that a run needs; the status of the first error that holds."""
    statuses = []
    for finding in examine(config):
        sys.stdout.write(finding.line() + "\n")
        sys.stdout.flush()
        statuses.append(finding.exit_status)
    return min(statuses, key=EXIT_ORDER.index)


def signed_in_sync(config: Config) -> int:
    if config.dry_run:
        return dry_run(config)
    offer_login(config)
    return sync(config)


def sync(config: Config) -> NoReturn:
    """Move the chats, obey signals, print the result line, and end the process."""
    supervisor = Supervisor(config)
    result = supervisor.run()
    statuses = [report_error(error, config.telling) for error in result.errors]
    if supervisor.signal_number is None and offer_reconnect(config, result.errors):
        sync(config)
    if supervisor.signal_number is not None:
        statuses.append(128 + supervisor.signal_number)
    statuses.append(EXIT_SOME_FAILED if result.some_failed_for_now else EXIT_COMPLETE)
    status = min(statuses, key=EXIT_ORDER.index)
    print_result(_outcome(status, result), result, config.telling)
    # All is saved, closed and said. The interpreter would wait for threads that hang, and else take
    # half a second to take Telegram's thousands of types apart.
    leave(status)


def leave(status: int) -> NoReturn:
    """End the process without waiting for any thread. What was said is written."""
    os._exit(status)


def print_result(outcome: Outcome, result: SyncResult, telling: Telling) -> None:
    """The last line on standard output, for scripts; in the log file, too."""
    line, reports = result_line(outcome, result.reports), result.reports
    counts = Counts(
        sum(report.seen for report in reports),
        sum(report.done for report in reports),
        sum(report.skipped for report in reports),
        sum(report.failed for report in reports),
    )
    uploaded_bytes = sum(report.uploaded_bytes for report in reports)
    keep(
        Event(
            EventKind.RESULT,
            Level.INFO,
            (line,),
            size_bytes=uploaded_bytes,
            status=outcome.value,
            counts=counts,
        ),
        telling,
    )
    say(sys.stdout, line)


def _outcome(status: int, result: SyncResult) -> Outcome:
    if status == EXIT_COMPLETE:
        return Outcome.MORE if result.more else Outcome.COMPLETE
    if status == EXIT_SOME_FAILED:
        return Outcome.FAILED
    if status > 128:
        return Outcome.STOPPED
    if status == EXIT_COME_BACK_LATER and any(isinstance(e, ComeBackLater) for e in result.errors):
        return Outcome.QUOTA
    return Outcome.ERROR


def _heeded_signals() -> list[signal.Signals]:
    """``nohup`` starts a program with SIGHUP ignored, and means it to outlive its terminal.

    SIGINT is heeded all the same: shells have it ignored for what a script puts in the background,
    and whoever sends it to this very process means a stop.
    """
    hang_up = getattr(signal, "SIGHUP", None)
    outlives_its_terminal = hang_up is not None and signal.getsignal(hang_up) is signal.SIG_IGN
    return [n for n in STOP_SIGNALS if not (n == hang_up and outlives_its_terminal)]


class Supervisor:
    """Runs the work in a thread of its own, so that the main thread is free for signals.

    A signal handler may do next to nothing: here it puts a number in a queue, the one
    operation that is documented to be safe there (``queue.SimpleQueue``).
    """

    def __init__(self, config: Config) -> None:
        self._events: queue.SimpleQueue[Ended | BaseException | int] = queue.SimpleQueue()
        self._stop = StopFlag()
        self._grace_seconds = config.grace_seconds
        self._telling = config.telling
        self._deadline: Deadline | None = None
        if config.max_runtime_seconds is not None:
            self._deadline = Deadline.of_this_process(
                config.max_runtime_seconds, config.grace_seconds
            )
        progress = progress_for(sys.stderr, config.telling)
        self._sync = Sync(config, self._stop, progress, self._deadline)
        self._leave_at = float("inf") if self._deadline is None else self._deadline.exit_at
        self.signal_number: int | None = None

    def run(self) -> SyncResult:
        """Blocks until the work has ended. The first signal stops it, the second leaves at once."""
        previous = {number: signal.signal(number, self._note) for number in _heeded_signals()}
        threading.Thread(target=self._work, name="sync", daemon=True).start()
        try:
            while True:
                try:
                    event = self._events.get(timeout=self._seconds_to_next_look())
                except queue.Empty:
                    self._alarm()
                    continue
                if isinstance(event, Ended):
                    return event.result
                if isinstance(event, BaseException):
                    raise event
                self._obey(event)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @property
    def stopping(self) -> bool:
        return self._stop.is_set

    def _seconds_to_next_look(self) -> float:
        alarms = [self._leave_at]
        if self._deadline is not None and not self.stopping:
            alarms.append(self._deadline.stop_at)
        return min(max(0.0, min(alarms) - time.monotonic()), SECONDS_BETWEEN_LOOKS)

    def _alarm(self) -> None:
        """``--max-runtime`` is near, or a stop takes longer than it may."""
        now = time.monotonic()
        if now >= self._leave_at:
            self._leave()
        if self._deadline is not None and now >= self._deadline.stop_at:
            self._stop.set(TimeIsUp("--max-runtime is reached"))

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._events.put(number)

    def _obey(self, number: int) -> None:
        if self.signal_number is None:
            self.signal_number = number
            patience_seconds = (
                self._grace_seconds + SECONDS_AFTER_GRACE
                if self._sync.is_moving
                else SECONDS_BEFORE_MOVING
            )
            self._leave_at = min(self._leave_at, time.monotonic() + patience_seconds)
            self._stop.set()
            return
        self._leave()

    def _leave(self) -> NoReturn:
        """End the children and the process, whatever still hangs."""
        self._sync.abandon()
        outcome = Outcome.MORE if self.signal_number is None else Outcome.STOPPED
        print_result(outcome, self._sync.result(), self._telling)
        line = "stopped at once; what was under way is taken up next time"
        tell(Event(EventKind.ERROR, Level.WARNING, (line,)), self._telling)
        leave(EXIT_COMPLETE if self.signal_number is None else 128 + self.signal_number)

    def _work(self) -> None:
        try:
            self._events.put(Ended(self._sync.run()))
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self._events.put(error)


def looked(look: Callable[[Config, StandardOutput], Iterable[TdlSyncError]], config: Config) -> int:
    """Print what ``look`` finds; what it returns could not be looked at."""
    try:
        errors = list(look(config, StandardOutput(sys.stdout)))
    except NobodyReads:
        return EXIT_COMPLETE
    statuses = [report_error(error, config.telling) for error in errors]
    return min([*statuses, EXIT_COMPLETE], key=EXIT_ORDER.index)


# The library for Telegram takes most of a second to import. So it is imported by the commands that
# need it, when they do: not for a line of help, and in a run beside the first processes of rclone.


def chats(config: Config) -> int:
    from tdl_sync.commands.chats import list_chats

    return looked(list_chats, config)


def status(config: Config) -> int:
    from tdl_sync.commands.status import show_status

    return looked(show_status, config)


def dry_run(config: Config) -> int:
    from tdl_sync.commands.dry_run import dry_run

    return looked(dry_run, config)


def verify(config: Config) -> int:
    from tdl_sync.commands.verify import verify

    return looked(verify, config)


COMMANDS: Mapping[Command, Callable[[Config], int]] = {
    Command.SYNC: signed_in_sync,
    Command.LOGIN: login,
    Command.CHATS: chats,
    Command.STATUS: status,
    Command.VERIFY: verify,
    Command.DOCTOR: doctor,
}
"""What each command runs; it returns the exit status."""
