"""What a run tries once more: what failed before, and what may be open now that was not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import HistoryEntry, MediaItem, MessageKey, SkippedItem

GONE = "deleted"
NOT_YET = "not moved yet"


def of_messages(
    entries: Sequence[HistoryEntry],
    wanted: Collection[MessageKey],
    is_known: Callable[[HistoryEntry], bool],
) -> list[HistoryEntry]:
    """Of messages that were read once more, ``entries`` being all of them: the files that are
    ``wanted``, and those of which nothing ``is_known``: neither that they are done, as they are
    now, nor why not.

    A wanted file that its message does not hold any more is gone.
    """
    there = {entry.key for entry in entries}
    gone = [SkippedItem(key, GONE) for key in sorted(wanted) if key not in there]
    return [*(each for each in entries if each.key in wanted or not is_known(each)), *gone]


def not_moved_yet(item: MediaItem) -> Failure:
    """What stands for a file that the watermark has passed, until something better is known."""
    detail = "its message was passed before this file of it was there"
    return Failure(item.key, NOT_YET, detail, attempts=0, for_good=False)
