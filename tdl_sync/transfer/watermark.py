"""How far a chat is settled, when its files finish in any order."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from typing import Protocol

MOST_REMEMBERED_ABOVE = 10_000
"""So many settled ids beyond the watermark are remembered, the lowest ones."""


class Frontier(Protocol):
    """Which of the messages that were listed are settled: done, skipped or recorded as failed.

    Not thread-safe: the caller holds a lock around every call.
    """

    def listed(self, message_ids_of_items: Iterable[int], read_up_to_id: int) -> None:
        """One more page of the history was read; see ``HistoryPage``. Before its items settle."""

    def covers(self, message_id: int) -> bool:
        """Whether the page of this message was listed, or lies before the beginning."""

    def settled(self, message_id: int) -> None:
        """This item is done, skipped or recorded as failed. Only for what is covered."""

    @property
    def watermark(self) -> int:
        """The highest id such that every message up to it is settled. It never falls."""

    def done_above(self) -> tuple[int, ...]:
        """Settled items beyond the watermark, ascending; at most the lowest ones."""


class OldestFirst:
    """Which of the messages that were listed are settled: done, skipped or recorded as failed.

    Not thread-safe: the caller holds a lock around every call. Memory grows with the items that
    are listed and not settled, plus at most ``MOST_REMEMBERED_ABOVE`` ids.
    """

    def __init__(self, start_id: int = 0) -> None:
        """``start_id``: everything up to it counts as settled, as a run's saved watermark says."""
        self._read_up_to_id = start_id
        self._open_ids: list[int] = []
        self._settled_above: list[int] = []

    def listed(self, message_ids_of_items: Iterable[int], read_up_to_id: int) -> None:
        """One more page of the history was read, up to ``read_up_to_id``; these are its items.

        All messages up to there that are not among the items (of this or an earlier page) count
        as settled at once: they hold no file, or a rule leaves it out. Call it before the first
        item of the page can settle. Pages come oldest first; an id that an earlier page already
        covered is a ``ValueError``, because the watermark may have passed it.
        """
        ids = sorted(set(message_ids_of_items))
        if read_up_to_id < self._read_up_to_id:
            raise ValueError(
                f"a page ends at message {read_up_to_id}, the one before it at "
                f"{self._read_up_to_id}"
            )
        if ids and not self._read_up_to_id < ids[0] <= ids[-1] <= read_up_to_id:
            raise ValueError(
                f"a page from {self._read_up_to_id + 1} to {read_up_to_id} lists messages "
                f"{ids[0]} to {ids[-1]}"
            )
        self._open_ids.extend(ids)
        self._read_up_to_id = read_up_to_id

    def covers(self, message_id: int) -> bool:
        return message_id <= self._read_up_to_id

    def settled(self, message_id: int) -> None:
        """This item is done, skipped or recorded as failed. Settling it again changes nothing.

        An id beyond what was listed is a ``ValueError``.
        """
        if message_id > self._read_up_to_id:
            raise ValueError(
                f"message {message_id} settles, but only those up to {self._read_up_to_id} "
                "were listed"
            )
        position = bisect.bisect_left(self._open_ids, message_id)
        if position == len(self._open_ids) or self._open_ids[position] != message_id:
            return
        del self._open_ids[position]
        if position == 0:
            passed = bisect.bisect_right(self._settled_above, self.watermark)
            del self._settled_above[:passed]
        else:
            bisect.insort(self._settled_above, message_id)
            del self._settled_above[MOST_REMEMBERED_ABOVE:]

    @property
    def watermark(self) -> int:
        """The highest id such that everything listed up to it is settled.

        It never falls, and never lies beyond what was listed.
        """
        return self._open_ids[0] - 1 if self._open_ids else self._read_up_to_id

    def done_above(self) -> tuple[int, ...]:
        """The items beyond the watermark that are settled, ascending; at most the lowest ones.

        What failed is among them; the state keeps it in its list of failures.
        """
        return tuple(self._settled_above)


class NewestFirst:
    """The same for a history that is read from its newest message down.

    What was read does not join the watermark until the last page has, so until then the
    watermark stays where it was; the next run knows what is done by the marks. Memory grows with
    the items that are listed and not settled, plus ``MOST_REMEMBERED_ABOVE`` ids.
    """

    def __init__(self, start_id: int, up_to_id: int) -> None:
        """``start_id`` as for ``OldestFirst``; ``up_to_id`` is where the reading begins."""
        self._start_id = start_id
        self._up_to_id = max(start_id, up_to_id)
        self._read_down_to_id = self._up_to_id + 1
        self._open_ids: set[int] = set()
        self._settled_above: list[int] = []

    def listed(self, message_ids_of_items: Iterable[int], read_up_to_id: int) -> None:
        ids = set(message_ids_of_items)
        if read_up_to_id > self._read_down_to_id or read_up_to_id <= self._start_id:
            raise ValueError(
                f"a page ends at message {read_up_to_id}, the one before it at "
                f"{self._read_down_to_id}, and {self._start_id} was done before"
            )
        if ids and not read_up_to_id <= min(ids) <= max(ids) < self._read_down_to_id:
            raise ValueError(
                f"a page from {self._read_down_to_id - 1} down to {read_up_to_id} lists messages "
                f"{max(ids)} to {min(ids)}"
            )
        self._open_ids |= ids
        self._read_down_to_id = read_up_to_id

    def covers(self, message_id: int) -> bool:
        return message_id >= self._read_down_to_id or message_id <= self._start_id

    def settled(self, message_id: int) -> None:
        if message_id in self._open_ids:
            self._open_ids.remove(message_id)
            bisect.insort(self._settled_above, message_id)
            del self._settled_above[MOST_REMEMBERED_ABOVE:]

    @property
    def watermark(self) -> int:
        if self._read_down_to_id > self._start_id + 1:
            return self._start_id
        return min(self._open_ids) - 1 if self._open_ids else self._up_to_id

    def done_above(self) -> tuple[int, ...]:
        first = bisect.bisect_right(self._settled_above, self.watermark)
        return tuple(self._settled_above[first:])
