"""Trying again: how often, how long after, and what is not tried again."""

from __future__ import annotations

import pytest

from tdl_sync.core.errors import HandOffFailed, RefusedByTelegram, Stopped, TdlSyncError
from tdl_sync.core.retry import ATTEMPTS, FIRST_PAUSE_SECONDS, with_attempts
from tdl_sync.core.stop import StopFlag


class WatchedStop(StopFlag):
    """Sleeps in no time, and keeps how long it was to be."""

    def __init__(self) -> None:
        super().__init__()
        self.slept_seconds: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.check()
        self.slept_seconds.append(seconds)


class Work:
    """Raises these errors one after the other, then works."""

    def __init__(self, *errors: TdlSyncError) -> None:
        self._errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


def failed(retry_after_seconds: float = 0.0) -> HandOffFailed:
    return HandOffFailed("reset by peer", retry_after_seconds)


def test_what_may_pass_is_tried_three_times_with_longer_pauses() -> None:
    stop, work = WatchedStop(), Work(failed(), failed())
    assert with_attempts(work, stop) == "done"
    assert work.calls == ATTEMPTS == 3
    first, second = stop.slept_seconds
    assert FIRST_PAUSE_SECONDS / 2 < first < second < 4 * FIRST_PAUSE_SECONDS


def test_what_failed_together_does_not_come_back_together() -> None:
    pauses = set()
    for _ in range(20):
        stop = WatchedStop()
        with_attempts(Work(failed()), stop)
        pauses.update(stop.slept_seconds)
    assert len(pauses) > 10


def test_the_last_failure_is_raised() -> None:
    errors = [failed() for _ in range(ATTEMPTS)]
    with pytest.raises(HandOffFailed) as caught:
        with_attempts(Work(*errors), WatchedStop())
    assert caught.value is errors[-1]


def test_the_time_that_was_asked_for_is_waited() -> None:
    stop = WatchedStop()
    with_attempts(Work(failed(retry_after_seconds=90)), stop)
    assert stop.slept_seconds == [90]


@pytest.mark.parametrize("error", [RefusedByTelegram("gone"), Stopped("the run is stopping")])
def test_what_will_not_pass_is_not_tried_again(error: TdlSyncError) -> None:
    work = Work(error)
    with pytest.raises(type(error)):
        with_attempts(work, WatchedStop())
    assert work.calls == 1


def test_a_stop_ends_the_wait_between_two_attempts() -> None:
    stop = WatchedStop()
    stop.set()
    with pytest.raises(Stopped):
        with_attempts(Work(failed()), stop)
