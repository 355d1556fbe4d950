"""The command line: signals, exit status, and the one place where an error becomes text."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from tdl_sync.config import Command, Config, TextRequested
from tdl_sync.errors import (
    EXIT_BUG,
    EXIT_COME_BACK_LATER,
    EXIT_COMPLETE,
    EXIT_SOME_FAILED,
    ComeBackLater,
    TdlSyncError,
)
from tdl_sync.model import Outcome
from tdl_sync.naming import printable
from tdl_sync.progress import progress_for
from tdl_sync.stop import StopFlag
from tdl_sync.summary import result_line
from tdl_sync.sync import Sync, SyncResult
from tdl_sync.terminal_login import login, offer_login

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGHUP", "SIGINT", "SIGTERM") if hasattr(signal, name)
)

# The order in which exit states count when a run over several chats met more than one.
EXIT_ORDER = (1, 2, 4, 5, 129, 130, 143, 75, 3, 0)


@dataclass(frozen=True)
class Ended:
    """The work's own end, in the queue that also takes signals."""

    result: SyncResult


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Returns the exit status; never raises for what a user can cause."""
    os.umask(0o077)
    try:
        config = Config.parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    except TextRequested as wanted:
        sys.stdout.write(wanted.text)
        return EXIT_COMPLETE
    except TdlSyncError as error:
        return report_error(error)
    try:
        if config.command is Command.LOGIN:
            return login(config)
        offer_login(config)
        return sync(config)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - the one place where errors become text
        return report_error(error)


def report_error(error: BaseException) -> int:
    """Say on standard error what went wrong; the status to exit with."""
    if isinstance(error, TdlSyncError):
        sys.stderr.write(f"tdl_sync: {printable(str(error))}\n")
        return error.exit_status
    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    sys.stderr.write("tdl_sync: this is a bug in tdl_sync; please report the lines above\n")
    return EXIT_BUG


def sync(config: Config) -> int:
    """Move the chats, obey signals, and print the result line."""
    supervisor = Supervisor(config)
    result = supervisor.run()
    statuses = [report_error(error) for error in result.errors]
    if supervisor.signal_number is not None:
        statuses.append(128 + supervisor.signal_number)
    statuses.append(EXIT_SOME_FAILED if result.some_failed_for_now else EXIT_COMPLETE)
    status = min(statuses, key=EXIT_ORDER.index)
    print_result(_outcome(status, result), result)
    return status


def print_result(outcome: Outcome, result: SyncResult) -> None:
    """The last line on standard output, for scripts."""
    sys.stdout.write(result_line(outcome, result.reports) + "\n")
    sys.stdout.flush()


def _outcome(status: int, result: SyncResult) -> Outcome:
    if status == EXIT_COMPLETE:
        more = any(report.more for report in result.reports)
        return Outcome.MORE if more else Outcome.COMPLETE
    if status == EXIT_SOME_FAILED:
        return Outcome.FAILED
    if status > 128:
        return Outcome.STOPPED
    if status == EXIT_COME_BACK_LATER and any(isinstance(e, ComeBackLater) for e in result.errors):
        return Outcome.QUOTA
    return Outcome.ERROR


class Supervisor:
    """Runs the work in a thread of its own, so that the main thread is free for signals.

    A signal handler may do next to nothing: here it puts a number in a queue, the one
    operation that is documented to be safe there (``queue.SimpleQueue``).
    """

    def __init__(self, config: Config) -> None:
        self._events: queue.SimpleQueue[Ended | BaseException | int] = queue.SimpleQueue()
        self._stop = StopFlag()
        self._sync = Sync(config, self._stop, progress_for(sys.stderr))
        self.signal_number: int | None = None

    def run(self) -> SyncResult:
        """Blocks until the work has ended. The first signal stops it, the second leaves at once."""
        previous = {number: signal.signal(number, self._note) for number in STOP_SIGNALS}
        threading.Thread(target=self._work, name="sync", daemon=True).start()
        try:
            while True:
                event = self._events.get()
                if isinstance(event, Ended):
                    return event.result
                if isinstance(event, BaseException):
                    raise event
                self._obey(event)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._events.put(number)

    def _obey(self, number: int) -> None:
        if self.signal_number is None:
            self.signal_number = number
            self._stop.set()
            return
        self._sync.abandon()
        print_result(Outcome.STOPPED, SyncResult(self._sync.reports(), ()))
        sys.stderr.write("tdl_sync: stopped at once; what was under way is taken up next time\n")
        sys.stderr.flush()
        os._exit(128 + number)

    def _work(self) -> None:
        try:
            self._events.put(Ended(self._sync.run()))
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self._events.put(error)
