"""The pace that all uploads share: who waits, for how long, and what the user is told."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone

import pytest

from tdl_sync.core.errors import QuotaExceeded, Stopped
from tdl_sync.core.stop import StopFlag
from tdl_sync.remote import pace as pace_module
from tdl_sync.remote.pace import Pace
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


@pytest.fixture
def pace(stop: StopFlag, told: Told, monkeypatch: pytest.MonkeyPatch) -> Pace:
    """Its pauses are a tenth of the real ones."""
    monkeypatch.setattr(pace_module, "SHORTEST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(pace_module, "FIRST_QUOTA_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(pace_module, "LONGEST_QUOTA_PAUSE_SECONDS", 0.3)
    return Pace(stop, told)


def begun_within(pace: Pace, uploads: int, seconds: float) -> int:
    """How many of so many uploads, all at once, begin within this time."""
    begun = []
    threads = [
        threading.Thread(target=lambda: begun.append(pace.take_turn()), daemon=True)
        for _ in range(uploads)
    ]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    count = len(begun)
    for thread in threads:
        thread.join(60)
    return count


def test_nothing_waits_while_all_goes_well(pace: Pace, told: Told) -> None:
    def many() -> None:
        for _ in range(1000):
            pace.went_well(pace.take_turn())

    finished(many, 5)
    assert told.lines == []


def test_after_a_rate_limit_uploads_begin_one_by_one(pace: Pace, told: Told) -> None:
    turn = pace.take_turn()
    pace.slow_down(turn, "the remote limits the rate")
    assert begun_within(pace, uploads=4, seconds=0.05) == 0
    assert told.lines == ["uploading: the remote limits the rate"]


def test_the_time_that_the_server_asked_for_is_waited(pace: Pace) -> None:
    pace.slow_down(pace.take_turn(), "429", at_least_seconds=0.5)
    assert begun_within(pace, uploads=3, seconds=0.4) == 0


def test_uploads_that_failed_together_slow_down_once(pace: Pace, told: Told) -> None:
    turns = [pace.take_turn() for _ in range(8)]
    for turn in turns:
        pace.slow_down(turn, "403")
    assert told.lines == ["uploading: 403"]


def test_uploads_that_go_well_bring_the_pace_back(pace: Pace) -> None:
    pace.slow_down(pace.take_turn(), "403")
    pace.slow_down(finished(pace.take_turn), "403")
    for _ in range(2):
        pace.went_well(finished(pace.take_turn))
    assert begun_within(pace, uploads=50, seconds=0.05) == 50


def test_an_upload_from_before_the_limit_says_nothing_about_it(pace: Pace) -> None:
    early, refused = pace.take_turn(), pace.take_turn()
    pace.slow_down(refused, "403")
    pace.went_well(early)
    assert begun_within(pace, uploads=3, seconds=0.05) == 0


def test_the_daily_quota_is_tried_now_and_then_and_the_first_that_works_frees_all(
    pace: Pace, told: Told
) -> None:
    for _ in range(3):
        pace.rest(finished(pace.take_turn), QUOTA)
    assert len(told.lines) == 3
    expected = "uploading: Quota exceeded, resume in 24 hours, at 2030-01-02 03:04 (User rate limit"
    assert all(line.startswith(expected) for line in told.lines)
    waiting = [in_thread(pace.take_turn) for _ in range(4)]
    until(lambda: any(turn.done() for turn in waiting))
    pace.went_well(next(turn.result() for turn in waiting if turn.done()))
    for turn in waiting:
        result_of(turn, 5)
    assert begun_within(pace, uploads=50, seconds=0.05) == 50


def test_a_stop_ends_the_wait(pace: Pace, stop: StopFlag) -> None:
    pace.slow_down(pace.take_turn(), "429", at_least_seconds=3600)
    waiting = in_thread(pace.take_turn)
    stop.set()
    with pytest.raises(Stopped):
        result_of(waiting, 5)
