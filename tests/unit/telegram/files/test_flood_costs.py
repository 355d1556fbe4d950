"""What limits cost: beside a client that obeys each wait and does nothing else, in virtual time.

Parts come over connections that carry so many bytes a second; limits are those of the stand-in.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from pyrogram import raw
from pyrogram.errors import FloodPremiumWait, FloodWait

from scripts.benchmark.obedient import CONNECTIONS, get_all
from standins.telegram.service.limits import ArmedLimit, LimitShape, RequestLimit
from tdl_sync.core.model import FileLocation, LocationKind, MediaItem, MediaType, MessageKey
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files import media_connections
from tdl_sync.telegram.files.parts import TelegramPartSource
from tdl_sync.telegram.session.keys import Keys
from tests.virtual_time import in_virtual_time

ROUND_TRIP_SECONDS = 0.08
OPENING_SECONDS = 2 * ROUND_TRIP_SECONDS
CONNECTION_BYTES_PER_SECOND = 4e6

MOMENT_SECONDS = 1e-6
"""As exactly times add up."""

DOWNLOADS = 4
SMALL_DOWNLOADS = 32
PARTS_IN_FLIGHT = 18

MOST_TIMES = 1.1
"""So much more than what the other client needs."""


Key = TypeVar("Key")


@dataclass(frozen=True)
class Refusal:
    """What is raised, for how long, and which limit it was: of the account, or of a connection."""

    error: FloodWait | FloodPremiumWait
    seconds: int
    limit: tuple[int, int]
    at_seconds: float


class LimitedSession:
    """A connection to a server that sends one answer after the other."""

    dc_id = 2

    def __init__(self, server: Server) -> None:
        self.number = next(server.numbers)
        self.free_at_seconds = 0.0
        self.is_started = asyncio.Event()
        self.is_started.set()
        self.results: dict[int, Any] = {}
        self._answers: list[tuple[float, int]] = []

    def answers(self, now: float, size_bytes: int) -> float:
        """After all that it has answered before; in how many seconds the last byte is there."""
        self.free_at_seconds = max(self.free_at_seconds, now)
        self._answers.append((self.free_at_seconds + ROUND_TRIP_SECONDS / 2, size_bytes))
        self.free_at_seconds += size_bytes / CONNECTION_BYTES_PER_SECOND
        return self.free_at_seconds - now + ROUND_TRIP_SECONDS / 2

    def received_bytes(self, now: float) -> int:
        return sum(
            min(max(int((now - begins_at) * CONNECTION_BYTES_PER_SECOND), 0), size_bytes)
            for begins_at, size_bytes in self._answers
        )


@dataclass
class Heard:
    """When a wait was first heard of, and until when it was told."""

    at_seconds: float
    until_seconds: float

    def holds(self, sent_at_seconds: float) -> bool:
        """What comes in the same moment may be heard in any order."""
        return self.at_seconds < sent_at_seconds < self.until_seconds - MOMENT_SECONDS


@dataclass
class Server:
    """Takes requests as its limits allow."""

    limits: Sequence[ArmedLimit]
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    asked_during_its_wait: int = 0
    """As many were sent over a connection that had heard of a wait, before its end."""
    refused_in_vain: int = 0
    """As many were refused that were sent when it had been heard of the same limit's wait."""
    _heard_over: dict[int, Heard] = field(default_factory=dict)
    _heard_of: dict[tuple[int, int], Heard] = field(default_factory=dict)
    _taken_at: defaultdict[tuple[int, int], float] = field(
        default_factory=lambda: defaultdict(float)
    )

    async def answer(self, session: LimitedSession, size_bytes: int, *, is_file: bool) -> bytes:
        now = asyncio.get_running_loop().time
        sent_at = now()
        if is_file and session.number in self._heard_over:
            self.asked_during_its_wait += self._heard_over[session.number].holds(sent_at)
        await asyncio.sleep(ROUND_TRIP_SECONDS / 2)
        refusal = self._refusal(session) if is_file else None
        answer = b"" if refusal else bytes(size_bytes)
        answer_seconds = session.answers(now(), len(answer))
        if refusal is not None and refusal.limit in self._heard_of:
            self.refused_in_vain += self._heard_of[refusal.limit].holds(sent_at)
        await asyncio.sleep(answer_seconds)
        if refusal is not None:
            until = now() + refusal.seconds
            _hear(self._heard_over, session.number, now(), until)
            if refusal.at_seconds > self._taken_at[refusal.limit]:
                _hear(self._heard_of, refusal.limit, now(), until)
            raise refusal.error
        return answer

    def _refusal(self, session: LimitedSession) -> Refusal | None:
        now = asyncio.get_running_loop().time()
        for number, each in enumerate(self.limits):
            limit = (number, session.number if each.limit.scope == "connection" else 0)
            seconds = each.seconds_to_wait("upload.GetFile", session.dc_id, session.number)
            if seconds is not None:
                is_premium = each.limit.kind == "flood_premium_wait"
                error = FloodPremiumWait(seconds) if is_premium else FloodWait(seconds)
                return Refusal(error, seconds, limit, now)
            self._taken_at[limit] = now
            self._heard_of.pop(limit, None)
        return None


def _hear(heard: dict[Key, Heard], key: Key, now: float, until: float) -> None:
    known = heard.get(key)
    if known is None or known.until_seconds <= now:
        heard[key] = Heard(now, until)
    else:
        known.until_seconds = max(known.until_seconds, until)


class LimitedTelegram:
    """What ``TelegramPartSource`` needs of a client."""

    ipv6 = False

    def __init__(self, server: Server, sizes: Sequence[int]) -> None:
        self._server = server
        self._sizes = sizes
        self.keys = Keys()
        self.sessions: set[Any] = set()
        self.session = LimitedSession(server)
        self.client = self.loop = self.network = self
        self.outages = 0

    @property
    def server(self) -> Server:
        return self._server

    def submit(self, function: Any, *arguments: Any, **named: Any) -> Any:
        running = asyncio.get_running_loop()
        return asyncio.run_coroutine_threadsafe(function(*arguments, **named), running)

    async def wait(self) -> None:
        """The network is there."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def say_pause(self, doing: str, seconds: int) -> None:
        pass

    async def get_session(self, dc_id: int, **_: Any) -> LimitedSession:
        return self.session

    def received_bytes(self, session: LimitedSession) -> int:
        return session.received_bytes(asyncio.get_running_loop().time())

    async def ask(self, session: LimitedSession, query: Any, seconds: float) -> Any:
        if isinstance(query, raw.functions.InvokeWithoutUpdates):
            here = {"id": session.dc_id, "ip_address": "192.0.2.1", "port": 443}
            kind = {"ipv6": False, "media_only": False, "cdn": False}
            return SimpleNamespace(dc_options=[SimpleNamespace(**here, **kind)])
        if isinstance(query, raw.functions.Ping):
            return await self._server.answer(session, 0, is_file=False)
        left_bytes = self._sizes[query.location.id] - query.offset
        size_bytes = max(min(query.limit, left_bytes), 0)
        answer = await self._server.answer(session, size_bytes, is_file=True)
        return raw.types.upload.File(type=cast(Any, None), mtime=0, bytes=answer)


@pytest.fixture(autouse=True)
def connections_are_opened_to_the_limited_telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    async def opened_beside(client: LimitedTelegram, *_: Any) -> LimitedSession:
        await asyncio.sleep(OPENING_SECONDS)
        return LimitedSession(client.server)

    monkeypatch.setattr(media_connections, "opened_beside", opened_beside)


@dataclass(frozen=True)
class Cost:
    """How long it took, and what each limit has counted."""

    seconds: float
    taken: int
    refused: int
    pauses: int
    asked_during_its_wait: int
    refused_in_vain: int


def item(number: int, size_bytes: int) -> MediaItem:
    kind, key = LocationKind.DOCUMENT, MessageKey(-1001, 0, number)
    location = FileLocation(kind, 2, number, 1, b"", "")
    now = datetime.now(timezone.utc)
    return MediaItem(key, MediaType.DOCUMENT, None, "", size_bytes, now, location)


async def cost_of(server: Server, work: Any) -> Cost:
    now = asyncio.get_running_loop().time
    began = now()
    await work
    counts = [each.counts() for each in server.limits]
    return Cost(
        now() - began,
        max((each.taken for each in counts), default=0),
        sum(each.refused for each in counts),
        sum(each.pauses for each in counts),
        server.asked_during_its_wait,
        server.refused_in_vain,
    )


def serving(limits: Sequence[RequestLimit]) -> Server:
    now = asyncio.get_running_loop().time
    return Server([ArmedLimit(each, now) for each in limits])


async def ours(limits: Sequence[RequestLimit], sizes: Sequence[int]) -> Cost:
    """As the pipeline asks: so many files at once, so many parts of each, and the connections for
    them opened while the chat is claimed."""
    server = serving(limits)
    telegram = cast(Any, LimitedTelegram(server, sizes))
    now = asyncio.get_running_loop().time
    parts = TelegramPartSource(telegram, cast(Any, None), CONNECTIONS, clock=now)
    items = list(itertools.starmap(item, enumerate(sizes)))
    parts.expect(items)
    await asyncio.sleep(1)
    turns = {False: asyncio.Semaphore(DOWNLOADS), True: asyncio.Semaphore(SMALL_DOWNLOADS)}

    async def download(each: MediaItem) -> None:
        at_once = asyncio.Semaphore(PARTS_IN_FLIGHT)

        async def fetch(offset_bytes: int) -> int:
            async with at_once:
                part = parts.fetch_part(each, offset_bytes, PART_BYTES)
                fetched: bytes = await asyncio.wrap_future(part)
                return len(fetched)

        async with turns[each.size_bytes < PART_BYTES]:
            offsets = range(0, each.size_bytes + 1, PART_BYTES)
            assert sum(await asyncio.gather(*map(fetch, offsets))) == each.size_bytes

    return await cost_of(server, asyncio.gather(*map(download, items)))


async def theirs(limits: Sequence[RequestLimit], sizes: Sequence[int]) -> Cost:
    server = serving(limits)

    async def work() -> None:
        connections = [LimitedSession(server) for _ in range(CONNECTIONS)]
        await asyncio.sleep(OPENING_SECONDS)
        parts = [
            min(PART_BYTES, size_bytes - offset_bytes)
            for size_bytes in sizes
            for offset_bytes in range(0, size_bytes, PART_BYTES)
        ]

        async def get(session: LimitedSession, size_bytes: int) -> None:
            await server.answer(session, size_bytes, is_file=True)

        await get_all(connections, parts, get, limits[0].scope)

    return await cost_of(server, work())


LARGE = (64_000_000,)
SEVERAL = (32_000_000,) * 4
SMALL = (100_000,) * 200
FEW_SMALL = (100_000,) * 60

FEW_A_CONNECTION = RequestLimit(3, 4, scope="connection")
PREMIUM = RequestLimit(60, 3, kind="flood_premium_wait")
SHAPES: tuple[LimitShape, ...] = ("window", "bucket", "burst")
QUICK = RequestLimit(10, 1, shape="bucket")

END_OF_A_TURN: tuple[tuple[int, int, LimitShape, tuple[int, ...]], ...] = (
    (8, 3, "burst", SEVERAL),
    (5, 5, "burst", SEVERAL),
    (3, 2, "burst", SEVERAL),
    (4, 7, "bucket", LARGE),
    (2, 5, "bucket", LARGE),
    (6, 3, "burst", FEW_SMALL),
    (4, 4, "window", FEW_SMALL),
    (2, 4, "burst", SEVERAL),
)
"""Limits that let some connections take a last part which others would be refused."""

CASES: dict[str, tuple[list[RequestLimit], tuple[int, ...]]] = {
    "account": ([RequestLimit(40, 5)], LARGE),
    "account, several files": ([RequestLimit(30, 4)], SEVERAL),
    "account, a bucket": ([RequestLimit(20, 2, shape="bucket")], LARGE),
    "account, a bucket that fills quickly": ([QUICK], SEVERAL),
    "account, short bursts": ([RequestLimit(10, 1, shape="burst")], LARGE),
    "without Premium, small files": ([PREMIUM], SMALL),
    "without Premium, and the account": ([RequestLimit(40, 5), PREMIUM], SEVERAL),
    "each connection": ([RequestLimit(5, 3, scope="connection")], LARGE),
    "each connection, few": ([FEW_A_CONNECTION], LARGE),
    "each connection, several files": ([FEW_A_CONNECTION], SEVERAL),
    "each connection, small files": ([RequestLimit(6, 2, scope="connection")], SMALL),
    **{
        f"each connection, {requests} in {seconds} s, {shape}": (
            [RequestLimit(requests, seconds, scope="connection", shape=shape)],
            sizes,
        )
        for requests, seconds, shape, sizes in END_OF_A_TURN
    },
    **{
        f"account, {requests} in {seconds} s, {shape}": (
            [RequestLimit(requests, seconds, shape=shape)],
            LARGE,
        )
        for requests in (8, 16, 31, 62, 64)
        for seconds in (3, 5)
        for shape in SHAPES
    },
    "one connection": ([RequestLimit(4, 5, scope="connection", connection=5)], SEVERAL),
}


ALIKE: dict[str, tuple[RequestLimit, tuple[int, ...]]] = {
    f"each connection, {requests} in {seconds} s, burst": (
        RequestLimit(requests, seconds, scope="connection", shape="burst"),
        SEVERAL,
    )
    for requests, seconds in ((4, 3), (6, 4))
}
"""All have taken as many when the first of them is refused, as they would where the account has a
limit of that many for each. So some are asked again only after its pause, and begin theirs then."""


@pytest.mark.parametrize("case", ALIKE)
def test_a_limit_that_looks_like_the_accounts_costs_one_pause_more(case: str) -> None:
    limit, sizes = ALIKE[case]
    our_cost = in_virtual_time(ours([limit], sizes))
    their_cost = in_virtual_time(theirs([limit], sizes))
    assert our_cost.seconds <= MOST_TIMES * their_cost.seconds + limit.seconds
    assert our_cost.refused <= MOST_TIMES * their_cost.refused + CONNECTIONS


@pytest.mark.parametrize("case", CASES)
def test_a_flood_wait_costs_its_time_alone(case: str) -> None:
    """Beside a client that knows whom each wait means, and obeys it. No connection asks during its
    wait; each part is asked for once; and refused is what was under way when a pause began, and one
    request more for each."""
    limits, sizes = CASES[case]
    our_cost = in_virtual_time(ours(limits, sizes))
    their_cost = in_virtual_time(theirs(limits, sizes))
    assert our_cost.seconds <= MOST_TIMES * their_cost.seconds
    assert our_cost.asked_during_its_wait == 0
    assert our_cost.refused_in_vain <= our_cost.pauses
    parts = sum(-(-size_bytes // PART_BYTES) for size_bytes in sizes)
    assert our_cost.taken <= parts
