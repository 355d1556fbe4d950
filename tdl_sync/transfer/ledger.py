"""The books of one run over one chat: what became of each item, and how far the chat is settled.

Each item is counted once, told to the listener once, and settled once; the sum at the end shows
that none was lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tdl_sync.core.errors import ItemFailed
from tdl_sync.core.model import Failure, HistoryPage, MediaItem, Reservation, RunReport, SkippedItem
from tdl_sync.core.naming import file_name, printable
from tdl_sync.core.ports import Marks, ProgressListener
from tdl_sync.core.stop import StopFlag
from tdl_sync.transfer.tally import Tally
from tdl_sync.transfer.watermark import Frontier


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
