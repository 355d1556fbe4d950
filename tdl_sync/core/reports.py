"""What a run has done, in figures: the same for the summary, the state and the result line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from tdl_sync.core.balance import Balance
from tdl_sync.core.model import FIRST, NOTHING, Amount, FileNumber


class Outcome(str, Enum):
    """How a run ended: the ``status`` of the result line."""

    COMPLETE = "complete"
    MORE = "more"
    QUOTA = "quota"
    FAILED = "failed"
    STOPPED = "stopped"
    ERROR = "error"


@dataclass(frozen=True)
class FailedItem:
    """One line of the summary: an item that failed in this run, by a name fit for a terminal.

    ``was_told``: by an earlier run, and nothing has changed since.
    """

    message_id: int
    name: str
    reason: str
    detail: str
    for_good: bool
    index: int = FIRST
    was_told: bool = False

    @property
    def number(self) -> FileNumber:
        return FileNumber(self.message_id, self.index)


@dataclass(frozen=True)
class RunReport:
    """What one run over one chat did. ``seen = done + skipped + failed`` once it has ended.

    ``done`` are items that are on the remote: ``moved`` in this run, the others found there
    or marked before. Of those that were found ``believed`` ones are there by name and size alone.
    ``failed_for_now`` are those of the failed ones that the next run tries again.
    ``unfinished`` is what a stop left open: neither done nor failed.
    ``more`` says that the run ended early as it was told to (``--limit``): there may be more.
    ``balance`` is there where the whole chat was read. ``before`` is what earlier runs have moved
    and this one did not look at; ``none_is_there``: the chat's folder on the remote showed no file.
    ``is_through``: it has come to the end of all that it was to do.
    Of the failed ones ``failed_before`` were told by an earlier run, and are as they were.
    """

    seen: int = 0
    moved: int = 0
    done_before: int = 0
    done_before_bytes: int = 0
    believed: int = 0
    skipped_by_rule: Mapping[str, int] = field(default_factory=dict)
    failed_by_reason: Mapping[str, int] = field(default_factory=dict)
    failed_items: tuple[FailedItem, ...] = ()
    failed_for_now: int = 0
    failed_before: int = 0
    downloaded_files: int = 0
    downloaded_bytes: int = 0
    uploaded_bytes: int = 0
    seconds: float = 0.0
    more: bool = False
    balance: Balance | None = None
    before: Amount = NOTHING
    none_is_there: bool = False
    is_through: bool = False

    @property
    def there(self) -> Amount:
        """All that is on the remote, as far as the runs know."""
        return Amount(
            self.before.files + self.done,
            self.before.bytes + self.done_before_bytes + self.uploaded_bytes,
        )

    @property
    def has_nothing_new(self) -> bool:
        """Whether it has found all as the run before has left it. Messages that Telegram counts and
        does not show are told in full each time."""
        return self.is_through and not (
            self.more
            or self.moved
            or self.unfinished
            or self.downloaded_bytes
            or self.believed
            or self.failed > self.failed_before
            or (self.balance is not None and self.balance.unseen)
        )

    @property
    def done(self) -> int:
        return self.moved + self.done_before

    @property
    def done_bytes(self) -> int:
        return self.uploaded_bytes + self.done_before_bytes

    @property
    def skipped(self) -> int:
        return sum(self.skipped_by_rule.values())

    @property
    def failed(self) -> int:
        return sum(self.failed_by_reason.values())

    @property
    def unfinished(self) -> int:
        return self.seen - self.done - self.skipped - self.failed

    def since(self, before: RunReport) -> RunReport:
        """What was counted after ``before``: files and bytes, no names and no time."""
        return RunReport(
            seen=self.seen - before.seen,
            moved=self.moved - before.moved,
            done_before=self.done_before - before.done_before,
            done_before_bytes=self.done_before_bytes - before.done_before_bytes,
            believed=self.believed - before.believed,
            skipped_by_rule=Counter(self.skipped_by_rule) - Counter(before.skipped_by_rule),
            failed_by_reason=Counter(self.failed_by_reason) - Counter(before.failed_by_reason),
            failed_for_now=self.failed_for_now - before.failed_for_now,
            downloaded_files=self.downloaded_files - before.downloaded_files,
            downloaded_bytes=self.downloaded_bytes - before.downloaded_bytes,
            uploaded_bytes=self.uploaded_bytes - before.uploaded_bytes,
        )
