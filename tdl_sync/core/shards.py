"""Parts of a chat that several machines move side by side."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from tdl_sync.core.errors import ConfigurationError

BLOCK_MESSAGES = 1000
"""So many message ids in a row belong to one shard. A block is read in some ten pages, so that what
is asked for twice at its edges costs little; and new messages fall to every shard in turn."""


@dataclass(frozen=True)
class Shard:
    """Part ``number`` of ``count`` of a chat, counted from 1. ``Shard(1, 1)`` is the whole chat."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"no part of a chat: {self.number}/{self.count}")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def is_first(self) -> bool:
        """Two that are first always overlap: what there is one of for a chat is kept by the run of
        such a part."""
        return self.number == 1

    @property
    def is_whole(self) -> bool:
        return self.count == 1

    def holds(self, message_id: int) -> bool:
        """Whether a message belongs to this part. Message ids of a chat begin with 1."""
        return _block_of(message_id) % self.count == self.number - 1

    def next_held(self, message_id: int) -> int:
        """The first id from this one on that belongs to this part."""
        block = _block_of(message_id)
        blocks_on = (self.number - 1 - block) % self.count
        return message_id if blocks_on == 0 else (block + blocks_on) * BLOCK_MESSAGES + 1

    def last_held(self, message_id: int) -> int:
        """The last id up to this one that belongs to this part, 0 if none does."""
        if message_id < 1:
            return 0
        block = _block_of(message_id)
        blocks_back = (block - self.number + 1) % self.count
        if blocks_back == 0:
            return message_id
        return max(0, (block - blocks_back + 1) * BLOCK_MESSAGES)

    def overlaps(self, other: Shard) -> bool:
        """Whether some message belongs to both, be it one that is not written yet."""
        return (self.number - other.number) % gcd(self.count, other.count) == 0


WHOLE = Shard(1, 1)


def block_around(message_id: int) -> range:
    """The ids that go to the same part as this one, whatever the parts are."""
    first_id = _block_of(message_id) * BLOCK_MESSAGES + 1
    return range(first_id, first_id + BLOCK_MESSAGES)


def _block_of(message_id: int) -> int:
    return (message_id - 1) // BLOCK_MESSAGES


def parse_shard(text: str) -> Shard:
    """``K/N`` as it is typed.

    :raises ConfigurationError: it is not two numbers of which the first is one of 1 to the second.
    """
    number, slash, count = text.partition("/")
    if slash and _is_number(number) and _is_number(count) and 1 <= int(number) <= int(count):
        return Shard(int(number), int(count))
    raise ConfigurationError(
        f"--shard takes part K of N as K/N, from 1/N to N/N, as in 2/4, not {text!r}"
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6
