"""After the whole of a chat was read: whether Telegram counts more in it than was seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial

from tdl_sync.core.balance import NOT_COMPARED, Balance, compared
from tdl_sync.core.errors import Stopped, TdlSyncError
from tdl_sync.core.futures import in_thread
from tdl_sync.core.model import Chat, MediaType, Reading, Scope
from tdl_sync.core.ports import ChatReader
from tdl_sync.core.shards import Shard
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.choice import Choice
from tdl_sync.options.config import Task


def is_whole(scope: Scope, choice: Choice) -> bool:
    """Whether every message is read, whatever is left out of what is moved: Telegram has no count
    of a part, be it a shard."""
    filters = choice.filters
    ends = (filters.since, filters.until, filters.to_id)
    return scope.shard.is_whole and scope.lower_bound <= 1 and all(end is None for end in ends)


def reads_on_to_the_end(scope: Scope, task: Task) -> bool:
    """Whether what Telegram counts in the chat is what a run of this task will have seen at its
    end. Of a part nobody knows how much it holds, so how long it takes is not said either."""
    choice = task.choice
    return is_whole(scope, choice) and choice.limit is None and not task.retry_failed


BALANCE_SECONDS = 30.0
"""So long Telegram's counts are waited for, which move nothing."""


Counts = Mapping[MediaType, int | None]


def balanced_in_time(
    reader: ChatReader,
    chat: Chat,
    read: Mapping[Shard, Reading],
    stop: StopFlag,
    counting: Future[Counts] | None = None,
) -> Balance:
    """``balanced``, or not compared where Telegram takes its time: it may ask for a pause of hours,
    and nothing waits for figures. Raises ``Stopped``."""
    balancing = in_thread(partial(balanced, reader, chat, read, counting), "balance")
    stop.wait_beside(balancing, BALANCE_SECONDS)
    stop.check()
    return balancing.result() if balancing.done() else NOT_COMPARED


def balanced(
    reader: ChatReader,
    chat: Chat,
    read: Mapping[Shard, Reading],
    counting: Future[Counts] | None = None,
) -> Balance:
    """``read`` are shards that make up the chat, with what was seen of each; ``counting`` gives
    what Telegram counts, if it was asked since it was known how far is to be read. Blocks; raises
    ``Stopped`` only: what Telegram refuses to tell is not compared."""
    seen: Counter[MediaType] = Counter()
    for each in read.values():
        if each.seen is None:
            return NOT_COMPARED
        seen.update(each.seen)
    try:
        counted = reader.counts(chat) if counting is None else counting.result()
        balance = compared(counted, seen)
        if balance.fewer:
            # What was posted meanwhile is counted, and was not to be read.
            newest_id = reader.newest_message_id(chat)
            for shard, part in read.items():
                for page in reader.pages(chat, part.up_to_id, newest_id, shard):
                    seen.update(kind for _, kind in page.kinds)
            balance = compared(counted, seen)
    except Stopped:
        raise
    except TdlSyncError:
        return NOT_COMPARED
    return balance
