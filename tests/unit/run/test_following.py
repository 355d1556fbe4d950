"""A run that stays is woken by news, looks by itself all the same, and retries with patience."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tdl_sync.core.errors import Stopped
from tdl_sync.core.stop import StopFlag
from tdl_sync.run.following import (
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    Following,
    News,
    Retries,
)
from tests.waiting import finished, in_thread, result_of

CHAT, OTHER = -1001, -1002
LONG = 3600.0


def test_news_of_a_chat_wakes_who_waits_for_it() -> None:
    news = News(StopFlag())
    waiting = in_thread(lambda: news.wait(CHAT, LONG))
    news.tell(OTHER)
    news.tell(CHAT)
    assert result_of(waiting)


def test_news_that_came_before_the_wait_counts_and_counts_once() -> None:
    news = News(StopFlag())
    news.tell(CHAT)
    news.tell(CHAT)
    assert finished(lambda: news.wait(CHAT, LONG))
    assert not news.wait(CHAT, 0.001)


def test_where_telegram_has_lost_count_every_chat_is_woken_once() -> None:
    news = News(StopFlag())
    news.tell(None)
    assert finished(lambda: news.wait(CHAT, LONG))
    assert finished(lambda: news.wait(OTHER, LONG))
    assert not news.wait(CHAT, 0.001)


def test_without_news_the_wait_ends_all_the_same() -> None:
    following = Following(StopFlag(), poll_seconds=0.001)
    finished(lambda: following.wait(CHAT, LONG))


def test_a_retry_that_is_due_ends_the_wait_before_the_next_look() -> None:
    following = Following(StopFlag(), poll_seconds=LONG)
    finished(lambda: following.wait(CHAT, 0.001))
    finished(lambda: following.wait(CHAT, -5.0))


class SleepingFlag(StopFlag):
    """Notes how long it was slept on, and calls somebody meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.meanwhile()


def test_a_busy_chat_is_looked_at_with_a_gap_that_one_message_never_meets() -> None:
    stop, clock = SleepingFlag(), Clock()
    following = Following(stop, 0.001, settle_seconds=1.0, gap_seconds=5.0, clock=clock)
    following.news.tell(CHAT)
    following.wait(CHAT, LONG)
    # The rest of an album comes while it waits, and needs no look of its own.
    stop.meanwhile = lambda: following.news.tell(CHAT)
    clock.now += 2
    following.news.tell(CHAT)
    following.wait(CHAT, LONG)
    assert stop.slept == [1.0, 3.0]
    following.wait(CHAT, LONG)
    following.news.tell(OTHER)
    following.wait(OTHER, LONG)
    assert stop.slept == [1.0, 3.0, 1.0]


def test_a_stop_ends_every_wait() -> None:
    stop = StopFlag()
    following = Following(stop, poll_seconds=LONG)

    def second_turn() -> None:
        with following.turn():
            raise AssertionError("two chats at once")

    with following.turn():
        waits = [
            in_thread(lambda: following.wait(CHAT, LONG)),
            in_thread(following.rest),
            in_thread(second_turn),
        ]
        stop.set()
        for wait in waits:
            with pytest.raises(Stopped):
                result_of(wait)


# --- what failed for now ------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_failed_is_tried_again_after_a_pause_that_doubles_up_to_an_hour() -> None:
    clock = Clock()
    retries = Retries(clock)
    retries.round_ended({7}, ())
    pauses = []
    for _ in range(6):
        assert retries.due() == frozenset()
        pauses.append(retries.seconds_left)
        clock.now += retries.seconds_left
        assert retries.due() == {7}
        retries.round_ended({7}, retries.due())
    assert pauses == [300, 600, 1200, 2400, 3600, 3600]
    assert (FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS) == (300, 3600)


def test_a_round_that_did_not_try_it_puts_it_off_no_further() -> None:
    clock = Clock()
    retries = Retries(clock)
    retries.round_ended({7}, ())
    clock.now += 200
    retries.round_ended({7, 8}, ())
    assert retries.seconds_left == 100
    clock.now += 100
    assert retries.due() == {7}


def test_what_was_moved_after_all_is_forgotten() -> None:
    retries = Retries(Clock())
    retries.round_ended({7}, ())
    retries.round_ended((), {7})
    assert retries.seconds_left == float("inf")
    assert retries.due() == frozenset()
