"""What happens in a run -> the events that are told of it, to each outlet that wants them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Protocol

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import Chat, ChatKind, ChatTotals, MediaItem, MessageKey
from tdl_sync.core.naming import file_name
from tdl_sync.core.reports import Outcome, RunReport
from tdl_sync.core.steps import (
    Admitted,
    Direction,
    DownloadBegan,
    Failed,
    Moved,
    Resumed,
    Staged,
    Step,
    TriedAgain,
    UploadBegan,
)
from tdl_sync.core.text import human_bytes, human_seconds, human_speed, printable
from tdl_sync.reporting.events import Counts, Event, EventKind, Level
from tdl_sync.reporting.lines import log_line, waiting_line
from tdl_sync.reporting.numbers import ProgressNumbers, Snapshot, Waiting
from tdl_sync.reporting.summary import summary

LOG_INTERVAL_SECONDS = 30.0

_SAME_WAIT_SECONDS = 60.0
_LONG_WAIT_SECONDS = 60.0
"""A wait of at least this is something that is wrong, and told by ``--quiet``, too."""

_BEGUN = {
    Direction.DOWN: (EventKind.DOWNLOAD, "downloading"),
    Direction.UP: (EventKind.UPLOAD, "handed to rclone:"),
}


class Outlet(Protocol):
    """Where events go. All threads may call; nothing is raised for a stream that is gone."""

    def begin(self, numbers: Callable[[], Snapshot]) -> None:
        """A chat begins; ``numbers`` says at any time how far it is."""

    def show(self, event: Event) -> None:
        """Show the event, if it is one for this outlet."""

    def end(self) -> None:
        """The chat has ended. Again, or before ``begin``: does nothing."""

    def close(self) -> None:
        """Nothing more is shown."""


class Counting(Protocol):
    """Who counts what happens, whatever is shown of it. All threads may call; nothing is raised."""

    def started(self, chat_id: int, budget_bytes: int) -> None:
        """Files of this chat are moved from here on, again where it was told before."""

    def told(self, chat_id: int, step: Step) -> None: ...

    def waiting(self, what: str, until: datetime | None) -> None: ...

    def held(self, chat_id: int, *, is_ours: bool) -> None: ...

    def close(self) -> None:
        """Nothing more happens."""


class Reporter:
    """``ports.ProgressListener`` that tells outlets what happens.

    How far the run is comes from a thread of its own, so that a run in which nothing happens
    says so.
    """

    def __init__(self, interval_seconds: float = LOG_INTERVAL_SECONDS) -> None:
        nobody = Chat(0, "", ChatKind.CHANNEL)
        self._interval_seconds = interval_seconds
        self.last_words: tuple[str, ...] = ()
        """How the run went, for the page; to be set before ``close``."""
        self.outcome: Outcome | None = None
        """The same in a word, for who counts; ``None`` for a run whose chats another one has."""
        self._outlets: Sequence[Outlet] = ()
        self._counting: Sequence[Counting] = ()
        # Reentrant: a log file that can't be written tells of it in the midst of a line.
        self._telling = threading.RLock()
        self._chat = nobody
        self._numbers = ProgressNumbers(nobody, ChatTotals(0, 0, 0), 0, RunReport)
        self._said_waits: dict[tuple[str, str], float] = {}
        self._begun: dict[tuple[Direction, MessageKey], tuple[float, int]] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def tell_to(self, *outlets: Outlet) -> None:
        """To be called once, before anything happens."""
        self._outlets = outlets

    def count_by(self, *counting: Counting) -> None:
        """As ``tell_to``."""
        self._counting = counting

    def tell(self, event: Event) -> None:
        """All outlets get all events in one order."""
        with self._telling:
            for outlet in self._outlets:
                outlet.show(event)

    def started(
        self, chat: Chat, totals: ChatTotals, budget_bytes: int, account: Callable[[], RunReport]
    ) -> None:
        self._end_chat()
        self._chat = chat
        self._numbers = ProgressNumbers(chat, totals, budget_bytes, account)
        for counting in self._counting:
            counting.started(chat.id, budget_bytes)
        for outlet in self._outlets:
            outlet.begin(self._numbers.snapshot)
        self._over.clear()
        self._thread = threading.Thread(target=self._say_how_far, name="progress", daemon=True)
        self._thread.start()

    def counted(self, chat: Chat, totals: ChatTotals) -> None:
        if chat == self._chat:  # or the count of a chat that has ended meanwhile
            self._numbers.counted(totals)

    def idle(self, why: str) -> None:
        """No more lines that say how far it is; bars stay and show the reason."""
        self._end_telling()
        self._numbers.idle(printable(why))

    def finished(self, chat: Chat, report: RunReport) -> None:
        self._end_chat()
        self.tell(
            Event(
                EventKind.SUMMARY,
                Level.INFO,  # each failure has had its line
                tuple(summary(report, chat).split("\n")),
                chat_id=chat.id,
                size_bytes=report.uploaded_bytes,
                seconds=report.seconds,
                counts=Counts(report.seen, report.done, report.skipped, report.failed),
            )
        )

    def close(self) -> None:
        """End without a summary. Again, or before ``started``: does nothing."""
        self._end_chat()
        for outlet in self._outlets:
            outlet.close()
        for counting in self._counting:
            counting.close()

    def held(self, chat: Chat, *, is_ours: bool) -> None:
        for counting in self._counting:
            counting.held(chat.id, is_ours=is_ours)

    def told(self, step: Step) -> None:
        self._numbers.told(step)
        for counting in self._counting:
            counting.told(self._chat.id, step)
        match step:
            case Admitted(item):
                size = human_bytes(item.size_bytes)
                line = f"admitted {file_name(item)}: {size} of the disk"
                self._step(EventKind.ADMITTED, line, item)
            case DownloadBegan(item):
                self._begin(Direction.DOWN, item)
            case Resumed(item, bytes_there):
                self._resumed(item, bytes_there)
            case Staged(item):
                self._finish(Direction.DOWN, EventKind.STAGED, "downloaded and staged:", item)
            case UploadBegan(item, staged_name, remote_path):
                self._begin(Direction.UP, item, f": moveto {staged_name} {remote_path}")
            case Moved(item, freed_bytes):
                self._moved(item, freed_bytes)
            case Failed(failure, name, was_told):
                self._failed(failure, name, was_told=was_told)
            case TriedAgain(item, why, pause_seconds):
                pause = human_seconds(pause_seconds)
                line = f"{file_name(item)}: {why}; tried again in {pause}"
                self._step(EventKind.RETRY, line, item, pause_seconds, why)

    def waiting(self, what: str, why: str, until: datetime | None) -> None:
        waiting = Waiting(printable(what), printable(why), until)
        self._numbers.waiting(waiting)
        for counting in self._counting:
            counting.waiting(what, until)
        # Many requests meet the same flood wait at once; one line says it.
        now = time.monotonic()
        if now - self._said_waits.get((what, why), float("-inf")) < _SAME_WAIT_SECONDS:
            return
        self._said_waits[what, why] = now
        seconds = None
        if until is not None:
            seconds = (until - datetime.now(timezone.utc)).total_seconds()
        is_short = seconds is not None and seconds < _LONG_WAIT_SECONDS
        self.tell(
            Event(
                EventKind.WAITING,
                Level.INFO if is_short else Level.WARNING,
                (waiting_line(waiting),),
                reason=why,
                until=until,
                seconds=seconds,
            )
        )

    def message(self, line: str) -> None:
        self.tell(Event.of_message(line))

    def _end_telling(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _end_chat(self) -> None:
        self._end_telling()
        for outlet in self._outlets:
            outlet.end()

    def _say_how_far(self) -> None:
        while not self._over.wait(self._interval_seconds):
            numbers = self._numbers.snapshot()
            self.tell(
                Event(
                    EventKind.PROGRESS,
                    Level.INFO,
                    (log_line(numbers, datetime.now()),),
                    chat_id=self._chat.id,
                    size_bytes=numbers.done_bytes,
                    counts=Counts(numbers.seen, numbers.done, numbers.skipped, numbers.failed),
                )
            )

    # --- the steps of one file -----------------------------------------------------------------

    def _step(
        self,
        kind: EventKind,
        line: str,
        item: MediaItem,
        seconds: float | None = None,
        reason: str | None = None,
    ) -> None:
        self.tell(Event.of_item(kind, Level.DEBUG, line, item, seconds=seconds, reason=reason))

    def _resumed(self, item: MediaItem, bytes_there: int) -> None:
        began_at, _ = self._begun.get((Direction.DOWN, item.key), (time.monotonic(), 0))
        self._begun[Direction.DOWN, item.key] = (began_at, item.size_bytes - bytes_there)
        line = (
            f"message {item.message_id}: {bytes_there} of {item.size_bytes} bytes are there "
            "already, going on with the rest"
        )
        self.tell(Event.of_item(EventKind.RESUMED, Level.INFO, line, item))

    def _moved(self, item: MediaItem, freed_bytes: int) -> None:
        self._finish(Direction.UP, EventKind.MARKED, "on the remote and marked as done:", item)
        line = f"moved {file_name(item)} ({human_bytes(item.size_bytes)})"
        self.tell(Event.of_item(EventKind.MOVED, Level.INFO, line, item))
        freed = f"{freed_bytes} bytes freed on the staging disk by {file_name(item)}"
        self.tell(Event(EventKind.MESSAGE, Level.DEBUG, (freed,)))

    def _failed(self, failure: Failure, name: str, *, was_told: bool) -> None:
        """What an earlier run has told, ``status`` tells, too: it is not told again in each run."""
        for direction in Direction:
            self._begun.pop((direction, failure.key), None)
        self.tell(
            Event(
                EventKind.FAILED,
                Level.DEBUG if was_told else Level.WARNING,
                (f"failed: {failure.key.message_id} {name}: {failure.detail}",),
                chat_id=failure.key.chat_id,
                message_id=failure.key.message_id,
                name=name,
                reason=failure.reason,
            )
        )

    def _begin(self, direction: Direction, item: MediaItem, more: str = "") -> None:
        self._begun[direction, item.key] = (time.monotonic(), item.size_bytes)
        kind, words = _BEGUN[direction]
        self._step(kind, f"{words} {file_name(item)}{more}", item)

    def _finish(self, direction: Direction, kind: EventKind, words: str, item: MediaItem) -> None:
        """``words``, the name, and how fast it went; what was there before is not counted."""
        now = time.monotonic()
        began_at, sent_bytes = self._begun.pop((direction, item.key), (now, 0))
        seconds = now - began_at
        speed = human_speed(sent_bytes / max(seconds, 0.001))
        line = f"{words} {file_name(item)}, {human_bytes(sent_bytes)} in {seconds:.1f} s, {speed}"
        self._step(kind, line, item, seconds)
