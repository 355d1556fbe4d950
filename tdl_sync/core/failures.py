"""What ``verify --repair`` knows of a file on the remote: the listing's size does not speak for it.

A later failure, an upload that broke off, says nothing about that file. So it stays on record with
whatever failure is the newest, until the item was really moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tdl_sync.core.model import Failure

WRONG_SIZE = "wrong size on the remote"
OTHER_CONTENT = "other content on the remote"
"""Of a file that is certainly ours, and the only one of its message: it may be overwritten."""

NOT_RIGHT = "not right on the remote"
"""Of a file that may not be one of ours."""

_DISTRUSTING = (OTHER_CONTENT, NOT_RIGHT)


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
