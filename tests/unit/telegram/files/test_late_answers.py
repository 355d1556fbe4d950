"""When an answer is late, and when a connection is slow: as computed, with a clock that is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files.late_answers import (
    FEWEST_ANSWERS,
    LEAST_LATE_SECONDS,
    MOST_SLOWNESS,
    SLOWNESS_HALVES_IN_SECONDS,
    UNKNOWN_LATE_SECONDS,
    AnswerTime,
    AnswerTimes,
    Silence,
    is_late,
    late_after_seconds,
)

LATE_AFTER = 3.0
LOST = Silence(
    seconds=3.0,
    connection_silent_seconds=0.5,
    connection_answers=True,
    overtaken_by=20,
    others_go_on=True,
    others_late=0,
    others_late_elsewhere=0,
    others_elsewhere=3,
)
"""One answer of many, on a connection that answers everything else."""

ON_A_SLOW_CONNECTION = replace(LOST, connection_silent_seconds=3.0, connection_answers=False)


def took(*seconds: float, size_bytes: int = PART_BYTES) -> list[AnswerTime]:
    return [AnswerTime("a", size_bytes, 0.0, each, each) for each in seconds]


# --- how long a request may take ----------------------------------------------------------------


def test_nothing_is_late_before_three_seconds_however_quick_the_others_are() -> None:
    assert late_after_seconds(took(*[0.02] * 50), PART_BYTES) == LEAST_LATE_SECONDS == 3.0


def test_late_is_several_times_what_the_slow_ones_of_the_others_took() -> None:
    assert late_after_seconds(took(*[1.0] * 40, *[4.0] * 10), PART_BYTES) == 12.0


def test_one_answer_that_took_long_changes_nothing() -> None:
    assert late_after_seconds(took(*[0.5] * 49, 40.0), PART_BYTES) == LEAST_LATE_SECONDS


def test_what_small_files_took_says_nothing_about_a_whole_part() -> None:
    """It may take as long as its bytes need on a slow line."""
    small = took(*[0.1] * 40, size_bytes=2000)
    assert late_after_seconds([*small, *took(*[5.0] * 4)], PART_BYTES) == 15.0
    assert late_after_seconds([*small, *took(*[5.0] * 4)], 3000) == LEAST_LATE_SECONDS


def test_where_too_little_is_known_the_wait_is_longer() -> None:
    known = took(*[0.1] * (FEWEST_ANSWERS - 1))
    assert late_after_seconds(known, PART_BYTES) == UNKNOWN_LATE_SECONDS
    assert late_after_seconds([*known, *took(0.1)], PART_BYTES) == LEAST_LATE_SECONDS


# --- which silence is that of one request -------------------------------------------------------


@pytest.mark.parametrize(
    "silence",
    [
        LOST,
        replace(LOST, overtaken_by=0),  # the last of all
        replace(LOST, overtaken_by=0, others_go_on=False),
        replace(LOST, others_late=2),  # two more of many are lost
        ON_A_SLOW_CONNECTION,
        replace(ON_A_SLOW_CONNECTION, others_late=30),  # all that it carries
        replace(ON_A_SLOW_CONNECTION, overtaken_by=0, others_elsewhere=0),  # the last of all
    ],
    ids=repr,
)
def test_what_comes_much_later_than_the_others_is_late(silence: Silence) -> None:
    assert is_late(silence, LATE_AFTER)


@pytest.mark.parametrize(
    "silence",
    [
        replace(LOST, seconds=2.9),
        # Telegram is slow, in all that it was asked for at once, though it answers pings.
        replace(LOST, overtaken_by=0, others_late=7),
        replace(LOST, overtaken_by=3, others_late=7),
        # The bytes may be on their way: the line is slow, or the network is silent.
        replace(ON_A_SLOW_CONNECTION, overtaken_by=1),
        replace(ON_A_SLOW_CONNECTION, others_go_on=False),
        replace(ON_A_SLOW_CONNECTION, others_late=30, others_late_elsewhere=25),
        replace(ON_A_SLOW_CONNECTION, connection_silent_seconds=2.9),  # it brings others now
        replace(ON_A_SLOW_CONNECTION, seconds=2.9),
    ],
    ids=repr,
)
def test_where_everything_is_slow_nothing_is_late(silence: Silence) -> None:
    assert not is_late(silence, LATE_AFTER)


# --- what answers show --------------------------------------------------------------------------


class Told:
    def __init__(self) -> None:
        self.now = 100.0
        self.times = AnswerTimes(lambda: self.now)

    def carry(
        self,
        connection: str,
        *,
        seconds: float = 0.3,
        count: int = 1,
        size_bytes: int = PART_BYTES,
    ) -> None:
        """Answers one after the other."""
        for _ in range(count):
            sent_at, self.now = self.now, self.now + seconds
            self.times.answered(connection, sent_at, size_bytes)


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_silence_of_all_connections_makes_no_single_answer_late(told: Told) -> None:
    told.carry("a", count=5)
    sent_at = told.now
    told.now += 8
    assert told.times.waited_seconds(sent_at, 0) == 8
    told.times.heard(sent_at)
    assert told.times.waited_seconds(sent_at, 0) == 0
    told.now += 1
    assert told.times.waited_seconds(sent_at, 0) == 1


def test_a_time_in_which_nothing_was_asked_is_no_silence(told: Told) -> None:
    """As when there is no room on the disk for more than a file now and then."""
    lost_at = told.now
    for _ in range(4):
        told.now += 2
        told.carry("a")
    assert told.times.waited_seconds(lost_at, 0) == pytest.approx(9.2)


def test_what_telegram_asks_to_wait_is_no_silence_of_an_answer(told: Told) -> None:
    sent_at = told.now
    told.now += 8
    assert told.times.waited_seconds(sent_at, paused_until=told.now - 1) == 1
    assert told.times.waited_seconds(sent_at, paused_until=told.now + 5) < 0


def test_only_later_requests_over_other_connections_overtake(told: Told) -> None:
    told.carry("a", count=2)
    sent_at = told.now
    told.now += 0.1
    told.carry("a", count=3)
    assert told.times.overtaken_by("a", sent_at) == 0
    assert told.times.overtaken_by("b", sent_at) == 3
    assert told.times.quiet_seconds("b") == 0


@pytest.mark.parametrize(("seconds", "weight"), [(0.3, 1.0), (0.6, 1.0), (3.0, 10.0)])
def test_a_connection_at_a_tenth_of_the_others_rate_counts_ten_times(
    told: Told, seconds: float, weight: float
) -> None:
    told.carry("a", count=4)
    told.carry("slow", seconds=seconds)
    assert told.times.weight("slow") == pytest.approx(weight)
    assert told.times.weight("a") == 1.0


def test_one_that_has_answered_nothing_yet_is_known_by_what_it_owes(told: Told) -> None:
    told.carry("a", count=4)
    sent_at = told.now
    assert told.times.weight("slow", sent_at, PART_BYTES) == 1.0
    told.now += 1.5
    assert told.times.weight("slow", sent_at, PART_BYTES) == pytest.approx(5.0)
    told.now += 600
    assert told.times.weight("slow", sent_at, PART_BYTES) == MOST_SLOWNESS


def test_one_whose_answer_was_outrun_is_slow_though_it_never_came(told: Told) -> None:
    told.carry("a", count=4)
    sent_at = told.now
    told.now += 3
    told.times.outrun("slow", sent_at, PART_BYTES)
    assert told.times.weight("slow") == pytest.approx(10.0)


def test_a_slow_connection_is_tried_again_after_a_while(told: Told) -> None:
    told.carry("a", count=4)
    told.carry("slow", seconds=3.0)
    told.now += SLOWNESS_HALVES_IN_SECONDS
    assert told.times.weight("slow") == pytest.approx(5.5)
    told.now += 2 * SLOWNESS_HALVES_IN_SECONDS
    assert told.times.weight("slow") == 1.0


def test_a_slow_connection_that_recovers_has_its_share_again(told: Told) -> None:
    told.carry("a", count=4)
    told.carry("slow", seconds=3.0)
    told.carry("slow")
    assert told.times.weight("slow") == 1.0


def test_the_wait_behind_others_on_its_connection_makes_none_slow(told: Told) -> None:
    told.carry("a", count=4)
    sent_at = told.now
    for _ in range(4):
        told.now += 0.3
        told.times.answered("b", sent_at, PART_BYTES)
    assert told.times.weight("b") == 1.0


def test_a_whole_part_is_not_compared_with_small_files(told: Told) -> None:
    told.carry("a", seconds=0.05, count=10, size_bytes=2000)
    told.carry("b", seconds=2.0)
    assert told.times.weight("b") == 1.0


def test_a_busy_moment_of_this_machine_makes_no_connection_slow(told: Told) -> None:
    told.carry("a", seconds=0.001, count=10)
    told.carry("b", seconds=0.2)
    assert told.times.weight("b") == 1.0


def test_what_was_forgotten_is_measured_anew(told: Told) -> None:
    told.carry("a", count=4)
    told.carry("slow", seconds=3.0)
    told.times.forget("slow")
    assert told.times.weight("slow") == 1.0
