"""A few long-lived connections to one data centre, shared by all files.

Opening one costs several round trips, so they are opened side by side and kept; Telegram also
limits the speed of a connection, so requests are spread over all of them. A request that one of
them is silent about is asked again over another (``late_answers`` says when). While Telegram asks
for a pause nothing is sent (``pauses`` says over which of them).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pyrogram import raw
from pyrogram.errors import AuthBytesInvalid, RPCError
from pyrogram.raw.core import TLObject

from tdl_sync.core.errors import DownloadFailed, Stopped
from tdl_sync.core.model import MessageKey
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files.addresses import Address, DataCentreAddresses
from tdl_sync.telegram.files.download_limit import DownloadLimit
from tdl_sync.telegram.files.late_answers import (
    LEAST_LATE_SECONDS,
    AnswerTimes,
    Silence,
    is_late,
)
from tdl_sync.telegram.files.pauses import Pauses
from tdl_sync.telegram.files.window import RequestWindow, Sent
from tdl_sync.telegram.session.answers import SESSION_ENDED, flood_wait_seconds, translated
from tdl_sync.telegram.session.client import CALL_SECONDS, TelegramClient
from tdl_sync.telegram.session.keys import KeyUnknown
from tdl_sync.telegram.session.library import (
    Session,
    connected,
    forget_session_for_calls,
    opened_beside,
    session_for_calls,
)

Answer = TypeVar("Answer")

BYTES_PER_CONNECTION = 2 * PART_BYTES
"""While the answer to one request for a whole part is on its way, the other is decrypted."""

SMALLEST_REQUEST_BYTES = PART_BYTES // 16
"""What the smallest request counts for, so that even tiny files are not asked for without end."""

ANSWER_SECONDS = 60.0
"""Longer than the library's 15 s: on a slow link all requests would time out and be sent again."""

LOOK_AGAIN_SECONDS = 0.25
"""So often a request that waits for too long is looked at."""

AGAIN_AT_ONCE_BYTES = BYTES_PER_CONNECTION
AGAIN_SHARE = 0.01
"""What is asked again and may come twice: what one connection carries, or that share of all. For
whatever else comes late the line is to blame."""


class RequestsAreCounted(Exception):
    """This piece of a part was not sent, or was refused: Telegram limits how often it is asked,
    so the part is to be asked for as a whole."""


@dataclass(frozen=True)
class Waiter:
    """A request that waits for its turn: what it counts for, how long its answer will be, how much
    its connection may then have under way, whether it is but a piece of a part, and who is told."""

    size_bytes: int
    answer_bytes: int
    most_bytes: int
    is_piece: bool
    turn: asyncio.Future[Turn]


@dataclass(eq=False)
class Turn:
    """A request that is under way: over which connection, since when, and what it counts for."""

    session: Session
    sent: Sent
    size_bytes: int
    answer_bytes: int
    answered_by: Turn | None = None
    """The one by which it was asked again, where that was answered first."""


@dataclass(frozen=True)
class Again:
    """A turn for asking again what is late; whether the first answer is lost, or may yet come."""

    turn: Turn
    is_lost: bool


class MediaConnections:
    """The media connections to one data centre. Lives on the loop.

    A request waits for its turn in ``session``: first come first served within a file, and turn
    by turn between files, so that a large file does not keep small ones waiting.
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
        self._clock = clock
        self._telegram = telegram
        self._addresses = addresses
        self._dc_id = dc_id
        self._connections = connections
        # One more, since the connection for calls carries the first parts.
        self._window = RequestWindow((connections + 1) * BYTES_PER_CONNECTION, clock)
        self._address: Address | None = None
        self._starter: Session | None = None
        self._turns: dict[Session, list[Turn]] = {}
        self._under_way = 0
        self._times = AnswerTimes(clock)
        self._asides: set[asyncio.Task[Any]] = set()
        self._asked_again_bytes = 0
        self._answered_bytes = 0
        self._opening: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._waiting: OrderedDict[MessageKey, deque[Waiter]] = OrderedDict()
        self._pauses = Pauses(clock)
        self._paused_until = 0.0
        self._requests_are_counted = False
        self._stopped: Stopped | None = None

    async def ask(
        self,
        key: MessageKey,
        query: TLObject[Any],
        size_bytes: int,
        most_bytes: int = BYTES_PER_CONNECTION,
        *,
        is_piece: bool = False,
    ) -> Any:
        """The answer to one request of this file, which will have so many bytes.

        It goes over a connection that has no more than ``most_bytes`` under way then, and not
        while Telegram asks for a pause. Raises what ``TelegramClient.ask`` does, ``Stopped``, what
        opening a connection raised if there is none at all, and ``RequestsAreCounted``.
        """
        async with self.turn(key, size_bytes, most_bytes, is_piece=is_piece) as turn:
            asked = self._aside(self._sent(turn, query, size_bytes))
            try:
                again = await self._once_it_is_late(turn, asked)
                if again is None:
                    return await asked
                return await self._whichever_comes_first(turn, asked, again, query, size_bytes)
            except asyncio.CancelledError:
                asked.cancel()
                raise

    @asynccontextmanager
    async def turn(
        self,
        key: MessageKey,
        size_bytes: int,
        most_bytes: int = BYTES_PER_CONNECTION,
        *,
        is_piece: bool = False,
    ) -> AsyncIterator[Turn]:
        """A connection for one request, for as long as that is under way, as ``ask`` has it."""
        if self._stopped is not None:
            raise self._stopped
        if is_piece and self._requests_are_counted:
            raise RequestsAreCounted
        counted_bytes = max(size_bytes, SMALLEST_REQUEST_BYTES)
        given: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        waiter = Waiter(counted_bytes, size_bytes, most_bytes, is_piece, given)
        self._waiting.setdefault(key, deque()).append(waiter)
        self._serve()
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
            if is_piece and flood_wait_seconds(error) is not None:
                raise RequestsAreCounted from error
            raise
        else:
            self._answered_bytes += size_bytes
            self._window.answered(turn.sent, size_bytes)
            self._taken(turn.answered_by or turn)
        finally:
            self._ended_turn(turn)

    def _failed(self, turn: Turn, error: OSError | RPCError) -> None:
        seconds = flood_wait_seconds(error)
        if seconds is not None:
            self._pause(turn.answered_by or turn, seconds)
        elif isinstance(error, RPCError):
            self._taken(turn.answered_by or turn)
        else:
            self._window.refused()
        if isinstance(error, (KeyUnknown, *SESSION_ENDED)):
            self._need_a_new_key(turn.session)

    def _ended_turn(self, turn: Turn) -> None:
        self._under_way -= 1
        self._over(turn)

    # --- when Telegram asks for a pause --------------------------------------------------------

    def _taken(self, turn: Turn) -> None:
        self._pauses.answered(turn.session, turn, turn.sent.at_seconds)

    def _pause(self, turn: Turn, seconds: int) -> None:
        """Send nothing for as long as Telegram asked; one line for the user however many requests
        it has refused. What arrives is not to blame, so the window stays as it is."""
        until = self._pauses.refused(turn.session, turn, turn.sent.at_seconds, seconds)
        if until > self._paused_until + 1:
            self._telegram.say_pause("downloading", seconds)
        self._paused_until = max(self._paused_until, until)
        self._aside(self._go_on_at(until))
        self._requests_are_counted = True
        for waiter in [each for waiters in self._waiting.values() for each in waiters]:
            if waiter.is_piece and not waiter.turn.done():
                waiter.turn.set_exception(RequestsAreCounted())

    async def _go_on_at(self, until_seconds: float) -> None:
        """Serve those who wait when a pause is over, or tell them that the run stops."""
        try:
            while (left_seconds := until_seconds - self._clock()) > 0:
                await self._telegram.sleep(left_seconds)
        except Stopped as stopped:
            self._stopped = stopped
            self._fail_all(stopped)
        self._serve()

    # --- answers that come late ----------------------------------------------------------------

    async def _sent(self, turn: Turn, query: TLObject[Any], size_bytes: int) -> Any:
        sent_at = turn.sent.at_seconds
        try:
            answer = await self._telegram.ask(turn.session, query, ANSWER_SECONDS)
        except RPCError:
            self._times.heard(sent_at)
            raise
        self._times.answered(turn.session, sent_at, size_bytes)
        return answer

    async def _once_it_is_late(self, turn: Turn, asked: asyncio.Task[Any]) -> Again | None:
        """Where to ask again, as soon as that is due; ``None`` if the request is over before."""
        pong: asyncio.Task[None] | None = None
        while True:
            late_after = self._times.late_after_seconds(turn.size_bytes)
            left_seconds = late_after - self._waited_seconds(turn)
            # Not longer than anything is late, since more will be known by then.
            look_seconds = min(max(left_seconds, LOOK_AGAIN_SECONDS), LEAST_LATE_SECONDS)
            await asyncio.wait({asked}, timeout=look_seconds)
            if asked.done():
                return None
            if self._waited_seconds(turn) < late_after:
                continue
            # What waits is given out anew: this connection may have lost its share by now.
            self._serve()
            other = self._another(turn)
            if other is None or not self._may_ask_again(turn):
                continue
            pong = pong or self._aside(self._pong(turn.session))
            # Not where no connection answers at all: that one has to show that it lives.
            alive = self._aside(self._pong(other))
            await asyncio.wait({asked, alive}, return_when=asyncio.FIRST_COMPLETED)
            alive.cancel()
            waiting = {asked, pong}
            await asyncio.wait(waiting, timeout=LOOK_AGAIN_SECONDS, return_when="FIRST_COMPLETED")
            if asked.done():
                return None
            is_lost = _succeeded(pong)
            if (
                _succeeded(alive)
                and self._may_ask_again(turn)
                and is_late(self._silence(turn, is_lost), late_after)
            ):
                return Again(self._begun(other, turn.size_bytes, turn.answer_bytes), is_lost)

    async def _whichever_comes_first(
        self,
        turn: Turn,
        asked: asyncio.Task[Any],
        again: Again,
        query: TLObject[Any],
        size_bytes: int,
    ) -> Any:
        """Ask again. What Telegram refuses is an answer as well; that none came is one only where
        none came over either connection."""
        asked_again = self._aside(self._sent(again.turn, query, size_bytes))
        asked_again.add_done_callback(lambda _: self._over(again.turn))
        self._asked_again_bytes += turn.size_bytes
        try:
            await asyncio.wait({asked, asked_again}, return_when=asyncio.FIRST_COMPLETED)
            both = [asked, asked_again] if asked.done() else [asked_again, asked]
            if isinstance(both[0].exception(), OSError):
                await asyncio.wait({both[1]})
                both.reverse()
        except asyncio.CancelledError:
            asked_again.cancel()
            raise
        first, second = both
        if isinstance(first.exception(), OSError):  # and so is the other's
            return await asked
        if first is asked_again:
            turn.answered_by = again.turn
            if not again.is_lost:
                self._times.outrun(turn.session, turn.sent.at_seconds, size_bytes)
            turn.sent = again.turn.sent
        # Never cancelled: the library would keep the answer to what nobody waits for.
        self._expect_twice(second, turn.size_bytes, is_lost=second is asked and again.is_lost)
        return await first

    def _expect_twice(self, second: asyncio.Task[Any], size_bytes: int, *, is_lost: bool) -> None:
        """Count what comes twice: the other answer, unless it is lost and never comes."""
        if is_lost:
            self._asked_again_bytes -= size_bytes

        def ended(_: asyncio.Task[Any]) -> None:
            if _succeeded(second) and is_lost:
                self._asked_again_bytes += size_bytes
            elif not _succeeded(second) and not is_lost:
                self._asked_again_bytes -= size_bytes

        second.add_done_callback(ended)

    def _silence(self, turn: Turn, connection_answers: bool) -> Silence:
        times, sent_at = self._times, turn.sent.at_seconds
        others = [each for turns in self._turns.values() for each in turns if each is not turn]
        elsewhere = [
            self._waited_seconds(each) for each in others if each.session is not turn.session
        ]
        late_after = times.late_after_seconds(turn.size_bytes)
        return Silence(
            seconds=self._waited_seconds(turn),
            connection_silent_seconds=times.connection_silent_seconds(turn.session, sent_at),
            connection_answers=connection_answers,
            overtaken_by=times.overtaken_by(turn.session, sent_at),
            others_go_on=(
                max(elsewhere, default=0) < late_after / 2
                or times.quiet_seconds(turn.session) < late_after / 2
            ),
            others_late=sum(self._waited_seconds(each) >= late_after for each in others),
            others_late_elsewhere=sum(seconds >= late_after for seconds in elsewhere),
            others_elsewhere=len(elsewhere),
        )

    def _waited_seconds(self, turn: Turn) -> float:
        return self._times.waited_seconds(turn.sent.at_seconds, self._paused_until)

    def _another(self, turn: Turn) -> Session | None:
        """A connection for what this one is silent about; it may have to be opened first."""
        if self._connections == 1:
            return None
        others = [
            session
            for session in self._turns
            if session not in (turn.session, self._starter)
            and connected(session).is_set()
            and self._pauses.may_ask(session)
        ]
        may_open = not others and not self._opening and self._pauses.are_none
        if may_open and self._address is not None:
            self._begin(self._open(self._address))
        return min(others, key=lambda each: self._finish(each, turn.size_bytes), default=None)

    def _may_ask_again(self, turn: Turn) -> bool:
        most_bytes = max(AGAIN_AT_ONCE_BYTES, AGAIN_SHARE * self._answered_bytes)
        return self._asked_again_bytes + turn.size_bytes <= most_bytes

    async def _pong(self, session: Session) -> None:
        sent_at = self._clock()
        await self._telegram.ask(session, raw.functions.Ping(ping_id=0), ANSWER_SECONDS)
        self._times.heard(sent_at)

    def _aside(self, work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        """A task that goes on by itself; its error is for whoever asks for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)
        task.add_done_callback(_succeeded)
        return task

    # --- who gets which connection -------------------------------------------------------------

    def _serve(self) -> None:
        """Give connections to those who wait, as many as the window allows."""
        if self._waiting:
            self._open_what_is_wanted()
        while self._waiting:
            first = next(iter(self._waiting.values()))[0]
            session = self._soonest(first.size_bytes)
            if session is None or not self._has_room(session, first) or self._is_limited():
                return
            waiter = self._next_waiter()
            if not waiter.turn.done():
                self._under_way += 1
                turn = self._begun(session, waiter.size_bytes, waiter.answer_bytes)
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
        self._serve()

    def _begun(self, session: Session, size_bytes: int, answer_bytes: int) -> Turn:
        turn = Turn(session, self._window.sent(), size_bytes, answer_bytes)
        self._turns[session].append(turn)
        self._limit.asked(answer_bytes)
        self._pauses.asked(session, turn)
        return turn

    def _over(self, turn: Turn) -> None:
        self._limit.answered(turn.answer_bytes)
        self._pauses.ended(turn)
        turns = self._turns.get(turn.session, [])
        if turn in turns:
            turns.remove(turn)
        self._serve()

    def _busy_bytes(self, session: Session) -> int:
        return sum(turn.size_bytes for turn in self._turns[session])

    def _has_room(self, session: Session, waiter: Waiter) -> bool:
        limit_bytes = self._window.limit_bytes
        # As long as the window is small it is for all of them, not for the first that is open.
        most_bytes = min(waiter.most_bytes, max(limit_bytes // self._connections, PART_BYTES))
        return (
            sum(map(self._busy_bytes, self._turns)) + waiter.size_bytes <= limit_bytes
            and self._busy_bytes(session) + waiter.size_bytes <= most_bytes
        )

    def _soonest(self, size_bytes: int) -> Session | None:
        """The connection that will answer first, be it that it has to answer others before; so a
        slow one gets nothing that one of the others would bring earlier. One that the library is
        connecting anew counts as the last, and one that Telegram has paused is none."""
        media = [session for session in self._turns if session is not self._starter]
        return min(
            filter(self._pauses.may_ask, media or self._turns),
            key=lambda session: (
                not connected(session).is_set(),
                self._finish(session, size_bytes),
            ),
            default=None,
        )

    def _finish(self, session: Session, size_bytes: int) -> float:
        """When it will have answered one more request of this size, in bytes of the others."""
        oldest = next(iter(self._turns[session]), None)
        weight = (
            self._times.weight(session)
            if oldest is None
            else self._times.weight(session, oldest.sent.at_seconds, oldest.size_bytes)
        )
        return (self._busy_bytes(session) + size_bytes) * weight

    def _next_waiter(self) -> Waiter:
        key, waiters = self._waiting.popitem(last=False)
        waiter = waiters.popleft()
        if waiters:
            self._waiting[key] = waiters
        return waiter

    # --- opening -------------------------------------------------------------------------------

    def _open_what_is_wanted(self) -> None:
        """A connection for each request that waits or is under way, all of them side by side."""
        if self._address is None:
            if not self._opening:
                self._begin(self._find())
            return
        wanted = self._under_way + sum(map(len, self._waiting.values()))
        media = sum(session is not self._starter for session in self._turns)
        for _ in range(min(wanted, self._connections) - media - len(self._opening)):
            self._begin(self._open(self._address))

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
            self._serve()
        elif not self._turns and not self._opening:
            self._fail_all(error)

    def _fail_all(self, error: BaseException) -> None:
        while self._waiting:
            waiter = self._next_waiter()
            if not waiter.turn.done():
                waiter.turn.set_exception(error)

    async def _find(self) -> None:
        """Learn where the data centre serves files.

        The library keeps one connection to each data centre for calls. For a foreign one it
        costs the only key exchange and the only authorization. Until the media connections are
        open that connection carries the first part, whose answer shows what the link can carry.
        """
        calls = await self._addresses.of(self._dc_id, media=False)
        try:
            client = self._telegram.client
            starter = await session_for_calls(client, self._dc_id, calls.host, calls.port)
        except (RPCError, OSError):
            raise
        except Exception as error:
            raise DownloadFailed(f"no connection to data centre {self._dc_id}: {error}") from error
        if not self._telegram.keys.is_home(self._dc_id):
            self._telegram.sessions.add(starter)
            try:
                await self._authorize(starter)
            except BaseException:
                self._close([starter])
                raise
        self._starter = starter
        self._turns[starter] = []
        self._address = await self._addresses.of(self._dc_id, media=True)

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
        self._starter = self._address = None

    def _close(self, sessions: list[Session]) -> None:
        forget_session_for_calls(self._telegram.client, self._dc_id)
        self._telegram.keys.renewed(self._dc_id)
        for session in sessions:
            self._times.forget(session)
            self._pauses.forget(session)
            closing = asyncio.ensure_future(self._telegram.close(session))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _open(self, address: Address) -> None:
        assert self._starter is not None
        client = self._telegram.client
        session = await opened_beside(client, self._starter, address.host, address.port)
        self._telegram.sessions.add(session)
        self._turns[session] = []


def _succeeded(task: asyncio.Task[Any]) -> bool:
    """Whether it has ended, and well. Its error is taken note of."""
    return task.done() and not task.cancelled() and task.exception() is None
