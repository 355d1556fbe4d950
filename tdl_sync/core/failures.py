"""An item that is not on the remote, and why; and what speaks against a file that is there.

After a hand-off that failed, or of which nobody knows how it ended, a file on the remote may hold
anything, and ``verify --repair`` knows of one that it does: its name and size do not speak for it.
A later failure, a download that broke off, says nothing about that file. So the distrust stays on
record with whatever failure is the newest, until the item was really moved or compared by a hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tdl_sync.core.errors import (
    CorruptedInTransfer,
    HandOffFailed,
    LargerThanBudget,
    RefusedByTelegram,
)
from tdl_sync.core.model import MessageKey

WRONG_SIZE = "wrong size on the remote"
OTHER_CONTENT = "other content on the remote"
"""Of a file that is certainly ours, and the only one of its message: it may be overwritten."""

REPLACED = "replaced in its message"
"""What was moved is as it was; its message holds another file by now."""

TAKEN_BACK = "adoption taken back"
"""By ``adopt --undo``; the file lies where another program has put it, and is to be moved."""

NOT_RIGHT = "not right on the remote"
"""Of a file that may not be one of ours."""

_DISTRUSTING = (
    OTHER_CONTENT,
    NOT_RIGHT,
    # Of a hand-off that failed nobody knows what it has left.
    HandOffFailed.reason,
    CorruptedInTransfer.reason,
)


_FOR_GOOD = frozenset(each.reason for each in (LargerThanBudget, RefusedByTelegram))


def is_for_good(reason: str) -> bool:
    """Whether what failed for this reason is tried again only when the user asks. For where the
    reason is all that is told of a failure."""
    return reason in _FOR_GOOD


def is_distrusting(reason: str) -> bool:
    """Whether a failure for this reason says that a file of the right size is no proof."""
    return reason in _DISTRUSTING


def added_to(recorded: Failure | None, failure: Failure) -> Failure:
    """The newest failure with all attempts, and with what was known of the remote's file."""
    if recorded is None:
        return failure
    return replace(
        failure,
        attempts=recorded.attempts + failure.attempts,
        distrusted=failure.distrusted or recorded.distrusted,
        overwrites=failure.overwrites or recorded.overwrites,
    )


def reasons_for_others(failures: Iterable[Failure]) -> list[str]:
    """What a state message counts: another machine knows of a file that is distrusted by these."""
    return [
        NOT_RIGHT if each.distrusted and not is_distrusting(each.reason) else each.reason
        for each in failures
    ]


@dataclass(frozen=True)
class Failure:
    """An item that is not on the remote, and why.

    ``reason`` is a short phrase that groups failures in the summary (``too large``); ``detail``
    is the whole sentence. What failed *for good* is tried again only when the user asks.
    ``distrusted``: a file on the remote is no proof, whatever its size. ``overwrites`` is the path,
    below the chat's folder, where the next try puts it: there a file may be that it replaces.
    """

    key: MessageKey
    reason: str
    detail: str
    attempts: int
    for_good: bool
    distrusted: bool = False
    overwrites: str | None = None
