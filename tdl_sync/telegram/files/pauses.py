"""When Telegram may be asked for more of a file after it has asked for a pause (a flood wait).

A refusal says for how long, not for whom. Whatever is asked meanwhile is refused as well, and is
told what is left; so nothing is. What was under way may still be answered or refused. When the
pause is over one request feels its way, since a limit may be reached at once again, and the others
follow when it is answered.

At first a refusal holds all connections. Where most of what was sent later over others is answered
all the same, the limit is one of a connection (of a server behind it): from then on a refusal holds
its own connection alone, until several in a row are refused with no answer in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

LEAST_SECONDS = 1
"""A wait of 0 s is one that is nearly over, and no reason to ask again in the same moment."""

SPARED = 2
"""So many answers over other connections, if not more of them were refused, show that these are not
meant."""

MEANT = 3
"""So many connections that are refused one after the other, and no answer, show that all are."""

JITTER_SECONDS = 0.05
"""What was sent so much later over another connection also came later, if not half a flight was
less."""


@dataclass(eq=False)
class _Pause:
    """``connection`` was refused what was sent then, and that was heard then."""

    connection: Hashable
    sent_at_seconds: float
    heard_at_seconds: float
    until_seconds: float
    feeler: Hashable | None = None
    """The request that finds out, once it is over, whether it is."""
    ends: dict[Hashable, float] = field(default_factory=dict)
    """Until when each connection was told to wait that was refused as well."""
    spared: int = 0
    """As many others were answered what was sent later."""
    refused: int = 0
    """And so many were refused it."""

    def came_later(self, connection: Hashable, sent_at_seconds: float) -> bool:
        """Whether that came to Telegram over another connection, after what this refused."""
        flight_seconds = self.heard_at_seconds - self.sent_at_seconds
        least_seconds = min(flight_seconds / 2, JITTER_SECONDS)
        return (
            connection != self.connection and sent_at_seconds > self.sent_at_seconds + least_seconds
        )


class Pauses:
    """The pauses of one data centre. Not thread-safe: it lives on the loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of_all: _Pause | None = None
        self._of_one: dict[Hashable, _Pause] = {}
        self._limits_are_of_one = False
        self._refused_in_a_row: set[Hashable] = set()

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
        if held_by is not None and held_by.feeler != request:
            held_by.until_seconds = max(held_by.until_seconds, until)
            held_by.ends[connection] = max(held_by.ends.get(connection, until), until)
            held_by.refused += held_by.came_later(connection, sent_at_seconds)
            return held_by.until_seconds
        pause = _Pause(connection, sent_at_seconds, now, until, ends={connection: until})
        if self._of_all is not None or not self._limits_are_of_one or self._are_all_meant(pause):
            self._hold_all(pause)
        else:
            self._of_one[connection] = pause
        return pause.until_seconds

    def _are_all_meant(self, pause: _Pause) -> bool:
        """After it was found that each has a limit of its own."""
        if any(pause.sent_at_seconds > each.heard_at_seconds for each in self._of_one.values()):
            self._refused_in_a_row.add(pause.connection)
        return len(self._refused_in_a_row) >= MEANT

    def _hold_all(self, pause: _Pause) -> None:
        ends = [each.until_seconds for each in self._of_one.values()]
        pause.until_seconds = max(pause.until_seconds, *ends, 0.0)
        self._of_all = pause
        self._of_one.clear()
        self._refused_in_a_row.clear()
        self._limits_are_of_one = False

    def answered(self, connection: Hashable, request: Hashable, sent_at_seconds: float) -> None:
        """Telegram has taken a request, whatever its answer was."""
        if self._of_all is not None and self._of_all.feeler == request:
            self._of_all = None
        for other, pause in tuple(self._of_one.items()):
            if pause.feeler == request:
                del self._of_one[other]
        if any(sent_at_seconds > each.heard_at_seconds for each in self._of_one.values()):
            self._refused_in_a_row.clear()
        if self._of_all is not None and self._of_all.came_later(connection, sent_at_seconds):
            self._of_all.spared += 1
            if self._of_all.spared >= max(SPARED, self._of_all.refused):
                self._hold_each_by_itself(self._of_all)

    def _hold_each_by_itself(self, pause: _Pause) -> None:
        self._limits_are_of_one = True
        self._of_all = None
        for connection, until in pause.ends.items():
            self._of_one[connection] = _Pause(
                connection, pause.sent_at_seconds, pause.heard_at_seconds, until
            )

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
