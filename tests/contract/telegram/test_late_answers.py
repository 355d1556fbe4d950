"""A request that is never answered holds no file, and where everything is slow nothing is asked
for twice: the real source of parts, over TCP to a stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

from standins.shaping import Shaping
from standins.telegram.service.faults import Fault
from standins.telegram.service.statistics import Counts
from standins.telegram.world import worlds
from tdl_sync.core.errors import RefusedByTelegram
from tdl_sync.core.model import MediaItem
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files import late_requests
from tdl_sync.telegram.files.parts import TelegramPartSource
from tests.connected import ConnectedTelegram, ConnectTelegram
from tests.fakes.from_world import messages_of, record_in
from tests.waiting import result_of, until

GET_FILE = "upload.GetFile"
LINE = Shaping(round_trip_seconds=0.02, connection_bytes_per_second=8 * PART_BYTES)
NEVER_SECONDS = 1e6


class Fetching:
    """All parts of some files, asked for at once."""

    def __init__(
        self,
        connect_telegram: ConnectTelegram,
        sizes: list[int],
        shaping: Shaping = LINE,
        connections: int = 4,
    ) -> None:
        self.world = worlds.files(sizes=sizes)
        self.telegram: ConnectedTelegram = connect_telegram(self.world)
        assert self.telegram.chat
        self.standin = self.telegram.standin
        self.standin.shaping = shaping
        self.source = TelegramPartSource(
            self.telegram.client, self.telegram.reader, connections=connections
        )
        self._asked: list[tuple[MediaItem, int, Future[bytes]]] = []

    def begin(self) -> None:
        for item in messages_of(self.world).values():
            assert isinstance(item, MediaItem)
            for offset in range(0, item.size_bytes, PART_BYTES):
                part = self.source.fetch_part(item, offset, PART_BYTES)
                self._asked.append((item, offset, part))

    def end(self) -> Counts:
        """Each part is there and whole. What the stand-in has counted."""
        for item, offset, part in self._asked:
            assert result_of(part) == record_in(self.world, item).read(offset, PART_BYTES)
        return self.standin.statistics.counts()

    def all(self) -> Counts:
        self.begin()
        return self.end()

    @property
    def size_bytes(self) -> int:
        return sum(item.file.size_bytes for item in self.world.source.items())

    def served_times(self) -> float:
        return self.standin.statistics.counts().file_bytes / self.size_bytes

    def sessions(self) -> list[Any]:
        client = self.telegram.client
        return [*client.sessions, client.client.session]

    def kept_answers(self) -> int:
        """Requests that the library keeps an answer for, or waits for one."""

        async def count() -> int:
            return sum(len(session.results) for session in self.sessions())

        return self.telegram.client.loop.call(count)


@pytest.fixture
def fetching(connect_telegram: ConnectTelegram) -> Callable[..., Fetching]:
    return partial(Fetching, connect_telegram)


@pytest.fixture(autouse=True)
def no_request_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whatever is silent holds its file for ever, unless it is asked for again."""
    monkeypatch.setattr(late_requests, "ANSWER_SECONDS", NEVER_SECONDS)


@pytest.mark.parametrize("after_calls", [0, 9, 41, 42], ids=["first", "early", "late", "last"])
def test_a_request_that_is_never_answered_is_asked_once_more(
    after_calls: int, fetching: Callable[..., Fetching]
) -> None:
    """The last one, too, when nothing else is under way that could show what is usual."""
    files = fetching([300_000] * 43)
    lost = Fault("no_answer", rpc=GET_FILE, after_calls=after_calls)
    files.standin.faults.add(lost)
    counts = files.all()
    assert files.standin.faults.strikes() == [(lost, 1)]
    assert counts.calls[GET_FILE] == 43 + 1
    assert files.served_times() == 1


def test_several_lost_answers_are_all_asked_for_again(fetching: Callable[..., Fetching]) -> None:
    files = fetching([40 * PART_BYTES])
    files.standin.faults.add(
        *(Fault("no_answer", rpc=GET_FILE, after_calls=each) for each in (8, 12, 16, 20, 24))
    )
    files.all()
    assert [struck for _, struck in files.standin.faults.strikes()] == [1] * 5
    assert files.served_times() == 1


def test_where_the_second_answer_is_a_refusal_that_counts(
    fetching: Callable[..., Fetching],
) -> None:
    files = fetching([300_000] * 20)
    (*_, last) = messages_of(files.world).values()
    assert isinstance(last, MediaItem)
    file_id = last.location.file_id
    files.standin.faults.add(
        Fault("no_answer", rpc=GET_FILE, file_id=file_id),
        Fault("error", rpc=GET_FILE, file_id=file_id, code=400, text="FILE_ID_INVALID"),
    )
    with pytest.raises(RefusedByTelegram, match="FILE_ID_INVALID"):
        files.all()


def test_what_a_very_slow_connection_carries_comes_over_another(
    fetching: Callable[..., Fetching],
) -> None:
    """At this rate its two parts would take minutes."""
    files = fetching([110 * PART_BYTES])
    slow = Fault("slow", rpc=GET_FILE, after_calls=8, bytes_per_second=10_000)
    files.standin.faults.add(slow)
    files.all()
    assert files.standin.faults.strikes() == [(slow, 1)]
    assert files.served_times() <= 1.02


@pytest.mark.parametrize("connections", [2, 4])
def test_a_connection_that_crawls_from_the_first_part_on_holds_none_of_the_others(
    connections: int, fetching: Callable[..., Fetching]
) -> None:
    """It is alone under way, so nothing shows by how much it is slower, and it still owes that part
    when the others are asked for."""
    files = fetching([PART_BYTES] * 2 + [100_000] * 8 + [20 * PART_BYTES], connections=connections)
    slow = Fault("slow", rpc=GET_FILE, bytes_per_second=2000)
    files.standin.faults.add(slow)
    counts = files.all()
    assert files.standin.faults.strikes() == [(slow, 1)]
    assert counts.file_bytes <= files.size_bytes + late_requests.AGAIN_AT_ONCE_BYTES


@pytest.mark.parametrize(
    ("shaping", "connections"),
    [
        (Shaping(round_trip_seconds=0.1, total_bytes_per_second=800_000), 4),
        (Shaping(connection_bytes_per_second=300_000), 4),
        (Shaping(round_trip_seconds=2.0), 4),
        (Shaping(connection_bytes_per_second=800_000), 1),
    ],
    ids=["low bandwidth", "slow connections", "a long way", "one connection"],
)
def test_where_everything_is_slow_nothing_is_asked_for_twice(
    shaping: Shaping, connections: int, fetching: Callable[..., Fetching]
) -> None:
    """Small files before large ones, whose answers are quick where those of parts are not."""
    sizes = [3000] * 12 + [4 * PART_BYTES, 100_000, PART_BYTES]
    files = fetching(sizes, shaping, connections)
    assert files.all().calls[GET_FILE] == 12 + 4 + 1 + 1
    assert files.served_times() == 1


def test_a_flood_wait_makes_nothing_late(fetching: Callable[..., Fetching]) -> None:
    files = fetching([30 * PART_BYTES])
    wait = Fault("flood_wait", rpc=GET_FILE, after_calls=9, seconds=4, times=5)
    files.standin.faults.add(wait)
    assert files.all().calls[GET_FILE] == 30 + 5
    assert files.standin.faults.strikes() == [(wait, 5)]
    assert files.served_times() == 1


@pytest.mark.parametrize("seconds", [2.5, 3.5, 6.0])
def test_a_silence_of_the_whole_network_makes_nothing_late(
    seconds: float, fetching: Callable[..., Fetching]
) -> None:
    files = fetching([60 * PART_BYTES])
    files.begin()
    until(lambda: files.standin.statistics.served_bytes(None) > 20 * PART_BYTES)
    assert files.standin.silence_connections(seconds) > 4
    files.end()
    assert files.served_times() == 1


def test_the_library_keeps_no_answer_that_nobody_waits_for(
    fetching: Callable[..., Fetching], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that was outrun nor one that was given up."""
    monkeypatch.setattr(late_requests, "ANSWER_SECONDS", 8.0)
    files = fetching([200_000] * 30)
    files.standin.faults.add(Fault("no_answer", rpc=GET_FILE, after_calls=20))
    files.all()
    until(lambda: files.kept_answers() == 0)

    async def give_up() -> None:
        client = files.telegram.client
        for item in messages_of(files.world).values():
            assert isinstance(item, MediaItem)
            fetch = asyncio.ensure_future(files.source._fetch(item, 0, PART_BYTES))
            await asyncio.sleep(0.01)
            fetch.cancel()
        assert any(session.results for session in client.sessions)

    files.telegram.client.loop.call(give_up)
    until(lambda: files.kept_answers() == 0)
