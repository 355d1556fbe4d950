"""The pace that all uploads share: who waits, for how long, and what the user is told."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timezone

import pytest

from tdl_sync.core.errors import QuotaExceeded, Stopped
from tdl_sync.core.stop import StopFlag
from tdl_sync.remote import pace as pace_module
from tdl_sync.remote.pace import Pace, Turn
from tests.waiting import finished, in_thread, result_of, until

TOMORROW = datetime(2030, 1, 2, 3, 4, tzinfo=timezone.utc)
QUOTA = QuotaExceeded(TOMORROW, "User rate limit exceeded.")


class Told:
    """What the user was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, what: str, why: str, until: datetime | None) -> None:
        self.lines.append(f"{what}: {why}")


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def stop() -> StopFlag:
    return StopFlag()


class Clock:
    """It stands still but for what a test adds: a busy machine makes nothing late here.

    Who waits for a moment looks again when so much real time has passed, and waits on.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.looks: Counter[int] = Counter()
        """By thread."""

    def monotonic(self) -> float:
        self.looks[threading.get_ident()] += 1
        return self.now

    def next_turn(self, pace: Pace) -> Turn:
        """A turn after every pause that there is."""
        self.now += 3600
        return finished(pace.take_turn)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace_module, "time", clock)
    return clock


@pytest.fixture
def pace(stop: StopFlag, told: Told, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Pace:
    """Its pauses are a hundredth of the real ones, or less."""
    monkeypatch.setattr(pace_module, "SHORTEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(pace_module, "FIRST_QUOTA_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(pace_module, "LONGEST_QUOTA_PAUSE_SECONDS", 0.03)
    return Pace(stop, told)


class Uploads:
    """So many, all at once."""

    def __init__(self, pace: Pace, clock: Clock, count: int) -> None:
        self.turns: list[Turn] = []
        self._clock = clock
        self._threads = [
            threading.Thread(target=lambda: self.turns.append(pace.take_turn()), daemon=True)
            for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def begun(self) -> int:
        """How many have begun, when all others have looked and come back to look again."""
        looks = self._clock.looks
        enough = {thread: looks[thread.ident or 0] + 2 for thread in self._threads}
        until(
            lambda: all(
                not thread.is_alive() or looks[thread.ident or 0] >= enough[thread]
                for thread in self._threads
            )
        )
        return len(self.turns)


def test_nothing_waits_while_all_goes_well(pace: Pace, told: Told) -> None:
    def many() -> None:
        for _ in range(1000):
            pace.went_well(pace.take_turn())

    finished(many)
    assert told.lines == []


def test_after_a_rate_limit_uploads_begin_one_by_one(pace: Pace, clock: Clock, told: Told) -> None:
    pace.slow_down(pace.take_turn(), "the remote limits the rate")
    uploads = Uploads(pace, clock, 4)
    assert uploads.begun() == 0
    for begun in (1, 2, 3, 4):
        clock.now += 0.011
        assert uploads.begun() == begun
    assert told.lines == ["uploading: the remote limits the rate"]


def test_the_time_that_the_server_asked_for_is_waited(pace: Pace, clock: Clock) -> None:
    pace.slow_down(pace.take_turn(), "429", at_least_seconds=0.05)
    uploads = Uploads(pace, clock, 3)
    clock.now += 0.04
    assert uploads.begun() == 0
    clock.now += 0.011
    assert uploads.begun() == 1


def test_uploads_that_failed_together_slow_down_once(pace: Pace, clock: Clock, told: Told) -> None:
    turns = [pace.take_turn() for _ in range(8)]
    clock.now += 1
    for turn in turns:
        pace.slow_down(turn, "403")
    assert told.lines == ["uploading: 403"]


def test_uploads_that_go_well_bring_the_pace_back(pace: Pace, clock: Clock) -> None:
    pace.slow_down(pace.take_turn(), "403")
    pace.slow_down(clock.next_turn(pace), "403")
    pace.went_well(clock.next_turn(pace))
    last = clock.next_turn(pace)  # before the others wait: one of them could have it instead
    assert Uploads(pace, clock, 2).begun() == 0
    pace.went_well(last)
    assert Uploads(pace, clock, 50).begun() == 50


def test_an_upload_from_before_the_limit_says_nothing_about_it(pace: Pace, clock: Clock) -> None:
    early = pace.take_turn()
    clock.now += 1
    pace.slow_down(pace.take_turn(), "403")
    pace.went_well(early)
    assert Uploads(pace, clock, 3).begun() == 0


def test_the_daily_quota_is_tried_now_and_then_and_the_first_that_works_frees_all(
    pace: Pace, clock: Clock, told: Told
) -> None:
    for _ in range(3):
        pace.rest(clock.next_turn(pace), QUOTA)
    assert len(told.lines) == 3
    expected = "uploading: Quota exceeded, resume in 24 hours, at 2030-01-02 03:04 (User rate limit"
    assert all(line.startswith(expected) for line in told.lines)
    uploads = Uploads(pace, clock, 4)
    assert uploads.begun() == 0
    clock.now += 0.031
    assert uploads.begun() == 1
    pace.went_well(uploads.turns[0])
    assert uploads.begun() == 4
    assert Uploads(pace, clock, 50).begun() == 50


def test_a_stop_ends_the_wait(pace: Pace, stop: StopFlag) -> None:
    pace.slow_down(pace.take_turn(), "429", at_least_seconds=3600)
    waiting = in_thread(pace.take_turn)
    stop.set()
    with pytest.raises(Stopped):
        result_of(waiting)
