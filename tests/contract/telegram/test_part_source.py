"""What every source of parts promises: the real one, over TCP to a stand-in, and the fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeAlias

import pytest
from pyrogram import raw

from standins.shaping import Shaping
from standins.telegram.service.faults import Fault
from standins.telegram.service.limits import RequestLimit
from standins.telegram.world import worlds
from standins.telegram.world.world import World
from tdl_sync.core.errors import (
    CredentialsRefused,
    DownloadFailed,
    FileReplaced,
    MessageGone,
    RefusedByTelegram,
    Stopped,
)
from tdl_sync.core.model import MediaItem
from tdl_sync.core.ports import PART_BYTES, PartSource
from tdl_sync.telegram.files import late_answers, window
from tdl_sync.telegram.files.parts import TelegramPartSource
from tests.connected import ConnectedTelegram, ConnectTelegram
from tests.fakes.from_world import messages_of, record_in
from tests.fakes.parts import FakePartSource, empty_part, short_part
from tests.waiting import finished, result_of, until

MIB = 1024 * 1024
A_LONG_TIME_SECONDS = 1e5
SIZES = [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5]


class Place(Protocol):
    """A source of parts, and what goes wrong there."""

    @property
    def parts(self) -> PartSource: ...

    def shorten_next(self, item: MediaItem) -> None:
        """The next part of this file is a byte shorter than Telegram declared."""

    def empty_next(self, item: MediaItem) -> None: ...

    def refuse(self, item: MediaItem) -> None:
        """Telegram does not give this file away."""

    def remove(self, item: MediaItem) -> None:
        """Its message is deleted after it was listed."""

    def log_out(self, item: MediaItem) -> None:
        """Telegram ends the session, as the next fetch of this file shows."""


@dataclass
class FakePlace:
    parts: FakePartSource

    def shorten_next(self, item: MediaItem) -> None:
        self.parts.faults[item.message_id] = [short_part]

    def empty_next(self, item: MediaItem) -> None:
        self.parts.faults[item.message_id] = [empty_part]

    def refuse(self, item: MediaItem) -> None:
        self.parts.faults[item.message_id] = [RefusedByTelegram("FILE_ID_INVALID")]

    def remove(self, item: MediaItem) -> None:
        self.parts.faults[item.message_id] = [MessageGone("deleted")]

    def log_out(self, item: MediaItem) -> None:
        self.parts.faults[item.message_id] = [CredentialsRefused("Telegram", "ended", "Log in.")]


class RealPlace:
    def __init__(self, telegram: ConnectedTelegram, connections: int = 4) -> None:
        assert telegram.chat  # the chat has been met, as in every run
        self.telegram = telegram
        self.standin = telegram.standin
        self.parts = TelegramPartSource(telegram.client, telegram.reader, connections)

    def shorten_next(self, item: MediaItem) -> None:
        size = min(item.size_bytes, PART_BYTES)
        self._add("short_part", item, keep_bytes=size - 1)

    def empty_next(self, item: MediaItem) -> None:
        self._add("empty_part", item)

    def refuse(self, item: MediaItem) -> None:
        self._add("error", item, code=400, text="FILE_ID_INVALID")

    def remove(self, item: MediaItem) -> None:
        self.standin.world.file_reference_epoch += 1
        self.standin.world.source.delete([item.message_id])

    def log_out(self, item: MediaItem) -> None:
        self._add("auth_key_unregistered", item)

    def _add(self, kind: str, item: MediaItem, **facts: object) -> None:
        file_id = item.location.file_id
        self.standin.faults.add(
            Fault.from_json({"kind": kind, "rpc": GET_FILE, "file_id": file_id, **facts})
        )

    def calls(self, name: str) -> int:
        return self.standin.statistics.counts().calls.get(name, 0)


GET_FILE = "upload.GetFile"
OpenPlace: TypeAlias = Callable[[World], Place]


@pytest.fixture(params=["fake", "real"])
def open_place(
    request: pytest.FixtureRequest, connect_telegram: ConnectTelegram
) -> Iterator[OpenPlace]:
    with ExitStack() as closing:

        def real(world: World) -> Place:
            return RealPlace(connect_telegram(world))

        def fake(world: World) -> Place:
            parts = FakePartSource(most_seconds=0.01, record=partial(record_in, world))
            closing.callback(parts.close)
            return FakePlace(parts)

        yield real if request.param == "real" else fake


def items_of(world: World) -> list[MediaItem]:
    return [entry for entry in messages_of(world).values() if isinstance(entry, MediaItem)]


def ask_for_all(place: Place, world: World, items: list[MediaItem]) -> None:
    """All parts of all items at once, and that each holds what it should."""
    asked: list[tuple[MediaItem, int, Future[bytes]]] = [
        (item, offset, place.parts.fetch_part(item, offset, PART_BYTES))
        for item in items
        for offset in range(0, item.size_bytes + 1, PART_BYTES)
    ]
    for item, offset, part in asked:
        assert result_of(part) == record_in(world, item).read(offset, PART_BYTES)


def fetch(place: Place, item: MediaItem, offset_bytes: int = 0) -> bytes:
    return result_of(place.parts.fetch_part(item, offset_bytes, PART_BYTES))


def test_every_part_of_every_size_is_what_it_should_be_and_nothing_follows(
    open_place: OpenPlace,
) -> None:
    """Behind the last byte of a file comes an empty part, and no error."""
    world = worlds.files(sizes=SIZES)
    ask_for_all(open_place(world), world, items_of(world))


def test_hundreds_of_parts_at_once_do_not_get_mixed_up(open_place: OpenPlace) -> None:
    world = worlds.files(sizes=[5000 + number for number in range(300)])
    ask_for_all(open_place(world), world, items_of(world))


@pytest.mark.parametrize("file_kind", ["photo", "video", "voice", "video_note", "animation"])
def test_files_of_all_kinds_are_fetched(file_kind: str, open_place: OpenPlace) -> None:
    world = worlds.files(sizes=[70_000, MIB + 7], file_kind=file_kind)
    ask_for_all(open_place(world), world, items_of(world))


def test_files_of_foreign_data_centres_are_fetched(open_place: OpenPlace) -> None:
    world = worlds.mixed(messages=60, too_large_bytes=None)
    items = items_of(world)
    assert len({item.location.dc_id for item in items}) > 2
    ask_for_all(open_place(world), world, items)


def test_a_short_part_is_handed_on_for_the_caller_to_judge(open_place: OpenPlace) -> None:
    world = worlds.files(sizes=[2 * MIB])
    (item,) = items_of(world)
    place = open_place(world)
    place.shorten_next(item)
    assert len(fetch(place, item)) == MIB - 1
    assert len(fetch(place, item)) == MIB


def test_an_empty_part_is_handed_on_for_the_caller_to_judge(open_place: OpenPlace) -> None:
    world = worlds.files(sizes=[2 * MIB])
    (item,) = items_of(world)
    place = open_place(world)
    place.empty_next(item)
    assert fetch(place, item) == b""


def test_a_refused_file_fails_for_good_and_the_others_are_fetched(open_place: OpenPlace) -> None:
    world = worlds.files(sizes=[1000, 2000])
    refused, other = items_of(world)
    place = open_place(world)
    place.refuse(refused)
    with pytest.raises(RefusedByTelegram, match="FILE_ID_INVALID"):
        fetch(place, refused)
    ask_for_all(place, world, [other])


def test_a_message_that_was_deleted_meanwhile_is_gone_and_no_failure(
    open_place: OpenPlace,
) -> None:
    world = worlds.files(sizes=[1000, 2000])
    item, _ = items_of(world)
    place = open_place(world)
    place.remove(item)
    with pytest.raises(MessageGone):
        fetch(place, item)


def test_an_ended_session_is_said(open_place: OpenPlace) -> None:
    world = worlds.files(sizes=[1000])
    (item,) = items_of(world)
    place = open_place(world)
    place.log_out(item)
    with pytest.raises(CredentialsRefused):
        fetch(place, item)


# What only the real source can meet


@pytest.fixture
def world() -> World:
    return worlds.files(sizes=[3 * MIB, 2 * MIB + 1, MIB])


@pytest.fixture
def place(world: World, connect_telegram: ConnectTelegram) -> RealPlace:
    return RealPlace(connect_telegram(world))


def test_expired_file_references_are_renewed_once_for_each_file(
    place: RealPlace, world: World
) -> None:
    items = items_of(world)
    world.file_reference_epoch += 1
    ask_for_all(place, world, items)
    assert place.calls("channels.GetMessages") == len(items)


@pytest.mark.parametrize("kind", ["drop", "timedout", "internal_error"])
def test_a_passing_fault_costs_time_and_no_bytes(kind: str, place: RealPlace, world: World) -> None:
    fault = Fault.from_json({"kind": kind, "rpc": GET_FILE, "times": 3, "after_calls": 2})
    place.standin.faults.add(fault)
    ask_for_all(place, world, items_of(world))
    assert place.standin.faults.strikes() == [(fault, 3)]


@pytest.mark.parametrize(
    ("code", "text"),
    [(502, "BAD_GATEWAY"), (-504, "GATEWAY_TIMEOUT"), (420, "SLOWMODE_WAIT_1")],
)
def test_what_passes_is_told_by_its_code_whatever_its_name_is(
    code: int, text: str, place: RealPlace, world: World
) -> None:
    fault = Fault("error", rpc=GET_FILE, code=code, text=text, times=2)
    place.standin.faults.add(fault)
    ask_for_all(place, world, items_of(world))
    assert place.standin.faults.strikes() == [(fault, 2)]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (400, "FILE_REFERENCE_0_EXPIRED"),
        (406, "FILE_REFERENCE_EXPIRED"),
        (406, "FILEREF_UPGRADE_NEEDED"),
    ],
)
def test_a_reference_that_is_refused_is_renewed_however_telegram_says_so(
    code: int, text: str, place: RealPlace, world: World
) -> None:
    place.standin.faults.add(Fault("error", rpc=GET_FILE, code=code, text=text))
    ask_for_all(place, world, items_of(world))
    assert place.calls("channels.GetMessages") == 1


def test_a_fault_that_does_not_pass_fails_the_item_for_now(
    place: RealPlace, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tdl_sync.telegram.session.tries.FIRST_PAUSE_SECONDS", 0.01)
    place.standin.faults.add(Fault("internal_error", rpc=GET_FILE, times=None))
    with pytest.raises(DownloadFailed, match="5 tries for one part, at last: RPC_CALL_FAIL"):
        fetch(place, items_of(world)[0])


def test_broken_connections_are_replaced(place: RealPlace, world: World) -> None:
    items = items_of(world)
    ask_for_all(place, world, items)
    for _ in range(2):
        assert place.standin.drop_connections() > 0
        ask_for_all(place, world, items)


TAKEN = 12
LIMITS: dict[str, RequestLimit] = {
    "account": RequestLimit(TAKEN, 1, shape="burst"),
    "without Premium": RequestLimit(TAKEN, 1, shape="burst", kind="flood_premium_wait"),
    "each connection": RequestLimit(TAKEN // 4, 1, shape="burst", scope="connection"),
    "each data centre": RequestLimit(TAKEN, 1, shape="burst", scope="data_centre"),
}
LIMITED_WORLDS: dict[str, Callable[[], World]] = {
    "large": lambda: worlds.files(sizes=[30 * MIB + 1]),
    "small": lambda: worlds.files(sizes=[5000] * 40),
    "data centres": lambda: worlds.mixed(messages=60, too_large_bytes=None),
}


@pytest.mark.parametrize(
    ("limit", "kind"),
    [(limit, "large") for limit in LIMITS if limit != "each data centre"]
    + [("account", "small"), ("account", "data centres"), ("each data centre", "data centres")],
)
def test_a_flood_wait_costs_only_its_time(
    limit: str, kind: str, connect_telegram: ConnectTelegram
) -> None:
    """Every request is taken once, and refused is what was under way when a pause began. Each data
    centre says a pause once, however many requests have met it."""
    world = LIMITED_WORLDS[kind]()
    place = RealPlace(connect_telegram(world))
    place.standin.shaping = Shaping(round_trip_seconds=0.02)
    place.standin.faults.limit(LIMITS[limit])
    items = items_of(world)
    ask_for_all(place, world, items)
    (counts,) = place.standin.faults.limited()
    statistics = place.standin.statistics.counts()
    parts = sum(item.size_bytes // PART_BYTES + 1 for item in items)
    assert counts.taken == parts
    assert 0 < counts.refused <= counts.pauses * statistics.most_file_parts_in_flight
    centres = len({item.location.dc_id for item in items})
    assert 0 < len(place.telegram.waits) <= counts.pauses * centres
    assert set(place.telegram.waits) == {("downloading", "Telegram asks for a pause of 1 s")}


def test_a_stop_ends_every_flood_wait_at_once(place: RealPlace, world: World) -> None:
    place.standin.faults.add(Fault("flood_wait", rpc=GET_FILE, seconds=3000, times=None))
    item = items_of(world)[0]
    parts = [place.parts.fetch_part(item, offset, PART_BYTES) for offset in (0, MIB, 2 * MIB)]
    until(lambda: bool(place.telegram.waits))
    place.telegram.stop.set()
    for part in parts:
        with pytest.raises(Stopped):
            result_of(part)


def test_a_file_that_moved_to_another_data_centre_is_found_there(
    place: RealPlace, world: World
) -> None:
    item = items_of(world)[1]
    moved = replace(item, location=replace(item.location, dc_id=4))
    ask_for_all(place, world, [moved])


def test_a_message_whose_file_was_replaced_is_not_mixed_with_the_old_file(
    place: RealPlace, world: World
) -> None:
    """The reference has expired, and the message holds a file of another size by now."""
    item = items_of(world)[0]
    world.file_reference_epoch += 1
    with pytest.raises(FileReplaced, match="another file now"):
        fetch(place, replace(item, size_bytes=item.size_bytes + 1))


def test_a_message_that_holds_another_file_since_is_fetched_from_where_that_one_is(
    place: RealPlace, world: World
) -> None:
    """A run that stays meets such a message again, long after it fetched the first file."""
    first, second, _ = items_of(world)
    world.file_reference_epoch += 1
    assert fetch(place, first) == record_in(world, first).read(0, PART_BYTES)
    edited = replace(place.telegram.reader.fetch_by_key(second.key), key=first.key)
    assert isinstance(edited, MediaItem)
    assert fetch(place, edited) == record_in(world, second).read(0, PART_BYTES)


def test_no_more_connections_are_opened_than_asked_for(
    connect_telegram: ConnectTelegram,
) -> None:
    world = worlds.files(sizes=[4 * MIB] * 10)
    place = RealPlace(connect_telegram(world), connections=3)
    before = place.standin.statistics.counts().connections
    ask_for_all(place, world, items_of(world))
    assert place.standin.statistics.counts().connections - before <= 3


def test_others_are_asked_for_while_the_first_answer_still_comes(
    connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there of it shows what the line carries."""
    monkeypatch.setattr(window, "TARGET_SECONDS", A_LONG_TIME_SECONDS)
    for name in ("UNKNOWN_LATE_SECONDS", "LEAST_LATE_SECONDS"):
        monkeypatch.setattr(late_answers, name, A_LONG_TIME_SECONDS)
    world = worlds.files(sizes=[4 * MIB])
    place = RealPlace(connect_telegram(world))
    place.standin.faults.add(Fault("slow", rpc="upload.GetFile", bytes_per_second=2000))
    (item,) = items_of(world)
    first, *others = (place.parts.fetch_part(item, part * MIB, MIB) for part in range(4))
    for part, other in enumerate(others, start=1):
        assert result_of(other) == record_in(world, item).read(part * MIB, MIB)
    assert not first.done()


def test_no_call_waits_for_a_part_to_be_through(
    connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first part on: on a slow line its answer takes many seconds, and a stop saves the
    state in less."""
    for name in ("UNKNOWN_LATE_SECONDS", "LEAST_LATE_SECONDS"):
        monkeypatch.setattr(late_answers, name, A_LONG_TIME_SECONDS)
    world = worlds.files(sizes=[MIB])
    telegram = connect_telegram(world)
    place = RealPlace(telegram)
    slow = Fault("slow", rpc="upload.GetFile", bytes_per_second=2000)
    place.standin.faults.add(slow)
    (item,) = items_of(world)
    part = place.parts.fetch_part(item, 0, MIB)
    until(lambda: place.standin.faults.strikes() == [(slow, 1)])
    newest = finished(partial(telegram.reader.newest_message_id, telegram.chat))
    assert newest == item.key.message_id
    assert not part.done()


def test_further_connections_begin_with_the_salt_that_is_known(
    connect_telegram: ConnectTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first request of each is refused for it."""
    world = worlds.files(sizes=[2 * MIB] * 4)
    place = RealPlace(connect_telegram(world))
    refused: list[object] = []
    read = raw.types.BadServerSalt.read

    def counting(*arguments: Any) -> raw.types.BadServerSalt:
        refused.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(raw.types.BadServerSalt, "read", staticmethod(counting))
    ask_for_all(place, world, items_of(world))
    assert refused == []
