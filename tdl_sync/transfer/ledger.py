"""The books of one run over one chat: what became of each item, and how far the chat is settled.

Each item is counted once, told to the listener once, and settled once; the sum at the end shows
that none was lost.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from tdl_sync.core.errors import HandOffFailed, ItemFailed, LargerThanBudget
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    FileNumber,
    HistoryPage,
    MediaItem,
    MediaType,
    Reservation,
    SkippedItem,
)
from tdl_sync.core.naming import file_name
from tdl_sync.core.ports import Marks, ProgressListener
from tdl_sync.core.reports import FailedItem, RoundReport, RunReport
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import printable
from tdl_sync.transfer.seen_kinds import SeenKinds
from tdl_sync.transfer.watermark import Frontier

MOST_FAILED_ITEMS = 1000
"""So many failed items are kept by name; all are counted."""


class Tally:
    """What has become of the files of one chat's run: one account over all its rounds, of which
    there is one without ``--follow``. All methods may be called from any thread."""

    def __init__(self) -> None:
        """The first round begins."""
        self._lock = threading.Lock()
        self._counts = RunReport()
        self._round_began_with = self._counts
        self._round_began_at: float | None = time.monotonic()

    def seen(self, items: int) -> None:
        self._add(seen=items)

    def done_before(self, item: MediaItem, *, believed: bool) -> None:
        self._add(done_before=1, done_before_bytes=item.size_bytes, believed=int(believed))

    def skipped(self, rule: str) -> None:
        with self._lock:
            counts = Counter(self._counts.skipped_by_rule) + Counter({rule: 1})
            self._counts = replace(self._counts, skipped_by_rule=dict(counts))

    def downloaded(self, item: MediaItem) -> None:
        self._add(downloaded_files=1, downloaded_bytes=item.size_bytes)

    def moved(self, item: MediaItem) -> None:
        self._add(moved=1, uploaded_bytes=item.size_bytes)

    def failed(self, failure: Failure, name: str, *, was_told: bool) -> None:
        """``was_told``: by an earlier run."""
        item = FailedItem(
            failure.key.message_id,
            name,
            failure.reason,
            failure.detail,
            failure.for_good,
            failure.key.index,
            was_told,
        )
        with self._lock:
            counts = self._counts
            by_reason = Counter(counts.failed_by_reason) + Counter({failure.reason: 1})
            items = (*counts.failed_items, item)[:MOST_FAILED_ITEMS]
            for_now = counts.failed_for_now + (not failure.for_good)
            self._counts = replace(
                counts,
                failed_by_reason=dict(by_reason),
                failed_items=items,
                failed_for_now=for_now,
                failed_before=counts.failed_before + was_told,
            )

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

    def of_round(self) -> RoundReport:
        """Of the one that is on, or has ended last."""
        with self._lock:
            now, before = self._counts, self._round_began_with
            return RoundReport(
                now.moved - before.moved,
                now.failed - before.failed,
                now.uploaded_bytes - before.uploaded_bytes,
            )

    def report(self) -> RunReport:
        """The counts as they are now."""
        with self._lock:
            return self._timed()

    def _timed(self) -> RunReport:
        began_at = self._round_began_at
        passed_seconds = 0.0 if began_at is None else time.monotonic() - began_at
        return replace(self._counts, seconds=self._counts.seconds + passed_seconds)

    def _add(self, **more: int) -> None:
        with self._lock:
            sums = {name: getattr(self._counts, name) + count for name, count in more.items()}
            self._counts = replace(self._counts, **sums)


@dataclass(frozen=True)
class Position:
    """How far a run has come: see ``RunState`` for the meaning of each."""

    watermark: int
    done_above: tuple[int, ...]
    seen: Mapping[MediaType, int] | None = None


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
        tally: Tally,
        seen_before: Mapping[MediaType, int] | None = None,
    ) -> None:
        """``on_settled`` is called after each item that was moved, failed or found gone.
        ``seen_before`` are the messages by kind that earlier rounds have seen."""
        self._remote = remote
        self._marks = marks
        self._progress = progress
        self._stop = stop
        self._on_settled = on_settled
        self._tally = tally
        self._changed = threading.Condition()
        self._frontier = frontier
        self._seen_kinds = SeenKinds(seen_before)
        self._settled_unlisted: set[FileNumber] = set()
        self._open_files: dict[int, set[int]] = {}
        """By message, the indexes of the files that were listed and are not settled."""
        self._open_items = 0
        stop.wakes(self._changed)

    def position(self) -> Position:
        with self._changed:
            watermark = self._frontier.watermark
            return Position(
                watermark, self._frontier.done_above(), self._seen_kinds.up_to(watermark)
            )

    def listed(self, page: HistoryPage) -> None:
        """One more page was read; before the first of its items is settled."""
        numbers = [entry.number for entry in page.entries if isinstance(entry, MediaItem)]
        with self._changed:
            self._frontier.listed([each.message_id for each in numbers], page.read_up_to_id)
            self._seen_kinds.listed(page.kinds)
            for number in numbers:
                self._open_files.setdefault(number.message_id, set()).add(number.index)
            for number in self._settled_unlisted.intersection(numbers):
                self._settled_unlisted.remove(number)
                self._settle_listed(number)

    def seen(self, items: int) -> None:
        self._tally.seen(items)
        self._progress.seen(items)

    def opened(self) -> None:
        """An item is on its way; ``moved``, ``left_out``, ``failed`` or ``left`` closes it."""
        with self._changed:
            self._open_items += 1

    def downloaded(self, item: MediaItem) -> None:
        self._tally.downloaded(item)

    def done_before(self, item: MediaItem, *, believed: bool = False) -> None:
        """``believed``: nothing but its name and size on the remote speaks for it."""
        self._tally.done_before(item, believed=believed)
        self._progress.done_before(item)
        self._settle(item)

    def skipped(self, entry: SkippedItem) -> None:
        self._tally.skipped(entry.rule)
        self._progress.skipped(entry.key, entry.rule)

    def failed_before(self, item: MediaItem, failure: Failure) -> None:
        """An earlier run gave it up for good, and this one does not try."""
        self._count_failure(item, failure, was_told=True)
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

    def failed(self, item: MediaItem, error: ItemFailed, path: str | None = None) -> None:
        """``path`` is where on the remote it may be, if a hand-off has begun."""
        failure = Failure(
            item.key,
            error.reason,
            str(error),
            1,
            error.for_good,
            distrusted=path is not None or isinstance(error, HandOffFailed),
            overwrites=path,
        )
        recorded = self._marks.record_failure(self._remote, failure)
        # It is looked at in each run whether it fits by now, and told when it first did not.
        was_told = recorded.attempts > 1 and recorded.reason == LargerThanBudget.reason
        self._count_failure(item, recorded, was_told=was_told)
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

    def _count_failure(self, item: MediaItem, failure: Failure, *, was_told: bool) -> None:
        name = printable(file_name(item))
        self._tally.failed(failure, name, was_told=was_told)
        tell = self._progress.given_up if was_told else self._progress.failed
        tell(failure, name)

    def _close(self, item: MediaItem) -> None:
        self._settle(item)
        self._on_settled()
        self.left()

    def _settle(self, item: MediaItem) -> None:
        """Let the watermark pass. What was taken up before its page settles with its page."""
        with self._changed:
            if self._frontier.covers(item.message_id):
                self._settle_listed(item.number)
            else:
                self._settled_unlisted.add(item.number)

    def _settle_listed(self, number: FileNumber) -> None:
        """A message is settled with the last of its files. The caller holds the lock."""
        open_files = self._open_files.get(number.message_id, set())
        open_files.discard(number.index)
        if not open_files:
            self._open_files.pop(number.message_id, None)
            self._frontier.settled(number.message_id)
