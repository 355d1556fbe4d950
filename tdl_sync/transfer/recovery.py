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
    *Dies here:* it is staged, and its journal says which of Telegram's files it is. If the message
    still holds that one it is handed off without a download, else it is deleted. (Where there is
    no such journal: if the size is right and the message was not edited.)
6.  Where it is to be on the remote is chosen, and durable in its journal: from now on it may be
    there. rclone uploads it. A killed run's rclone ends within a second, as its next line of log
    meets a closed pipe, and keeps the staged file; until then it holds the lock of the staging
    directory, and the next run waits for that lock before it looks at anything (``Staging.open``).
    *Dies here:* staged, and on the remote nothing, or what the dead rclone had given to the system
    to send, which may arrive later still; or a file of the right size with other bytes. It is
    handed off again to the same path, once the remote shows what has arrived there
    (``HandOff.move``), and rclone compares: a file that is right is not sent again. On remotes
    that are mere file systems there may be a part of the file: before rclone 1.63 under its final
    name, where the next ``moveto`` overwrites it; since then under a name of rclone's own, which
    is never taken for a file and removed when the file is there (``remnants.py``).
7.  The file is on the remote, whole; the staged file is not yet deleted.
    *Dies here:* it is handed off again, to the same path; rclone finds it right by its hash and
    deletes the staged file without another upload.
8.  rclone deletes the staged file.
    *Dies here:* its journal knows path and hash. If the remote shows it there, with that hash where
    it tells one, it is marked. Where the journal was lost, too, only the listing knows, and a
    sidecar, with whose hash it is compared (``sidecar_proofs``). Without one: id and size
    are there, so it is marked, and counted as believed.
9.  rclone has exited 0: the mark is written, in one transaction with the removal of a failure, and
    then the journal is removed.
    What the message held before and is to give way (``giving_way``) is on record by the same
    transaction, and removed after it.
    *Dies here:* done. The watermark may be below it; the message is listed again and skipped. What
    is to give way is removed when the next run begins.
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
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.transfer.disk.leftovers import Leftovers
from tdl_sync.transfer.disk.staging import Leftover


@dataclass(frozen=True)
class Found:
    """A staged file that only needs its hand-off. ``is_known`` and ``may_be_there`` as
    ``StagedFile`` has them."""

    item: MediaItem
    leftover: Leftover
    is_known: bool
    may_be_there: bool


def take_up(
    chat: Chat,
    reader: ChatReader,
    leftovers: Leftovers,
    is_marked: Callable[[MediaItem], bool],
    is_done: Callable[[MediaItem], bool],
    leads: Callable[[MediaItem], bool],
    only_ids: Collection[int] | None = None,
    shard: Shard = WHOLE,
) -> list[Found]:
    """Look at what lies in the staging directory of this chat, or of these messages in it; what
    is of no use is deleted: a copy, too, of a file that another message ``leads`` to the remote.
    What belongs to another shard is left alone: its run may be at it, from another directory.
    ``is_done`` may go by the remote's listing. What lies here whole is proof enough to compare
    with, so that it is of no use only if it ``is_marked``.

    Returns the staged files. Their room is held by who hands them off.
    Partial files stay where they are until their item's turn. Blocks for the reader's calls.
    """
    lying = [
        leftover
        for leftover in leftovers.leftovers_of(chat.id)
        if leftover.key and (only_ids is None or leftover.key.message_id in only_ids)
    ]
    ids = sorted({leftover.key.message_id for leftover in lying if leftover.key})
    entries = reader.fetch(chat, ids, shard) if ids else []
    items = {entry.key: entry for entry in entries if isinstance(entry, MediaItem)}
    found = []
    for leftover in lying:
        if leftover.key and not reader.holds(chat, shard, leftover.key.message_id):
            continue
        item = items.get(leftover.key) if leftover.key else None
        if item is None or is_marked(item):
            leftovers.delete(leftover)
        elif not leftover.complete:
            if is_done(item):
                leftovers.delete(leftover)
            else:
                leftovers.check_partial(item)
        elif leftover.size_bytes != item.size_bytes or _is_another(item, leftovers):
            leftovers.delete(leftover, ", of a file that its message does not hold any more")
        elif not leads(item):
            leftovers.delete(leftover)
        else:
            leftovers.take(item.key)
            is_known = leftovers.staged_is(item) is True
            may_be_there = leftovers.attempt(item) is not None
            found.append(Found(item, leftover, is_known, may_be_there))
    return found


def _is_another(item: MediaItem, leftovers: Leftovers) -> bool:
    """Whether what is staged may be another file than the one that the message holds now."""
    same = leftovers.staged_is(item)
    return item.details.edited_at is not None if same is None else not same
