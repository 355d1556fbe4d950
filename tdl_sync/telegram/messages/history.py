"""Reads a chat's messages, oldest first, in as few calls as Telegram allows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

from pyrogram import raw
from pyrogram.errors import (
    ChannelForumMissing,
    MsgIdInvalid,
    RPCError,
    TakeoutInvalid,
    TopicIdInvalid,
)
from pyrogram.raw.core import TLObject

from tdl_sync.core.errors import (
    ChatFoundLater,
    ChatUnreadable,
    NetworkUnreachable,
    TdlSyncError,
)
from tdl_sync.core.futures import in_thread
from tdl_sync.core.model import (
    Chat,
    ChatTotals,
    HistoryEntry,
    HistoryPage,
    MediaItem,
    MediaType,
    MessageKey,
    SkippedItem,
    TextMessage,
)
from tdl_sync.core.operating_system import steady_seconds
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.telegram.messages.blocks import Blocks
from tdl_sync.telegram.messages.chats import ChatBook
from tdl_sync.telegram.messages.details import (
    ALBUM_NEIGHBOURS,
    album_at_the_end,
    post_of,
    with_album_captions,
)
from tdl_sync.telegram.messages.envelopes import READS
from tdl_sync.telegram.messages.kinds import FILTERS, kind_of
from tdl_sync.telegram.messages.media import DELETED, entries_of, text_of
from tdl_sync.telegram.messages.names import Names
from tdl_sync.telegram.messages.queries import history, newest_id, newest_shown_id, search
from tdl_sync.telegram.messages.takeout import LARGEST_FILE_BYTES, Takeout, TakeoutEnded
from tdl_sync.telegram.messages.windows import END, PAGE_MESSAGES, Steps, Window
from tdl_sync.telegram.session import refusals
from tdl_sync.telegram.session.answers import error_name, flood_wait_seconds
from tdl_sync.telegram.session.client import TelegramClient

_READING = "reading the chat"

LAG_PAUSES_SECONDS = (0.5, 2.0)
"""Before a page is asked for again that lacks the newest message. One of Telegram's servers may
know of it before another does; or else it was deleted in between, so no more than these."""

AHEAD_SECONDS = 60.0
"""A page that was read ahead, and not taken for so long, is asked for again."""

_OF_THE_CALL_ALONE = (refusals.Concern.CALL, refusals.Concern.PASSING)

_VISUAL = (raw.types.InputMessagesFilterPhotos, raw.types.InputMessagesFilterVideo)


_Listed: TypeAlias = tuple[Sequence[Any], Container[int], int]
"""Messages in the order of the reading, which ids among them a page is about, and how far all was
read."""


@dataclass(frozen=True)
class _Ahead:
    """A page from ``offset_id`` on that was asked for before its turn."""

    offset_id: int
    asked_at: float
    asked: Future[Any]

    def serves(self, now: float) -> bool:
        return now < self.asked_at + AHEAD_SECONDS


class TelegramChatReader:
    """``ports.ChatReader`` over the real Telegram."""

    reads = READS

    def __init__(
        self,
        telegram: TelegramClient,
        chats: ChatBook,
        takeout: Takeout | None = None,
        *,
        names_topics: bool = False,
    ) -> None:
        """Messages are read within ``takeout`` as long as that is open. With ``names_topics`` a
        forum's topics are asked for their titles, one call for all of a page that are new."""
        self._telegram = telegram
        self._chats = chats
        self._takeout = takeout or Takeout()
        self._newest_ids: dict[tuple[int, int], int] = {}
        self._names = Names()
        self._elsewhere: defaultdict[tuple[int, Shard], set[int]] = defaultdict(set)
        """Of what was read, the messages with something in them that go with a post of another
        block, so that not their own id says which shard has them."""
        self._names_topics = names_topics
        self._ahead: dict[tuple[int, int], _Ahead] = {}
        """What was asked for before its turn, by chat and topic."""
        self.longest_wait_seconds = math.inf
        """A longer flood wait is ``ChatFoundLater``: for who has other chats to go on with."""

    def read_ahead(self, chat: Chat, after_id: int) -> Future[Sequence[HistoryEntry]]:
        offset_id = _first_asked_for(after_id)
        asked = in_thread(partial(self._answer_from, chat, offset_id), "page ahead")
        now = steady_seconds()
        # Those that nobody has taken are of no use any more.
        for key in [key for key, each in list(self._ahead.items()) if not each.serves(now)]:
            self._ahead.pop(key, None)
        self._ahead[chat.id, chat.topic_id] = _Ahead(offset_id, now, asked)

        def shown() -> Sequence[HistoryEntry]:
            newer = [each for each in asked.result().messages if each.id > after_id]
            return [entry for each in newer for entry in entries_of(each, chat.id)]

        return in_thread(shown, "what is in it")

    def newest_message_id(self, chat: Chat) -> int:
        newest_id = self._newest_shown(chat)
        self._newest_ids[chat.id, chat.topic_id] = max(newest_id, self._newest_known(chat))
        return newest_id

    def _newest_shown(self, chat: Chat) -> int:
        return newest_shown_id(partial(self._answer, chat))

    def _newest_known(self, chat: Chat) -> int:
        """The highest id that this reader was ever told as the newest."""
        return self._newest_ids.get((chat.id, chat.topic_id), 0)

    def totals(self, chat: Chat) -> ChatTotals:
        counters = self._counters(chat)
        visual_files = sum(c.count for c in counters if isinstance(c.filter, _VISUAL))
        other_files = sum(c.count for c in counters if not isinstance(c.filter, _VISUAL))
        samples = (
            (visual_files, self._sample(chat, raw.types.InputMessagesFilterPhotoVideo())),
            (other_files, self._sample(chat, raw.types.InputMessagesFilterDocument())),
        )
        return ChatTotals(
            files=visual_files + other_files,
            estimated_bytes=sum(
                files * sum(sizes) // len(sizes) for files, sizes in samples if sizes
            ),
            sampled_files=sum(len(sizes) for _, sizes in samples),
        )

    def counts(self, chat: Chat) -> dict[MediaType, int | None]:
        return {
            FILTERS[type(each.filter)]: None if each.inexact else int(each.count)
            for each in self._counters(chat)
            if type(each.filter) in FILTERS
        }

    def _counters(self, chat: Chat) -> Any:
        query = raw.functions.messages.GetSearchCounters(
            peer=self._chats.peer(chat),
            filters=[kind() for kind in FILTERS],
            top_msg_id=chat.topic_id or None,
        )
        return self._ask(chat, query)

    def _sample(self, chat: Chat, kind: raw.base.MessagesFilter) -> list[int]:
        """The sizes in bytes of the newest files of a kind, as many as one call gives."""
        found: Any = self._ask(
            chat,
            search(self._chats.peer(chat), kind, PAGE_MESSAGES, topic_id=chat.topic_id),
        )
        return [
            min(entry.size_bytes, LARGEST_FILE_BYTES)
            for message in found.messages
            for entry in entries_of(message, chat.id)
            if isinstance(entry, MediaItem)
        ]

    def last_id_before(self, chat: Chat, moment: datetime) -> int:
        seconds = int(moment.timestamp())
        before = newest_id(self._answer(chat, 1, offset_date=seconds).messages)
        return before or self._last_shown_before(chat, seconds)

    def _last_shown_before(self, chat: Chat, seconds: int) -> int:
        """The message right before that time is not shown, if there is one."""
        since = self._answer(
            chat, PAGE_MESSAGES, offset_date=seconds, add_offset=-PAGE_MESSAGES
        ).messages
        # Near the newest message there are older ones among them.
        before = [message for message in since if _date(message) < seconds]
        if before:
            return newest_id(before)
        steps = self._steps(chat, 0)
        last_id = min((message.id for message in since), default=self._newest_shown(chat) + 1) - 1
        while last_id > 0:
            window = steps.down(last_id, 1)
            before = [message for message in window.messages if _date(message) < seconds]
            if before:
                return newest_id(before)
            last_id = window.first_id - 1
        return 0

    def pages(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[HistoryPage]:
        for messages, ids, read_up_to_id in self._listed(chat, after_id, up_to_id, shard):
            yield self._page(chat, self._whole(chat, messages, ids), ids, read_up_to_id)

    def texts(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[list[TextMessage]]:
        for messages, ids, _ in self._listed(chat, after_id, up_to_id, shard):
            texts = (text_of(message) for message in messages if message.id in ids)
            yield [text for text in texts if text is not None]

    def _listed(self, chat: Chat, after_id: int, up_to_id: int, shard: Shard) -> Iterator[_Listed]:
        if _is_read_by_blocks(chat, shard):
            for each in self._blocks(chat, shard).upwards(after_id, up_to_id):
                yield each.messages, each, each.last_id
        else:
            for messages, ids in self._upwards(chat, after_id, up_to_id):
                yield messages, self._held(chat, shard, messages, ids), ids[-1]

    def _blocks(self, chat: Chat, shard: Shard) -> Blocks:
        return Blocks(
            shard,
            partial(self._seen_from, chat),
            partial(self._seen_below, chat),
            lambda looks: self._telegram.pause(LAG_PAUSES_SECONDS[looks]),
            self._newest_known(chat),
        )

    def _upwards(
        self, chat: Chat, after_id: int, up_to_id: int
    ) -> Iterator[tuple[Sequence[Any], range]]:
        """Messages, oldest first, and which ids among them the page is about."""
        steps = self._steps(chat, up_to_id)
        read_up_to_id = after_id
        offset_id = _first_asked_for(after_id)
        while read_up_to_id < up_to_id:
            window = steps.up(offset_id, up_to_id)
            messages: Sequence[Any] = window.messages
            last_id = window.last_id
            if last_id < END:
                cut = album_at_the_end(messages)
                if cut is not None and messages[cut].id > read_up_to_id + 1:
                    # It may be cut: the next page begins with it.
                    messages, last_id = messages[:cut], messages[cut].id - 1
            before_id = read_up_to_id
            read_up_to_id = min(up_to_id, last_id)
            offset_id = read_up_to_id + 1
            yield messages, range(before_id + 1, read_up_to_id + 1)

    def _steps(self, chat: Chat, up_to_id: int) -> Steps:
        return Steps(
            partial(self._window_from, chat, up_to_id), partial(self._window_below, chat, up_to_id)
        )

    def _window_from(self, chat: Chat, up_to_id: int, offset_id: int) -> Window:
        """What is shown from ``offset_id`` on; ``up_to_id`` is the last that is wanted."""

        def ends_too_early(window: Window) -> bool:
            missing = newest_id(window.messages) < up_to_id <= self._newest_known(chat)
            return missing and window.last_id >= up_to_id

        return self._caught_up(partial(self._seen_from, chat, offset_id), ends_too_early)

    def _seen_from(self, chat: Chat, offset_id: int) -> Window:
        answer = self._taken_ahead(chat, offset_id)
        if answer is None:
            answer = self._answer_from(chat, offset_id)
        found = answer.messages
        ends = len(found) < PAGE_MESSAGES and 0 < self._newest_known(chat) <= newest_id(found)
        return Window.upwards(found, offset_id, is_all=_is_all(answer), ends=ends)

    def _taken_ahead(self, chat: Chat, offset_id: int) -> Any:
        """``None`` where that was not asked for, or long ago, or has failed."""
        ahead = self._ahead.pop((chat.id, chat.topic_id), None)
        if ahead is None or ahead.offset_id != offset_id or not ahead.serves(steady_seconds()):
            return None
        return None if ahead.asked.exception() is not None else ahead.asked.result()

    def _answer_from(self, chat: Chat, offset_id: int) -> Any:
        # A negative add_offset turns the page upwards.
        return self._answer(chat, PAGE_MESSAGES, offset_id=offset_id, add_offset=-PAGE_MESSAGES)

    def _window_below(self, chat: Chat, up_to_id: int, offset_id: int) -> Window:
        """What is shown below ``offset_id``; ``up_to_id`` is the highest that is wanted."""

        def begins_too_late(window: Window) -> bool:
            return newest_id(window.messages) < up_to_id <= self._newest_known(chat) < offset_id

        return self._caught_up(partial(self._seen_below, chat, offset_id), begins_too_late)

    def _seen_below(self, chat: Chat, offset_id: int) -> Window:
        answer = self._answer(chat, PAGE_MESSAGES, offset_id=offset_id)
        return Window.downwards(answer.messages, offset_id)

    def _caught_up(self, look: Callable[[], Window], is_behind: Callable[[Window], bool]) -> Window:
        """What ``look`` sees; again after a while where that seems to be behind."""
        window = look()
        for pause_seconds in LAG_PAUSES_SECONDS:
            if not is_behind(window):
                break
            self._telegram.pause(pause_seconds)
            window = look()
        return window

    def pages_newest_first(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[HistoryPage]:
        for messages, ids, read_down_to_id in self._listed_down(chat, after_id, up_to_id, shard):
            yield self._page(chat, self._whole(chat, messages, ids), ids, read_down_to_id)

    def _listed_down(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard
    ) -> Iterator[_Listed]:
        if _is_read_by_blocks(chat, shard):
            for each in self._blocks(chat, shard).downwards(after_id, up_to_id):
                yield each.messages, each, each.first_id
        else:
            for messages, ids in self._downwards(chat, after_id, up_to_id):
                yield messages, self._held(chat, shard, messages, ids), ids[0]

    def _downwards(
        self, chat: Chat, after_id: int, up_to_id: int
    ) -> Iterator[tuple[Sequence[Any], range]]:
        steps = self._steps(chat, up_to_id)
        read_down_to_id = up_to_id + 1
        last_id = up_to_id + ALBUM_NEIGHBOURS
        while read_down_to_id > after_id + 1:
            window = steps.down(last_id, after_id + 1)
            messages: Sequence[Any] = window.messages[::-1]
            first_id = window.first_id
            if first_id > after_id + 1 or len(messages) >= PAGE_MESSAGES:
                cut = album_at_the_end(messages)
                if cut is not None and messages[cut].id < read_down_to_id - 1:
                    messages, first_id = messages[:cut], messages[cut].id + 1
            before_id = read_down_to_id
            read_down_to_id = max(after_id + 1, min(first_id, before_id))
            last_id = read_down_to_id - 1
            yield messages, range(read_down_to_id, before_id)

    def _page(
        self, chat: Chat, messages: Sequence[Any], ids: Container[int], read_up_to_id: int
    ) -> HistoryPage:
        page = _page(chat, messages, ids, read_up_to_id)
        return replace(page, entries=tuple(self._named(chat, page.entries)))

    def _named(self, chat: Chat, entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
        topic_ids = self._names.unknown_topics(chat.id, entries) if self._names_topics else []
        for start in range(0, len(topic_ids), PAGE_MESSAGES):
            asked = topic_ids[start : start + PAGE_MESSAGES]
            self._names.learn_topics(chat.id, asked, self._topics(chat, asked))
        return self._names.named(chat.id, entries)

    def _topics(self, chat: Chat, topic_ids: list[int]) -> Sequence[Any]:
        query = raw.functions.messages.GetForumTopicsByID(
            peer=self._chats.peer(chat), topics=topic_ids
        )
        try:
            answer: Any = self._ask(chat, query)
        except ChatUnreadable as error:
            if isinstance(error.__cause__, ChannelForumMissing):  # a forum that is none any more
                return ()
            raise
        found: Sequence[Any] = answer.topics
        return found

    def fetch(
        self, chat: Chat, message_ids: Sequence[int], shard: Shard = WHOLE
    ) -> list[HistoryEntry]:
        if chat.comments_on_id is None:
            message_ids = [each for each in message_ids if shard.holds(each)]
        return self._with_albums(chat, self._entries(chat, message_ids, shard))

    def _entries(
        self, chat: Chat, message_ids: Sequence[int], shard: Shard = WHOLE
    ) -> list[HistoryEntry]:
        entries: list[HistoryEntry] = []
        for start in range(0, len(message_ids), PAGE_MESSAGES):
            wanted_ids = message_ids[start : start + PAGE_MESSAGES]
            answer: Any = self._read(chat, self._chats.get_messages(chat, wanted_ids))
            there = [each for each in answer.messages if self._chats.belongs(each, chat)]
            others = {each.id for each in there if not self._is_own(chat, shard, each)}
            wanted_ids = [each for each in wanted_ids if each not in others]
            found = {
                message.id: entries_of(message, chat.id)
                for message in self._whole(chat, there, wanted_ids)
            }
            for message_id in wanted_ids:
                key = MessageKey(chat.id, 0, message_id)
                entries.extend(found.get(message_id) or [SkippedItem(key, DELETED)])
        return self._named(chat, entries)

    def fetch_by_key(self, key: MessageKey) -> HistoryEntry:
        """This file of a message as it is now, of a chat that this run has resolved."""
        entries = self._entries(self._chats.known(key.chat_id), [key.message_id])
        same = (entry for entry in entries if entry.key.index == key.index)
        return next(same, SkippedItem(key, DELETED))

    def _with_albums(self, chat: Chat, entries: list[HistoryEntry]) -> list[HistoryEntry]:
        """The entries with the captions of their albums, for which the neighbours are asked for."""
        known_ids = {entry.key.message_id for entry in entries}
        neighbour_ids = {
            message_id
            for entry in entries
            if isinstance(entry, MediaItem) and entry.details.album_id is not None
            for message_id in range(
                entry.message_id - ALBUM_NEIGHBOURS, entry.message_id + ALBUM_NEIGHBOURS + 1
            )
            if message_id > 0
        }
        neighbours = self._entries(chat, sorted(neighbour_ids - known_ids))
        return with_album_captions([*entries, *neighbours])[: len(entries)]

    def _whole(
        self, chat: Chat, messages: Sequence[Any], wanted_ids: Container[int]
    ) -> Sequence[Any]:
        """The same, and the whole of long ones of which a page tells a part: one call for each. One
        that Telegram refuses stays as it is, and is asked for again by every run."""
        return [
            self._whole_message(chat, each) if _is_in_part(each) and each.id in wanted_ids else each
            for each in messages
        ]

    def _whole_message(self, chat: Chat, message: Any) -> Any:
        query = raw.functions.messages.GetRichMessage(peer=self._chats.peer(chat), id=message.id)
        answer: Any = self._ask(chat, query, if_refused=message)
        found = (each for each in getattr(answer, "messages", ()) if each.id == message.id)
        return next(found, message)

    def holds(self, chat: Chat, shard: Shard, message_id: int) -> bool:
        return shard.holds(message_id) != (message_id in self._elsewhere[chat.id, shard])

    def _held(
        self, chat: Chat, shard: Shard, messages: Sequence[Any], ids: Container[int]
    ) -> Container[int]:
        """Which of these messages the shard has of a chat that is read as a whole."""
        if shard.is_whole:
            return ids
        return {each.id for each in messages if each.id in ids and self._is_own(chat, shard, each)}

    def _is_own(self, chat: Chat, shard: Shard, message: Any) -> bool:
        """A comment goes with its post, and so do all that answer it: with the copy of the post
        that they stand under in their group. Which it is they say themselves, for ever, whatever
        is deleted: so no two shards disagree."""
        is_own = shard.holds(message.id if chat.comments_on_id is None else post_of(message))
        if is_own != shard.holds(message.id) and getattr(message, "media", None) is not None:
            self._elsewhere[chat.id, shard].add(message.id)
        return is_own

    def _answer(self, chat: Chat, limit: int, **where: int) -> Any:
        query = history(self._chats.peer(chat), limit, topic_id=chat.topic_id, **where)
        return self._read(chat, query)

    def _read(self, chat: Chat, query: TLObject[Any]) -> Any:
        answer = self._read_in_takeout(chat, query)
        self._names.learn(answer)
        return answer

    def _read_in_takeout(self, chat: Chat, query: TLObject[Any]) -> Any:
        try:
            return self._ask(chat, self._takeout.wrapped(query))
        except TakeoutEnded:
            self._takeout.is_over()
            return self._ask(chat, query)

    def _ask(self, chat: Chat, query: TLObject[Any], if_refused: Any = None) -> Any:
        """``if_refused`` is returned, if there is one, where this call fails and speaks of no more
        than itself."""
        named, title = _named(chat)
        try:
            return self._telegram.call(query, _READING, self.longest_wait_seconds)
        except TakeoutInvalid as error:
            raise TakeoutEnded(_READING, error_name(error)) from error
        except RPCError as error:
            seconds = flood_wait_seconds(error)
            if seconds is not None:
                raise ChatFoundLater(named, seconds, title) from error
            if if_refused is not None and refusals.concern_of(error) in _OF_THE_CALL_ALONE:
                return if_refused
            raise self._refused(chat, error) from error
        except NetworkUnreachable as error:
            raise refusals.unreadable_now(named, title, str(error)) from error

    @staticmethod
    def _refused(chat: Chat, error: RPCError) -> TdlSyncError:
        named, title = _named(chat)
        if isinstance(error, (MsgIdInvalid, TopicIdInvalid)) and chat.topic_id:
            return ChatUnreadable(
                named,
                f"it has no topic {chat.topic_id}",
                "A topic's id is the number in its link, after that of the chat.",
                title,
            )
        return refusals.of_chat(named, title, error, _READING)


def _named(chat: Chat) -> tuple[str, str]:
    return chat.asked_as or chat.title, chat.title if chat.asked_as else ""


def _is_in_part(message: Any) -> bool:
    rich = getattr(message, "rich_message", None)
    return isinstance(rich, raw.types.RichMessage) and bool(rich.part)


def _page(
    chat: Chat, messages: Sequence[Any], ids: Container[int], read_up_to_id: int
) -> HistoryPage:
    """The page of those messages whose ids are in ``ids``; the others are there to be looked at."""
    described = with_album_captions(
        entry for message in messages for entry in entries_of(message, chat.id)
    )
    kinds = ((each.id, kind_of(each)) for each in messages if each.id in ids)
    return HistoryPage(
        tuple(entry for entry in described if entry.key.message_id in ids),
        sum(message.id in ids for message in messages),
        read_up_to_id,
        tuple((message_id, kind) for message_id, kind in kinds if kind is not None),
    )


def _date(message: Any) -> int:
    """What is empty has none, and is as good as the newest."""
    return int(getattr(message, "date", END))


def _is_all(answer: Any) -> bool:
    """Only what is not all there is comes as a slice, or as a channel's."""
    return isinstance(answer, raw.types.messages.Messages)


def _first_asked_for(after_id: int) -> int:
    """The messages before tell the caption of an album that the last run has broken off in."""
    return max(after_id + 1 - ALBUM_NEIGHBOURS, 1)


def _is_read_by_blocks(chat: Chat, shard: Shard) -> bool:
    """Comments are not: whatever its post, one may be anywhere behind it."""
    return not shard.is_whole and chat.comments_on_id is None
