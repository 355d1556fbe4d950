"""The order of the durable steps of one file, and what the next start does after each.

Promise: ``kill -9`` or a power cut between any two steps loses nothing and doubles nothing. "Parts"
are ``m<chat>_<topic>_<message>.part`` in the staging directory with its journal in the data
directory, "staged" is ``m….staged``; the mark is the one of ``done_marks.py``.

1.  The room is reserved. In memory only.
    *Dies here:* nothing is anywhere; the watermark is below the message, so it is listed again.
2.  The journal's first line is durable: message, size, Telegram's file, name of the parts.
    *Dies here:* a journal without parts; it is removed (``PartialFiles``).
3.  Parts are written, each followed by its record in the journal, without a sync.
    *Dies here:* the parts that are whole by their CRC stay, their bytes count against the budget
    from the start on, and when the item's turn comes only the others are asked for. A power cut
    may cost parts; it can't make a wrong one count.
4.  All parts are there: the size is checked, the file gets the message's date and is synced.
    *Dies here:* as in 3, with nothing left to ask for.
5.  It is renamed to staged, and the directory is synced.
    *Dies here:* it is staged; the journal that is left over is removed. The staged file is handed
    off without a download if the message still declares its size.
6.  rclone uploads it. A killed run's rclone ends within a second, as its next line of log meets a
    closed pipe, and keeps the staged file; until then it holds the lock of the staging directory,
    and the next run waits for that lock before it looks at anything (``Staging.open``).
    *Dies here:* staged, and on the remote nothing. On remotes that are mere file systems there is
    a part of the file: before rclone 1.63 under its final name, where its size shows that it is
    not done and the next ``moveto`` overwrites it; since then under a name of rclone's own, which
    is never taken for a file and removed when the file is there (``remnants.py``).
7.  The file is on the remote, whole; the staged file is not yet deleted.
    *Dies here:* the listing shows the message's id with the declared size: it is marked, and the
    staged file is deleted without another upload.
8.  rclone deletes the staged file.
    *Dies here:* only the listing knows: id and size are there, so it is marked.
9.  rclone has exited 0: the mark is written, in one transaction with the removal of a failure.
    *Dies here:* done. The watermark may be below it; the message is listed again and skipped.
10. The watermark passes it, and the state message says so within the save interval.
    *Dies here:* the state message may be older than the marks, never newer; a machine that has
    only that message finds what is above it by 8.

The remote's folder is listed once at the start of a run, after the lock of the staging directory
is ours and before anything is handed off: so nothing changes between the listing and its use.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from tdl_sync.core.model import Chat, MediaItem
from tdl_sync.core.ports import ChatReader
from tdl_sync.transfer.disk.leftovers import Leftovers
from tdl_sync.transfer.disk.staging import Leftover


@dataclass(frozen=True)
class Found:
    """A staged file that only needs its hand-off."""

    item: MediaItem
    leftover: Leftover


def take_up(
    chat: Chat,
    reader: ChatReader,
    leftovers: Leftovers,
    is_done: Callable[[MediaItem], bool],
    leads: Callable[[MediaItem], bool],
    only_ids: Collection[int] | None = None,
) -> list[Found]:
    """Look at what lies in the staging directory of this chat, or of these messages in it; what
    is of no use is deleted: a copy, too, of a file that another message ``leads`` to the remote.

    Returns the staged files. Their room is held by who hands them off.
    Partial files stay where they are until their item's turn. Blocks for the reader's calls.
    """
    lying = [
        leftover
        for leftover in leftovers.leftovers_of(chat.id)
        if leftover.key and (only_ids is None or leftover.key.message_id in only_ids)
    ]
    ids = [leftover.key.message_id for leftover in lying if leftover.key]
    entries = reader.fetch(chat, ids) if ids else []
    items = {entry.key: entry for entry in entries if isinstance(entry, MediaItem)}
    found = []
    for leftover in lying:
        item = items.get(leftover.key) if leftover.key else None
        if item is None or is_done(item):
            leftovers.delete(leftover)
        elif not leftover.complete:
            leftovers.check_partial(item)
        elif leftover.size_bytes != item.size_bytes or not leads(item):
            leftovers.delete(leftover)
        else:
            leftovers.take(item.key)
            found.append(Found(item, leftover))
    return found
