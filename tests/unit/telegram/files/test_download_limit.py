"""What ``--bwlimit`` lets be asked for, by a clock of the tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.ports import PART_BYTES
from tdl_sync.options.bandwidth import UNLIMITED, parse_bandwidth
from tdl_sync.telegram.files.download_limit import DownloadLimit

BEGAN = datetime(2024, 1, 1, 7, 59)
EXTRA_BYTES = 4 * PART_BYTES
WINDOW_SECONDS = 10.0


@dataclass
class Line:
    """Asks for a part as soon as it may. ``asked`` are moments and sizes."""

    limit_text: str
    answers_after_seconds: float = 0.1
    seconds: float = 0.0
    asked: list[tuple[float, int]] = field(default_factory=list)
    _answers: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.limit = DownloadLimit(
            parse_bandwidth(self.limit_text) if self.limit_text else UNLIMITED,
            clock=lambda: self.seconds,
            now=lambda: BEGAN + timedelta(seconds=self.seconds),
        )

    def ask(self, size_bytes: int) -> None:
        while (left := self.limit.seconds_left()) > 0:
            self.rest(left)
        self.limit.asked(size_bytes)
        self.asked.append((self.seconds, size_bytes))
        self._answers.append((self.seconds + self.answers_after_seconds, size_bytes))

    def rest(self, seconds: float) -> None:
        self.seconds += seconds
        for moment, size_bytes in [each for each in self._answers if each[0] <= self.seconds]:
            self.limit.answered(size_bytes)
            self._answers.remove((moment, size_bytes))

    def most_in_a_window(self) -> int:
        return max(
            sum(size for moment, size in self.asked if begin <= moment < begin + WINDOW_SECONDS)
            for begin, _ in self.asked
        )


RATE = 1024 * 1024


@given(
    st.lists(
        st.tuples(
            st.integers(1, PART_BYTES) | st.just(PART_BYTES),
            st.just(0.0) | st.floats(0, 30),
        ),
        min_size=1,
        max_size=120,
    ),
    st.sampled_from(["100k", "1M", "7M", "off:1M"]),
)
def test_in_no_ten_seconds_more_than_the_limit_and_4_mib(
    requests: list[tuple[int, float]], text: str
) -> None:
    """However large the parts are, and after whatever rest."""
    line = Line(text)
    for size_bytes, rest_seconds in requests:
        line.rest(rest_seconds)
        line.ask(size_bytes)
    rate = parse_bandwidth(text).at(BEGAN).down
    assert rate is not None
    assert line.most_in_a_window() <= rate * WINDOW_SECONDS + EXTRA_BYTES


@given(st.integers(1, PART_BYTES), st.sampled_from([100 * 1024, RATE, 50 * RATE]))
def test_under_load_it_is_used_up(size_bytes: int, rate: int) -> None:
    line = Line(f"{rate}B")
    total = 0
    while total < 40 * max(rate, 3 * PART_BYTES):
        line.ask(max(size_bytes, rate // 100, PART_BYTES // 16))
        total += line.asked[-1][1]
    used = total / (rate * line.seconds + 2 * PART_BYTES)
    assert 0.95 <= used <= 1


def test_a_timer_that_comes_late_costs_no_speed() -> None:
    line = Line("1M")
    for _ in range(200):
        line.ask(RATE // 10)
        line.rest(0.07)
    assert sum(size for _, size in line.asked) >= 0.95 * RATE * line.seconds


def test_a_line_that_stood_still_owes_little() -> None:
    """Nothing is asked for on and on while no answer comes: it would all come at once."""
    line = Line("1M", answers_after_seconds=60)
    for _ in range(20):
        line.ask(PART_BYTES)
    assert sum(size for moment, size in line.asked if moment < 59) <= EXTRA_BYTES


def test_without_a_limit_nothing_waits() -> None:
    for text in ("", "1k:off"):
        line = Line(text)
        for _ in range(1000):
            line.ask(PART_BYTES)
        assert line.seconds == 0


def test_the_time_of_day_changes_the_limit_and_makes_no_debt() -> None:
    line = Line("08:00,100k 08:02,off")
    for _ in range(100):
        line.ask(PART_BYTES)
    assert line.seconds == 0
    line.rest(60)
    line.ask(PART_BYTES)
    assert line.seconds == 60
    line.ask(PART_BYTES)
    assert 70 < line.seconds < 71
    line.rest(120)
    before = line.seconds
    for _ in range(100):
        line.ask(PART_BYTES)
    assert line.seconds == before
