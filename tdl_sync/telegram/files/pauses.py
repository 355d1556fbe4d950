"""When Telegram may be asked for more of a file after it has asked for a pause (a flood wait).

A refusal says for how long, not for whom. Whatever is asked meanwhile is refused as well, and is
told what is left; so nothing is. What was under way may still be answered or refused. When the
pause is over one request feels its way, since a limit may be reached at once again, and the others
follow when it is answered.

At first a refusal holds all connections. Where others go on answering what was sent when Telegram
had refused already, the limit is one of a connection (of a server behind it): from then on a
refusal holds its own connection alone, until what others are asked is refused, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

LEAST_SECONDS = 1
"""A wait of 0 s is one that is nearly over, and no reason to ask again in the same moment."""

SPARED = 2
"""So many answers over other connections, and no refusal, show that they are not meant."""


@dataclass(eq=False)
class _Pause:
    """``connection`` was refused what was sent then, and that was heard then."""

    connection: Hashable
    sent_at_seconds: float
    heard_at_seconds: float
    until_seconds: float
    feeler: Hashable | None = None
    """The request that finds out, once it is over, whether it is."""
    spared: int = 0
    others_are_refused: bool = False

    @property
    def certainly_sent_after_seconds(self) -> float:
        """What was sent then or later came to Telegram after what it refused."""
        return (self.sent_at_seconds + self.heard_at_seconds) / 2


class Pauses:
    """The pauses of one data centre. Not thread-safe: it lives on the loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of_all: _Pause | None = None
        self._of_one: dict[Hashable, _Pause] = {}
        self._limits_are_of_one = False

    @property
    def are_none(self) -> bool:
        return self._of_all is None and not self._of_one

    def may_ask(self, connection: Hashable) -> bool:
        now = self._clock()
        return all(
            now >= pause.until_seconds and pause.feeler is None
            for pause in self._that_hold(connection)
        )

    def asked(self, connection: Hashable, request: Hashable) -> None:
        """A request goes out, as ``may_ask`` has allowed: after a pause it is the one that
        feels."""
        for pause in self._that_hold(connection):
            pause.feeler = request

    def refused(
        self, connection: Hashable, request: Hashable, sent_at_seconds: float, seconds: int
    ) -> float:
        """Telegram asks for a pause. Until when nothing may be asked over this connection now."""
        now = self._clock()
        until = now + max(seconds, LEAST_SECONDS)
        held_by = self._of_all or self._of_one.get(connection)
        refused = _Pause(connection, sent_at_seconds, now, until)
        if held_by is not None and held_by.feeler != request:
            held_by.until_seconds = max(held_by.until_seconds, until)
            held_by.others_are_refused |= held_by.connection != connection
            return held_by.until_seconds
        if self._of_all is not None or not self._limits_are_of_one:
            self._of_all = refused
        elif self._is_of_all(refused):
            self._limits_are_of_one = False
            refused.until_seconds = max(
                until, *(each.until_seconds for each in self._of_one.values())
            )
            refused.others_are_refused = True
            self._of_all = refused
            self._of_one.clear()
        else:
            self._of_one[connection] = refused
        return refused.until_seconds

    def answered(self, connection: Hashable, request: Hashable, sent_at_seconds: float) -> None:
        """Telegram has taken a request, whatever its answer was."""
        if self._of_all is not None and self._of_all.feeler == request:
            self._of_all = None
        for other, pause in tuple(self._of_one.items()):
            if pause.feeler == request:
                del self._of_one[other]
        for pause in self._all():
            if (
                pause.connection != connection
                and sent_at_seconds > pause.certainly_sent_after_seconds
            ):
                pause.spared += 1
        suspect = self._of_all
        if suspect is not None and suspect.spared >= SPARED and not suspect.others_are_refused:
            self._limits_are_of_one = True
            self._of_one[suspect.connection] = suspect
            self._of_all = None

    def ended(self, request: Hashable) -> None:
        """A request is over. If it was to feel the way and had no answer the next one is."""
        for pause in self._all():
            if pause.feeler == request:
                pause.feeler = None

    def forget(self, connection: Hashable) -> None:
        self._of_one.pop(connection, None)

    def _that_hold(self, connection: Hashable) -> list[_Pause]:
        held_by = (self._of_all, self._of_one.get(connection))
        return [pause for pause in held_by if pause is not None]

    def _all(self) -> Iterable[_Pause]:
        return (*self._of_one.values(), *((self._of_all,) if self._of_all else ()))

    def _is_of_all(self, refused: _Pause) -> bool:
        """Whether nothing was taken from any connection since another one's refusal was heard,
        and this was sent later."""
        return any(
            refused.sent_at_seconds > pause.heard_at_seconds and not pause.spared
            for pause in self._of_one.values()
            if pause.connection != refused.connection
        )
