"""Who gets which connection, when they are opened, and what a failure to open one means.

The connections themselves are only counted here; over TCP they are in
``tests/contract/telegram/test_part_source.py``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import pytest

from tdl_sync.core.model import MessageKey
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files import media_connections
from tdl_sync.telegram.files.addresses import Address
from tdl_sync.telegram.files.media_connections import BYTES_PER_CONNECTION, MediaConnections, Turn
from tdl_sync.telegram.session.keys import Keys

VIDEO = MessageKey(-1001, 0, 1)
PHOTOS = [MessageKey(-1001, 0, number) for number in range(2, 6)]
PHOTO_BYTES = 100_000


class CountedSession:
    """Stands for the library's session; nothing is sent over it."""

    def __init__(self) -> None:
        self.results: dict[int, Any] = {}
        self.is_started = asyncio.Event()
        self.is_started.set()


class CountingTelegram:
    """Opens connections at once, as many as are asked for, or refuses to."""

    def __init__(self) -> None:
        self.client = self
        self.keys = Keys()
        self.sessions: set[Any] = set()
        self.starter = CountedSession()
        self.media: list[CountedSession] = []
        self.refuse_starter = False
        self.refuse_media = False

    async def get_session(self, dc_id: int, is_media: bool = False, **_: Any) -> CountedSession:
        await asyncio.sleep(0)
        if self.refuse_media if is_media else self.refuse_starter:
            raise ConnectionError("refused")
        if not is_media:
            return self.starter
        self.media.append(CountedSession())
        return self.media[-1]

    async def of(self, dc_id: int, *, media: bool) -> Address:
        return Address("192.0.2.1", 443)


@pytest.fixture(autouse=True)
def media_is_opened_by_the_counting_telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    async def opened_beside(
        client: CountingTelegram, session: CountedSession, host: str, port: int
    ) -> CountedSession:
        assert session is client.starter
        return await client.get_session(2, is_media=True)

    monkeypatch.setattr(media_connections, "opened_beside", opened_beside)


class Traffic:
    """Requests that are under way until they are ended."""

    def __init__(self, connections: int = 4) -> None:
        self.telegram = CountingTelegram()
        self.under_way: list[tuple[MessageKey, CountedSession]] = []
        self.served: list[MessageKey] = []
        self.errors: list[BaseException] = []
        self._connections = MediaConnections(
            cast(Any, self.telegram), cast(Any, self.telegram), 2, connections
        )
        self._ends: list[asyncio.Future[None]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(
        self,
        key: MessageKey,
        size_bytes: int = PART_BYTES,
        times: int = 1,
        most_bytes: int = BYTES_PER_CONNECTION,
    ) -> None:
        for _ in range(times):
            self._tasks.append(asyncio.create_task(self._request(key, size_bytes, most_bytes)))
        await self._settle()

    async def end_oldest(self, error: BaseException | None = None) -> None:
        """Answer the request that is under way for the longest time, or fail it."""
        self.under_way.pop(0)
        end = self._ends.pop(0)
        if error is None:
            end.set_result(None)
        else:
            end.set_exception(error)
        await self._settle()

    async def open_the_window(self) -> None:
        """Let answers come so quickly that nothing holds requests back but the connections."""
        await self.ask(VIDEO, times=60)
        while self.under_way:
            await self.end_oldest()

    def load(self) -> Counter[CountedSession]:
        return Counter(session for _, session in self.under_way)

    def waiting_for(self) -> list[MessageKey]:
        return [key for key, _ in self.under_way]

    async def _request(self, key: MessageKey, size_bytes: int, most_bytes: int) -> None:
        turn = cast(
            AbstractAsyncContextManager[Turn],
            self._connections.turn(key, size_bytes, most_bytes),
        )
        try:
            async with turn as given:
                session = cast(CountedSession, given.session)
                end = asyncio.get_running_loop().create_future()
                self._ends.append(end)
                self.under_way.append((key, session))
                self.served.append(key)
                await end
        except OSError as error:
            self.errors.append(error)

    async def _settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def run(test: Callable[[Traffic], Awaitable[None]], connections: int = 4) -> None:
    async def with_traffic() -> None:
        traffic = Traffic(connections)
        await test(traffic)
        await traffic.close()

    asyncio.run(with_traffic())


def test_the_first_request_goes_over_the_connection_that_is_there() -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.ask(VIDEO)
        assert traffic.under_way == [(VIDEO, traffic.telegram.starter)]

    run(test)


def test_connections_are_opened_as_they_are_needed_and_no_more_than_allowed() -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.ask(VIDEO, times=2)
        assert len(traffic.telegram.media) == 2
        await traffic.ask(VIDEO, times=30)
        assert len(traffic.telegram.media) == 4
        assert traffic.telegram.sessions == set(traffic.telegram.media)

    run(test)


def test_all_connections_carry_the_same_and_none_more_than_two_parts() -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        await traffic.ask(VIDEO, times=30)
        parts = BYTES_PER_CONNECTION // PART_BYTES
        assert traffic.load() == {session: parts for session in traffic.telegram.media}

    run(test)


def test_the_last_pieces_of_a_file_come_over_all_connections() -> None:
    """None takes many of them at once, which then would come long after the others' last."""

    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        piece_bytes = PART_BYTES // 4
        await traffic.ask(VIDEO, piece_bytes, times=20, most_bytes=2 * piece_bytes)
        assert traffic.load() == {session: 2 for session in traffic.telegram.media}
        await traffic.end_oldest()
        assert traffic.load() == {session: 2 for session in traffic.telegram.media}

    run(test)


def test_many_small_files_share_a_connection() -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        await traffic.ask(PHOTOS[0], PHOTO_BYTES, times=60)
        assert len(traffic.under_way) == 60

    run(test)


def test_a_large_file_does_not_keep_small_ones_waiting() -> None:
    """Sixty parts of a video wait; the photos that come then are the next to be asked for."""

    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        await traffic.ask(VIDEO, times=60)
        for photo in PHOTOS:
            await traffic.ask(photo, PHOTO_BYTES)
        assert set(traffic.waiting_for()) == {VIDEO}
        for _ in range(2):
            await traffic.end_oldest()
        assert set(PHOTOS) <= set(traffic.waiting_for())

    run(test)


def test_files_take_turns() -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.ask(VIDEO)
        for key in PHOTOS[:3]:
            await traffic.ask(key, times=10)
        while traffic.under_way:
            await traffic.end_oldest()
        assert traffic.served == [VIDEO, *PHOTOS[:3] * 10]

    run(test)


def test_one_connection_that_cannot_be_opened_does_not_hold_up_the_others() -> None:
    async def test(traffic: Traffic) -> None:
        traffic.telegram.refuse_media = True
        await traffic.ask(VIDEO, times=3)
        while traffic.under_way:
            await traffic.end_oldest()
        assert traffic.errors == []

    run(test)


def test_without_any_connection_those_who_wait_are_told_and_the_next_try_anew() -> None:
    async def test(traffic: Traffic) -> None:
        traffic.telegram.refuse_starter = True
        await traffic.ask(VIDEO, times=3)
        assert [str(error) for error in traffic.errors] == ["refused"] * 3
        traffic.telegram.refuse_starter = False
        await traffic.ask(VIDEO)
        assert traffic.waiting_for() == [VIDEO]

    run(test)


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionError()])
def test_a_request_without_an_answer_halves_what_is_under_way(error: OSError) -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        await traffic.ask(VIDEO, times=60)
        before = len(traffic.under_way)
        await traffic.end_oldest(error)
        while len(traffic.under_way) > before // 2:
            await traffic.end_oldest()
        assert len(traffic.under_way) == before // 2

    run(test)


def test_a_connection_that_is_made_anew_gets_nothing_while_others_have_room() -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        broken = traffic.telegram.media[0]
        broken.is_started.clear()
        await traffic.ask(VIDEO, times=3)
        assert broken not in traffic.load()

    run(test)


def test_who_gave_up_waiting_takes_no_turn() -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        await traffic.ask(VIDEO, times=60)
        await traffic.close()
        traffic.under_way.clear()
        await traffic.ask(PHOTOS[0])
        assert traffic.waiting_for() == [PHOTOS[0]]

    run(test)
