"""Which message ids are there, and how Telegram pages through them."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import Protocol

DEFAULT_LIMIT = 20
GREATEST_LIMIT = 100


class Ids(Protocol):
    """Message ids in ascending order."""

    def __len__(self) -> int: ...

    def count_below(self, message_id: int) -> int: ...

    def nth(self, index: int) -> int:
        """The id at this index, the oldest being 0."""


class SortedIds:
    """Ids in a sorted sequence."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def count_below(self, message_id: int) -> int:
        return bisect_left(self._ids, message_id)

    def nth(self, index: int) -> int:
        return self._ids[index]


class LiveIds:
    """1 to `dense_newest` without the deleted ones, then the appended ones.

    Only gaps and appended ids are stored, so that a million messages cost next to nothing.
    """

    def __init__(self, dense_newest: int, deleted: Sequence[int]) -> None:
        self._dense_newest = dense_newest
        self._deleted = array("q", deleted)
        self._appended: list[int] = []
        self.newest = dense_newest

    def __len__(self) -> int:
        return self._dense_count() + len(self._appended)

    def __contains__(self, message_id: int) -> bool:
        if 1 <= message_id <= self._dense_newest:
            return not _holds(self._deleted, message_id)
        return _holds(self._appended, message_id)

    def __iter__(self) -> Iterator[int]:
        return (self.nth(index) for index in range(len(self)))

    def count_below(self, message_id: int) -> int:
        dense = min(max(message_id - 1, 0), self._dense_newest)
        dense -= bisect_left(self._deleted, message_id)
        return dense + bisect_left(self._appended, message_id)

    def nth(self, index: int) -> int:
        dense_count = self._dense_count()
        if index >= dense_count:
            return self._appended[index - dense_count]
        lowest, highest = index + 1, index + 1 + len(self._deleted)
        while lowest < highest:
            middle = (lowest + highest) // 2
            if self.count_below(middle + 1) > index:
                highest = middle
            else:
                lowest = middle + 1
        return lowest

    def append(self, message_id: int) -> None:
        self._appended.append(message_id)
        self.newest = message_id

    def delete(self, message_id: int) -> None:
        if message_id <= self._dense_newest:
            insort(self._deleted, message_id)
        else:
            self._appended.remove(message_id)

    def _dense_count(self) -> int:
        return self._dense_newest - len(self._deleted)


def _holds(ids: Sequence[int], message_id: int) -> bool:
    index = bisect_left(ids, message_id)
    return index < len(ids) and ids[index] == message_id


def page_ids(
    ids: Ids, *, offset_id: int, add_offset: int, limit: int, max_id: int, min_id: int
) -> list[int]:
    """One page, newest first (https://core.telegram.org/api/offsets).

    The page starts `add_offset` behind the last id that is not older than `offset_id`; a start
    before the newest message is the newest message. `max_id` and `min_id` (both exclusive, 0 for
    none) are taken out of the finished page and do not move it: a page wholly outside of them is
    empty though other messages lie between them.
    """
    limit = DEFAULT_LIMIT if limit <= 0 else min(limit, GREATEST_LIMIT)
    not_older = len(ids) - ids.count_below(offset_id) if offset_id > 0 else 0
    start = max(not_older + add_offset, 0)
    end = min(start + limit, len(ids))
    page = (ids.nth(len(ids) - 1 - index) for index in range(start, end))
    return [i for i in page if i > min_id and (max_id <= 0 or i < max_id)]
