"""Parts of a chat of any shape, read one by one, are the chat: the real reader, answered by the
stand-in's own calls, without a connection between them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrogram import raw

import standins.telegram.server  # noqa: F401  which registers what answers
from standins.shaping import Shaping
from standins.telegram.calls.rpc import Call, handler_of
from standins.telegram.service.faults import Faults
from standins.telegram.service.service import Service
from standins.telegram.world.plan import DELETED, FilePlan, MessagePlan
from standins.telegram.world.world import Account, World
from tdl_sync.core import shards
from tdl_sync.core.model import Chat, HistoryEntry, HistoryPage, MediaItem
from tdl_sync.core.shards import BLOCK_MESSAGES, WHOLE, Shard
from tdl_sync.options.chat_spelling import ByUsername
from tdl_sync.telegram.messages.chats import ChatBook
from tdl_sync.telegram.messages.history import TelegramChatReader
from tdl_sync.telegram.session.client import TelegramClient

FIRST_DATE = 1_600_000_000
UPWARDS = [(1, -100, 100), (161, -100, 100), (254, -100, 100)]
DOWNWARDS = [(318, 0, 100), (213, 0, 100), (113, 0, 100)]
RESUMED = [(131, -100, 100), (231, -100, 100)]
"""Literally what was asked for, by offset_id, add_offset and limit."""

NAME = "drawn_by_dice"
TEXT, FILE = "text", "document"


@dataclass(frozen=True)
class Drawn:
    """A chat's history, each id's: what it holds, and to which album it belongs."""

    held: tuple[str, ...]
    albums: tuple[int | None, ...] = ()
    withheld: frozenset[int] = frozenset()
    as_empty: bool = False

    @property
    def newest_id(self) -> int:
        return len(self.held)

    def kinds(self) -> list[str]:
        return list(self.held)

    def kind(self, message_id: int) -> str:
        return self.held[message_id - 1]

    def date(self, message_id: int) -> int:
        return FIRST_DATE + message_id

    def plan(self, message_id: int) -> MessagePlan:
        kind, album = self.kind(message_id), self.albums[message_id - 1] if self.albums else None
        file = FilePlan("document", 10, f"{message_id}.bin", "text/plain", 2)
        # Any file of an album may have a caption, and each of them has those of all.
        text = f"{message_id}" if message_id % 3 else ""
        return MessagePlan(kind, self.date(message_id), text, file if kind == FILE else None, album)

    def without_the_newest(self, messages: int) -> Drawn:
        return Drawn(self.held[:-messages], self.albums[:-messages], self.withheld, self.as_empty)

    def world(self) -> World:
        account = Account(5, 6, "Ada", "ada", "15550", None, "1", premium=False)
        world = World(seed=7, account=account)
        chat_id = -(10**12 + 77)
        chat = world.add(
            chat_id=chat_id, kind="supergroup", title="Drawn", recipe=self, username=NAME
        )
        chat.withheld, chat.withheld_as_empty = self.withheld, self.as_empty
        return world


def dense(messages: int, kind: str = TEXT) -> Drawn:
    return Drawn((kind,) * messages)


@dataclass
class Telegram:
    """Answers as the stand-in does. ``lags``: the first so many answers are of a server that does
    not know the newest messages yet."""

    drawn: Drawn
    lags: int = 0
    unknown: int = 0
    asked: list[tuple[int, int, int]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    asked_by_id: int = 0
    account_id: int = 5

    def __post_init__(self) -> None:
        self._up_to_date = self._service(self.drawn)

    def check_account(self) -> None:
        """The session counts."""

    @property
    def world(self) -> World:
        return self._up_to_date.world

    def _service(self, drawn: Drawn) -> Service:
        return Service(drawn.world(), Faults(), Shaping())

    def call(self, query: Any, doing: str, longest_wait_seconds: float = 0.0) -> Any:
        service = self._up_to_date
        if isinstance(query, raw.functions.messages.GetHistory):
            self.asked.append((query.offset_id, query.add_offset, query.limit))
            if self.lags > 0 and query.limit > 1:
                self.lags -= 1
                service = self._service(self.drawn.without_the_newest(self.unknown))
        if isinstance(query, raw.functions.channels.GetMessages):
            self.asked_by_id += 1
        registered = handler_of(query)
        assert registered is not None
        return registered.handler(Call(service, 2, cast(Any, None), cast(Any, None)), query)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Scene:
    def __init__(self, drawn: Drawn, *, lags: int = 0, unknown: int = 0) -> None:
        self.telegram = Telegram(drawn, lags, unknown)
        client = cast(TelegramClient, self.telegram)
        chats = ChatBook(client)
        self.chat: Chat = chats.resolve(ByUsername(NAME))
        self.reader = TelegramChatReader(client, chats)

    def pages(
        self, after_id: int, up_to_id: int, shard: Shard = WHOLE, *, newest_first: bool = False
    ) -> list[HistoryPage]:
        """What was read, with what every page promises."""
        reader = self.reader
        listing = reader.pages_newest_first if newest_first else reader.pages
        pages = list(listing(self.chat, after_id, up_to_id, shard))
        edge_id = up_to_id + 1 if newest_first else after_id
        for page in pages:
            here = sorted((edge_id, page.read_up_to_id))
            ids = [entry.key.message_id for entry in page.entries]
            assert here[0] < here[1]
            assert all(here[0] - newest_first < each <= here[1] - newest_first for each in ids)
            edge_id = page.read_up_to_id
        assert edge_id == (after_id + 1 if newest_first else up_to_id) or up_to_id <= after_id
        return pages


@dataclass(frozen=True)
class Read:
    """All that pages say, whatever pages there are."""

    entries: list[tuple[HistoryEntry, object]]
    kinds: Counter[Any]
    messages: int

    @classmethod
    def of(cls, pages: Sequence[HistoryPage]) -> Read:
        return cls(
            sorted(
                ((each, getattr(each, "details", None)) for page in pages for each in page.entries),
                key=lambda each: each[0].key,
            ),
            Counter(kind for page in pages for kind in page.kinds),
            sum(page.messages for page in pages),
        )


@st.composite
def histories(draw: st.DrawFn) -> Drawn:
    """Stretches of talk, of files, of albums and of nothing, side by side or far apart, some of
    them withheld or with holes."""
    held, albums, withheld = list[str](), list[int | None](), set[int]()
    album_ids = itertools.count(1)
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from([TEXT, FILE, "albums", "albums", DELETED]))
        length = draw(st.sampled_from([1, 3, 10, 99, 100, 101, 240]))
        apart = draw(st.sampled_from([1, 1, 1, 2, 40])) if kind in (TEXT, FILE) else 1
        every = draw(st.sampled_from([0, 0, 0, 1, 4, 37]))
        first_id = len(held) + 1
        if kind == "albums":
            files = draw(st.integers(2, 10))
            for start in range(0, length, files):
                album_id = next(album_ids)
                albums += [album_id] * min(files, length - start)
            held += [FILE] * length
            if draw(st.booleans()):
                hole = draw(st.integers(2, 9))
                for each in range(hole, length, hole + files):
                    held[first_id - 1 + each] = DELETED
        else:
            for _ in range(length):
                held += [kind, *[DELETED] * (apart - 1)]
            albums += [None] * (len(held) - len(albums))
        withheld.update(range(first_id, len(held) + 1, every) if every else ())
    return Drawn(tuple(held), tuple(albums), frozenset(withheld), draw(st.booleans()))


@settings(deadline=None, max_examples=30)
@given(histories(), st.integers(2, 5), st.sampled_from([20, 70, 330]), st.booleans(), st.data())
def test_the_parts_of_a_chat_are_the_chat_and_none_of_it_twice(
    drawn: Drawn, count: int, block_messages: int, newest_first: bool, data: st.DataObject
) -> None:
    """Files with their names and captions, messages by kind; from the beginning or from any message
    on, from either end."""
    scene = Scene(drawn)
    newest_id = scene.reader.newest_message_id(scene.chat)
    after_id = data.draw(st.sampled_from([0, 0, newest_id // 3]))
    whole = Read.of(scene.pages(after_id, newest_id))
    with mock.patch.object(shards, "BLOCK_MESSAGES", block_messages):
        parts = [Shard(number, count) for number in range(1, count + 1)]
        pages = [
            scene.pages(after_id, newest_id, each, newest_first=newest_first) for each in parts
        ]
    assert Read.of([page for of_part in pages for page in of_part]) == whole
    for part, of_part in zip(parts, pages, strict=True):
        with mock.patch.object(shards, "BLOCK_MESSAGES", block_messages):
            assert all(part.holds(entry.key.message_id) for p in of_part for entry in p.entries)


@pytest.mark.parametrize("newest_first", [False, True])
def test_an_album_of_which_a_page_shows_one_message_and_nothing_else_keeps_its_captions(
    newest_first: bool,
) -> None:
    """All before it on the page, of a hundred ids, is withheld."""
    texts = [TEXT] * 99
    held = (*texts, *[FILE] * 5, *texts)
    scene = Scene(
        Drawn(
            held,
            (*[None] * 99, *[1] * 5, *[None] * 99),
            frozenset({*range(1, 100), *range(105, 204)}),
        )
    )
    read = Read.of(scene.pages(0, 203, newest_first=newest_first))
    captions = [cast(MediaItem, entry).details.album_caption for entry, _ in read.entries]
    told = ["100", "101", "103", "104"]
    assert captions == [
        "\n".join(text for text in told if text != str(message_id))
        for message_id in range(100, 105)
    ]


@pytest.mark.parametrize("count", [2, 3])
def test_the_texts_of_the_parts_are_those_of_the_chat(count: int) -> None:
    scene = Scene(Drawn((TEXT,) * 150 + (DELETED,) * 90 + (TEXT, FILE) * 100))

    def texts(shard: Shard) -> list[int]:
        found = itertools.chain(*scene.reader.texts(scene.chat, 3, 440, shard))
        return [text.message_id for text in found]

    with mock.patch.object(shards, "BLOCK_MESSAGES", 50):
        of_parts = [texts(Shard(number, count)) for number in range(1, count + 1)]
    assert all(of_parts)
    assert sorted(itertools.chain(*of_parts)) == texts(WHOLE)


def test_without_parts_each_request_is_what_it_was_before_there_were_any() -> None:
    """A chat with a gap, withheld messages, an album where a page ends, and a newest one that is
    not shown."""
    held = (TEXT,) * 40 + (DELETED,) * 60 + (FILE,) * 150 + (TEXT,) * 59
    albums = (None,) * 206 + (3,) * 6 + (None,) * 41 + (4,) * 8 + (None,) * 48
    scene = Scene(Drawn(held, albums, frozenset({*range(150, 160), 309})))
    reader, asked = scene.reader, scene.telegram.asked
    assert reader.newest_message_id(scene.chat) == 308
    assert asked == [(0, 0, 1), (0, 0, 100)]
    for listing, after_id, requests in (
        (reader.pages, 0, UPWARDS),
        (reader.texts, 0, UPWARDS),
        (reader.pages_newest_first, 0, DOWNWARDS),
        (reader.pages, 139, RESUMED),
    ):
        asked.clear()
        assert list(listing(scene.chat, after_id, 308))
        assert asked == requests


@pytest.mark.parametrize("newest_first", [False, True])
def test_an_album_of_ten_at_the_very_end_of_a_page_keeps_its_caption(newest_first: bool) -> None:
    """Of a whole chat: it is complete, and not divided."""
    edge = 120 if newest_first else 90
    albums = (None,) * edge + (1,) * 10 + (None,) * (220 - edge - 10)
    scene = Scene(Drawn((FILE,) * 220, albums))
    pages = scene.pages(0, 211 if newest_first else 220, newest_first=newest_first)
    captions = captions_of(pages)
    assert all(captions[each] for each in range(edge + 1, edge + 11))


def captions_of(pages: Sequence[HistoryPage]) -> dict[int, str]:
    entries = [entry for page in pages for entry in page.entries if isinstance(entry, MediaItem)]
    return {entry.message_id: entry.details.album_caption for entry in entries}


# What it costs


def test_a_full_block_takes_eleven_calls_at_most_and_four_parts_a_tenth_more_than_the_chat() -> (
    None
):
    """Albums over all edges, of blocks and of pages alike: the dearest case."""
    messages = 8 * BLOCK_MESSAGES
    albums = tuple((each + 3) // 7 + 1 for each in range(messages))
    for scene in (Scene(dense(messages)), Scene(Drawn((FILE,) * messages, albums))):
        asked = scene.telegram.asked
        scene.pages(0, messages)
        whole = len(asked)
        for newest_first in (False, True):
            calls = []
            for number in range(1, 5):
                asked.clear()
                scene.pages(0, messages, Shard(number, 4), newest_first=newest_first)
                calls.append(len(asked))
            assert max(calls) <= 2 * 11
            assert sum(calls) <= 1.1 * whole


@pytest.mark.parametrize("newest_first", [False, True])
def test_blocks_of_which_nothing_is_shown_are_passed_by_with_one_look(newest_first: bool) -> None:
    """Three hundred thousand ids are gone, as where a channel was emptied."""
    scene = Scene(Drawn((TEXT,) * 500 + (DELETED,) * 300_000 + (TEXT,) * 500))
    for number in range(1, 5):
        scene.telegram.asked.clear()
        scene.pages(0, 301_000, Shard(number, 4), newest_first=newest_first)
        assert len(scene.telegram.asked) <= (5 + 1 + 5 + 1 if number == 1 else 3)


def test_few_messages_in_many_blocks_are_not_asked_for_block_by_block() -> None:
    """As in a group, whose ids are those of all the account's chats: a page spans twenty blocks,
    and each part has some of it."""
    scene = Scene(Drawn((TEXT, *[DELETED] * 199) * 1000))
    for number in range(1, 5):
        scene.telegram.asked.clear()
        pages = scene.pages(0, 200_000, Shard(number, 4))
        assert sum(page.messages for page in pages) == 250
        assert len(scene.telegram.asked) <= 10 + 2


def test_where_a_part_has_no_block_it_has_read_all_without_a_call() -> None:
    """Its place among the messages moves on all the same."""
    scene = Scene(dense(900))
    for newest_first, edge_id in ((False, 900), (True, 101)):
        (page,) = scene.pages(100, 900, Shard(2, 2), newest_first=newest_first)
        assert (page.entries, page.messages, page.read_up_to_id) == ((), 0, edge_id)
    assert scene.telegram.asked == []
    assert scene.pages(900, 900, Shard(1, 2)) == []


# Where a block ends


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("of_whom", [1500, 2100])
def test_a_server_that_lags_behind_at_the_edge_of_a_block_loses_no_message(
    of_whom: int, newest_first: bool
) -> None:
    """The newest of all or not: nobody else reads this block."""
    scene = Scene(dense(of_whom, FILE))
    newest_id = scene.reader.newest_message_id(scene.chat)
    whole = min(newest_id, 2000)
    for lags in (1, 2) if not newest_first else (1,):
        scene.telegram.lags, scene.telegram.unknown = 0, of_whom - whole + 3
        pages = scene.reader.pages_newest_first if newest_first else scene.reader.pages
        listing = pages(scene.chat, whole - 10, newest_id, Shard(2, 2))
        scene.telegram.lags = lags
        ids = [entry.key.message_id for page in listing for entry in page.entries]
        assert sorted(ids) == [*range(max(1001, whole - 9), whole + 1)]
        assert len(scene.telegram.pauses) > 0 or newest_first


@pytest.mark.parametrize("newest_first", [False, True])
def test_at_the_end_of_a_block_of_which_nothing_is_shown_it_is_looked_twice_and_no_more(
    newest_first: bool,
) -> None:
    withheld = frozenset(range(1850, 2150))
    scene = Scene(Drawn((FILE,) * 3000, (None,) * 3000, withheld))
    pages = scene.pages(1700, 3000, Shard(2, 3), newest_first=newest_first)
    assert sum(page.messages for page in pages) == 149
    assert scene.telegram.pauses == []
    assert len(scene.telegram.asked) <= 10


@pytest.mark.parametrize("newest_first", [False, True])
def test_an_album_over_the_edge_of_two_parts_costs_no_call_of_its_own(newest_first: bool) -> None:
    """Over the edge of a page, too; and all its files have its caption, in the same words."""
    albums: list[int | None] = [None] * 2000
    for start in (94, 394, 995, 1089, 1700):
        albums[start : start + 9] = [start] * 9
    scene = Scene(Drawn((FILE,) * 2000, tuple(albums)))
    whole = captions_of(scene.pages(0, 2000))
    assert sum(map(bool, whole.values())) == 5 * 9
    parts = {}
    for number in (1, 2):
        scene.telegram.asked.clear()
        pages = scene.pages(0, 2000, Shard(number, 2), newest_first=newest_first)
        parts.update(captions_of(pages))
        assert len(scene.telegram.asked) <= 11
    assert parts == whole


def test_an_album_whose_ids_lie_far_apart_is_whole_in_either_part() -> None:
    """As in a group: between its files others have written, elsewhere."""
    held = [DELETED] * 3000
    albums: list[int | None] = [None] * 3000
    for each in (900, 940, 980, 1020, 1060):
        held[each - 1], albums[each - 1] = FILE, 1
    held[2998] = held[1999] = TEXT
    scene = Scene(Drawn(tuple(held), tuple(albums)))
    whole = captions_of(scene.pages(0, 2999))
    for newest_first in (False, True):
        parts = {}
        for number in (1, 2):
            found = scene.pages(0, 2999, Shard(number, 2), newest_first=newest_first)
            parts.update(captions_of(found))
        assert parts == whole
    assert captions_of(scene.pages(980, 2999, Shard(2, 2))) == {
        each: whole[each] for each in (1020, 1060)
    }


def test_what_comes_later_falls_to_the_part_that_holds_it() -> None:
    """As for who stays with a chat and reads what is new: one part has it, at once."""
    scene = Scene(dense(2003, FILE))
    for up_to_id, later_id, number in ((998, 1000, 1), (1000, 1002, 2), (2000, 2003, 1)):
        found = {
            each: [
                e.key.message_id
                for page in scene.pages(up_to_id, later_id, Shard(each, 2))
                for e in page.entries
            ]
            for each in (1, 2)
        }
        assert found == {number: [*range(up_to_id + 1, later_id + 1)], 3 - number: []}


# Comments


def comment(scene: Scene, answers: int | None = None) -> int:
    file = FilePlan("document", 10, "a.bin", "text/plain", 2)
    return scene.telegram.world.source.append(file=file, answers=answers)


def ids_of(entries: Iterable[HistoryEntry]) -> list[int]:
    return [entry.key.message_id for entry in entries]


@pytest.mark.parametrize("newest_first", [False, True])
def test_comments_go_with_the_post_that_they_stand_under_whenever_they_come(
    newest_first: bool,
) -> None:
    """Answers to comments, too, and whatever is deleted above them; what answers nothing goes with
    its own block."""
    scene = Scene(dense(2500))
    source = scene.telegram.world.source
    under_first = [comment(scene, 10), comment(scene, 10)]
    under_second = [comment(scene, 1010)]
    under_first.append(comment(scene, under_first[0]))
    under_first.append(comment(scene, under_first[-1]))
    under_second.append(comment(scene, under_second[0]))
    of_its_own = comment(scene)
    assert Shard(1, 2).holds(of_its_own)
    source.delete([10, under_first[0]])
    wanted = {1: [*under_first[1:], of_its_own], 2: under_second}
    chat = replace(scene.chat, comments_on_id=-1001)
    for number in (1, 2):
        shard = Shard(number, 2)
        listing = scene.reader.pages_newest_first if newest_first else scene.reader.pages
        pages = list(listing(chat, 0, source.newest_id(), shard))
        assert sorted(ids_of(e for page in pages for e in page.entries)) == wanted[number]
        assert pages[-1].read_up_to_id == (1 if newest_first else source.newest_id())
        found = scene.reader.fetch(chat, [*under_first[1:], *under_second, of_its_own], shard)
        assert ids_of(found) == wanted[number]
        assert sum(page.messages for page in pages) < source.newest_id() - 900


def test_of_messages_by_id_a_part_has_its_own_alone() -> None:
    scene = Scene(dense(2500, FILE))
    scene.telegram.world.source.delete([7, 1007])
    found = scene.reader.fetch(scene.chat, [5, 7, 999, 1001, 1007, 2001, 2400], Shard(1, 2))
    assert ids_of(found) == [5, 7, 999, 2001, 2400]
    assert ids_of(scene.reader.fetch(scene.chat, [5, 1001])) == [5, 1001]
    assert scene.telegram.asked_by_id == 2
    assert scene.reader.fetch(scene.chat, [1001], Shard(1, 2)) == []
    assert scene.telegram.asked_by_id == 2
