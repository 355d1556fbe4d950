"""Sets of message ids as short text: ``"12346-12350,12353"``.

Message ids are positive 32-bit integers (https://core.telegram.org/api/messages). The text comes
from a message that anybody may have edited, so that reading it is strict: ascending, no overlap,
no sign, no space, no leading zero, and a bound on how many ids all ranges hold together.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

GREATEST_MESSAGE_ID = 2**31 - 1
MOST_IDS = 100_000
"""More ids than this are neither written nor read: ``1-2147483647`` is short and a lot."""

_RANGE = re.compile(r"([1-9][0-9]{0,9})(?:-([1-9][0-9]{0,9}))?")


class BadIdRanges(ValueError):
    """The text is not a list of id ranges; the message says what was expected and found."""


@dataclass(frozen=True, order=True)
class IdRange:
    """All ids from ``first`` to ``last``, both included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


class Ids(Sequence[int]):
    """All ids of ascending ranges, ascending, and never laid out: ``1-100000`` is short, and a
    thousand messages may say so. Equal to any sequence of the same ids."""

    def __init__(self, ranges: tuple[IdRange, ...]) -> None:
        self.ranges = ranges
        self._length = sum(map(len, ranges))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        for one in self.ranges:
            yield from range(one.first, one.last + 1)

    def __contains__(self, message_id: object) -> bool:
        if not isinstance(message_id, int):
            return False
        position = bisect_right(self.ranges, message_id, key=lambda one: one.first)
        return position > 0 and message_id <= self.ranges[position - 1].last

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...

    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Ids):
            return self.ranges == other.ranges
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Ids({encode(self.ranges)!r})"


def to_ranges(message_ids: Iterable[int]) -> tuple[IdRange, ...]:
    """The fewest ranges that hold exactly these ids, ascending. ``ValueError`` for a bad id."""
    if isinstance(message_ids, Ids):
        return message_ids.ranges
    ranges: list[IdRange] = []
    for message_id in sorted(set(message_ids)):
        if not 0 < message_id <= GREATEST_MESSAGE_ID:
            raise ValueError(f"{message_id} is no message id (1 to {GREATEST_MESSAGE_ID})")
        if ranges and ranges[-1].last == message_id - 1:
            ranges[-1] = IdRange(ranges[-1].first, message_id)
        else:
            ranges.append(IdRange(message_id, message_id))
    return tuple(ranges)


def encode(ranges: Iterable[IdRange]) -> str:
    """The text; the empty text for no ranges. One character is one UTF-16 unit."""
    return ",".join(map(str, ranges))


def lowest_that_fit(
    ranges: Sequence[IdRange], characters: int, most_ids: int = MOST_IDS
) -> tuple[IdRange, ...]:
    """As many of the lowest ranges as ``encode`` writes in ``characters``, ``most_ids`` in all.

    The last range is cut short where its ids are too many.
    """
    fitting: list[IdRange] = []
    characters_left, ids_left = characters + 1, most_ids
    for one in ranges:
        kept = IdRange(one.first, min(one.last, one.first + ids_left - 1))
        characters_left -= len(str(kept)) + 1
        if characters_left < 0 or ids_left == 0:
            break
        ids_left -= len(kept)
        fitting.append(kept)
    return tuple(fitting)


def decode(text: str, most_ids: int = MOST_IDS) -> tuple[IdRange, ...]:
    """Read what ``encode`` wrote. Raises ``BadIdRanges`` for anything else."""
    ranges: list[IdRange] = []
    ids = 0
    for piece in text.split(",") if text else ():
        match = _RANGE.fullmatch(piece)
        if match is None:
            raise BadIdRanges(f"expected an id or a range like 12346-12350, found {piece[:40]!r}")
        one = IdRange(int(match[1]), int(match[2] or match[1]))
        if one.first > one.last or one.last > GREATEST_MESSAGE_ID or (match[2] == match[1]):
            raise BadIdRanges(
                f"expected a range upwards to {GREATEST_MESSAGE_ID} at most, found {piece!r}"
            )
        if ranges and one.first <= ranges[-1].last + 1:
            raise BadIdRanges(f"expected ids above {ranges[-1].last + 1}, found {piece!r}")
        ids += len(one)
        if ids > most_ids:
            raise BadIdRanges(f"expected {most_ids} ids at most, found {ids} up to {piece!r}")
        ranges.append(one)
    return tuple(ranges)
