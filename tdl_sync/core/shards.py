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
        return (message_id - 1) // BLOCK_MESSAGES % self.count == self.number - 1

    def overlaps(self, other: Shard) -> bool:
        """Whether some message belongs to both, be it one that is not written yet."""
        return (self.number - other.number) % gcd(self.count, other.count) == 0


WHOLE = Shard(1, 1)


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
