"""What a run would do with each item, counted: ``--dry-run``'s own books. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tdl_sync.core.errors import LargerThanBudget
from tdl_sync.core.model import Chat, FileIdentity, MediaItem, MessageKey, RemoteFile, SkippedItem

MOST_EXAMPLES = 5


@dataclass(frozen=True)
class Amount:
    """So many files of so many bytes."""

    files: int = 0
    size_bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.files + other.files, self.size_bytes + other.size_bytes)

    @classmethod
    def of(cls, item: MediaItem) -> Amount:
        return cls(1, item.size_bytes)


NOTHING = Amount()


@dataclass
class Listed:
    """What the remote's listing has shown of one chat, in all scopes: a run would have marked it.

    In a further scope of that chat its failures would be forgotten, and its copies known.
    """

    keys: set[MessageKey] = field(default_factory=set)
    files: set[FileIdentity] = field(default_factory=set)


@dataclass
class Prospect:
    """What one chat's run would find and do; count each item once. One thread.

    ``path_of`` says where on the remote a file would go, below ``folder``. ``folder_exists``: on
    the remote, by now. ``by_type`` and ``by_year`` divide ``to_move``; ``examples`` are paths of
    some of it. ``failing`` is by reason what would not be moved: too large, or given up;
    ``too_large_bytes`` is the largest file that never fits the budget, 0 where all do.
    ``passed_id`` is the message up to which earlier runs have dealt with everything, 0 for none;
    nothing up to it is counted but what failed. ``limit_reached``: there may be more.
    ``arriving`` are the files that would be moved; ``listed`` is shared by the chat's scopes.
    """

    chat: Chat
    remote: str
    folder: str
    path_of: Callable[[MediaItem], str]
    passed_id: int = 0
    folder_exists: bool = True
    limit_reached: bool = False
    to_move: Amount = NOTHING
    there: Amount = NOTHING
    by_type: defaultdict[str, Amount] = field(default_factory=lambda: defaultdict(Amount))
    by_year: defaultdict[int, Amount] = field(default_factory=lambda: defaultdict(Amount))
    skipped: Counter[str] = field(default_factory=Counter)
    failing: defaultdict[str, Amount] = field(default_factory=lambda: defaultdict(Amount))
    too_large_bytes: int = 0
    examples: list[str] = field(default_factory=list)
    arriving: set[FileIdentity] = field(default_factory=set)
    listed: Listed = field(default_factory=Listed)

    @property
    def failing_files(self) -> int:
        return sum(amount.files for amount in self.failing.values())

    @property
    def seen(self) -> int:
        return (
            self.to_move.files + self.there.files + sum(self.skipped.values()) + self.failing_files
        )

    def would_move(self, item: MediaItem) -> None:
        amount = Amount.of(item)
        self.to_move += amount
        self.by_type[item.media_type.value] += amount
        self.by_year[item.date.year] += amount
        self.arriving.add(item.identity)
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(self.path_of(item))

    def is_there(self, item: MediaItem) -> None:
        self.there += Amount.of(item)

    def is_listed(self, file: RemoteFile) -> None:
        """It is there, and no mark says yet which file it is."""
        self.is_there(file.item)
        self.listed.keys.add(file.item.key)
        if file.identity is not None:
            self.listed.files.add(file.identity)

    def would_skip(self, entry: SkippedItem) -> None:
        self.skipped[entry.rule] += 1

    def would_fail(self, item: MediaItem, reason: str) -> None:
        self.failing[reason] += Amount.of(item)

    def would_never_fit(self, item: MediaItem) -> None:
        self.would_fail(item, LargerThanBudget.reason)
        self.too_large_bytes = max(self.too_large_bytes, item.size_bytes)
