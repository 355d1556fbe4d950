"""The books of one round over one chat: what became of each item, and how far the chat is settled.

Each item is told once, and settled once; the sum that the ``tally`` shows at the end shows that
none was lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
from tdl_sync.core.ports import Marks
from tdl_sync.core.steps import DoneBefore, Failed, Left, Moved, Seen, Skipped, Steps
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import printable
from tdl_sync.transfer.seen_kinds import SeenKinds
from tdl_sync.transfer.watermark import Frontier


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
        steps: Steps,
        stop: StopFlag,
        on_settled: Callable[[], None],
        seen_before: Mapping[MediaType, int] | None = None,
    ) -> None:
        """``on_settled`` is called after each item that was moved, failed or found gone.
        ``seen_before`` are the messages by kind that earlier rounds have seen."""
        self._remote = remote
        self._marks = marks
        self._steps = steps
        self._stop = stop
        self._on_settled = on_settled
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
        self._steps.tell(Seen(items))

    def opened(self) -> None:
        """An item is on its way; ``moved``, ``left_out``, ``failed`` or ``left`` closes it."""
        with self._changed:
            self._open_items += 1

    def done_before(self, item: MediaItem, *, believed: bool = False) -> None:
        """``believed``: nothing but its name and size on the remote speaks for it."""
        self._steps.tell(DoneBefore(item, believed))
        self._settle(item)

    def skipped(self, entry: SkippedItem) -> None:
        self._steps.tell(Skipped(entry.key, entry.rule))

    def failed_before(self, item: MediaItem, failure: Failure) -> None:
        """An earlier run gave it up for good, and this one does not try."""
        self._tell_failure(item, failure, was_told=True)
        self._settle(item)

    def moved(self, reservation: Reservation) -> None:
        item = reservation.item
        self._steps.tell(Moved(item, reservation.reserved_bytes))
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
        self._tell_failure(item, recorded, was_told=was_told)
        self._close(item)

    def left(self, item: MediaItem) -> None:
        """An item was given up because the run ends: neither done nor failed."""
        self._steps.tell(Left(item))
        self._closed()

    def wait_for_all(self) -> None:
        """Block until nothing is on its way any more. Raises ``Stopped``."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set or self._open_items == 0)
        self._stop.check()

    def _tell_failure(self, item: MediaItem, failure: Failure, *, was_told: bool) -> None:
        self._steps.tell(Failed(failure, printable(file_name(item)), was_told))

    def _close(self, item: MediaItem) -> None:
        self._settle(item)
        self._on_settled()
        self._closed()

    def _closed(self) -> None:
        with self._changed:
            self._open_items -= 1
            self._changed.notify_all()

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
