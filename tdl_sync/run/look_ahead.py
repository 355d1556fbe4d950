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

    For the files of the first page connections are opened already. Where the state in Telegram says
    that the run begins elsewhere, that page is not the first one, and nobody takes it.
    """
    if task.retry_failed:
        return None
    newest = in_thread(partial(stages.reader.newest_message_id, chat), "newest")
    if scope.shard.is_whole and not task.choice.newest_first:
        ahead = stages.reader.read_ahead(chat, _begins_after(scope, task, stages))
        if task.choice.filters == ALL_BUT_STICKERS:
            ahead.add_done_callback(partial(_expect, task.remote, stages))
    return newest


def _begins_after(scope: Scope, task: Task, stages: Stages) -> int:
    first = max(scope.lower_bound - 1, 0)
    if task.restart or task.replaced is not None:
        return first
    reading = stages.marks.reading(scope)
    return max(first, reading.up_to_id) if reading.is_whole else first


def _expect(remote: str, stages: Stages, ahead: Future[Sequence[HistoryEntry]]) -> None:
    if ahead.exception() is not None:
        return  # whoever takes the page meets it
    wanted = ALL_BUT_STICKERS.without_left_out(list(ahead.result()))
    files = [each for each in wanted if isinstance(each, MediaItem)]
    stages.downloader.expect([each for each in files if not stages.marks.is_done(remote, each.key)])
