"""How many bytes are asked for at once, on links that are computed: no test waits or looks at a
clock of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import pytest

from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files.window import LONGEST_TARGET_SECONDS, RequestWindow, Sent

MOST_BYTES = 16 * PART_BYTES
LIBRARY_TIME_OUT_SECONDS = 15.0


class Link:
    """A line of a rate and a round trip, always filled as far as the window allows."""

    def __init__(self, bytes_per_second: float, round_trip_seconds: float) -> None:
        self.bytes_per_second = bytes_per_second
        self.now = 0.0
        self._round_trip_seconds = round_trip_seconds
        self._free_at = 0.0
        self._under_way: deque[tuple[Sent, int, float]] = deque()
        self.window = RequestWindow(MOST_BYTES, lambda: self.now)

    def carry(self, sizes: Sequence[int]) -> list[float]:
        """Ask for answers of these sizes, in order; how long each request took."""
        waiting, took = deque(sizes), []
        while waiting or self._under_way:
            while waiting and self._has_room(waiting[0]):
                self._send(waiting.popleft())
            sent, size_bytes, arrives_at = self._under_way.popleft()
            self.now = arrives_at
            took.append(arrives_at - sent.at_seconds)
            self.window.answered(sent, size_bytes)
        return took

    def _has_room(self, size_bytes: int) -> bool:
        under_way_bytes = sum(size for _, size, _ in self._under_way)
        return under_way_bytes + size_bytes <= self.window.limit_bytes

    def _send(self, size_bytes: int) -> None:
        sent = self.window.sent()
        begins_at = max(self._free_at, self.now + self._round_trip_seconds)
        self._free_at = begins_at + size_bytes / self.bytes_per_second
        self._under_way.append((sent, size_bytes, self._free_at))


def parts(count: int) -> list[int]:
    return [PART_BYTES] * count


def test_it_begins_with_one_part() -> None:
    assert RequestWindow(MOST_BYTES).limit_bytes == PART_BYTES


def test_a_first_answer_that_is_short_opens_it_as_well() -> None:
    link = Link(4e6, 0.08)
    link.carry([PART_BYTES // 4])
    assert link.window.limit_bytes >= 8 * PART_BYTES


def test_on_a_fast_link_it_opens_to_the_most_and_stays_there() -> None:
    link = Link(50e6, 0.08)
    link.carry(parts(20))
    assert link.window.limit_bytes == MOST_BYTES
    link.carry(parts(100))
    assert link.window.limit_bytes == MOST_BYTES


@pytest.mark.parametrize("bytes_per_second", [0.05e6, 0.1e6, 0.2e6, 0.4e6, 1e6, 2e6])
def test_on_a_slow_link_no_request_waits_for_long(bytes_per_second: float) -> None:
    """Where one part alone takes longer, there is only one under way."""
    alone_seconds = PART_BYTES / bytes_per_second + 0.08
    took = Link(bytes_per_second, 0.08).carry(parts(60))
    assert max(took) <= max(LONGEST_TARGET_SECONDS, alone_seconds) + 0.1


def test_a_slow_link_is_kept_busy() -> None:
    link = Link(1e6, 0.08)
    link.carry(parts(60))
    assert 60 * PART_BYTES / link.now >= 0.95 * 1e6


def test_it_follows_a_link_that_becomes_slow_and_fast_again() -> None:
    link = Link(20e6, 0.08)
    link.carry(parts(60))
    link.bytes_per_second = 0.4e6
    link.carry(parts(60))
    assert link.window.limit_bytes < 3 * PART_BYTES
    link.bytes_per_second = 20e6
    link.carry(parts(60))
    assert link.window.limit_bytes == MOST_BYTES


def test_tiny_files_do_not_open_it_wider_than_the_link_is() -> None:
    """Else the first large file behind a thousand tiny ones would wait for its time-out."""
    link = Link(0.4e6, 0.08)
    link.carry([2000] * 1000)
    assert max(link.carry(parts(10))) < LIBRARY_TIME_OUT_SECONDS


def test_small_files_alone_open_it() -> None:
    link = Link(50e6, 0.08)
    link.carry([100_000] * 200)
    assert link.window.limit_bytes == MOST_BYTES


def test_a_long_way_is_not_taken_for_a_slow_one() -> None:
    link = Link(50e6, 3.0)
    link.carry(parts(60))
    assert link.window.limit_bytes == MOST_BYTES


def test_a_refusal_halves_it_but_one_part_always_fits() -> None:
    link = Link(50e6, 0.08)
    link.carry(parts(60))
    link.window.refused()
    assert link.window.limit_bytes == MOST_BYTES // 2
    for _ in range(10):
        link.window.refused()
    assert link.window.limit_bytes == PART_BYTES


def test_after_a_refusal_it_opens_again() -> None:
    link = Link(50e6, 0.08)
    link.carry(parts(60))
    for _ in range(10):
        link.window.refused()
    link.carry(parts(60))
    assert link.window.limit_bytes == MOST_BYTES
