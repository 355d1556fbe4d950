"""The sums over the rounds of one chat's run: one without ``--follow``, else one after another."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from tdl_sync.core.errors import ItemFailed
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import HistoryPage, MediaItem, Reservation, SkippedItem
from tdl_sync.core.naming import file_name
from tdl_sync.core.ports import Marks, ProgressListener
from tdl_sync.core.reports import FailedItem, RunReport
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import printable
from tdl_sync.transfer.watermark import Frontier

MOST_FAILED_ITEMS = 1000
"""So many failed items are kept by name; all are counted."""


class Tally:
    """All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._seen = 0
        self._moved = 0
        self._done_before = 0
        self._downloaded_files = 0
        self._skipped: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._failed_items: list[FailedItem] = []
        self._downloaded_bytes = 0
        self._uploaded_bytes = 0

    def seen(self, items: int) -> None:
        with self._lock:
            self._seen += items

    def done_before(self) -> None:
        with self._lock:
            self._done_before += 1

    def skipped(self, rule: str) -> None:
        with self._lock:
            self._skipped[rule] += 1

    def downloaded(self, item: MediaItem) -> None:
        with self._lock:
            self._downloaded_files += 1
            self._downloaded_bytes += item.size_bytes

    def moved(self, item: MediaItem) -> None:
        with self._lock:
            self._moved += 1
            self._uploaded_bytes += item.size_bytes

    def failed(self, failure: Failure, name: str) -> None:
        with self._lock:
            self._failed[failure.reason] += 1
            if len(self._failed_items) < MOST_FAILED_ITEMS:
                self._failed_items.append(
                    FailedItem(
                        failure.key.message_id,
                        name,
                        failure.reason,
                        failure.detail,
                        failure.for_good,
                    )
                )

    @property
    def downloaded_files(self) -> int:
        with self._lock:
            return self._downloaded_files

    def report(self) -> RunReport:
        """The counts as they are now."""
        with self._lock:
            return RunReport(
                seen=self._seen,
                moved=self._moved,
                done_before=self._done_before,
                skipped_by_rule=dict(self._skipped),
                failed_by_reason=dict(self._failed),
                failed_items=tuple(self._failed_items),
                downloaded_bytes=self._downloaded_bytes,
                uploaded_bytes=self._uploaded_bytes,
                seconds=time.monotonic() - self._started,
            )


@dataclass(frozen=True)
class Position:
    """How far a run has come: see ``RunState`` for the meaning of both."""

    watermark: int
    done_above: tuple[int, ...]


class Ledger:
    """All methods may be called from any thread."""

    def __init__(
        self,
        remote: str,
        frontier: Frontier,
        marks: Marks,
        progress: ProgressListener,
        stop: StopFlag,
        on_settled: Callable[[], None],
    ) -> None:
        """``on_settled`` is called after each item that was moved, failed or found gone."""
        self._remote = remote
        self._marks = marks
        self._progress = progress
        self._stop = stop
        self._on_settled = on_settled
        self._tally = Tally()
        self._changed = threading.Condition()
        self._frontier = frontier
        self._settled_unlisted: set[int] = set()
        self._open_items = 0
        stop.on_set(self._wake_all)

    def report(self) -> RunReport:
        return self._tally.report()

    def position(self) -> Position:
        with self._changed:
            return Position(self._frontier.watermark, self._frontier.done_above())

    @property
    def downloaded_files(self) -> int:
        return self._tally.downloaded_files

    def listed(self, page: HistoryPage) -> None:
        """One more page was read; before the first of its items is settled."""
        ids = [entry.message_id for entry in page.entries if isinstance(entry, MediaItem)]
        with self._changed:
            self._frontier.listed(ids, page.read_up_to_id)
            for message_id in self._settled_unlisted.intersection(ids):
                self._settled_unlisted.remove(message_id)
                self._frontier.settled(message_id)

    def seen(self, items: int) -> None:
        self._tally.seen(items)
        self._progress.seen(items)

    def opened(self) -> None:
        """An item is on its way; ``moved``, ``left_out``, ``failed`` or ``left`` closes it."""
        with self._changed:
            self._open_items += 1

    def downloaded(self, item: MediaItem) -> None:
        self._tally.downloaded(item)

    def done_before(self, item: MediaItem) -> None:
        self._tally.done_before()
        self._progress.done_before(item)
        self._settle(item)

    def skipped(self, entry: SkippedItem) -> None:
        self._tally.skipped(entry.rule)
        self._progress.skipped(entry.key, entry.rule)

    def failed_before(self, item: MediaItem, failure: Failure) -> None:
        """An earlier run gave it up for good, and this one does not try."""
        self._count_failure(item, failure)
        self._settle(item)

    def moved(self, reservation: Reservation) -> None:
        item = reservation.item
        self._tally.moved(item)
        self._progress.moved(item, reservation.reserved_bytes)
        self._close(item)

    def left_out(self, item: MediaItem, rule: str) -> None:
        """An item turned out not to be wanted: its message was deleted, or is a copy."""
        self.skipped(SkippedItem(item.key, rule))
        self._close(item)

    def failed(self, item: MediaItem, error: ItemFailed) -> None:
        failure = Failure(item.key, error.reason, str(error), 1, error.for_good)
        self._count_failure(item, self._marks.record_failure(self._remote, failure))
        self._close(item)

    def left(self) -> None:
        """An item was given up because the run ends: neither done nor failed."""
        with self._changed:
            self._open_items -= 1
            self._changed.notify_all()

    def wait_for_all(self) -> None:
        """Block until nothing is on its way any more. Raises ``Stopped``."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set or self._open_items == 0)
        self._stop.check()

    def _count_failure(self, item: MediaItem, failure: Failure) -> None:
        name = printable(file_name(item))
        self._tally.failed(failure, name)
        self._progress.failed(failure, name)

    def _close(self, item: MediaItem) -> None:
        self._settle(item)
        self._on_settled()
        self.left()

    def _settle(self, item: MediaItem) -> None:
        """Let the watermark pass. What was taken up before its page settles with its page."""
        with self._changed:
            if self._frontier.covers(item.message_id):
                self._frontier.settled(item.message_id)
            else:
                self._settled_unlisted.add(item.message_id)

    def _wake_all(self) -> None:
        with self._changed:
            self._changed.notify_all()


class Rounds:
    """``begin`` and ``end`` are one thread's at a time; any thread may look."""

    def __init__(self, first: Ledger) -> None:
        self._lock = threading.Lock()
        self._ledger = first
        self._ended: RunReport | None = None
        self._before = RunReport()
        self._downloaded_before = 0

    def begin(self, ledger: Ledger, again_ids: Collection[int]) -> None:
        """A further round, after ``end``, which tries these once more that failed in this run."""
        with self._lock:
            assert self._ended is not None
            self._downloaded_before += self._ledger.downloaded_files
            self._before = without(self._ended, again_ids)
            self._ledger, self._ended = ledger, None

    def end(self) -> None:
        """The round is over: from here on no time passes for it."""
        with self._lock:
            self._ended = added(self._before, self._ledger.report())

    def report(self) -> RunReport:
        with self._lock:
            return self._ended or added(self._before, self._ledger.report())

    def position(self) -> Position:
        with self._lock:
            return self._ledger.position()

    @property
    def downloaded_files(self) -> int:
        with self._lock:
            return self._downloaded_before + self._ledger.downloaded_files


def without(report: RunReport, message_ids: Collection[int]) -> RunReport:
    """The report as if these messages had not been seen, as far as they have failed in it."""
    again = [item for item in report.failed_items if item.message_id in message_ids]
    by_reason = Counter(report.failed_by_reason)
    by_reason.subtract(item.reason for item in again)
    return replace(
        report,
        seen=report.seen - len(again),
        failed_by_reason={reason: count for reason, count in by_reason.items() if count > 0},
        failed_items=tuple(item for item in report.failed_items if item not in again),
    )


def added(one: RunReport, other: RunReport) -> RunReport:
    return RunReport(
        seen=one.seen + other.seen,
        moved=one.moved + other.moved,
        done_before=one.done_before + other.done_before,
        skipped_by_rule=dict(Counter(one.skipped_by_rule) + Counter(other.skipped_by_rule)),
        failed_by_reason=dict(Counter(one.failed_by_reason) + Counter(other.failed_by_reason)),
        failed_items=(*one.failed_items, *other.failed_items)[:MOST_FAILED_ITEMS],
        downloaded_bytes=one.downloaded_bytes + other.downloaded_bytes,
        uploaded_bytes=one.uploaded_bytes + other.uploaded_bytes,
        seconds=one.seconds + other.seconds,
        more=one.more or other.more,
    )
