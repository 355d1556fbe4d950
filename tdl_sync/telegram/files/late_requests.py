"""Requests for a file, each asked again over another connection when one is silent about it
(``late_answers`` says when)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from pyrogram import raw
from pyrogram.errors import RPCError
from pyrogram.raw.core import TLObject

from tdl_sync.telegram.files.asides import Asides, has_succeeded
from tdl_sync.telegram.files.flood_waits import FloodWaits
from tdl_sync.telegram.files.late_answers import (
    LEAST_LATE_SECONDS,
    AnswerTimes,
    Silence,
    is_late,
)
from tdl_sync.telegram.files.turns import BYTES_PER_CONNECTION, Turn
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.library import Session

ANSWER_SECONDS = 60.0
"""Longer than the library's 15 s: on a slow link all requests would time out and be sent again."""

LOOK_AGAIN_SECONDS = 0.25
"""So often a request that waits for too long is looked at."""

AGAIN_AT_ONCE_BYTES = BYTES_PER_CONNECTION
AGAIN_SHARE = 0.01
"""What is asked again and may come twice: what one connection carries, or that share of all. For
whatever else comes late the line is to blame."""


@dataclass(frozen=True)
class Again:
    """A turn for asking again what is late; whether the first answer is lost, or may yet come."""

    turn: Turn
    is_lost: bool


class Lines(Protocol):
    """The connections, and what is under way over them."""

    def under_way(self) -> Iterable[Turn]: ...

    def serve(self) -> None:
        """Give connections to those who wait."""

    def another(self, turn: Turn) -> Session | None:
        """A connection for what this one is silent about; it may have to be opened first."""

    def begun(self, session: Session, size_bytes: int, answer_bytes: int) -> Turn:
        """One more request over it, whether there is room or not."""

    def over(self, turn: Turn) -> None: ...

    def owes(self, turn: Turn, answer: asyncio.Task[Any]) -> None:
        """This turn is over, since its answer came over another connection; its own still comes,
        before whatever else is asked for over its connection."""


class LateRequests:
    """Those to one data centre. Lives on the loop."""

    def __init__(
        self,
        telegram: TelegramClient,
        lines: Lines,
        times: AnswerTimes,
        flood_waits: FloodWaits,
        clock: Callable[[], float],
    ) -> None:
        self._telegram = telegram
        self._lines = lines
        self._times = times
        self._flood_waits = flood_waits
        self._clock = clock
        self._asides = Asides()
        self._asked_again_bytes = 0
        self._answered_bytes = 0

    async def ask(self, turn: Turn, query: TLObject[Any], size_bytes: int) -> Any:
        """Its answer, over whichever connection it comes first. Raises what ``TelegramClient.ask``
        does."""
        asked = self._asides.begin(self._sent(turn, query, size_bytes))
        try:
            again = await self._once_it_is_late(turn, asked)
            if again is None:
                return await asked
            return await self._whichever_comes_first(turn, asked, again, query, size_bytes)
        except asyncio.CancelledError:
            asked.cancel()
            raise

    def answered(self, size_bytes: int) -> None:
        """So much more has come, of which a share may come twice."""
        self._answered_bytes += size_bytes

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
            self._lines.serve()
            other = self._lines.another(turn)
            if other is None or not self._may_ask_again(turn):
                continue
            pong = pong or self._asides.begin(self._pong(turn.session))
            # Not where no connection answers at all: that one has to show that it lives.
            alive = self._asides.begin(self._pong(other))
            await asyncio.wait({asked, alive}, return_when=asyncio.FIRST_COMPLETED)
            alive.cancel()
            waiting = {asked, pong}
            await asyncio.wait(waiting, timeout=LOOK_AGAIN_SECONDS, return_when="FIRST_COMPLETED")
            if asked.done():
                return None
            is_lost = has_succeeded(pong)
            if (
                has_succeeded(alive)
                and self._may_ask_again(turn)
                and is_late(self._silence(turn, is_lost), late_after)
            ):
                return Again(self._lines.begun(other, turn.size_bytes, turn.answer_bytes), is_lost)

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
        asked_again = self._asides.begin(self._sent(again.turn, query, size_bytes))
        asked_again.add_done_callback(lambda _: self._lines.over(again.turn))
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
                self._lines.owes(turn, asked)
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
            if has_succeeded(second) and is_lost:
                self._asked_again_bytes += size_bytes
            elif not has_succeeded(second) and not is_lost:
                self._asked_again_bytes -= size_bytes

        second.add_done_callback(ended)

    def _silence(self, turn: Turn, connection_answers: bool) -> Silence:
        times, sent_at = self._times, turn.sent.at_seconds
        others = [each for each in self._lines.under_way() if each is not turn]
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
        return self._times.waited_seconds(turn.sent.at_seconds, self._flood_waits.until_seconds)

    def _may_ask_again(self, turn: Turn) -> bool:
        most_bytes = max(AGAIN_AT_ONCE_BYTES, AGAIN_SHARE * self._answered_bytes)
        return self._asked_again_bytes + turn.size_bytes <= most_bytes

    async def _pong(self, session: Session) -> None:
        sent_at = self._clock()
        await self._telegram.ask(session, raw.functions.Ping(ping_id=0), ANSWER_SECONDS)
        self._times.heard(sent_at)
