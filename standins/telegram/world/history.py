"""The messages of one chat, as plans: what it starts with and what was changed since."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyrogram import raw

from .content import FilePlace
from .id_sequence import LiveIds
from .plan import DELETED, FilePlan, MessagePlan, Recipe

Entities = tuple[raw.base.MessageEntity, ...]

FILTER_KINDS: dict[type, frozenset[str]] = {
    raw.types.InputMessagesFilterPhotos: frozenset({"photo"}),
    raw.types.InputMessagesFilterVideo: frozenset({"video"}),
    raw.types.InputMessagesFilterPhotoVideo: frozenset({"photo", "video"}),
    raw.types.InputMessagesFilterDocument: frozenset({"document"}),
    raw.types.InputMessagesFilterMusic: frozenset({"audio"}),
    raw.types.InputMessagesFilterVoice: frozenset({"voice"}),
    raw.types.InputMessagesFilterRoundVideo: frozenset({"video_note"}),
    raw.types.InputMessagesFilterRoundVoice: frozenset({"voice", "video_note"}),
    raw.types.InputMessagesFilterGif: frozenset({"animation"}),
    raw.types.InputMessagesFilterUrl: frozenset({"link", "web_page"}),
    raw.types.InputMessagesFilterPoll: frozenset({"poll"}),
    raw.types.InputMessagesFilterGeo: frozenset({"geo"}),
    raw.types.InputMessagesFilterContacts: frozenset({"contact"}),
    raw.types.InputMessagesFilterChatPhotos: frozenset(),
    raw.types.InputMessagesFilterPhoneCalls: frozenset(),
    raw.types.InputMessagesFilterMyMentions: frozenset(),
}


@dataclass(frozen=True)
class Edit:
    text: str
    entities: Entities
    date: int


@dataclass(frozen=True)
class Appended:
    """A message that is no part of the recipe; `forward` is where it came from, if elsewhere.

    `topic_id` is the first message of the forum's topic that it is in, `sender` who sent it if
    not the account. `place` is where its file is kept, if that came with another message.
    `answers` is the message that it answers.
    """

    plan: MessagePlan
    entities: Entities
    forward: raw.types.MessageFwdHeader | None
    topic_id: int | None = None
    sender: raw.base.Peer | None = None
    place: FilePlace | None = None
    answers: int | None = None


class History:
    """Only edited, deleted and appended messages are stored. Not thread-safe: `Channel` locks."""

    def __init__(self, recipe: Recipe | None) -> None:
        self._recipe = recipe
        self.appended: dict[int, Appended] = {}
        self.edits: dict[int, Edit] = {}
        self.pinned: set[int] = set()
        self.replaced: dict[int, tuple[FilePlan, ...]] = {}
        """The files of messages that were edited to hold another, the present one at last."""
        self.bought: set[int] = set()
        """The messages whose paid media the account has bought."""
        self._ids_by_filter: dict[type, list[int]] = {}
        gaps = [] if recipe is None else _positions(recipe.kinds(), frozenset({DELETED}))
        self.ids = LiveIds(0 if recipe is None else recipe.newest_id, gaps)

    def newest_id(self) -> int:
        return self.ids.nth(len(self.ids) - 1) if len(self.ids) else 0

    def plan(self, message_id: int) -> MessagePlan:
        """KeyError for an id where no message ever was; deleted later does not matter."""
        plan = self.first_plan(message_id)
        if message_id in self.replaced:
            file = self.replaced[message_id][-1]
            return replace(plan, kind=file.kind, file=file, envelope=None)
        return plan

    def edition(self, message_id: int) -> int:
        """How often the message was edited to hold another file."""
        return len(self.replaced.get(message_id, ()))

    def first_plan(self, message_id: int) -> MessagePlan:
        """The message as it was posted: the file that it held then can still be had."""
        if message_id in self.appended:
            return self.appended[message_id].plan
        if self._recipe is None or not 1 <= message_id <= self._recipe.newest_id:
            raise KeyError(message_id)
        if self._recipe.kind(message_id) == DELETED:
            raise KeyError(message_id)
        return self._recipe.plan(message_id)

    def thread(self, message_id: int) -> int:
        """The message that began what this one belongs to: itself, if it answers none."""
        while (message := self.appended.get(message_id)) is not None and message.answers:
            message_id = message.answers
        return message_id

    def other_place(self, message_id: int) -> FilePlace | None:
        """Where the message's file is kept, if it came with another message."""
        appended = self.appended.get(message_id)
        return None if appended is None or message_id in self.replaced else appended.place

    def date(self, message_id: int) -> int:
        if message_id in self.appended:
            return self.appended[message_id].plan.date
        assert self._recipe is not None
        return self._recipe.date(message_id)

    def text(self, message_id: int) -> tuple[str, Entities]:
        if message_id in self.edits:
            return self.edits[message_id].text, self.edits[message_id].entities
        if message_id in self.appended:
            return self.appended[message_id].plan.text, self.appended[message_id].entities
        plan = self.plan(message_id)
        return plan.text, _link_entities(plan)

    def append(self, message_id: int, message: Appended) -> None:
        self.appended[message_id] = message
        self.ids.append(message_id)
        self._ids_by_filter.clear()

    def delete(self, message_id: int) -> None:
        self.ids.delete(message_id)
        self.pinned.discard(message_id)
        self._ids_by_filter.clear()

    def replace_file(self, message_id: int, file: FilePlan) -> None:
        self.replaced[message_id] = (*self.replaced.get(message_id, ()), file)
        self._ids_by_filter.clear()

    def first_id_from(self, date: int) -> int:
        """The oldest message that is not older than `date`, 0 when all are."""
        lowest, highest = 0, len(self.ids)
        while lowest < highest:
            middle = (lowest + highest) // 2
            if self.date(self.ids.nth(middle)) >= date:
                highest = middle
            else:
                lowest = middle + 1
        return self.ids.nth(lowest) if lowest < len(self.ids) else 0

    def matching(self, filter_type: type, query: str) -> Sequence[int]:
        """The ids, ascending, that a filter and all words of `query` (by their starts) find.

        KeyError for an unknown filter. Searching for words reads every message of the filter.
        """
        ids = self._ids_for(filter_type)
        if not query:
            return ids
        words = _words(query)
        return [i for i in ids if words and _holds_words(self.text(i)[0], words)]

    def _ids_for(self, filter_type: type) -> Sequence[int]:
        if filter_type is raw.types.InputMessagesFilterPinned:
            return sorted(self.pinned)
        if filter_type is raw.types.InputMessagesFilterEmpty:
            return list(self.ids)
        if filter_type not in self._ids_by_filter:
            kinds = FILTER_KINDS[filter_type]
            started = [] if self._recipe is None else _positions(self._recipe.kinds(), kinds)
            unchanged = (i for i in started if i not in self.replaced)
            others = {*self.appended, *self.replaced}
            found = [*unchanged, *(i for i in others if self.plan(i).counted_as & kinds)]
            self._ids_by_filter[filter_type] = sorted(i for i in found if i in self.ids)
        return self._ids_by_filter[filter_type]


_URL = re.compile(r"https?://\S+")


def _link_entities(plan: MessagePlan) -> tuple[raw.base.MessageEntity, ...]:
    """Telegram marks links by offset and length in UTF-16 units."""
    if plan.kind not in ("link", "web_page"):
        return ()
    return tuple(
        raw.types.MessageEntityUrl(
            offset=_utf16_units(plan.text[: found.start()]), length=_utf16_units(found.group())
        )
        for found in _URL.finditer(plan.text)
    )


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _positions(kinds: Sequence[str], wanted: frozenset[str]) -> list[int]:
    return [index for index, kind in enumerate(kinds, 1) if kind in wanted]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _holds_words(text: str, wanted: Sequence[str]) -> bool:
    words = _words(text)
    return all(any(word.startswith(start) for word in words) for start in wanted)
