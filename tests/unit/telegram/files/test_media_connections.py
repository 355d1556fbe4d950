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
from pyrogram import raw
from pyrogram.errors import FileReferenceExpired, FloodPremiumWait, FloodWait

from tdl_sync.core.errors import Stopped
from tdl_sync.core.model import MessageKey
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files import media_connections
from tdl_sync.telegram.files.addresses import Address
from tdl_sync.telegram.files.media_connections import LOOK_AT_THE_FIRST_SECONDS, MediaConnections
from tdl_sync.telegram.files.turns import BYTES_PER_CONNECTION, Turn
from tdl_sync.telegram.session.keys import Keys
from tdl_sync.telegram.session.network import Network

VIDEO = MessageKey(-1001, 0, 1)
PHOTOS = [MessageKey(-1001, 0, number) for number in range(2, 6)]
PHOTO_BYTES = 100_000


class CountedSession:
    """Stands for the library's session; nothing is sent over it."""

    def __init__(self) -> None:
        self.results: dict[int, Any] = {}
        self.received_bytes = 10 * PART_BYTES  # of other answers, before
        self.is_started = asyncio.Event()
        self.is_started.set()


class CountingTelegram:
    """Opens connections at once, as many as are asked for, or refuses to."""

    def __init__(self) -> None:
        self.client = self
        self.lines: list[str] = []
        self.network = Network(asyncio.Event(), self.lines.append)
        self.keys = Keys()
        self.sessions: set[Any] = set()
        self.starter = CountedSession()
        self.media: list[CountedSession] = []
        self.media_opens = asyncio.Event()
        self.media_opens.set()
        self.refuse_starter = False
        self.refuse_media = False
        self.media_tried = 0
        self.now = 0.0
        self.places: tuple[Address, ...] = (Address("192.0.2.1", 443),)
        self.unreachable: set[str] = set()
        self.opened_at: list[str] = []
        self.closed: list[CountedSession] = []
        self.pauses_said: list[int] = []
        self.is_stopping = False
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self.pings: list[asyncio.Future[None]] = []

    async def invoke(self, query: object, doing: str) -> raw.types.auth.ExportedAuthorization:
        assert isinstance(query, raw.functions.auth.ExportAuthorization)
        return raw.types.auth.ExportedAuthorization(id=1, bytes=b"")

    async def ask(self, session: CountedSession, query: object, seconds: float) -> None:
        """Nothing else is sent but pings."""
        if isinstance(query, raw.functions.auth.ImportAuthorization):
            return
        assert isinstance(query, raw.functions.Ping)
        self.pings.append(asyncio.get_running_loop().create_future())
        await self.pings[-1]

    def received_bytes(self, session: CountedSession) -> int:
        return session.received_bytes

    def say_pause(self, doing: str, seconds: int) -> None:
        self.pauses_said.append(seconds)

    async def sleep(self, seconds: float) -> None:
        wakes = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, wakes))
        await wakes
        if self.is_stopping:
            raise Stopped("the run is stopping")

    def wake(self) -> None:
        for at, wakes in self._sleepers:
            if (self.is_stopping or at <= self.now) and not wakes.done():
                wakes.set_result(None)

    async def get_session(self, dc_id: int, is_media: bool = False, **_: Any) -> CountedSession:
        await asyncio.sleep(0)
        self.media_tried += is_media
        if is_media:
            await self.media_opens.wait()
        if self.refuse_media if is_media else self.refuse_starter:
            raise ConnectionError("refused")
        if not is_media:
            return self.starter
        self.media.append(CountedSession())
        return self.media[-1]

    async def of(self, dc_id: int) -> tuple[Address, ...]:
        return self.places

    def say(self, line: str) -> None:
        self.lines.append(line)

    async def close(self, session: CountedSession) -> None:
        self.media.remove(session)
        self.closed.append(session)


@pytest.fixture(autouse=True)
def media_is_opened_by_the_counting_telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    async def opened_beside(
        client: CountingTelegram, beside: CountedSession, host: str, *_: object
    ) -> CountedSession:
        assert beside in (client.starter, *client.media)
        if host in client.unreachable:
            raise ConnectionError(f"{host} cannot be reached")
        session = await client.get_session(2, is_media=True)
        client.opened_at.append(host)
        return session

    monkeypatch.setattr(media_connections, "opened_beside", opened_beside)


class Traffic:
    """Requests that are under way until they are ended."""

    def __init__(self, connections: int = 4) -> None:
        self.telegram = CountingTelegram()
        self.under_way: list[tuple[MessageKey, CountedSession]] = []
        self.served: list[MessageKey] = []
        self.errors: list[BaseException] = []
        self._connections = MediaConnections(
            cast(Any, self.telegram),
            cast(Any, self.telegram),
            2,
            connections,
            clock=lambda: self.telegram.now,
        )
        self._ends: list[asyncio.Future[None]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(
        self,
        key: MessageKey,
        size_bytes: int = PART_BYTES,
        times: int = 1,
    ) -> None:
        for _ in range(times):
            request = self._request(key, size_bytes)
            self._tasks.append(asyncio.create_task(request))
        await self._settle()

    async def end_oldest(self, error: BaseException | None = None) -> None:
        """Answer the request that is under way for the longest time, or fail it."""
        await self.end(0, error)

    async def refuse_all(self, seconds: int) -> int:
        """Refuse what is under way, and whatever follows at once; how many these were."""
        refused = 0
        while self.under_way:
            refused += 1
            await self.end_oldest(FloodWait(seconds))
        return refused

    async def pass_time(self, seconds: float) -> None:
        self.telegram.now += seconds
        self.telegram.wake()
        await self._settle()

    async def pong(self, took_seconds: float) -> None:
        """What was asked last to come back comes back."""
        self.telegram.now += took_seconds
        self.telegram.pings[-1].set_result(None)
        await self._settle()

    async def give_up_as_it_begins(self, seconds: float) -> None:
        """Time passes, and who gets the first turn then gives up before it has heard of it."""
        before = len(self.served)
        self.telegram.now += seconds
        self.telegram.wake()
        while not any(self._connections._turns.values()):
            await asyncio.sleep(0)
        assert len(self.served) == before
        self._tasks[-1].cancel()
        await self._settle()

    async def stop(self) -> None:
        self.telegram.is_stopping = True
        self.telegram.wake()
        await self._settle()

    async def cancel_oldest(self) -> None:
        """Who has asked gives up."""
        self.under_way.pop(0)
        self._ends.pop(0).cancel()
        await self._settle()

    async def end(self, number: int, error: BaseException | None = None) -> None:
        self.under_way.pop(number)
        end = self._ends.pop(number)
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

    async def _request(self, key: MessageKey, size_bytes: int) -> None:
        turn = cast(Callable[..., AbstractAsyncContextManager[Turn]], self._connections.turn)
        try:
            async with turn(key, size_bytes) as given:
                session = cast(CountedSession, given.session)
                end = asyncio.get_running_loop().create_future()
                self._ends.append(end)
                self.under_way.append((key, session))
                self.served.append(key)
                await end
        except FloodWait:
            await self._request(key, size_bytes)
        except (OSError, Stopped) as error:
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


@pytest.mark.parametrize("is_open", [False, True], ids=["others are opening", "others are open"])
def test_at_the_accounts_home_no_file_comes_over_the_connection_for_calls(is_open: bool) -> None:
    """The state is saved over it; on a slow line that would wait for a whole part."""

    async def test(traffic: Traffic) -> None:
        if not is_open:
            traffic.telegram.media_opens.clear()
        await traffic.ask(VIDEO, times=3)
        assert len(traffic.under_way) == (1 if is_open else 0)
        traffic.telegram.media_opens.set()
        await traffic.ask(PHOTOS[0], PHOTO_BYTES)
        while traffic.under_way:
            assert traffic.telegram.starter not in traffic.load()
            await traffic.end_oldest()
        assert traffic.served[0] == VIDEO

    run(test)


def test_where_none_can_be_opened_at_home_files_come_over_the_connection_for_calls() -> None:
    async def test(traffic: Traffic) -> None:
        traffic.telegram.refuse_media = True
        await traffic.ask(VIDEO)
        assert traffic.under_way == [(VIDEO, traffic.telegram.starter)]
        traffic.telegram.refuse_media = False
        await traffic.end_oldest()
        await traffic.ask(PHOTOS[0], PHOTO_BYTES)
        await traffic.end_oldest()
        await traffic.ask(VIDEO, times=3)
        assert traffic.load()
        assert traffic.telegram.starter not in traffic.load()

    run(test)


def test_elsewhere_files_come_over_the_connection_for_calls_until_others_are_open() -> None:
    async def test(traffic: Traffic) -> None:
        traffic.telegram.keys.home_is(1)
        traffic.telegram.media_opens.clear()
        await traffic.ask(VIDEO, times=2)
        assert traffic.under_way == [(VIDEO, traffic.telegram.starter)]
        traffic.telegram.media_opens.set()
        await traffic.end_oldest()
        assert traffic.load() == {traffic.telegram.media[0]: 1}

    run(test)


@pytest.mark.parametrize(
    ("so_far_bytes", "after_seconds", "under_way"),
    [(0, 5, 1), (20_000, 0.1, 1), (75_000, 0.1, 4), (PART_BYTES // 2, 0.1, 8), (75_000, 1, 1)],
)
def test_others_follow_as_soon_as_what_is_there_of_the_first_answer_shows_that_they_fit(
    so_far_bytes: int, after_seconds: float, under_way: int
) -> None:
    """As many as come in six seconds at the rate so far, or as the connections take: two each."""

    async def test(traffic: Traffic) -> None:
        await traffic.ask(VIDEO, times=20)
        ((_, session),) = traffic.under_way
        session.received_bytes += so_far_bytes
        await traffic.pass_time(after_seconds)
        assert len(traffic.under_way) == under_way
        assert sum(traffic.load().values()) == under_way

    run(test)


def test_what_cannot_be_opened_is_not_tried_again_because_the_first_answer_is_looked_at() -> None:
    async def test(traffic: Traffic) -> None:
        traffic.telegram.refuse_media = True
        await traffic.ask(VIDEO, times=4)
        tried = traffic.telegram.media_tried
        for _ in range(20):
            await traffic.pass_time(LOOK_AT_THE_FIRST_SECONDS)
        assert traffic.telegram.media_tried == tried > 0

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


@pytest.mark.parametrize("keys", [PHOTOS[:3], PHOTOS[2::-1]], ids=["oldest first", "newest first"])
def test_files_take_turns_and_the_one_that_began_first_takes_two(keys: list[MessageKey]) -> None:
    """So that it ends before the others, and is uploaded while they are downloaded."""

    async def test(traffic: Traffic) -> None:
        await traffic.ask(VIDEO)
        first, second, third = keys
        for key in keys:
            await traffic.ask(key, times=10)
        while traffic.under_way:
            await traffic.end_oldest()
        while_first = [first, first, second, third] * 4 + [first, first]
        while_second = [second, second, third] * 3
        assert traffic.served == [VIDEO, *while_first, *while_second, third, third, third]

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


# When Telegram asks for a pause

PAUSE_SECONDS = 5


def test_nothing_is_asked_during_a_pause_and_then_one_request_before_the_others() -> None:
    """What was under way when it began is refused, and nothing else: the window is the same."""

    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        await traffic.ask(VIDEO, times=60)
        under_way = len(traffic.under_way)
        assert await traffic.refuse_all(PAUSE_SECONDS) == under_way
        await traffic.pass_time(PAUSE_SECONDS - 0.1)
        assert traffic.under_way == []
        await traffic.pass_time(0.1)
        assert len(traffic.under_way) == 1
        await traffic.end_oldest()
        assert len(traffic.under_way) == under_way
        assert traffic.telegram.pauses_said == [PAUSE_SECONDS]

    run(test)


async def feels_its_way(traffic: Traffic) -> int:
    """One request, after a pause; how many were under way before."""
    await traffic.open_the_window()
    await traffic.ask(VIDEO, times=60)
    under_way = await traffic.refuse_all(PAUSE_SECONDS)
    await traffic.pass_time(PAUSE_SECONDS)
    assert len(traffic.under_way) == 1
    return under_way


def test_the_others_follow_when_a_refusal_would_have_been_there() -> None:
    """Not when the whole answer is: a refusal takes no longer than a pong."""

    async def test(traffic: Traffic) -> None:
        under_way = await feels_its_way(traffic)
        await traffic.pong(0.2)
        await traffic.pass_time(0.1)
        assert len(traffic.under_way) == 1
        await traffic.pass_time(0.02)
        assert len(traffic.under_way) == under_way

    run(test)


def test_a_refusal_that_comes_before_that_is_heard() -> None:
    async def test(traffic: Traffic) -> None:
        await feels_its_way(traffic)
        await traffic.pong(0.2)
        assert await traffic.refuse_all(PAUSE_SECONDS) == 1
        await traffic.pass_time(1.0)
        assert traffic.under_way == []

    run(test)


def test_where_a_refusal_came_later_than_a_pong_each_answer_is_waited_for() -> None:
    async def test(traffic: Traffic) -> None:
        under_way = await feels_its_way(traffic)
        await traffic.pong(0.2)
        await traffic.pass_time(0.2)
        assert await traffic.refuse_all(PAUSE_SECONDS) == under_way
        pings = len(traffic.telegram.pings)
        await traffic.pass_time(PAUSE_SECONDS)
        assert len(traffic.under_way) == 1
        assert len(traffic.telegram.pings) == pings
        await traffic.end_oldest()
        assert len(traffic.under_way) == under_way

    run(test)


def test_who_gives_up_before_its_pong_is_there_shows_nothing() -> None:
    async def test(traffic: Traffic) -> None:
        await feels_its_way(traffic)
        pong = traffic.telegram.pings[-1]
        await traffic.cancel_oldest()
        pong.set_result(None)
        await traffic.pass_time(1.0)
        assert len(traffic.under_way) == 1

    run(test)


def test_each_further_pause_costs_one_refused_request() -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        await traffic.ask(VIDEO, times=60)
        await traffic.refuse_all(PAUSE_SECONDS)
        for _ in range(3):
            await traffic.pass_time(PAUSE_SECONDS)
            assert await traffic.refuse_all(PAUSE_SECONDS) == 1
        assert traffic.telegram.pauses_said == [PAUSE_SECONDS] * 4

    run(test)


def test_of_several_waits_the_longest_counts() -> None:
    """Two limits at once, such as one of the account and one for want of Premium."""

    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        await traffic.ask(VIDEO, times=60)
        await traffic.end_oldest(FloodWait(5))
        await traffic.end_oldest(FloodPremiumWait(70))
        await traffic.refuse_all(10)
        await traffic.pass_time(69)
        assert traffic.under_way == []
        await traffic.pass_time(1)
        assert len(traffic.under_way) == 1
        assert traffic.telegram.pauses_said == [5, 70]

    run(test)


def test_a_wait_of_no_time_at_all_is_a_pause_as_well() -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.ask(VIDEO)
        await traffic.end_oldest(FloodWait(0))
        assert traffic.under_way == []
        await traffic.pass_time(1)
        assert len(traffic.under_way) == 1

    run(test)


@pytest.mark.parametrize("how", ["cancelled", "no answer"])
def test_where_the_first_after_a_pause_comes_to_nothing_the_next_feels_the_way(how: str) -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        await traffic.ask(VIDEO, times=60)
        await traffic.refuse_all(PAUSE_SECONDS)
        await traffic.pass_time(PAUSE_SECONDS)
        if how == "cancelled":
            await traffic.cancel_oldest()
        else:
            await traffic.end_oldest(ConnectionError())
        assert len(traffic.under_way) == 1
        await traffic.end_oldest()
        assert len(traffic.under_way) > 1

    run(test)


def test_who_gives_up_in_the_moment_of_its_turn_holds_up_nobody() -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.ask(VIDEO)
        await traffic.ask(PHOTOS[0])
        await traffic.end_oldest(FloodWait(PAUSE_SECONDS))
        await traffic.give_up_as_it_begins(PAUSE_SECONDS)
        assert traffic.waiting_for() == [VIDEO]

    run(test)


def test_after_a_pause_any_other_answer_shows_that_it_is_over() -> None:
    """Telegram has taken a request that it refuses for another reason."""

    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        await traffic.ask(VIDEO, times=60)
        await traffic.refuse_all(PAUSE_SECONDS)
        await traffic.pass_time(PAUSE_SECONDS)
        await traffic.end_oldest(FileReferenceExpired())
        assert len(traffic.under_way) > 1

    run(test)


def test_a_stop_ends_the_wait_of_all_who_wait_for_the_end_of_a_pause() -> None:
    async def test(traffic: Traffic) -> None:
        await traffic.ask(VIDEO, times=3)
        await traffic.end_oldest(FloodWait(3000))
        await traffic.stop()
        await traffic.ask(PHOTOS[0])
        assert [type(error) for error in traffic.errors] == [Stopped] * 4

    run(test)


def test_a_limit_of_one_connection_holds_that_one_alone() -> None:
    """The others have answered what was sent when it was refused already."""

    async def test(traffic: Traffic) -> None:
        await traffic.open_the_window()
        await traffic.ask(VIDEO, times=60)
        while len(traffic.served) < 80:  # they go on one by one
            await traffic.pass_time(0.1)
            await traffic.end_oldest()
        limited = traffic.under_way[0][1]
        await traffic.end_oldest(FloodWait(PAUSE_SECONDS))
        for _ in range(7):  # all that were under way as well
            await traffic.end_oldest()
        assert traffic.load() == {
            session: 2 for session in traffic.telegram.media if session is not limited
        }
        await traffic.pass_time(PAUSE_SECONDS)
        assert traffic.load()[limited] == 1

    run(test)


@pytest.mark.parametrize("is_blocked", [True, False])
def test_what_was_passed_over_is_used_again_if_it_can_be_reached_after_all(
    is_blocked: bool,
) -> None:
    """A short outage that nobody noticed looks like an address that is blocked. The connection by
    which that is seen is closed again."""

    async def test(traffic: Traffic) -> None:
        telegram = traffic.telegram
        telegram.places = (Address("192.0.2.1", 443), Address("192.0.2.2", 443))
        telegram.unreachable.add("192.0.2.1")
        telegram.media_opens.clear()
        await traffic.ask(VIDEO)
        if not is_blocked:
            telegram.unreachable.clear()
        telegram.media_opens.set()
        await traffic.ask(VIDEO, times=60)
        assert [line for line in telegram.lines if "192.0.2.1" in line] == [
            "warning: 192.0.2.1, where Telegram has files, could not be reached: they come from "
            "192.0.2.2"
        ]
        assert len(telegram.closed) == (not is_blocked)
        assert len(telegram.media) == 4
        assert telegram.opened_at[-1] == ("192.0.2.2" if is_blocked else "192.0.2.1")

    run(test)
