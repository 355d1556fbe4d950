"""A few long-lived connections to one data centre, shared by all files.

Opening one costs several round trips, so they are opened side by side and kept; Telegram also
limits the speed of a connection, so requests are spread over all of them. A request that one of
them is silent about is asked again over another (``late_requests``). While Telegram asks for a
pause nothing is sent (``flood_waits``).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pyrogram import raw
from pyrogram.errors import AuthBytesInvalid, RPCError
from pyrogram.raw.core import TLObject

from tdl_sync.core.errors import DownloadFailed, Stopped
from tdl_sync.core.model import MessageKey
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files.addresses import Address, DataCentreAddresses
from tdl_sync.telegram.files.asides import Asides
from tdl_sync.telegram.files.download_limit import DownloadLimit
from tdl_sync.telegram.files.flood_waits import FloodWaits
from tdl_sync.telegram.files.late_answers import AnswerTimes
from tdl_sync.telegram.files.late_requests import LateRequests
from tdl_sync.telegram.files.turns import BYTES_PER_CONNECTION, Turn
from tdl_sync.telegram.files.window import RequestWindow
from tdl_sync.telegram.session.answers import SESSION_ENDED, flood_wait_seconds, translated
from tdl_sync.telegram.session.client import CALL_SECONDS, TelegramClient
from tdl_sync.telegram.session.keys import KeyUnknown
from tdl_sync.telegram.session.library import (
    Session,
    connected,
    forget_session_for_calls,
    give_up_session_for_calls,
    opened_beside,
    session_for_calls,
)
from tdl_sync.telegram.session.network import first_of

Answer = TypeVar("Answer")

MOST_REMEMBERED_FILES = 1000
"""Then those that wait for nothing are forgotten: one of them that asks again begins anew."""

ANOTHER_ADDRESS_SECONDS = 10.0
"""After so long without a connection the next of a data centre's addresses is tried."""

AGAIN_SECONDS = 2.0
"""So much longer than where it is reached what is passed over for that is tried once more."""

ALONE_SECONDS = 3.0
"""So long the connection for calls waits for another to be there again before it carries files."""

LOOK_AT_THE_FIRST_SECONDS = 0.02
"""So often it is seen how much of the first answer is there."""

SMALLEST_REQUEST_BYTES = PART_BYTES // 16
"""What the smallest request counts for, so that even tiny files are not asked for without end."""


@dataclass(frozen=True)
class Waiter:
    """A request that waits for its turn: what it counts for, how long its answer will be, and who
    is told."""

    size_bytes: int
    answer_bytes: int
    turn: asyncio.Future[Turn]


class MediaConnections:
    """The media connections to one data centre. Lives on the loop.

    A request waits for its ``turn``: first come first served within a file, and turn by turn
    between files, so that a large file does not keep small ones waiting. The file that began first
    has two turns one after the other: files of one size that began together would end together,
    and nothing would be uploaded before.
    """

    def __init__(
        self,
        telegram: TelegramClient,
        addresses: DataCentreAddresses,
        dc_id: int,
        connections: int,
        limit: DownloadLimit | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``limit`` is the user's, for all data centres together."""
        self._limit = limit or DownloadLimit()
        self._limited: asyncio.TimerHandle | None = None
        self._telegram = telegram
        self._addresses = addresses
        self._dc_id = dc_id
        self._connections = connections
        self._clock = clock
        # One more, since the connection for calls may carry the first parts.
        self._window = RequestWindow((connections + 1) * BYTES_PER_CONNECTION, clock)
        self._places: tuple[Address, ...] = ()
        self._reached = 0
        """At which of them connections are opened: those before it could not be reached."""
        self._told: set[Address] = set()
        """Which of those before it the user knows of."""
        self._waiting_for_others: asyncio.Task[None] | None = None
        self._starter: Session | None = None
        self._none_opens = False
        self._turns: dict[Session, list[Turn]] = {}
        self._owed: defaultdict[Session, list[Turn]] = defaultdict(list)
        self._under_way = 0
        self._expected = 0
        self._times = AnswerTimes(clock)
        self._opening: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._waiting: OrderedDict[MessageKey, deque[Waiter]] = OrderedDict()
        self._last_served: MessageKey | None = None
        self._first_asked: dict[MessageKey, int] = {}
        self._numbers = itertools.count()
        self._stopped: Stopped | None = None
        self._asides = Asides()
        self._flood_waits = FloodWaits(telegram, clock, self.serve, self._stop)
        self._late_requests = LateRequests(telegram, self, self._times, self._flood_waits, clock)

    def expect(self, requests: int) -> None:
        """So many will come soon, so what is opened for them is opened now."""
        self._expected = max(self._expected, requests)
        self._open_what_is_wanted()

    async def ask(self, key: MessageKey, query: TLObject[Any], size_bytes: int) -> Any:
        """The answer to one request of this file, which will have so many bytes.

        It goes out when a connection has room for it, and not while Telegram asks for a pause.
        Raises what ``TelegramClient.ask`` does, ``Stopped``, and what opening a connection raised
        if there is none at all.
        """
        async with self.turn(key, size_bytes) as turn:
            return await self._late_requests.ask(turn, query, size_bytes)

    @asynccontextmanager
    async def turn(self, key: MessageKey, size_bytes: int) -> AsyncIterator[Turn]:
        """A connection for one request, for as long as that is under way, as ``ask`` has it."""
        if self._stopped is not None:
            raise self._stopped
        counted_bytes = max(size_bytes, SMALLEST_REQUEST_BYTES)
        given: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        waiter = Waiter(counted_bytes, size_bytes, given)
        self._remember(key)
        self._waiting.setdefault(key, deque()).append(waiter)
        self.serve()
        try:
            turn = await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled() and given.exception() is None:
                self._ended_turn(given.result())
            raise
        try:
            yield turn
        except (OSError, RPCError) as error:
            self._failed(turn, error)
            raise
        else:
            self._late_requests.answered(size_bytes)
            self._window.answered(turn.sent, size_bytes)
            self._flood_waits.taken(turn.answered_by or turn)
        finally:
            self._ended_turn(turn)

    def _failed(self, turn: Turn, error: OSError | RPCError) -> None:
        seconds = flood_wait_seconds(error)
        if seconds is not None:
            # What arrives is not to blame, so the window stays as it is.
            self._flood_waits.refused(turn.answered_by or turn, seconds)
        elif isinstance(error, RPCError):
            self._flood_waits.taken(turn.answered_by or turn)
        else:
            self._window.refused()
        if isinstance(error, (KeyUnknown, *SESSION_ENDED)):
            self._need_a_new_key(turn.session)

    def _stop(self, stopped: Stopped) -> None:
        self._stopped = stopped
        self._fail_all(stopped)

    def _ended_turn(self, turn: Turn) -> None:
        self._under_way -= 1
        self.over(turn)

    def another(self, turn: Turn) -> Session | None:
        """A connection for what this one is silent about; it may have to be opened first."""
        if self._connections == 1:
            return None
        others = [
            session
            for session in self._turns
            if session not in (turn.session, self._starter)
            and connected(session).is_set()
            and self._flood_waits.may_ask(session)
        ]
        may_open = not others and not self._opening and self._flood_waits.are_none
        if may_open and self._places:
            self._begin(self._open())
        return min(others, key=lambda each: self._finish(each, turn.size_bytes), default=None)

    # --- who gets which connection -------------------------------------------------------------

    def serve(self) -> None:
        """Give connections to those who wait, as many as the window allows."""
        if self._waiting or self._expected:
            self._open_what_is_wanted()
        while self._waiting:
            first = next(iter(self._waiting.values()))[0]
            session = self._soonest(first.size_bytes)
            if session is None or not self._has_room(session, first) or self._is_limited():
                return
            waiter = self._next_waiter()
            if not waiter.turn.done():
                self._under_way += 1
                turn = self.begun(session, waiter.size_bytes, waiter.answer_bytes)
                waiter.turn.set_result(turn)

    def _is_limited(self) -> bool:
        """Whether the user's limit has them wait; they are served when that is over."""
        seconds = self._limit.seconds_left()
        if seconds <= 0:
            return False
        if self._limited is None:
            loop = asyncio.get_running_loop()
            self._limited = loop.call_later(seconds, self._serve_again)
        return True

    def _serve_again(self) -> None:
        self._limited = None
        self.serve()

    def begun(self, session: Session, size_bytes: int, answer_bytes: int) -> Turn:
        self._expected = 0
        turn = Turn(session, self._window.sent(), size_bytes, answer_bytes)
        self._turns[session].append(turn)
        self._limit.asked(answer_bytes)
        self._flood_waits.asked(turn)
        if self._window.is_untried:
            self._asides.begin(self._look_at_the_first(turn))
        return turn

    async def _look_at_the_first(self, turn: Turn) -> None:
        """Others follow when enough of it is there, not when all of it is."""
        session = turn.session
        before_bytes = self._telegram.received_bytes(session)
        while self._window.waits_for_the_first and turn in self._turns.get(session, ()):
            await self._telegram.sleep(LOOK_AT_THE_FIRST_SECONDS)
            received_bytes = self._telegram.received_bytes(session) - before_bytes
            limit_bytes = self._window.limit_bytes
            self._window.arriving(turn.sent, received_bytes)
            if self._window.limit_bytes > limit_bytes:  # else connections would be tried each time
                self.serve()

    def under_way(self) -> Iterator[Turn]:
        return (turn for turns in self._turns.values() for turn in turns)

    def over(self, turn: Turn) -> None:
        self._limit.answered(turn.answer_bytes)
        self._flood_waits.ended(turn)
        turns = self._turns.get(turn.session, [])
        if turn in turns:
            turns.remove(turn)
        self.serve()

    def owes(self, turn: Turn, answer: asyncio.Task[Any]) -> None:
        """See ``late_requests.Lines``. It counts for what its connection can carry, so that this
        is never given more than may be asked for again."""
        owed = replace(turn)
        self._owed[turn.session].append(owed)

        def came(_: asyncio.Task[Any]) -> None:
            self._owed[turn.session].remove(owed)
            self.serve()

        answer.add_done_callback(came)

    def _busy_bytes(self, session: Session) -> int:
        return sum(turn.size_bytes for turn in self._turns[session])

    def _carried_bytes(self, session: Session) -> int:
        return self._busy_bytes(session) + sum(turn.size_bytes for turn in self._owed[session])

    def _has_room(self, session: Session, waiter: Waiter) -> bool:
        limit_bytes = self._window.limit_bytes
        # As long as the window is small it is for all of them, not for the first that is open.
        most_bytes = min(BYTES_PER_CONNECTION, max(limit_bytes // self._connections, PART_BYTES))
        return (
            sum(map(self._busy_bytes, self._turns)) + waiter.size_bytes <= limit_bytes
            and self._carried_bytes(session) + waiter.size_bytes <= most_bytes
        )

    def _soonest(self, size_bytes: int) -> Session | None:
        """The connection that will answer first, be it that it has to answer others before; so a
        slow one gets nothing that one of the others would bring earlier. One that the library is
        connecting anew counts as the last, and one that Telegram has paused is none."""
        return min(
            filter(self._flood_waits.may_ask, self._carriers()),
            key=lambda session: (
                not connected(session).is_set(),
                not self._flood_waits.has_waited(session),
                self._finish(session, size_bytes),
                self._flood_waits.has_taken(session),
            ),
            default=None,
        )

    def _carriers(self) -> list[Session]:
        """Over which of the connections files come.

        The one for calls carries them until others are open. At the account's home it does that
        only where no other can be opened: the chat is read over it and the state is saved, and
        those answers would come behind a whole part, on a slow line many seconds late
        (https://core.telegram.org/api/files)."""
        media = [session for session in self._turns if session is not self._starter]
        is_for_calls = self._telegram.keys.is_home(self._dc_id) and not self._none_opens
        if not media:
            return [] if is_for_calls else list(self._turns)
        is_starter_there = self._starter is not None and connected(self._starter).is_set()
        if not is_starter_there or any(connected(session).is_set() for session in media):
            self._waiting_for_others = None
            return media
        if self._waiting_for_others is None:
            # The library connects anew what has ended, mostly at once. An address that was blocked
            # meanwhile stays as it is.
            others = first_of(*map(connected, media), seconds=ALONE_SECONDS)
            self._waiting_for_others = self._asides.begin(others)
            self._waiting_for_others.add_done_callback(lambda _: self.serve())
        wait = is_for_calls and not self._waiting_for_others.done()
        return [] if wait else list(self._turns)

    def _finish(self, session: Session, size_bytes: int) -> float:
        """When it will have answered one more request of this size, in bytes of the others."""
        oldest = next(iter((*self._owed[session], *self._turns[session])), None)
        weight = (
            self._times.weight(session)
            if oldest is None
            else self._times.weight(session, oldest.sent.at_seconds, oldest.size_bytes)
        )
        return (self._carried_bytes(session) + size_bytes) * weight

    def _remember(self, key: MessageKey) -> None:
        """Which file began before which."""
        if len(self._first_asked) >= MOST_REMEMBERED_FILES:
            self._first_asked = {each: self._first_asked[each] for each in self._waiting}
        self._first_asked.setdefault(key, next(self._numbers))

    def _next_waiter(self) -> Waiter:
        key, waiters = self._waiting.popitem(last=False)
        waiter = waiters.popleft()
        if waiters:
            self._waiting[key] = waiters
            if key == min(self._waiting, key=self._first_asked.__getitem__) != self._last_served:
                self._waiting.move_to_end(key, last=False)
        self._last_served = key
        return waiter

    # --- opening -------------------------------------------------------------------------------

    def _open_what_is_wanted(self) -> None:
        """A connection for each request that is expected, or waits or is under way, all of them
        side by side."""
        if not self._places:
            if not self._opening:
                self._begin(self._find())
            return
        wanted = max(self._under_way + sum(map(len, self._waiting.values())), self._expected)
        media = sum(session is not self._starter for session in self._turns)
        for _ in range(min(wanted, self._connections) - media - len(self._opening)):
            self._begin(self._open())

    def _begin(self, opening: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(opening)
        self._opening.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._none_opens = False
            self.serve()
        elif self._opening:
            return
        elif not self._turns:
            self._fail_all(error)
        elif not self._none_opens:
            self._none_opens = True
            self.serve()

    def _fail_all(self, error: BaseException) -> None:
        while self._waiting:
            waiter = self._next_waiter()
            if not waiter.turn.done():
                waiter.turn.set_exception(error)

    async def _find(self) -> None:
        """Learn where the data centre serves files.

        The library keeps one connection to each data centre for calls. For a foreign one it
        costs the only key exchange and the only authorization.
        """
        places = await self._addresses.of(self._dc_id)
        starter = await self._started(places)
        if not self._telegram.keys.is_home(self._dc_id):
            self._telegram.sessions.add(starter)
            try:
                await self._authorize(starter)
            except BaseException:
                self._close([starter])
                raise
        self._starter = starter
        self._turns[starter] = []
        self._places = places

    async def _started(self, places: tuple[Address, ...]) -> Session:
        """The connection for calls: the account's own at home, else one at the address for
        everything, and where that can't be reached at one for files alone."""
        first, *others = (places[-1], *places[:-1])
        if not others or self._telegram.keys.is_home(self._dc_id):
            return await self._started_at(first)
        network = self._telegram.network
        outages = network.outages
        try:
            return await asyncio.wait_for(self._connected_at(first), ANOTHER_ADDRESS_SECONDS)
        except (ConnectionError, asyncio.TimeoutError) as error:
            await give_up_session_for_calls(self._telegram.client, self._dc_id)
            if network.outages != outages or not network.is_there:
                raise ConnectionError(f"{first.host} cannot be reached") from error
        began_at = self._clock()
        session = await self._started_at(others[0])
        if connected(session).is_set():
            took_seconds = self._clock() - began_at
            self._passed_over(first, others[0], session, took_seconds)
        return session

    async def _started_at(self, place: Address) -> Session:
        client = self._telegram.client
        try:
            return await session_for_calls(client, self._dc_id, place.host, place.port)
        except (RPCError, OSError):
            raise
        except Exception as error:
            raise DownloadFailed(f"no connection to data centre {self._dc_id}: {error}") from error

    async def _connected_at(self, place: Address) -> Session:
        session = await self._started_at(place)
        await connected(session).wait()
        return session

    async def _authorize(self, session: Session) -> None:
        """Give the key of another data centre the rights of the account
        (https://core.telegram.org/api/datacenter#authorization-transfer).

        Not by the library, which would ask for minutes for what a dead session never answers.
        """
        export = raw.functions.auth.ExportAuthorization(dc_id=self._dc_id)
        doing = f"connecting to data centre {self._dc_id}"
        try:
            exported: Any = await self._telegram.invoke(export, doing)
        except SESSION_ENDED as error:  # the account's own session, so this is the end
            raise translated(error, doing) from error
        query = raw.functions.auth.ImportAuthorization(id=exported.id, bytes=exported.bytes)
        try:
            await self._telegram.ask(session, query, CALL_SECONDS)
        except AuthBytesInvalid as error:  # it lasts for a short time, and a new one will do
            raise ConnectionError("the exported authorization came too late") from error

    def _need_a_new_key(self, session: Session) -> None:
        """This data centre has forgotten the key or the rights of it, which is the end only where
        it is the account's home: all connections to it are opened anew, with another key."""
        if session not in self._turns or self._telegram.keys.is_home(self._dc_id):
            return
        for opening in self._opening:
            opening.cancel()
        self._opening.clear()
        self._close(list(self._turns))
        self._turns.clear()
        self._starter = None
        self._places = ()

    def _close(self, sessions: list[Session]) -> None:
        forget_session_for_calls(self._telegram.client, self._dc_id)
        self._telegram.keys.renewed(self._dc_id)
        for session in sessions:
            self._times.forget(session)
            self._flood_waits.forget(session)
            closing = asyncio.ensure_future(self._telegram.close(session))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _open(self) -> None:
        assert self._starter is not None
        network, starter = self._telegram.network, self._starter
        number = first = self._reached
        while True:
            await network.wait()
            place, is_last = self._places[number], number + 1 == len(self._places)
            began_at, outages = self._clock(), network.outages
            seconds = None if is_last else ANOTHER_ADDRESS_SECONDS
            try:
                session = await self._opened_at(place, starter, seconds)
                break
            except ConnectionError:
                if is_last:
                    raise
                if network.outages == outages:
                    number += 1
        self._telegram.sessions.add(session)
        self._turns[session] = []
        if number > max(first, self._reached) and connected(session).is_set():
            self._reached = number
            took_seconds = self._clock() - began_at
            self._passed_over(self._places[first], place, session, took_seconds)

    async def _opened_at(self, place: Address, beside: Session, seconds: float | None) -> Session:
        return await opened_beside(self._telegram.client, beside, place.host, place.port, seconds)

    def _passed_over(
        self, first: Address, place: Address, session: Session, took_seconds: float
    ) -> None:
        """What could not be reached is told, and tried once more beside all else, now that another
        place was reached, by ``session`` and within ``took_seconds``: a network that was gone for a
        while, noticed by nobody, looks the same."""
        if first not in self._told:
            self._told.add(first)
            self._telegram.say(
                f"warning: {first.host}, where Telegram has files, could not be reached: they come "
                f"from {place.host}"
            )
        self._asides.begin(self._look_again(first, session, 2 * took_seconds + AGAIN_SECONDS))

    async def _look_again(self, first: Address, beside: Session, seconds: float) -> None:
        session = await self._opened_at(first, beside, seconds)
        self._reached = 0
        await self._telegram.close(session)
