"""The time that is left is nearly true, says nothing before it is, and never grows by a wait."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tdl_sync.core.model import Amount, Chat, ChatKind, ChatTotals, MessageKey
from tdl_sync.core.steps import (
    Admitted,
    DownloadBegan,
    Downloaded,
    DownloadEnded,
    Moved,
    Seen,
    Skipped,
    UploadBegan,
    UploadEnded,
)
from tdl_sync.reporting.lines import stands_still
from tdl_sync.reporting.numbers import Snapshot, Waiting
from tests.fakes.chat import item_of
from tests.fakes.progress import Shown
from tests.recordings.replay import NAMES, looks

MB = 1_000_000
STEP_SECONDS = 2.0
"""Less than the step in which the last minute is told."""


def test_there_are_recordings_of_what_makes_runs_differ() -> None:
    assert NAMES == ["large-files", "second-run", "silence", "slow-downloads", "slow-uploads"]


@pytest.mark.parametrize("name", NAMES)
def test_from_a_fifth_of_a_run_on_nine_of_ten_looks_are_within_a_third(name: str) -> None:
    seen = list(looks(name))
    later = [look for look in seen if look.at_seconds >= seen[-1].at_seconds / 5]
    right = 0
    for look in later:
        told = look.snapshot.remaining_seconds
        if told is not None:
            right += abs(told - look.left_seconds) <= max(0.3 * look.left_seconds, STEP_SECONDS)
    assert right >= 0.9 * len(later)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_thing_that_is_told_is_not_far_off(name: str) -> None:
    first = next(each for each in looks(name) if each.snapshot.remaining_seconds is not None)
    assert first.snapshot.remaining_seconds == pytest.approx(first.left_seconds, rel=0.5)


def test_while_nothing_moves_the_time_left_stays_as_it_is_and_how_long_is_told() -> None:
    standing = [look.snapshot for look in looks("silence") if look.snapshot.still_seconds > 0]
    assert len(standing) > 20
    assert len({numbers.remaining_seconds for numbers in standing}) == 1
    assert standing[0].remaining_seconds is not None
    assert [numbers.still_seconds for numbers in standing] == sorted(
        numbers.still_seconds for numbers in standing
    )


class Line:
    """Telegram and a remote that move so many bytes a second, one file after the other."""

    def __init__(self, totals: ChatTotals, down: float, up: float) -> None:
        self.seconds = 0.0
        self._down, self._up = down, up
        chat = Chat(-1001, "Films", ChatKind.CHANNEL)
        self.shown = Shown(chat, totals, 100 * MB, lambda: self.seconds)
        self._next_id = 0

    def move(self, size_bytes: int) -> None:
        self._next_id += 1
        item = item_of(self._next_id, size_bytes)
        self.shown.tell(Seen(1))
        self.shown.tell(Admitted(item))
        self.shown.tell(DownloadBegan(item))
        for _ in range(10):
            self._passes(size_bytes / 10 / self._down)
            self.shown.tell(Downloaded(item, size_bytes // 10))
        self.shown.tell(DownloadEnded(item))
        self.shown.tell(UploadBegan(item, "1.staged", "box:1"))
        # As of a small file: nobody says how far it is.
        self._passes(size_bytes / self._up)
        self.shown.tell(UploadEnded(item))
        self.shown.tell(Moved(item, size_bytes))

    def _passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.snapshot()

    def snapshot(self) -> Snapshot:
        return self.shown.numbers.snapshot()

    @property
    def told(self) -> float | None:
        return self.snapshot().remaining_seconds


def test_uploads_that_nobody_counted_count_when_their_file_is_there() -> None:
    line = Line(ChatTotals(100, 100 * MB, 100), down=2 * MB, up=2 * MB)
    assert line.told is None
    for _ in range(50):
        line.move(MB)
    assert line.told == pytest.approx(50, rel=0.1)


def test_what_earlier_runs_have_moved_is_not_to_be_moved_again() -> None:
    before = Amount(900, 900 * MB)
    line = Line(ChatTotals(1000, 1000 * MB, 200, before), down=2 * MB, up=2 * MB)
    for _ in range(50):
        line.move(MB)
    assert line.told == pytest.approx(50, rel=0.1)
    numbers = line.snapshot()
    assert (numbers.finished, numbers.total_files) == (950, 1000)
    assert (numbers.there_bytes, numbers.total_bytes) == (950 * MB, 1000 * MB)


def test_what_the_rules_leave_out_takes_no_time() -> None:
    line = Line(ChatTotals(200, 200 * MB, 100), down=2 * MB, up=2 * MB)
    for number in range(50):
        line.move(MB)
        line.shown.tell(Seen(1))
        line.shown.tell(Skipped(MessageKey(-1001, 0, 1000 + number), "a filter"))
    assert line.told == pytest.approx(50, rel=0.15)


def test_a_slow_line_is_not_taken_for_one_that_stands_still() -> None:
    line = Line(ChatTotals(100, 100 * MB, 100), down=MB / 100, up=MB)
    for _ in range(10):
        line.move(MB)
    assert line.snapshot().still_seconds == 0
    assert line.told == pytest.approx(90 * 101, rel=0.3)


def test_who_waits_as_told_stands_still_at_once_whatever_has_stood_still_before() -> None:
    """A network that was gone for a minute makes no minute of silence usual."""
    line = Line(ChatTotals(100, 100 * MB, 100), down=MB, up=MB)
    for _ in range(20):
        line.move(MB)
    line.shown.tell(Admitted(item_of(1000, MB)))
    line.seconds += 60
    line.move(MB)
    until = datetime.now(timezone.utc) + timedelta(seconds=25)
    line.shown.numbers.waiting(Waiting("downloading", "Telegram asks for a pause of 25 s", until))
    line.seconds += 4
    assert not stands_still(line.snapshot())
    line.seconds += 4
    assert stands_still(line.snapshot())
