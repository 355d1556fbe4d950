"""Which answer comes late, and which connection is slow, as the others show.

Telegram now and then never answers one request of many, on a connection that answers all the rest.
It is asked for again, once, on another connection; but where everything is slow it is the line
that is, and whatever is asked twice makes it slower. So what is late is measured by the others.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from statistics import median

LEAST_LATE_SECONDS = 3.0
"""Nothing is late before."""

UNKNOWN_LATE_SECONDS = 5.0
"""The same while too few answers have shown what is usual."""

SEVERAL = 3
"""So many times as long as the slow ones of the others take is late."""

SLOW_QUANTILE = 0.9
FEWEST_ANSWERS = 3
REMEMBERED_ANSWERS = 50

OVERTAKERS = 2
"""So many requests that were sent later, over other connections, show that the others go on."""

QUICK_SECONDS = 0.1
"""No connection is slow for being slower than that: a busy machine has such moments."""

SLOWNESS_THAT_COUNTS = 2.5
"""Connections differ, and no harm is done by that; a slower one loses its share."""

MOST_SLOWNESS = 16.0

SLOWNESS_HALVES_IN_SECONDS = 10.0
"""So a slow connection is tried again, and the sooner the less slow it was."""


@dataclass(frozen=True)
class AnswerTime:
    """An answer of a data centre: over which connection, to what, and how long it took."""

    connection: Hashable
    size_bytes: int
    sent_at_seconds: float
    seconds: float
    own_seconds: float
    """The same without its wait for the answers before it on its connection."""


@dataclass(frozen=True)
class Silence:
    """What is known of a request while its answer is not there."""

    seconds: float
    """Since it was sent, or since Telegram's pause or a silence of all connections was over."""
    connection_silent_seconds: float
    """Of these, since the last answer on its connection."""
    connection_answers: bool
    """A ping that was sent after it has come back: what its connection owes is not on its way."""
    overtaken_by: int
    """As many requests were sent later over other connections, and are answered."""
    others_go_on: bool
    """What is under way on other connections, if anything is, is being answered."""
    others_late: int
    """As many others that are under way wait for too long as well."""
    others_late_elsewhere: int
    """Of these, those on other connections."""
    others_elsewhere: int
    """As many are under way on other connections at all."""


def late_after_seconds(answers: Sequence[AnswerTime], size_bytes: int) -> float:
    """How long a request of this size may take, as recent answers to no smaller ones have it
    (half as long counts as no smaller)."""
    took = sorted(each.seconds for each in answers if 2 * each.size_bytes >= size_bytes)
    if len(took) < FEWEST_ANSWERS:
        return UNKNOWN_LATE_SECONDS
    slow_seconds = took[math.ceil(SLOW_QUANTILE * len(took)) - 1]
    return max(LEAST_LATE_SECONDS, SEVERAL * slow_seconds)


def is_late(silence: Silence, late_after: float) -> bool:
    """Whether this one answer does not come while the others do."""
    if silence.seconds < late_after:
        return False
    if silence.connection_answers:
        return silence.others_late <= silence.overtaken_by
    # Bytes of an answer may still be on their way, on a connection that is slow or dead. All that
    # it carries is late then.
    is_overtaken = silence.overtaken_by >= max(OVERTAKERS, silence.others_late_elsewhere)
    return (
        silence.connection_silent_seconds >= late_after
        # Nothing overtakes the last requests of all.
        and (is_overtaken or not silence.others_elsewhere)
        and silence.others_go_on
    )


@dataclass(frozen=True)
class _Slowness:
    """So many times as long as the others' answers took, as measured then."""

    factor: float
    at_seconds: float


class AnswerTimes:
    """What the answers of one data centre took of late. Not thread-safe: it lives on the loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent: deque[AnswerTime] = deque(maxlen=REMEMBERED_ANSWERS)
        self._heard_at = -math.inf
        self._silent_until = -math.inf
        self._answered_at: dict[Hashable, float] = {}
        self._slowness: dict[Hashable, _Slowness] = {}

    def answered(self, connection: Hashable, sent_at: float, size_bytes: int) -> None:
        now = self._clock()
        self.heard(sent_at)
        own_seconds = now - max(sent_at, self._answered_at.get(connection, sent_at))
        self._measure(connection, own_seconds, size_bytes)
        self._answered_at[connection] = now
        took = AnswerTime(connection, size_bytes, sent_at, now - sent_at, own_seconds)
        self._recent.append(took)

    def heard(self, sent_at: float) -> None:
        """Something has come back that was sent then. If nothing at all had come for long it was
        a silence of all connections, which makes no single answer late."""
        now = self._clock()
        if now - max(sent_at, self._heard_at) > LEAST_LATE_SECONDS / 2:
            self._silent_until = now
        self._heard_at = now

    def outrun(self, connection: Hashable, sent_at: float, size_bytes: int) -> None:
        """Its answer was on its way for so long that another connection's came first."""
        began = max(sent_at, self._answered_at.get(connection, sent_at))
        self._measure(connection, self._clock() - began, size_bytes)

    def forget(self, connection: Hashable) -> None:
        self._answered_at.pop(connection, None)
        self._slowness.pop(connection, None)

    def late_after_seconds(self, size_bytes: int) -> float:
        return late_after_seconds(self._recent, size_bytes)

    def waited_seconds(self, sent_at: float, paused_until: float) -> float:
        return self._clock() - max(sent_at, paused_until, self._silent_until)

    def connection_silent_seconds(self, connection: Hashable, sent_at: float) -> float:
        return self._clock() - max(
            sent_at, self._silent_until, self._answered_at.get(connection, sent_at)
        )

    def overtaken_by(self, connection: Hashable, sent_at: float) -> int:
        return sum(
            each.connection is not connection and each.sent_at_seconds > sent_at
            for each in self._recent
        )

    def quiet_seconds(self, connection: Hashable) -> float:
        """How long ago another connection's last answer came."""
        others = (at for each, at in self._answered_at.items() if each is not connection)
        return self._clock() - max(others, default=-math.inf)

    def weight(
        self, connection: Hashable, oldest_sent_at: float | None = None, size_bytes: int = 0
    ) -> float:
        """How much longer this connection takes than the others: 1 where it is none of the slow.

        What it owes counts like an answer: the request that is under way for the longest time.
        """
        factor = 1.0
        known = self._slowness.get(connection)
        if known is not None:
            halvings = (self._clock() - known.at_seconds) / SLOWNESS_HALVES_IN_SECONDS
            factor = 1 + (known.factor - 1) * 0.5**halvings
        if oldest_sent_at is not None:
            silent_seconds = self.connection_silent_seconds(connection, oldest_sent_at)
            factor = max(factor, self._compared(connection, silent_seconds, size_bytes))
        return factor if factor >= SLOWNESS_THAT_COUNTS else 1.0

    def _measure(self, connection: Hashable, own_seconds: float, size_bytes: int) -> None:
        factor = self._compared(connection, own_seconds, size_bytes)
        self._slowness[connection] = _Slowness(factor, self._clock())

    def _compared(self, connection: Hashable, own_seconds: float, size_bytes: int) -> float:
        """So many times as long as other connections took for answers of about this size."""
        others = [
            each.own_seconds
            for each in self._recent
            if each.connection is not connection
            and size_bytes <= 2 * each.size_bytes <= 4 * size_bytes
        ]
        if len(others) < FEWEST_ANSWERS:
            return 1.0
        factor = own_seconds / max(median(others), QUICK_SECONDS)
        return min(max(factor, 1.0), MOST_SLOWNESS)
