"""Which of several folders of one name counts, where machines that start at once may each make one.

Pure: it is told what was looked at and made, and when, and says what to do next. What makes all
machines agree, though a listing shows a new folder late, and each folder differently so:

- None puts anything into a folder before it has waited for twice the lag, and looked again. A
  folder is made within `MOST_BETWEEN_SECONDS` of the look that showed none, so all of them are made
  within the lag and that of the first; after twice the lag, and that, every listing shows them all.
- So it is for who *finds* a folder as for who makes one: what a listing shows of those that were
  just made is a part of them, and which one that is differs from machine to machine.
- What a folder shows was put there by one that had waited. Where one shows something nobody has to
  wait, so that one counts; of several the one with the lowest id, as among those that are empty: it
  is the same for all, and does not change, as the order of Drive's listings does.
- Who knows that no other machine is at it waits for nothing (`Others`). Whoever comes next knows of
  that one, and makes none before what it may have made is listed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

LAG_SECONDS = 6.0
"""What has arrived is in all listings after this time."""

MOST_BETWEEN_SECONDS = 2.0
"""A look and the making that it led to usually lie closer together than this. Who has taken longer
waits longer."""

WAIT_SECONDS = 2 * LAG_SECONDS + MOST_BETWEEN_SECONDS

ALONE_SECONDS = 10.0
"""So long after it has asked for others may one that is alone make a folder without waiting."""

SHOWN_WITHIN_SECONDS = 60.0
"""Longer than any listing was seen to lag: what was made and is not shown by then is not there."""

LOOK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Make:
    """There is none, and none is coming."""


@dataclass(frozen=True)
class LookAgain:
    """At this moment, and not before."""

    at: float


@dataclass(frozen=True)
class Take:
    """The one that counts."""

    folder_id: str


@dataclass(frozen=True)
class NotShown:
    """It was made, and the listings have not shown it in time."""


@dataclass(frozen=True)
class AskForOthers:
    """It counts now whether other machines may make it, too."""


Step = Make | LookAgain | Take | NotShown | AskForOthers


@dataclass(frozen=True)
class Others:
    """What is known of other machines that may make the folder as well.

    ``none_until``: whatever is made or found by then is ours alone. ``make_after``: what one makes
    that thinks so of itself is listed then.
    """

    none_until: float = -math.inf
    make_after: float = 0.0

    @classmethod
    def before_us(cls, answered_at: float, *, may_be_alone: bool, may_have_made_it: bool) -> Others:
        """There are some who asked whether there are others before we did, as we know since
        ``answered_at``. One of them may make it yet as if it were alone, or have done so a moment
        ago."""
        if may_be_alone:
            return cls(make_after=answered_at + ALONE_SECONDS + LAG_SECONDS)
        return cls(make_after=answered_at + LAG_SECONDS) if may_have_made_it else cls()

    @classmethod
    def none(cls, asked_at: float) -> Others:
        """There were none at ``asked_at`` or later, and whoever asks after us knows of us."""
        return cls(none_until=asked_at + ALONE_SECONDS)


NOBODY = Others(none_until=math.inf)


def one_that_counts(shown: Mapping[str, bool]) -> str:
    """Of at least one folder, by their ids: whether each shows that something is in it."""
    with_something = [folder_id for folder_id, shows_something in shown.items() if shows_something]
    return min(with_something or shown)


class Choosing:
    """Tell it of each look and of each making; moments are of one clock that only goes forward."""

    def __init__(self, others: Others | None = None, *, make_after: float = 0.0) -> None:
        """``others``: ``None`` if that is to be asked for once it counts. ``make_after``: an
        earlier run may have made it, and it is listed then."""
        self._others = others
        self._make_after = make_after
        self._none_shown_at = -math.inf
        self._decided_at: float | None = None
        self._shown_by: float | None = None
        self.is_there = False
        """It was seen, or made for certain."""
        self.is_new = False
        """It was made by us, and by nobody else: nothing is in it. Not said of what was there by
        then, which a look that was long ago has not shown."""

    def looked(self, shown: Mapping[str, bool], at: float, listed_at: float | None = None) -> Step:
        """``shown`` are those of the name, and whether each shows something; ``at`` is when the
        look had ended, ``listed_at`` when Drive was asked where that is longer ago."""
        if not shown:
            self._none_shown_at = at if listed_at is None else listed_at
        if any(shown.values()):
            self.is_there = True
            return Take(one_that_counts(shown))
        if self._others is None:
            return AskForOthers()
        if not shown:
            return self._none_is_shown(at)
        self.is_there = True
        if self._decided_at is None:
            self._decided_at = at + self._wait_seconds(at, 0.0)
        if at < self._decided_at:
            return LookAgain(self._decided_at)
        return Take(one_that_counts(shown))

    def told(self, others: Others) -> None:
        """The answer to ``AskForOthers``; then ``looked`` again."""
        self._others = others
        self._make_after = max(self._make_after, others.make_after)

    def made(self, looked_at: float, at: float) -> None:
        """It was made, or was there: by a call that had looked at ``looked_at`` at the earliest and
        had ended ``at``."""
        self.is_there = True
        self.is_new = self._is_ours_alone(at) and at <= self._none_shown_at + ALONE_SECONDS
        self._decided_at = at + self._wait_seconds(at, at - looked_at)
        self._shown_by = max(at + SHOWN_WITHIN_SECONDS, self._decided_at)

    def may_be_made(self, looked_at: float, at: float, listed_at: float) -> None:
        """The same call has failed, and what it may have made is listed at ``listed_at``."""
        self._decided_at = at + self._wait_seconds(at, at - looked_at)
        self._make_after = listed_at

    def _is_ours_alone(self, at: float) -> bool:
        return self._others is not None and at <= self._others.none_until

    def _wait_seconds(self, at: float, between_seconds: float) -> float:
        if self._is_ours_alone(at):
            return 0.0
        return WAIT_SECONDS + max(0.0, between_seconds - MOST_BETWEEN_SECONDS)

    def _none_is_shown(self, at: float) -> Step:
        if self._shown_by is None:
            return Make() if at >= self._make_after else LookAgain(self._soon(at, self._make_after))
        if at >= self._shown_by:
            return NotShown()
        # What it shows before that decides nothing.
        decided_at = self._decided_at or 0.0
        return LookAgain(decided_at if at < decided_at else self._soon(at, self._shown_by))

    @staticmethod
    def _soon(at: float, end: float) -> float:
        return min(at + LOOK_AGAIN_SECONDS, end)
