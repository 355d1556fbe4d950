"""The sums over the rounds of one chat's run: one without ``--follow``, else one after another."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from tdl_sync.core.model import RunReport
from tdl_sync.transfer.ledger import Ledger, Position
from tdl_sync.transfer.tally import MOST_FAILED_ITEMS


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
