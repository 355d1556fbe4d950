"""Near its end a run begins only what can still be uploaded, at the rates that it measured."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from tdl_sync.core.errors import LongerThanRun, Stopped
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import MediaItem
from tdl_sync.core.steps import (
    DoneBefore,
    DownloadBegan,
    Failed,
    Left,
    Moved,
    Skipped,
    Staged,
    Step,
    UploadBegan,
    Uploaded,
)
from tdl_sync.core.stop import StopFlag
from tdl_sync.run import time_left
from tdl_sync.run.time_left import (
    ASSUMED_BYTES_PER_SECOND,
    MOST_PUT_OFF,
    TimeLeft,
    Transfer,
    rates_of,
    seconds_per_file,
)
from tests.fakes.chat import item_of
from tests.waiting import in_thread, result_of, until

MIB = 1024 * 1024


def upload_began(item: MediaItem) -> UploadBegan:
    return UploadBegan(item, "1.staged", "box:1")


@dataclass
class Run:
    """A run whose clock is the test's."""

    whole_seconds: float = 1000.0
    earlier: float = 0.0
    now: float = 0.0
    next_id: int = 1
    looks: int = 0
    stop: StopFlag = field(default_factory=StopFlag)

    def __post_init__(self) -> None:
        self.time_left = TimeLeft(
            self.seconds_left,
            self.whole_seconds,
            3,
            self.earlier,
            self.stop,
            lambda: self.now,
        )

    def seconds_left(self) -> float:
        self.looks += 1
        return self.whole_seconds - self.now

    def asked_in_thread(self, size_bytes: int) -> Future[bool]:
        """On return it has been decided, or it waits."""
        item, looks = self.item(size_bytes), self.looks
        asked = in_thread(lambda: self.time_left.admits(item))
        until(lambda: self.looks > looks)
        assert not self.time_left.some_put_off  # has the lock, so nobody is deciding any more
        return asked

    def item(self, size_bytes: int) -> MediaItem:
        self.next_id += 1
        return item_of(self.next_id, size_bytes)

    def move(self, size_bytes: int, download_seconds: float, upload_seconds: float) -> None:
        item = self.item(size_bytes)
        assert self.time_left.admits(item)
        self.time_left.told(DownloadBegan(item))
        self.now += download_seconds
        self.time_left.told(Staged(item))
        self.time_left.told(upload_began(item))
        self.now += upload_seconds
        self.time_left.told(Moved(item, item.size_bytes))


def test_what_the_measured_rates_can_move_in_time_is_admitted_and_no_more() -> None:
    run = Run()
    run.move(100 * MIB, 10, 90)
    # 900 s are left, with 10 and 1.1 MiB/s: a MiB takes about a second, and a quarter of reserve.
    assert run.time_left.admits(run.item(600 * MIB))
    run = Run()
    run.move(100 * MIB, 10, 90)
    assert not run.time_left.admits(run.item(750 * MIB))
    assert run.time_left.some_put_off


def test_smaller_ones_are_still_taken_until_nothing_fits() -> None:
    run = Run()
    run.move(100 * MIB, 10, 90)
    run.now = 900
    assert not run.time_left.admits(run.item(100 * MIB))
    assert not run.time_left.is_over
    assert run.time_left.admits(run.item(10 * MIB))
    run.now = 999
    assert run.time_left.is_over


def test_what_fits_alone_waits_for_what_is_on_its_way() -> None:
    run = Run()
    run.move(100 * MIB, 10, 90)
    first = run.item(500 * MIB)
    assert run.time_left.admits(first)
    second = in_thread(lambda: run.time_left.admits(run.item(400 * MIB)))
    assert not second.done()
    run.time_left.told(DownloadBegan(first))
    run.time_left.told(Staged(first))
    run.time_left.told(Left(first))
    assert result_of(second)


def failed(item: MediaItem) -> Failed:
    failure = Failure(item.key, "wrong size", "a whole sentence", 1, for_good=False)
    return Failed(failure, "a.bin")


@pytest.mark.parametrize(
    "end",
    [
        lambda item: Moved(item, item.size_bytes),
        failed,
        lambda item: Skipped(item.key, "deleted"),
        Left,
    ],
)
def test_whatever_becomes_of_a_file_it_is_not_waited_for_any_more(
    end: Callable[[MediaItem], Step],
) -> None:
    run = Run()
    run.move(100 * MIB, 10, 90)
    first = run.item(500 * MIB)
    assert run.time_left.admits(first)
    waiting = run.asked_in_thread(400 * MIB)
    run.time_left.told(end(first))
    assert result_of(waiting)


def test_what_was_never_admitted_shows_nothing_of_the_rates() -> None:
    """Files that were there, were skipped or failed before: they may be most of a chat."""
    run = Run(earlier=5.0 * MIB)
    item = run.item(100 * MIB)
    for step in (DoneBefore(item), Skipped(item.key, "sticker"), failed(item)):
        run.now += 10
        run.time_left.told(step)
    assert run.time_left.upload_bytes_per_second == 5 * MIB
    assert run.time_left.admits(run.item(100 * MIB))


def test_what_is_on_its_way_counts_with_what_is_left_of_it() -> None:
    run = Run()
    run.move(100 * MIB, 10, 90)
    first = run.item(500 * MIB)
    assert run.time_left.admits(first)
    run.time_left.told(DownloadBegan(first))
    run.time_left.told(Staged(first))
    run.time_left.told(upload_began(first))
    run.now += 180
    run.time_left.told(Uploaded(first, 200 * MIB))
    assert result_of(run.asked_in_thread(300 * MIB))


def test_a_wait_ends_at_once_when_the_run_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_left, "_POLL_SECONDS", 3600.0)
    run = Run()
    run.move(100 * MIB, 10, 90)
    assert run.time_left.admits(run.item(500 * MIB))
    waiting = run.asked_in_thread(400 * MIB)
    run.stop.set()
    with pytest.raises(Stopped):
        result_of(waiting)


def test_what_would_not_fit_into_a_whole_run_fails_once_a_rate_is_known() -> None:
    run = Run()
    run.move(100 * MIB, 10, 90)
    with pytest.raises(LongerThanRun, match="raise --max-runtime"):
        run.time_left.admits(run.item(2000 * MIB))
    assert not run.time_left.some_put_off
    run = Run(earlier=1.0 * MIB)
    with pytest.raises(LongerThanRun):
        run.time_left.admits(run.item(2000 * MIB))


def test_without_a_known_rate_such_an_item_is_tried_alone_in_the_first_half() -> None:
    run = Run()
    assert run.time_left.admits(run.item(2000 * MIB))
    run = Run()
    run.now = 501
    assert not run.time_left.admits(run.item(2000 * MIB))


def test_without_a_known_rate_such_an_item_waits_until_it_is_alone() -> None:
    run = Run()
    first = run.item(10 * MIB)
    assert run.time_left.admits(first)
    waiting = run.asked_in_thread(2000 * MIB)
    run.stop.set()
    with pytest.raises(Stopped):
        result_of(waiting)
    run = Run()
    first = run.item(10 * MIB)
    assert run.time_left.admits(first)
    waiting = run.asked_in_thread(2000 * MIB)
    run.time_left.told(Left(first))
    assert result_of(waiting)


def test_a_running_upload_is_measured_too() -> None:
    run = Run()
    item = run.item(500 * MIB)
    assert run.time_left.admits(item)
    run.time_left.told(DownloadBegan(item))
    run.time_left.told(Staged(item))
    run.time_left.told(upload_began(item))
    run.now += 100
    run.time_left.told(Uploaded(item, 10 * MIB))
    assert run.time_left.upload_bytes_per_second == pytest.approx(MIB / 10, rel=0.01)
    with pytest.raises(LongerThanRun):
        run.time_left.admits(run.item(400 * MIB))


def test_what_an_upload_has_shown_that_the_end_cut_off_is_kept_for_the_next_run() -> None:
    run = Run()
    item = run.item(500 * MIB)
    assert run.time_left.admits(item)
    run.time_left.told(upload_began(item))
    run.now += 100
    assert run.time_left.upload_bytes_per_second == 0
    run.time_left.told(Uploaded(item, 10 * MIB))
    run.time_left.told(Left(item))
    assert run.time_left.upload_bytes_per_second == pytest.approx(MIB / 10, rel=0.01)


def test_a_rate_of_a_bad_day_is_forgotten_after_a_few_runs() -> None:
    earlier, tries = 1000.0, 0
    while tries < 20:
        run = Run(earlier=earlier)
        try:
            run.time_left.admits(run.item(100 * MIB))
            break
        except LongerThanRun:
            earlier, tries = run.time_left.upload_bytes_per_second, tries + 1
    assert 0 < tries < 10


def test_the_rate_is_kept_for_the_next_run_until_this_one_has_its_own() -> None:
    run = Run(earlier=5.0 * MIB)
    assert run.time_left.upload_bytes_per_second == 5 * MIB
    run.move(1000, 0.1, 3)
    assert run.time_left.upload_bytes_per_second == 5 * MIB
    run.move(10 * MIB, 1, 10)
    assert run.time_left.upload_bytes_per_second == MIB


def test_small_files_show_the_time_of_a_file_and_not_the_width_of_the_line() -> None:
    small = [Transfer(number, number + 3, 1000, 1000) for number in range(5)]
    assert not rates_of(small, ASSUMED_BYTES_PER_SECOND).measured
    assert seconds_per_file(small) == 3


@pytest.mark.parametrize("size_bytes", [MIB - 1, MIB, MIB + 1])
def test_every_file_shows_either_the_width_of_the_line_or_the_time_of_a_file(
    size_bytes: int,
) -> None:
    one = [Transfer(0, 7, size_bytes, size_bytes)]
    shows_width = rates_of(one, ASSUMED_BYTES_PER_SECOND).measured
    assert shows_width is (size_bytes >= MIB)
    assert (seconds_per_file(one) == 7) is not shows_width


def test_uploads_side_by_side_share_the_line() -> None:
    side_by_side = [Transfer(0, 10, 10 * MIB, 10 * MIB) for _ in range(3)]
    rates = rates_of(side_by_side, 1)
    assert (rates.stream, rates.total) == (MIB, 3 * MIB)


def test_after_many_that_came_too_late_nothing_more_is_looked_for() -> None:
    run = Run()
    run.move(100 * MIB, 10, 90)
    run.now = 900
    for _ in range(MOST_PUT_OFF):
        assert not run.time_left.is_over
        assert not run.time_left.admits(run.item(100 * MIB))
    assert run.time_left.is_over
