"""What every reader of a chat promises: the real one, over TCP to a stand-in, and the fake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from standins.telegram.world.world import World
from tdl_sync.core.errors import ChatUnreadable, CredentialsRefused
from tdl_sync.core.model import Chat, ChatKind, HistoryPage, MediaItem, MessageKey, SkippedItem
from tdl_sync.core.ports import ChatReader
from tdl_sync.core.shards import Shard
from tdl_sync.telegram.messages import history
from tests.connected import ConnectedTelegram, ConnectTelegram
from tests.fakes.chat import FakeChatReader
from tests.fakes.from_world import messages_of
from tests.waiting import result_of

READING = ("messages.GetHistory", "channels.GetMessages", "messages.GetMessages")


class Place(Protocol):
    """A reader, its chat, and what happens to that chat."""

    @property
    def reader(self) -> ChatReader: ...

    @property
    def chat(self) -> Chat: ...

    def calls(self) -> int:
        """How many calls of the reader Telegram has had to answer."""

    def post_file(self) -> int:
        """Somebody posts a file; the id of its message."""

    def delete(self, message_id: int) -> None: ...

    def shut_out(self) -> None:
        """The account may not read the chat any more."""

    def log_out(self) -> None:
        """Telegram ends the session."""


@dataclass
class FakePlace:
    reader: FakeChatReader
    chat: Chat

    def calls(self) -> int:
        return self.reader.calls

    def post_file(self) -> int:
        return self.reader.append(1000)

    def delete(self, message_id: int) -> None:
        self.reader.delete(message_id)

    def shut_out(self) -> None:
        self.reader.gone = ChatUnreadable(self.chat.title, "it is private", "Join it again.")

    def log_out(self) -> None:
        self.reader.gone = CredentialsRefused("Telegram", "the session has ended", "Log in.")


class RealPlace:
    def __init__(self, telegram: ConnectedTelegram) -> None:
        self._standin = telegram.standin
        self.reader = telegram.reader
        self.chat = telegram.chat

    def calls(self) -> int:
        calls = self._standin.statistics.counts().calls
        return sum(calls.get(name, 0) for name in READING)

    def post_file(self) -> int:
        plan = FilePlan("document", 1000, "new.bin", "application/octet-stream", 2)
        return self._standin.world.source.append(file=plan)

    def delete(self, message_id: int) -> None:
        assert self._standin.world.source.delete([message_id]) == [message_id]

    def shut_out(self) -> None:
        self._standin.world.source.private = True

    def log_out(self) -> None:
        self._standin.faults.add(Fault("auth_key_unregistered", times=None))


OpenPlace: TypeAlias = Callable[[World], Place]


@pytest.fixture(params=["fake", "real"])
def open_place(request: pytest.FixtureRequest, connect_telegram: ConnectTelegram) -> OpenPlace:
    def real(world: World) -> Place:
        return RealPlace(connect_telegram(world))

    def fake(world: World) -> Place:
        chat = Chat(world.source.chat_id, world.source.title, ChatKind.CHANNEL)
        return FakePlace(FakeChatReader(messages_of(world)), chat)

    return real if request.param == "real" else fake


def read_all(place: Place, after_id: int = 0, up_to_id: int | None = None) -> list[HistoryPage]:
    if up_to_id is None:
        up_to_id = place.reader.newest_message_id(place.chat)
    return list(place.reader.pages(place.chat, after_id, up_to_id))


def ids_in(pages: list[HistoryPage]) -> list[int]:
    return [entry.key.message_id for page in pages for entry in page.entries]


def test_every_file_is_listed_once_and_oldest_first(open_place: OpenPlace) -> None:
    """Whole: name, kind, size, date and place of each file are the sender's and Telegram's."""
    world = worlds.mixed(messages=350)
    expected = messages_of(world)
    pages = read_all(open_place(world))
    entries = [entry for page in pages for entry in page.entries]
    assert entries == [entry for entry in expected.values() if entry is not None]
    assert sum(page.messages for page in pages) == len(expected)


@pytest.mark.parametrize("kind", ["supergroup", "group", "saved"])
def test_other_kinds_of_chats_are_read_alike(kind: str, connect_telegram: ConnectTelegram) -> None:
    world = worlds.mixed(messages=120, kind=kind)
    place = RealPlace(connect_telegram(world))
    entries = [entry for page in read_all(place) for entry in page.entries]
    assert entries == [entry for entry in messages_of(world).values() if entry is not None]


@pytest.mark.parametrize(
    ("after_id", "up_to_id"), [(0, 1), (0, 100), (1, 101), (99, 250), (249, 250), (37, 163)]
)
def test_any_stretch_of_the_history_is_read_and_nothing_beside_it(
    after_id: int, up_to_id: int, open_place: OpenPlace
) -> None:
    world = worlds.mixed(messages=250)
    expected = messages_of(world)
    pages = read_all(open_place(world), after_id, up_to_id)
    assert ids_in(pages) == [
        message_id
        for message_id, entry in expected.items()
        if after_id < message_id <= up_to_id and entry is not None
    ]
    assert pages[-1].read_up_to_id == up_to_id


def test_each_page_says_how_far_it_goes_and_holds_nothing_beyond(open_place: OpenPlace) -> None:
    pages = read_all(open_place(worlds.mixed(messages=350)))
    read_up_to_id = 0
    for page in pages:
        assert page.read_up_to_id > read_up_to_id
        for entry in page.entries:
            assert read_up_to_id < entry.key.message_id <= page.read_up_to_id
        read_up_to_id = page.read_up_to_id
    assert read_up_to_id == 350


def test_pages_without_a_file_move_on_too(open_place: OpenPlace) -> None:
    pages = read_all(open_place(worlds.sparse(messages=1000, media_every=400)))
    empty = [page for page in pages if not page.entries]
    assert len(empty) >= 5
    assert all(page.messages > 0 for page in empty)
    assert pages[-1].read_up_to_id == 1000


@pytest.mark.parametrize(("after_id", "up_to_id"), [(0, 0), (50, 50), (60, 50)])
def test_an_empty_stretch_costs_no_call(
    after_id: int, up_to_id: int, open_place: OpenPlace
) -> None:
    place = open_place(worlds.files(sizes=[1] * 5))
    assert read_all(place, after_id, up_to_id) == []
    assert place.calls() == 0


def test_pages_are_read_one_by_one_as_they_are_wanted(open_place: OpenPlace) -> None:
    place = open_place(worlds.sparse(messages=1000))
    pages = place.reader.pages(place.chat, 0, 1000)
    assert place.calls() == 0
    for pages_read in range(1, 11):
        next(pages)
        assert place.calls() == pages_read


def test_what_is_posted_meanwhile_is_left_to_the_next_run(open_place: OpenPlace) -> None:
    place = open_place(worlds.files(sizes=[1] * 150))
    pages = place.reader.pages(place.chat, 0, 150)
    read = [next(pages)]
    assert place.post_file() == 151
    read.extend(pages)
    assert ids_in(read) == list(range(1, 151))
    assert place.reader.newest_message_id(place.chat) == 151


def test_what_is_deleted_meanwhile_is_not_listed(open_place: OpenPlace) -> None:
    place = open_place(worlds.files(sizes=[1] * 250))
    pages = place.reader.pages(place.chat, 0, 250)
    read = [next(pages)]
    for message_id in (100, 101, 150, 250):
        place.delete(message_id)
    read.extend(pages)
    gone_unread = {101, 150, 250}
    assert ids_in(read) == [each for each in range(1, 251) if each not in gone_unread]
    assert read[-1].read_up_to_id == 250


def test_the_newest_message_is_the_newest_that_is_there(open_place: OpenPlace) -> None:
    place = open_place(worlds.files(sizes=[1] * 5))
    assert place.reader.newest_message_id(place.chat) == 5
    place.delete(5)
    assert place.reader.newest_message_id(place.chat) == 4


def test_an_empty_chat_is_no_error(open_place: OpenPlace) -> None:
    place = open_place(worlds.files(sizes=[]))
    assert place.reader.newest_message_id(place.chat) == 0
    totals = place.reader.totals(place.chat)
    assert (totals.files, totals.estimated_bytes) == (0, 0)


def test_the_totals_count_the_files_and_estimate_their_bytes(open_place: OpenPlace) -> None:
    place = open_place(worlds.files(sizes=[1000] * 120 + [3000] * 30))
    totals = place.reader.totals(place.chat)
    assert totals.files == 150
    assert 0 < totals.sampled_files <= 150
    assert 150 * 1000 <= totals.estimated_bytes <= 150 * 3000


def test_messages_are_fetched_in_the_order_asked_for_and_the_gone_ones_are_said(
    open_place: OpenPlace,
) -> None:
    world = worlds.files(sizes=list(range(250)))
    expected = messages_of(world)
    place = open_place(world)
    place.delete(7)
    wanted_ids = [200, 7, 3, 999, *range(20, 170)]
    fetched = place.reader.fetch(place.chat, wanted_ids)
    gone = {7, 999}
    assert fetched == [
        SkippedItem(MessageKey(place.chat.id, 0, message_id), "deleted")
        if message_id in gone
        else expected[message_id]
        for message_id in wanted_ids
    ]


@pytest.mark.parametrize("ask", ["newest_message_id", "totals", "pages", "fetch"])
def test_a_chat_that_is_closed_to_us_is_said_by_every_call(ask: str, open_place: OpenPlace) -> None:
    place = open_place(worlds.files(sizes=[1] * 5))
    place.shut_out()
    with pytest.raises(ChatUnreadable):
        call(place, ask)


@pytest.mark.parametrize("ask", ["newest_message_id", "totals", "pages", "fetch"])
def test_an_ended_session_is_said_by_every_call(ask: str, open_place: OpenPlace) -> None:
    place = open_place(worlds.files(sizes=[1] * 5))
    place.log_out()
    with pytest.raises(CredentialsRefused):
        call(place, ask)


def call(place: Place, ask: str) -> object:
    if ask == "pages":
        return list(place.reader.pages(place.chat, 0, 5))
    if ask == "fetch":
        return place.reader.fetch(place.chat, [1])
    method: Callable[[Chat], object] = getattr(place.reader, ask)
    return method(place.chat)


def test_a_closed_chat_in_mid_history_is_said_and_what_was_read_counts(
    open_place: OpenPlace,
) -> None:
    place = open_place(worlds.files(sizes=[1] * 250))
    pages = place.reader.pages(place.chat, 0, 250)
    assert len(next(pages).entries) == 100
    place.shut_out()
    with pytest.raises(ChatUnreadable):
        next(pages)


def test_the_parts_of_a_chat_are_read_without_each_other_and_are_the_chat(
    open_place: OpenPlace,
) -> None:
    """From either end; and each says how far it has come, as if it were the whole."""
    place = open_place(worlds.sparse(messages=3300, media_every=5))
    whole = read_all(place)
    for listing in (place.reader.pages, place.reader.pages_newest_first):
        parts = [list(listing(place.chat, 0, 3300, Shard(number, 3))) for number in (1, 2, 3)]
        found = [entry for pages in parts for page in pages for entry in page.entries]
        assert sorted(found, key=lambda each: each.key) == [e for p in whole for e in p.entries]
        assert sum(page.messages for pages in parts for page in pages) == 3300
        edge_id = 3300 if listing == place.reader.pages else 1
        assert [pages[-1].read_up_to_id for pages in parts] == [edge_id] * 3


def test_messages_are_fetched_by_the_part_that_holds_them(open_place: OpenPlace) -> None:
    place = open_place(worlds.files(sizes=[1] * 1010))
    place.delete(2)
    fetched = place.reader.fetch(place.chat, [1, 2, 999, 1001, 1005], Shard(1, 2))
    assert [entry.key.message_id for entry in fetched] == [1, 2, 999]
    assert place.reader.holds(place.chat, Shard(1, 2), 1000)
    assert not place.reader.holds(place.chat, Shard(1, 2), 1001)


# What only the real reader can meet


@pytest.mark.parametrize("kind", ["group", "saved", "supergroup"])
def test_parts_of_other_kinds_of_chats_are_read_alike(
    kind: str, connect_telegram: ConnectTelegram
) -> None:
    """By their own ids, as the older part of a supergroup is; and a topic by those of its forum."""
    world = worlds.sparse(messages=1150, media_every=20, kind=kind)
    if kind == "supergroup":
        plan = FilePlan("document", 1, "a.bin", "text/plain", 2)
        for number in range(1100):
            world.source.append(file=plan if number % 20 == 0 else None, topic_id=1)
    place = RealPlace(connect_telegram(world))
    place.chat = replace(place.chat, topic_id=1 if kind == "supergroup" else 0)
    whole = ids_in(read_all(place))
    for listing in (place.reader.pages, place.reader.pages_newest_first):
        parts = [list(listing(place.chat, 0, 2300, Shard(number, 2))) for number in (1, 2)]
        assert all(map(ids_in, parts))
        assert sorted(ids_in([*parts[0], *parts[1]])) == whole


def test_a_part_asks_for_no_page_of_another(connect_telegram: ConnectTelegram) -> None:
    """Eleven calls for a full block, with the look back for what an album has before it."""
    place = RealPlace(connect_telegram(worlds.sparse(messages=4000)))
    read_all(place, up_to_id=4000)
    whole = place.calls()
    assert whole == 40
    for number in range(1, 5):
        before = place.calls()
        assert list(place.reader.pages(place.chat, 0, 4000, Shard(number, 4)))
        assert place.calls() - before <= 11
    assert place.calls() - whole <= 1.1 * whole


def test_a_short_page_is_no_end_of_a_block(connect_telegram: ConnectTelegram) -> None:
    """Nor is one of a server that does not know the newest message, where the block ends there."""
    telegram = connect_telegram(worlds.files(sizes=[1] * 2000))
    place = RealPlace(telegram)
    withheld = {*range(1101, 1190), *range(1950, 1990)}
    telegram.standin.world.source.withheld = frozenset(withheld)
    newest_id = place.reader.newest_message_id(place.chat)
    telegram.standin.faults.add(Fault("history_lags", rpc="messages.GetHistory", after_calls=9))
    pages = list(place.reader.pages(place.chat, 0, newest_id, Shard(2, 2)))
    assert set(ids_in(pages)) == set(range(1001, 2001)) - withheld


def test_a_flood_wait_is_waited_for_and_said(connect_telegram: ConnectTelegram) -> None:
    telegram = connect_telegram(worlds.files(sizes=[1] * 5))
    place = RealPlace(telegram)
    telegram.standin.faults.add(Fault("flood_wait", rpc="messages.GetHistory", seconds=1))
    assert ids_in(read_all(place)) == [1, 2, 3, 4, 5]
    assert telegram.waits == [("reading the chat", "Telegram asks for a pause of 1 s")]


@pytest.mark.parametrize("kind", ["drop", "internal_error", "timedout"])
def test_a_passing_fault_of_telegram_loses_no_message(
    kind: str, connect_telegram: ConnectTelegram
) -> None:
    telegram = connect_telegram(worlds.files(sizes=[1] * 250))
    place = RealPlace(telegram)
    fault = Fault(kind, rpc="messages.GetHistory", after_calls=1)  # type: ignore[arg-type]
    telegram.standin.faults.add(fault)
    assert ids_in(read_all(place)) == list(range(1, 251))


@pytest.mark.parametrize("listing", ["pages", "pages_newest_first"])
def test_a_page_from_a_server_that_lags_behind_loses_no_message(
    listing: str, connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telegram has told of the newest message, and a moment later does not show it."""
    monkeypatch.setattr(history, "LAG_PAUSES_SECONDS", (0.0, 0.0))
    telegram = connect_telegram(worlds.files(sizes=[1] * 5))
    place = RealPlace(telegram)
    telegram.standin.faults.add(Fault("history_lags", after_calls=1, times=2))
    newest_id = place.reader.newest_message_id(place.chat)
    pages = list(getattr(place.reader, listing)(place.chat, 3, newest_id))
    assert sorted(ids_in(pages)) == [4, 5]
    assert place.calls() == 1 + 3


@pytest.mark.parametrize("listing", ["pages", "pages_newest_first"])
def test_a_newest_message_that_was_deleted_is_not_looked_for_for_long(
    listing: str, connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LAG_PAUSES_SECONDS", (0.0, 0.0))
    place = RealPlace(connect_telegram(worlds.files(sizes=[1] * 250)))
    newest_id = place.reader.newest_message_id(place.chat)
    place.delete(newest_id)
    pages = list(getattr(place.reader, listing)(place.chat, 0, newest_id))
    assert sorted(ids_in(pages)) == list(range(1, 250))
    assert place.calls() == 1 + 3 + 2
    # Where the stretch ends before the newest, nothing is looked for.
    assert len(list(getattr(place.reader, listing)(place.chat, 0, 40))) == 1
    assert place.calls() == 1 + 3 + 2 + 1


# --- read ahead -----------------------------------------------------------------------------------


def test_a_page_that_was_read_ahead_is_not_asked_for_again_and_tells_what_is_in_it(
    connect_telegram: ConnectTelegram,
) -> None:
    place = RealPlace(connect_telegram(worlds.files(sizes=[1] * 250)))
    for after_id in (0, 40, 245):
        expected = read_all(place, after_id=after_id)
        before = place.calls()
        ahead = place.reader.read_ahead(place.chat, after_id)
        assert read_all(place, after_id=after_id) == expected
        assert place.calls() - before == len(expected) + 1  # and for the newest message
        shown = sorted(entry.key.message_id for entry in result_of(ahead))
        assert shown == [*range(after_id + 1, 251)][: len(shown)]
        assert len(shown) >= min(90, 250 - after_id)
        before = place.calls()
        assert read_all(place, after_id=after_id) == expected, "it serves once"
        assert place.calls() - before == len(expected) + 1


def test_what_was_read_ahead_for_another_place_is_not_taken(
    connect_telegram: ConnectTelegram,
) -> None:
    """Else all before it would be lost, as where the state in Telegram knows less than the records
    of this machine."""
    place = RealPlace(connect_telegram(worlds.files(sizes=[1] * 150)))
    for ahead, after_id in [(0, 100), (100, 0)]:
        result_of(place.reader.read_ahead(place.chat, ahead))
        expected = list(range(after_id + 1, 151))
        assert ids_in(read_all(place, after_id=after_id)) == expected


def test_a_page_that_was_read_ahead_from_a_server_that_lags_is_asked_for_again(
    connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LAG_PAUSES_SECONDS", (0.0, 0.0))
    telegram = connect_telegram(worlds.files(sizes=[1] * 5))
    place = RealPlace(telegram)
    telegram.standin.faults.add(Fault("history_lags", rpc="messages.GetHistory"))
    result_of(place.reader.read_ahead(place.chat, 0))
    assert ids_in(read_all(place)) == [1, 2, 3, 4, 5]


def test_a_page_that_could_not_be_read_ahead_is_asked_for_when_its_turn_comes(
    connect_telegram: ConnectTelegram,
) -> None:
    telegram = connect_telegram(worlds.files(sizes=[1] * 5))
    place = RealPlace(telegram)
    telegram.standin.world.source.private = True
    with pytest.raises(ChatUnreadable):
        result_of(place.reader.read_ahead(place.chat, 0))
    telegram.standin.world.source.private = False
    assert ids_in(read_all(place)) == [1, 2, 3, 4, 5]


def test_a_page_that_nobody_has_taken_for_long_is_asked_for_again(
    connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a run that stays with a chat in which nothing was new."""
    place = RealPlace(connect_telegram(worlds.files(sizes=[1] * 5)))
    result_of(place.reader.read_ahead(place.chat, 5))
    posted = place.post_file()
    monkeypatch.setattr(history, "AHEAD_SECONDS", 0.0)
    monkeypatch.setattr(history, "LAG_PAUSES_SECONDS", ())  # as nothing seems to lag
    before = place.calls()
    assert ids_in(read_all(place, after_id=5)) == [posted]
    assert place.calls() - before == 2


def test_a_long_quiet_history_costs_one_call_for_a_hundred_messages(
    connect_telegram: ConnectTelegram,
) -> None:
    place = RealPlace(connect_telegram(worlds.sparse(messages=5000)))
    read_all(place)
    assert place.calls() <= 5000 // 100 + 1
    entries = [entry for page in read_all(place) for entry in page.entries]
    assert all(isinstance(entry, MediaItem) for entry in entries)
