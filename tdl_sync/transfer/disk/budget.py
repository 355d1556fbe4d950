"""The bytes that may lie in the staging directory, given out before they are asked for.

The sum of reservations never exceeds the budget, so the disk can't overflow however many
downloads run at once. Requests are served in the order in which they came: a large file waits
for its room and nothing small overtakes it for ever.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tdl_sync.core.errors import LargerThanBudget
from tdl_sync.core.model import MediaItem, Reservation
from tdl_sync.core.stop import StopFlag


def whole_blocks(size_bytes: int, block_bytes: int) -> int:
    """What a file of this size takes on a disk that gives out whole blocks."""
    return -(-size_bytes // block_bytes) * block_bytes


@dataclass(frozen=True, eq=False)
class _Waiting:
    """One ``reserve``, until it has its room."""

    stop: StopFlag


class DiskBudget:
    """All methods may be called from any thread."""

    def __init__(
        self, budget_bytes: int, block_bytes: int, stop: StopFlag, *, disk_decides: bool = False
    ) -> None:
        """``disk_decides``: the budget is less than what the user allows."""
        self.budget_bytes = budget_bytes
        self.disk_decides = disk_decides
        self._block_bytes = block_bytes
        self._stop = stop
        self._used_bytes = 0
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        stop.wakes(self._changed)

    def heed(self, stop: StopFlag) -> None:
        """Before the first ``reserve`` that ends with this flag."""
        stop.wakes(self._changed)

    @property
    def used_bytes(self) -> int:
        with self._changed:
            return self._used_bytes

    @property
    def someone_waits(self) -> bool:
        """Whether a ``reserve`` is waiting for room right now, and is not to stop."""
        with self._changed:
            return any(not waiting.stop.is_set for waiting in self._queue)

    def fits(self, item: MediaItem) -> bool:
        """Whether the item could ever have room, with nothing else on the disk."""
        return self.needed_bytes(item) <= self.budget_bytes

    def needed_bytes(self, item: MediaItem) -> int:
        """What the item's reservation takes."""
        return whole_blocks(item.size_bytes, self._block_bytes)

    def reserve(
        self,
        item: MediaItem,
        on_wait: Callable[[], None] | None = None,
        adopted_bytes: int = 0,
        stop: StopFlag | None = None,
    ) -> Reservation:
        """Wait for room for the whole item and take it.

        ``adopted_bytes`` are reserved already, for a part of the item that lies on the disk: they
        become part of its reservation, and stay reserved while this waits or if it raises.
        ``on_wait`` is called once, without any lock, when there is no room at once: the chance to
        free some. Raises ``LargerThanBudget`` where waiting would never end, ``Stopped`` when the
        run stops, or what ``stop`` is for.
        """
        stop = stop or self._stop
        if not self.fits(item):
            raise LargerThanBudget(
                item.size_bytes, self.budget_bytes, disk_decides=self.disk_decides
            )
        reserved_bytes = self.needed_bytes(item)
        wanted_bytes = reserved_bytes - adopted_bytes
        ticket = _Waiting(stop)
        with self._changed:
            self._queue.append(ticket)
            has_room = self._may_take(ticket, wanted_bytes)
        try:
            if not has_room and on_wait is not None and not stop.is_set:
                on_wait()
            with self._changed:
                self._changed.wait_for(lambda: stop.is_set or self._may_take(ticket, wanted_bytes))
                stop.check()
                self._used_bytes += wanted_bytes
        finally:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()
        return Reservation(item, reserved_bytes)

    def adopt(self, size_bytes: int) -> int:
        """Take room for a file that lies on the disk already, even beyond the budget.

        Nothing new is admitted until what lies there has shrunk below the budget again. Returns
        the bytes that are reserved for it now.
        """
        adopted_bytes = whole_blocks(size_bytes, self._block_bytes)
        with self._changed:
            self._used_bytes += adopted_bytes
        return adopted_bytes

    def adopted(self, item: MediaItem) -> Reservation:
        """The reservation of a staged file that was adopted."""
        return Reservation(item, self.needed_bytes(item))

    def release(self, reservation: Reservation) -> None:
        """Give the room back. Only when the file is gone from the disk."""
        self.give_back(reservation.reserved_bytes)

    def give_back(self, taken_bytes: int) -> None:
        """The same for what ``adopt`` has taken for a file that is gone now."""
        with self._changed:
            self._used_bytes -= taken_bytes
            if self._used_bytes < 0:
                raise RuntimeError(f"{-self._used_bytes} bytes were released that nobody held")
            self._changed.notify_all()

    def _may_take(self, ticket: _Waiting, wanted_bytes: int) -> bool:
        return self._queue[0] is ticket and self._used_bytes + wanted_bytes <= self.budget_bytes
