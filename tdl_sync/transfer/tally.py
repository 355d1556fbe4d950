"""What has become of the files of one chat's run: the one account of it, which all others read."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import FileNumber
from tdl_sync.core.reports import FailedItem, RunReport
from tdl_sync.core.steps import DoneBefore, Failed, Moved, Seen, Skipped, Staged, Step

MOST_FAILED_ITEMS = 1000
"""So many failed items are kept by name; all are counted."""


class Tally:
    """One account over all rounds, of which there is one without ``--follow``. All methods may be
    called from any thread."""

    def __init__(self) -> None:
        """The first round begins."""
        self._lock = threading.Lock()
        self._counts = RunReport()
        self._round_began_with = self._counts
        self._round_began_at: float | None = time.monotonic()

    def told(self, step: Step) -> None:
        with self._lock:
            self._counts = _with(step, self._counts)

    def round_ended(self) -> None:
        """From here on no time passes for it."""
        with self._lock:
            self._counts = self._timed()
            self._round_began_at = None

    def round_begins(self, again: Collection[FileNumber]) -> None:
        """A further one. What failed of these files is tried once more in it: it counts as if it
        had not been seen."""
        with self._lock:
            counts = self._counts
            failed = [item for item in counts.failed_items if item.number in again]
            by_reason = Counter(counts.failed_by_reason) - Counter(item.reason for item in failed)
            self._counts = replace(
                counts,
                seen=counts.seen - len(failed),
                failed_by_reason=dict(by_reason),
                failed_items=tuple(item for item in counts.failed_items if item not in failed),
                failed_for_now=counts.failed_for_now - sum(not item.for_good for item in failed),
                failed_before=counts.failed_before - sum(item.was_told for item in failed),
            )
            self._round_began_with = self._counts
            self._round_began_at = time.monotonic()

    def of_round(self) -> RunReport:
        """Of the one that is on, or has ended last."""
        with self._lock:
            return self._counts.since(self._round_began_with)

    def report(self) -> RunReport:
        """The counts as they are now."""
        with self._lock:
            return self._timed()

    def _timed(self) -> RunReport:
        began_at = self._round_began_at
        passed_seconds = 0.0 if began_at is None else time.monotonic() - began_at
        return replace(self._counts, seconds=self._counts.seconds + passed_seconds)


def _with(step: Step, counts: RunReport) -> RunReport:
    match step:
        case Seen(files):
            return replace(counts, seen=counts.seen + files)
        case DoneBefore(item, believed):
            return replace(
                counts,
                done_before=counts.done_before + 1,
                done_before_bytes=counts.done_before_bytes + item.size_bytes,
                believed=counts.believed + believed,
            )
        case Skipped(_, rule):
            return replace(counts, skipped_by_rule=_one_more(counts.skipped_by_rule, rule))
        case Staged(item):
            return replace(
                counts,
                downloaded_files=counts.downloaded_files + 1,
                downloaded_bytes=counts.downloaded_bytes + item.size_bytes,
            )
        case Moved(item):
            return replace(
                counts,
                moved=counts.moved + 1,
                uploaded_bytes=counts.uploaded_bytes + item.size_bytes,
            )
        case Failed(failure, name, was_told):
            items = (*counts.failed_items, _failed_item(failure, name, was_told))
            return replace(
                counts,
                failed_by_reason=_one_more(counts.failed_by_reason, failure.reason),
                failed_items=items[:MOST_FAILED_ITEMS],
                failed_for_now=counts.failed_for_now + (not failure.for_good),
                failed_before=counts.failed_before + was_told,
            )
        case _:
            return counts


def _one_more(counts: Mapping[str, int], name: str) -> dict[str, int]:
    return {**counts, name: counts.get(name, 0) + 1}


def _failed_item(failure: Failure, name: str, was_told: bool) -> FailedItem:
    return FailedItem(
        failure.key.message_id,
        name,
        failure.reason,
        failure.detail,
        failure.for_good,
        failure.key.index,
        was_told,
    )
