"""A Telegram in virtual time for the real source of parts: what its connections carry in a second,
how long a round trip is and what its limits refuse is the same on every machine, however busy.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from pyrogram import raw
from pyrogram.errors import FloodPremiumWait, FloodWait

from standins.telegram.service.limits import ArmedLimit, RequestLimit
from tdl_sync.core.model import FileLocation, LocationKind, MediaItem, MediaType, MessageKey
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files.parts import TelegramPartSource
from tdl_sync.telegram.session.keys import Keys

ROUND_TRIP_SECONDS = 0.08
OPENING_SECONDS = 2 * ROUND_TRIP_SECONDS
CONNECTION_BYTES_PER_SECOND = 4e6

MOMENT_SECONDS = 1e-6
"""As exactly times add up."""

DOWNLOADS = 4
SMALL_DOWNLOADS = 32
PARTS_IN_FLIGHT = 18

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
    bytes_per_second = CONNECTION_BYTES_PER_SECOND

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
        self.free_at_seconds += size_bytes / self.bytes_per_second
        return self.free_at_seconds - now + ROUND_TRIP_SECONDS / 2

    def received_bytes(self, now: float) -> int:
        return sum(
            min(max(int((now - begins_at) * self.bytes_per_second), 0), size_bytes)
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

    is_there = True

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
            kind = dict.fromkeys(("ipv6", "media_only", "cdn", "tcpo_only", "secret"), False)
            return SimpleNamespace(dc_options=[SimpleNamespace(**here, **kind)])
        if isinstance(query, raw.functions.Ping):
            return await self._server.answer(session, 0, is_file=False)
        left_bytes = self._sizes[query.location.id] - query.offset
        size_bytes = max(min(query.limit, left_bytes), 0)
        answer = await self._server.answer(session, size_bytes, is_file=True)
        return raw.types.upload.File(type=cast(Any, None), mtime=0, bytes=answer)


async def opened_beside(client: LimitedTelegram, *_: Any) -> LimitedSession:
    """Stands for the library's own: see ``tdl_sync.telegram.session.library``."""
    await asyncio.sleep(OPENING_SECONDS)
    return LimitedSession(client.server)


def serving(limits: Sequence[RequestLimit]) -> Server:
    now = asyncio.get_running_loop().time
    return Server([ArmedLimit(each, now) for each in limits])


async def ready_to_download(
    server: Server, sizes: Sequence[int], connections: int
) -> Coroutine[Any, Any, None]:
    """The downloads, as the pipeline asks for them: so many files at once, so many parts of each,
    and the connections for them opened while the chat is claimed."""
    telegram = cast(Any, LimitedTelegram(server, sizes))
    now = asyncio.get_running_loop().time
    parts = TelegramPartSource(telegram, cast(Any, None), connections, clock=now)
    items = list(itertools.starmap(_item, enumerate(sizes)))
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

    async def download_all() -> None:
        await asyncio.gather(*map(download, items))

    return download_all()


def _item(number: int, size_bytes: int) -> MediaItem:
    kind, key = LocationKind.DOCUMENT, MessageKey(-1001, 0, number)
    location = FileLocation(kind, 2, number, 1, b"", "")
    now = datetime.now(timezone.utc)
    return MediaItem(key, MediaType.DOCUMENT, None, "", size_bytes, now, location)
