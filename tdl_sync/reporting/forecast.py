"""How long a run still takes: by what each leg, down and up, has moved in the time it had for that.

Both legs work side by side, and the one that needs longer decides. A leg that has nothing to do is
not slow by that: its time is that in which it had something to move. But where the disk holds only
a few files, the legs take turns, and together they are slower than either; so what has yet to come
through both is forecast by what came through both, in all the time since the first upload.

A time in which nothing moves at all (no network, a flood wait) says nothing of what comes after it,
and is not counted.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

QUIET_SECONDS = 5.0
"""Where nothing has moved for so long the run stands still."""

_LONGEST_USUAL_GAP_SECONDS = 60.0
_USUAL_SECONDS = 20.0

_LEAST_MEMORY_SECONDS = 30.0
_MOST_MEMORY_SECONDS = 1800.0
_STEADY_SECONDS = 3.0
_STEADY = 0.2
"""The whole time that a run takes, as it was forecast in the last seconds, differs by no more."""

_LEAST_SMOOTHING_SECONDS = 2.0
_MOST_SMOOTHING_SECONDS = 60.0


class Movement:
    """Whether anything moves, in either direction, and for how long it has. Not safe for threads.

    ``seconds`` is the time up to the last step, without what it stood still before one: of a step
    that came unusually late, no more is counted than is usual.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._has_work = False
        self._usual_gap = 0.0
        self._moved_at = clock()
        self.seconds = 0.0

    def moved(self) -> None:
        now = self._clock()
        gap, self._moved_at = now - self._moved_at, now
        self.seconds += gap if gap <= QUIET_SECONDS else min(gap, 2 * self._usual_gap)
        # Many steps come at once, so what counts is how much of the time a gap takes.
        weight = 1 - math.exp(-gap / _USUAL_SECONDS)
        self._usual_gap += weight * (min(gap, _LONGEST_USUAL_GAP_SECONDS) - self._usual_gap)

    def has_work(self, has_work: bool) -> None:
        if has_work and not self._has_work:
            self._moved_at = self._clock()  # it is not late yet
        self._has_work = has_work

    def still_seconds(self, *, told_to_wait: bool) -> float:
        """How long nothing has moved though there is work; 0 before that is long. Who was
        ``told_to_wait`` is not slow, however long a wait before has been."""
        seconds = self._clock() - self._moved_at
        usual_gap = 0.0 if told_to_wait else self._usual_gap
        is_late = seconds > max(QUIET_SECONDS, 2 * usual_gap)
        return seconds if self._has_work and is_late else 0.0


class Leg:
    """What one direction has moved, and in how much time. Not safe for threads.

    The past weighs less the longer it is past: by half after about a quarter of the time that was
    counted so far (42 s at the least, 21 minutes at the most).
    """

    def __init__(self, movement: Movement) -> None:
        self._movement = movement
        self._bytes = 0.0
        self._seconds = 0.0
        self._counted_seconds = 0.0
        self._is_counting = False
        self._counted_to = movement.seconds

    def counts(self, is_counting: bool) -> None:
        """From now on: whether time passes for it."""
        self._pass_time()
        self._is_counting = is_counting

    def moved(self, moved_bytes: float) -> None:
        self._movement.moved()
        self._pass_time()
        self._bytes += moved_bytes

    def bytes_per_second(self) -> float | None:
        """None as long as nothing was moved."""
        self._pass_time()
        if self._bytes <= 0 or self._seconds <= 0:
            return None
        return self._bytes / self._seconds

    def _pass_time(self) -> None:
        now = self._movement.seconds
        passed, self._counted_to = now - self._counted_to, now
        if not self._is_counting:
            return
        self._counted_seconds += passed
        memory_seconds = max(self._counted_seconds / 3, _LEAST_MEMORY_SECONDS)
        kept = math.exp(-passed / min(memory_seconds, _MOST_MEMORY_SECONDS))
        self._bytes *= kept
        self._seconds = self._seconds * kept + passed


def seconds_left(
    *,
    to_download: float,
    staged: float,
    down: float | None,
    up: float | None,
    through: float | None,
) -> float | None:
    """From bytes and the rates that were measured for them; ``staged`` bytes have only to be
    uploaded. None as long as nothing was uploaded."""
    if up is None or through is None:
        return None
    together = to_download / min(through, up) + staged / up
    return together if down is None else max(together, to_download / down)


class Forecast:
    """The seconds that are left, once they are steady. Not safe for threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began_at = self._looked_at = clock()
        self._stood_seconds = 0.0
        self._ends: deque[tuple[float, float]] = deque()
        """When it was looked, and how long the whole run was forecast to take."""

        self._told: float | None = None

    def seconds(self, raw: float | None, *, stands_still: bool) -> float | None:
        """What to tell now, where ``raw`` is what rates and amounts say at this moment.

        While the run ``stands_still`` it is what was told before.
        """
        now = self._clock()
        passed, self._looked_at = now - self._looked_at, now
        if stands_still:
            self._stood_seconds += passed
            return self._told
        if raw is None:
            self._told = None
            self._ends.clear()
            return None
        if self._told is None:
            if not self._is_steady(now - self._stood_seconds, raw):
                return None
            self._told = raw
            return raw
        counted_down = max(0.0, self._told - passed)
        pace = min(max(raw / 8, _LEAST_SMOOTHING_SECONDS), _MOST_SMOOTHING_SECONDS)
        self._told = counted_down + (raw - counted_down) * (1 - math.exp(-passed / pace))
        return self._told

    def _is_steady(self, moving_now: float, raw: float) -> bool:
        whole = moving_now - self._began_at + raw
        self._ends.append((moving_now, whole))
        while self._ends[0][0] < moving_now - _STEADY_SECONDS:
            if self._ends[1][0] > moving_now - _STEADY_SECONDS:
                break
            self._ends.popleft()
        if moving_now - self._ends[0][0] < _STEADY_SECONDS:
            return False
        wholes = [each for _, each in self._ends]
        return max(wholes) <= min(wholes) * (1 + _STEADY)
