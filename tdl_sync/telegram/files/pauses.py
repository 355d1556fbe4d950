"""When Telegram may be asked for more of a file after it has asked for a pause (a flood wait).

A refusal says for how long, not for whom. Over the connection that it came by nothing is asked
until then, and over the others nothing until it shows whom it means. What is under way may show
that: where most of what was sent later over others is answered all the same, the limit is one of a
connection (of a server behind it). Where nothing is left under way that could, one request over a
connection that was not refused itself asks (the probe). The more of these were in vain, the rarer.
Once it is known, a refusal holds its own connection alone, until several in a row are refused with
no answer in between.

When a pause of all is over one request feels its way (the feeler), since a limit may be reached at
once again, and the others follow when it is taken. Waits are told in whole seconds, so that one
limit tells them ends that are up to a second apart: the first of these is when it is over, but each
connection waits for the one that it was told itself.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

LEAST_SECONDS = 1
"""A wait of 0 s is one that is nearly over, and no reason to ask again in the same moment."""

ROUNDED_SECONDS = 1.0
"""Ends that are less than that apart may be those of one pause."""

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
    had_taken: int
    """As many of those that were sent over it before, since it was refused before."""
    ends: dict[Hashable, float]
    """Until when each connection was told to wait that was refused."""
    feeler: Hashable | None = None
    """The request that finds out, once it is over, whether it is."""
    probe: Hashable | None = None
    """The request over another connection that finds out whether that is meant."""
    may_be_probed: bool = True
    spared: int = 0
    """As many others were answered what was sent later."""
    refused: int = 0
    """And so many were refused it."""

    @property
    def until_seconds(self) -> float:
        last = max(self.ends.values())
        return min(end for end in self.ends.values() if end > last - ROUNDED_SECONDS)

    def told(self, connection: Hashable, until_seconds: float) -> None:
        self.ends[connection] = max(self.ends.get(connection, until_seconds), until_seconds)

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
        self._told: dict[Hashable, float] = {}
        """Until when each connection was told to wait, whomever that meant."""
        self._limits_are_of_one = False
        self._refused_in_a_row: set[Hashable] = set()
        self._under_way: dict[Hashable, Hashable] = {}
        """The requests, in their order, and over which connection each is."""
        self._taken: Counter[Hashable] = Counter()
        """As many requests each connection has had answered that were sent after what it was
        refused."""
        self._refused_sent_at: dict[Hashable, float] = {}
        self._refused_probes = 0
        self._without_probe = 0
        """So many pauses are not probed."""

    @property
    def are_none(self) -> bool:
        return self._of_all is None and not self._of_one

    def may_ask(self, connection: Hashable) -> bool:
        now = self._clock()
        if now < self._told.get(connection, now):
            return False
        return self._may_probe(connection) or all(
            now >= pause.until_seconds and pause.feeler is None
            for pause in self._that_hold(connection)
        )

    def _may_probe(self, connection: Hashable) -> bool:
        """Whether nothing but a request over this connection can show whom a pause means."""
        pause = self._of_all
        return (
            pause is not None
            and pause.may_be_probed
            and not self._under_way
            and connection not in pause.ends
            and self._taken[connection] != pause.had_taken
            and self._clock() < pause.until_seconds
        )

    def has_waited(self, connection: Hashable) -> bool:
        """Whether it was refused in the pause that a request over it would end: what is taken over
        another may only show that this one was never meant."""
        return self._of_all is not None and connection in self._of_all.ends

    def has_taken(self, connection: Hashable) -> int:
        """As many as it has had answered since it was refused: the fewer, the less likely is it to
        be refused next if each has a limit of its own."""
        return self._taken[connection]

    def asked(self, connection: Hashable, request: Hashable) -> None:
        """A request goes out, as ``may_ask`` has allowed: during a pause it is the one that
        probes, and after it the one that feels."""
        if self._of_all is not None and self._may_probe(connection):
            self._of_all.probe = request
            self._of_all.may_be_probed = False
        else:
            for pause in self._that_hold(connection):
                pause.feeler = request
        self._under_way[request] = connection

    def wait_for(self, request: Hashable) -> bool:
        """Whether others go out as soon as it is taken."""
        return any(request in (pause.feeler, pause.probe) for pause in self._all())

    def refused(
        self, connection: Hashable, request: Hashable, sent_at_seconds: float, seconds: int
    ) -> float:
        """Telegram asks for a pause. Until when nothing may be asked over this connection now."""
        now = self._clock()
        until = now + max(seconds, LEAST_SECONDS)
        self._told[connection] = max(self._told.get(connection, until), until)
        self._refused_sent_at[connection] = sent_at_seconds
        held_by = self._of_all or self._of_one.get(connection)
        if held_by is not None and held_by.probe == request:
            held_by.probe = None
            self._refused_probes += 1
            self._without_probe = 2**self._refused_probes - 1
        if held_by is not None and held_by.feeler != request:
            self._taken.pop(connection, None)
            held_by.told(connection, until)
            held_by.refused += held_by.came_later(connection, sent_at_seconds)
            return self._told[connection]
        had_taken = self._taken.pop(connection, 0) + self._before(connection, request)
        pause = _Pause(connection, sent_at_seconds, now, had_taken, {connection: until})
        if self._of_all is not None or not self._limits_are_of_one or self._are_all_meant(pause):
            self._hold_all(pause)
        else:
            self._of_one[connection] = pause
        return self._told[connection]

    def _before(self, connection: Hashable, request: Hashable) -> int:
        """As many are still under way over it that were sent before: the answer to what is taken
        comes with its bytes, behind a refusal."""
        sent_before = itertools.takewhile(lambda each: each != request, self._under_way)
        return sum(self._under_way[each] == connection for each in sent_before)

    def _are_all_meant(self, pause: _Pause) -> bool:
        """After it was found that each has a limit of its own."""
        if any(pause.sent_at_seconds > each.heard_at_seconds for each in self._of_one.values()):
            self._refused_in_a_row.add(pause.connection)
        return len(self._refused_in_a_row) >= MEANT

    def _hold_all(self, pause: _Pause) -> None:
        for connection, each in self._of_one.items():
            pause.told(connection, each.until_seconds)
        if self._of_all is not None:  # its feeler was refused, so this may be the same one
            pause.may_be_probed = False
        elif self._without_probe:
            self._without_probe -= 1
            pause.may_be_probed = False
        self._of_all = pause
        self._of_one.clear()
        self._refused_in_a_row.clear()
        self._limits_are_of_one = False

    def answered(self, connection: Hashable, request: Hashable, sent_at_seconds: float) -> None:
        """Telegram has answered a request, whatever its answer was."""
        if sent_at_seconds > self._refused_sent_at.get(connection, -math.inf):
            self._taken[connection] += 1
        self.taken(connection, request, sent_at_seconds)

    def taken(self, connection: Hashable, request: Hashable, sent_at_seconds: float) -> None:
        """Telegram has taken a request, whatever its answer will be."""
        if self._of_all is not None and self._of_all.feeler == request:
            self._of_all = None
        if self._of_all is not None and self._of_all.probe == request:
            self._hold_each_by_itself(self._of_all)
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
        self._refused_probes = self._without_probe = 0
        self._of_all = None
        for connection, until in pause.ends.items():
            self._of_one[connection] = _Pause(
                connection, pause.sent_at_seconds, pause.heard_at_seconds, 0, {connection: until}
            )

    def ended(self, request: Hashable) -> None:
        """A request is over. If it was to find out something and had no answer the next one is."""
        self._under_way.pop(request, None)
        for pause in self._all():
            if pause.feeler == request:
                pause.feeler = None
            if pause.probe == request:
                pause.probe = None
                pause.may_be_probed = True

    def forget(self, connection: Hashable) -> None:
        self._of_one.pop(connection, None)
        self._told.pop(connection, None)
        self._taken.pop(connection, None)
        self._refused_sent_at.pop(connection, None)

    def _that_hold(self, connection: Hashable) -> list[_Pause]:
        held_by = (self._of_all, self._of_one.get(connection))
        return [pause for pause in held_by if pause is not None]

    def _all(self) -> Iterable[_Pause]:
        return (*self._of_one.values(), *((self._of_all,) if self._of_all else ()))
