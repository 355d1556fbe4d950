"""What a flood wait means for the requests of one data centre: who has to wait and until when, and
what the user is told."""

from __future__ import annotations

from collections.abc import Callable

from pyrogram import raw

from tdl_sync.core.errors import Stopped
from tdl_sync.telegram.files.asides import Asides
from tdl_sync.telegram.files.pauses import Pauses
from tdl_sync.telegram.files.turns import Turn
from tdl_sync.telegram.session.client import CALL_SECONDS, TelegramClient
from tdl_sync.telegram.session.library import Session

LATER_THAN_A_PONG = 0.5
JITTER_SECONDS = 0.01
"""A refusal may come that much later: that share of what the pong took, and a moment of a busy
machine."""


class FloodWaits:
    """Those of one data centre. ``pauses`` says over which connections they hold; that they are
    over is told by ``go_on``, and that the run stops meanwhile by ``end``. Lives on the loop."""

    def __init__(
        self,
        telegram: TelegramClient,
        clock: Callable[[], float],
        go_on: Callable[[], None],
        end: Callable[[Stopped], None],
    ) -> None:
        self._telegram = telegram
        self._clock = clock
        self._go_on = go_on
        self._end = end
        self._pauses = Pauses(clock)
        self._asides = Asides()
        self._counted_as_taken: set[Turn] = set()
        self._silence_tells = True
        """Until one was refused that had counted as taken."""
        self.until_seconds = 0.0
        """When the last of them is over, or was."""

    @property
    def are_none(self) -> bool:
        return self._pauses.are_none

    def may_ask(self, session: Session) -> bool:
        return self._pauses.may_ask(session)

    def has_waited(self, session: Session) -> bool:
        return self._pauses.has_waited(session)

    def has_taken(self, session: Session) -> int:
        return self._pauses.has_taken(session)

    def asked(self, turn: Turn) -> None:
        self._pauses.asked(turn.session, turn)
        if self._silence_tells and self._pauses.wait_for(turn):
            self._asides.begin(self._taken_unless_refused(turn))

    async def _taken_unless_refused(self, turn: Turn) -> None:
        """A refusal is on its way no longer than a pong. So what is not refused by then is taken,
        long before the whole of its answer is there."""
        sent_at = self._clock()
        await self._telegram.ask(turn.session, raw.functions.Ping(ping_id=0), CALL_SECONDS)
        await self._telegram.sleep(LATER_THAN_A_PONG * (self._clock() - sent_at) + JITTER_SECONDS)
        if self._pauses.wait_for(turn):
            self._counted_as_taken.add(turn)
            self._pauses.taken(turn.session, turn, turn.sent.at_seconds)
            self._go_on()

    def taken(self, turn: Turn) -> None:
        """Telegram has answered it, with whatever but a flood wait."""
        self._pauses.answered(turn.session, turn, turn.sent.at_seconds)

    def refused(self, turn: Turn, seconds: int) -> None:
        """Send nothing for as long as Telegram asked; one line for the user however many requests
        it has refused."""
        if turn in self._counted_as_taken:
            self._silence_tells = False
        until = self._pauses.refused(turn.session, turn, turn.sent.at_seconds, seconds)
        if until > self.until_seconds + 1:
            self._telegram.say_pause("downloading", seconds)
        self.until_seconds = max(self.until_seconds, until)
        self._asides.begin(self._go_on_at(until))

    async def _go_on_at(self, until_seconds: float) -> None:
        try:
            while (left_seconds := until_seconds - self._clock()) > 0:
                await self._telegram.sleep(left_seconds)
        except Stopped as stopped:
            self._end(stopped)
        self._go_on()

    def ended(self, turn: Turn) -> None:
        self._counted_as_taken.discard(turn)
        self._pauses.ended(turn)

    def forget(self, session: Session) -> None:
        self._pauses.forget(session)
