"""What a chat's run asks of Telegram beside its claim, whoever will have the chat: the id of its
newest message, and the first page of what is new by the records of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

from tdl_sync.core.futures import in_thread
from tdl_sync.core.model import Chat, HistoryEntry, MediaItem, Scope
from tdl_sync.options.config import Task
from tdl_sync.options.filters import ALL_BUT_STICKERS
from tdl_sync.transfer.job import Stages


def look_ahead(chat: Chat, scope: Scope, task: Task, stages: Stages) -> Future[int] | None:
    """The id of the newest message; ``None`` where nothing newer is read. What comes after it is
    for the next round.

    For the files of the first page connections are opened already, and a first one while that page
    is on its way. In a chat that was read before it is asked for only if there is something newer:
    most runs over those find nothing. Where the state in Telegram says that the run begins
    elsewhere nobody takes it.
    """
    if task.retry_failed:
        return None
    newest = in_thread(partial(stages.reader.newest_message_id, chat), "newest")
    if not scope.shard.is_whole or task.choice.newest_first:
        return newest
    first = max(scope.lower_bound - 1, 0)
    after_id = max(first, _read_up_to(scope, task, stages))

    def look() -> None:
        if after_id > first and newest.result() <= after_id:
            return
        page = stages.reader.read_ahead(chat, after_id)
        if task.choice.filters == ALL_BUT_STICKERS:
            stages.downloader.expect_some()
            _expect(page.result(), task, stages)

    in_thread(look, "first page")  # whoever takes the page meets what it has failed of
    return newest


def _read_up_to(scope: Scope, task: Task, stages: Stages) -> int:
    """By the records of this machine."""
    if task.restart or task.replaced is not None:
        return 0
    reading = stages.marks.reading(scope)
    return reading.up_to_id if reading.is_whole else 0


def _expect(entries: Sequence[HistoryEntry], task: Task, stages: Stages) -> None:
    wanted = ALL_BUT_STICKERS.without_left_out(list(entries))
    files = [each for each in wanted if isinstance(each, MediaItem)]
    new = [each for each in files if not stages.marks.is_done(task.remote, each.key)]
    stages.downloader.expect(new[: task.choice.limit])
