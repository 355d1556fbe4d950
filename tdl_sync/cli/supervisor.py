"""Runs the work beside the thread that takes signals."""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from tdl_sync.core.errors import TimeIsUp
from tdl_sync.core.operating_system import stop_signals
from tdl_sync.core.reports import Outcome
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import Config, Telling
from tdl_sync.reporting.events import Counts, Event, EventKind, Level
from tdl_sync.reporting.progress import progress_for
from tdl_sync.reporting.stderr import (
    keep,
    say,
)
from tdl_sync.reporting.summary import result_line
from tdl_sync.run.sync import Sync, SyncResult
from tdl_sync.run.time_left import Deadline

SECONDS_AFTER_GRACE = 2.4
"""What hangs is left behind this long after the grace time: with the usual 5 s of it the whole
stop takes less than the 7.5 s that CI runners give."""

SECONDS_BEFORE_MOVING = 1.5
"""The same where nothing was moved yet, so that nothing is to be saved or waited for."""

SECONDS_BETWEEN_LOOKS = 0.2
"""How long the main thread sleeps at most. Python's signal handlers run in it, once it is awake;
but the system may hand a signal to another thread, which wakes nobody, and on Windows Ctrl-C does
not end a wait for a lock: https://docs.python.org/3/library/signal.html#signals-and-threads"""


@dataclass(frozen=True)
class Ended:
    """The work's own end, in the queue that also takes signals."""

    result: SyncResult


def print_result(outcome: Outcome, result: SyncResult, telling: Telling) -> None:
    """The last line on standard output, for scripts; in the log file, too."""
    reports = result.reports
    line = result_line(outcome, reports, result.failed_hooks, result.remotes_out)
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


class Supervisor:
    """Runs the work in a thread of its own, so that the main thread is free for signals.

    A signal handler may do next to nothing: here it puts a number in a queue, the one
    operation that is documented to be safe there (``queue.SimpleQueue``).
    """

    def __init__(self, config: Config) -> None:
        self._events: queue.SimpleQueue[Ended | BaseException | int] = queue.SimpleQueue()
        self._stop = StopFlag()
        self._grace_seconds = config.running.grace_seconds
        self._telling = config.telling
        self._deadline: Deadline | None = None
        if config.running.max_runtime_seconds is not None:
            self._deadline = Deadline.of_this_process(
                config.running.max_runtime_seconds, config.running.grace_seconds
            )
        progress = progress_for(sys.stderr, config.telling)
        self._sync = Sync(config, self._stop, progress, self._deadline)
        self._leave_at = float("inf") if self._deadline is None else self._deadline.exit_at
        self._told_as: dict[signal.Signals, int] = {}
        self.signal_number: int | None = None
        self.has_cut_off = False

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """Around ``run`` and what follows it, until a signal may end the process again."""
        self._told_as = stop_signals()
        previous = {number: signal.signal(number, self._note) for number in self._told_as}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def run(self) -> SyncResult:
        """Blocks until the work has ended. The first signal stops it; the second, or a stop that
        takes longer than it may, leaves what still hangs behind: ``has_cut_off``."""
        threading.Thread(target=self._work, name="sync", daemon=True).start()
        while not self.has_cut_off:
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
        # The children end here; threads that hang end with the process.
        self._sync.abandon()
        return self._sync.result()

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
            self.has_cut_off = True
        if self._deadline is not None and now >= self._deadline.stop_at:
            self._stop.set(TimeIsUp("--max-runtime is reached"))

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._events.put(self._told_as[signal.Signals(number)])

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
        else:
            self.has_cut_off = True

    def _work(self) -> None:
        try:
            self._events.put(Ended(self._sync.run()))
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self._events.put(error)
