"""When a run does not list the chat's folder on the remote: on Drive a large one takes seconds, a
thousand files at a time, and where nothing is new a run would do nothing with what it shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from tdl_sync.core.model import MarkedFile, MessageKey
from tdl_sync.core.ports import MarkReader
from tdl_sync.options.config import Task
from tdl_sync.run.resume import ResumePoint
from tdl_sync.state.run_state import RunStatus

LISTED_AT_ONCE_FILES = 1_000
"""So many Drive lists by one call, answered while Telegram is still asked. Such a folder is always
listed: what a person might want to know of it is seen."""


@dataclass(frozen=True)
class Known:
    """What is known of a chat before its folder is listed. ``all_ended`` is the lease's;
    ``newest_id`` is ``None`` where it was not asked for; ``has_leftovers``: some of its files lie
    in the staging directory."""

    point: ResumePoint
    all_ended: bool
    newest_id: int | None
    has_leftovers: bool


def is_as_it_was_left(task: Task, known: Known) -> bool:
    """Whether the chat and all that is known of it are as a run has left them that came to its end
    and found nothing wanting: nothing is to be moved, tried again, compared or written to the
    chat's folder, so that what is listed in it decides nothing.

    What the listing would tell a person is told by the next run that has something to do, and by
    ``verify``: that a name is there twice, or that another account's files are.
    """
    point, loaded = known.point, known.point.loaded
    if loaded is None or loaded.state.status is not RunStatus.COMPLETE:
        return False
    if known.newest_id is None or known.newest_id > point.after_id:
        return False
    if task.texts or task.catalogue:
        return False
    if point.is_read_again or point.failures or point.disputed or point.waiting:
        return False
    if loaded.state.adopted.files:  # the folder has the record of them, which may be another by now
        return False
    return known.all_ended and not known.has_leftovers


def one_of_many(marks: MarkReader, remote: str, chat_id: int) -> MarkedFile | None:
    """One of the chat's files that are done, where they are more than are listed at once."""
    found = list(islice(marks.all_done(remote, chat_id, 0), LISTED_AT_ONCE_FILES + 1))
    if len(found) <= LISTED_AT_ONCE_FILES:
        return None
    return marks.marked(remote, MessageKey(chat_id, 0, found[0].message_id, found[0].index))
