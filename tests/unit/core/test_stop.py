"""A stop reaches everything that waits, at once and once."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from tdl_sync.core import retry
from tdl_sync.core.errors import (
    CredentialsRefused,
    DownloadFailed,
    RefusedByTelegram,
    Stopped,
    StorageFull,
)
from tdl_sync.core.retry import with_attempts
from tdl_sync.core.stop import Slots, StopFlag, StopOfRemote
from tests.waiting import in_thread, result_of, until


def test_the_first_cause_counts() -> None:
    stop = StopFlag()
    first, second = ValueError("first"), ValueError("second")
    stop.set(first)
    stop.set(second)
    stop.set()
    assert stop.cause is first


def test_a_person_who_stops_is_no_cause_and_what_fails_afterwards_is_none() -> None:
    stop = StopFlag()
    stop.set()
    stop.set(ValueError("a consequence"))
    assert stop.is_set
    assert stop.cause is None


def test_of_many_threads_that_stop_at_once_one_wakes_each_waiter_once() -> None:
    stop = StopFlag()
    woken: list[int] = []
    for number in range(5):
        stop.on_set(lambda number=number: woken.append(number))  # type: ignore[misc]
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(stop.set) for _ in range(8)]:
            result_of(done)
    assert woken == [0, 1, 2, 3, 4]


def test_who_begins_to_wait_after_the_stop_is_woken_at_once() -> None:
    stop = StopFlag()
    stop.set()
    woken: list[bool] = []
    stop.on_set(lambda: woken.append(True))
    assert woken == [True]


def test_who_waits_no_more_is_forgotten() -> None:
    """A run that stays for weeks makes slots for each of its rounds."""
    stop = StopFlag()
    slots = [Slots(1, stop) for _ in range(3)]
    gone = [weakref.ref(each) for each in slots]
    slots.clear()
    gc.collect()
    assert [each() for each in gone] == [None] * 3
    stop.set()


def test_a_method_that_was_to_be_called_does_not_keep_its_object() -> None:
    """Each wait beside other work leaves one behind."""
    stop, either = StopFlag(), threading.Event()
    stop.on_set(either.set)
    there = weakref.ref(either)
    del either
    gc.collect()
    assert there() is None
    stop.set()


def test_a_sleep_ends_with_the_stop() -> None:
    stop = StopFlag()
    sleep = in_thread(lambda: stop.sleep(3600))
    stop.set()
    with pytest.raises(Stopped):
        result_of(sleep)


def test_a_sleep_without_a_stop_just_ends() -> None:
    StopFlag().sleep(0.001)


def test_check_raises_only_after_the_stop() -> None:
    stop = StopFlag()
    stop.check()
    stop.set()
    with pytest.raises(Stopped):
        stop.check()


def test_slots_are_given_to_so_many_and_no_more() -> None:
    slots = Slots(2, StopFlag())
    slots.take()
    slots.take()
    third = in_thread(slots.take)
    assert not third.done()
    slots.give_back()
    result_of(third)


def test_a_stop_ends_the_wait_for_a_slot() -> None:
    stop = StopFlag()
    slots = Slots(0, stop)
    waiting = [in_thread(slots.take) for _ in range(3)]
    stop.set()
    for wait in waiting:
        with pytest.raises(Stopped):
            result_of(wait)


def test_after_a_stop_no_slot_is_given_even_if_one_is_free() -> None:
    stop = StopFlag()
    slots = Slots(1, stop)
    stop.set()
    with pytest.raises(Stopped):
        slots.take()


# Attempts


def failing(times: int, error: Exception, calls: list[int]) -> str:
    calls.append(1)
    if len(calls) <= times:
        raise error
    return "done"


@pytest.mark.usefixtures("short_pauses")
def test_what_may_pass_is_tried_three_times() -> None:
    calls: list[int] = []
    assert with_attempts(lambda: failing(2, DownloadFailed("x"), calls), StopFlag()) == "done"
    assert len(calls) == 3


@pytest.mark.usefixtures("short_pauses")
def test_after_the_third_attempt_the_failure_is_told() -> None:
    calls: list[int] = []
    with pytest.raises(DownloadFailed):
        with_attempts(lambda: failing(99, DownloadFailed("x"), calls), StopFlag())
    assert len(calls) == 3


@pytest.mark.parametrize("error", [RefusedByTelegram("x"), Stopped("x"), ValueError("a bug")])
def test_what_does_not_pass_is_told_at_once(error: Exception) -> None:
    calls: list[int] = []
    with pytest.raises(type(error)):
        with_attempts(lambda: failing(99, error, calls), StopFlag())
    assert len(calls) == 1


def test_a_stop_ends_the_pause_between_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 3600.0)
    stop = StopFlag()
    calls: list[int] = []
    work = in_thread(lambda: with_attempts(lambda: failing(9, DownloadFailed("x"), calls), stop))
    until(lambda: bool(calls))
    stop.set()
    with pytest.raises(Stopped):
        result_of(work)
    assert len(calls) == 1


def test_a_stop_wakes_all_who_wait_for_a_condition() -> None:
    stop, condition = StopFlag(), threading.Condition()
    stop.wakes(condition)
    waiting = threading.Semaphore(0)

    def wait() -> bool:
        with condition:
            waiting.release()
            return condition.wait_for(lambda: stop.is_set)

    waits = [in_thread(wait) for _ in range(4)]
    for _ in waits:
        waiting.acquire()
    stop.set()
    assert [result_of(each) for each in waits] == [True] * 4


def test_a_condition_that_nobody_knows_any_more_is_forgotten() -> None:
    stop, condition = StopFlag(), threading.Condition()
    stop.wakes(condition)
    there = weakref.ref(condition)
    del condition
    gc.collect()
    assert there() is None
    stop.set()


FULL = StorageFull("box", "no room")


def test_what_ails_one_remote_stops_what_goes_there_alone() -> None:
    run, alone = StopFlag(), [False, False]
    full, other = (
        StopOfRemote(run, lambda number=number: alone.__setitem__(number, True))  # type: ignore[misc]
        for number in range(2)
    )
    full.set(FULL)
    assert (full.cause, full.is_set, full.ends_all) == (FULL, True, False)
    assert (run.is_set, other.is_set, alone) == (False, False, [True, False])
    full.set(Stopped("the run is stopping"))  # what was stopped by it says so, too
    assert not run.is_set


def test_whatever_else_stops_one_stops_all_with_its_cause() -> None:
    ended = CredentialsRefused("Telegram", "ended", "Log in.")
    for cause in (ended, ValueError("a bug"), None, Stopped("the run is stopping")):
        run = StopFlag()
        one, other = StopOfRemote(run), StopOfRemote(run)
        one.set(cause)
        assert run.cause is one.cause is other.cause is cause
        assert (one.ends_all, other.ends_all) == (True, True)


def test_a_stop_of_the_run_after_one_of_a_remote_ends_that_too_from_then_on() -> None:
    run = StopFlag()
    full = StopOfRemote(run)
    full.set(FULL)
    full._set_at -= 100.0
    assert full.seconds_ago >= 100.0
    run.set()
    assert full.ends_all
    assert full.cause is FULL
    assert full.seconds_ago < 100.0  # what is given to end by is counted from the run's stop


def test_a_remote_that_is_not_used_any_more_is_forgotten() -> None:
    run = StopFlag()
    gone = weakref.ref(StopOfRemote(run))
    gc.collect()
    assert gone() is None
