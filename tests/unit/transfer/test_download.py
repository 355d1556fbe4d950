"""A file counts as downloaded when all its bytes are there, and none too many."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_sync.core.errors import (
    CredentialsRefused,
    DownloadFailed,
    FileReplaced,
    ItemFailed,
    MessageGone,
    RefusedByTelegram,
    SizeMismatch,
    StagingFailed,
    Stopped,
)
from tdl_sync.core.model import MediaItem, Reservation
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.core.steps import DownloadBegan, Downloaded, DownloadEnded, Steps
from tdl_sync.core.stop import StopFlag
from tdl_sync.transfer.disk.part_journal import PartialFiles
from tdl_sync.transfer.disk.staging import LOCK_NAME, Staging
from tdl_sync.transfer.download import PARTS_IN_FLIGHT, Downloader
from tests.durability import DurableSteps
from tests.fakes.chat import item_of
from tests.fakes.parts import (
    FakePartSource,
    Fault,
    content_of,
    empty_part,
    long_part,
    short_part,
)
from tests.fakes.progress import RecordingProgress
from tests.waiting import finished, in_thread, result_of, until

MIB = PART_BYTES


def whole(part: bytes) -> bytes:
    return part


class Bench:
    """A downloader with a staging directory of its own."""

    def __init__(self, directory: Path, most_seconds: float = 0.003) -> None:
        self.stop = StopFlag()
        self.parts = FakePartSource(most_seconds)
        self.progress = RecordingProgress()
        self.steps = Steps(self.progress.told)
        self.staging = Staging.open(directory, 10**9)
        self.partials = PartialFiles(self.staging, directory.parent / "partial")
        self.downloader = Downloader(
            self.parts, self.staging, self.partials, self.progress, self.stop
        )

    def download(self, item: MediaItem) -> Path:
        return finished(
            lambda: self.downloader.download(Reservation(item, item.size_bytes), self.steps).path
        )

    def on_disk(self) -> list[str]:
        return sorted(p.name for p in self.staging.directory.iterdir() if p.name != LOCK_NAME)

    def journals(self) -> list[str]:
        return sorted(p.name for p in (self.staging.directory.parent / "partial").iterdir())

    def close(self) -> None:
        self.staging.close()
        self.parts.close()


@pytest.fixture
def bench(tmp_path: Path, short_pauses: None) -> Iterator[Bench]:
    bench = Bench(tmp_path / "staging")
    yield bench
    bench.close()


@pytest.mark.parametrize(
    "size_bytes", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 7 * MIB + 3, 40 * MIB]
)
def test_every_size_arrives_with_its_bytes_whatever_the_order_of_its_parts(
    size_bytes: int, bench: Bench
) -> None:
    item = item_of(17, size_bytes)
    path = bench.download(item)
    assert path == bench.staging.staged_path(item.key)
    assert path.read_bytes() == content_of(item)
    assert bench.on_disk() == [path.name]


def test_each_part_is_asked_for_once_and_one_more_where_only_that_shows_the_end(
    bench: Bench,
) -> None:
    """Files that end between two parts might go on; an empty file might not be empty."""
    asked: dict[int, list[int]] = {}
    for message_id, size_bytes in enumerate([0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB], start=1):
        bench.download(item_of(message_id, size_bytes))
        asked[size_bytes] = sorted(offset // MIB for offset in bench.parts.asked_of(message_id))
    assert asked == {
        0: [0],
        1: [0],
        MIB - 1: [0],
        MIB: [0, 1],
        MIB + 1: [0, 1],
        3 * MIB: [0, 1, 2, 3],
    }


def test_the_file_has_the_date_of_its_message(bench: Bench) -> None:
    sent_at = datetime(2019, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    path = bench.download(item_of(17, 100, date=sent_at))
    assert datetime.fromtimestamp(path.stat().st_mtime, timezone.utc) == sent_at


@pytest.mark.skipif(sys.platform == "win32", reason="there a directory cannot be synced")
def test_a_file_is_synced_before_it_counts_as_staged_and_its_journal_stays(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes and its date. A power cut at any moment leaves the whole file or what shows how
    much of it is there."""
    seen = DurableSteps(tmp_path, monkeypatch)
    bench.parts.on_fetch = lambda item, offset: seen.note(f"asked for {offset}")
    bench.download(item_of(17, 100))
    name = bench.staging.part_path(item_of(17, 100).key).stem
    assert seen.steps == [
        f"make partial/{name}.parts.new",
        f"sync partial/{name}.parts.new",
        f"rename partial/{name}.parts.new to partial/{name}.parts",
        "sync partial/",
        f"make staging/{name}.part",
        "note asked for 0",
        f"sync staging/{name}.part",
        f"rename staging/{name}.part to staging/{name}.staged",
        "sync staging/",
    ]
    assert bench.partials.staged_is(item_of(17, 100))
    assert not bench.partials.staged_is(item_of(17, 101))


def test_the_listener_is_told_every_byte_once(bench: Bench) -> None:
    item = item_of(17, 5 * MIB + 1)
    bench.parts.faults[17] = [DownloadFailed("x")]
    bench.download(item)
    assert told_bytes(bench) == item.size_bytes
    assert bench.progress.order(17)[0] is DownloadBegan
    assert bench.progress.order(17)[-1] is DownloadEnded


def told_bytes(bench: Bench) -> int:
    return sum(step.more_bytes for step in bench.progress.steps(Downloaded))


@pytest.mark.parametrize("size_bytes", [1, MIB, 3 * MIB + 5])
@pytest.mark.parametrize("wrong", [short_part, empty_part, long_part])
def test_a_part_of_another_length_is_a_failure_and_nothing_stays_on_the_disk(
    wrong: Fault, size_bytes: int, bench: Bench
) -> None:
    bench.parts.faults[17] = [wrong] * 99
    with pytest.raises(SizeMismatch) as caught:
        bench.download(item_of(17, size_bytes))
    assert caught.value.expected_bytes == size_bytes
    assert caught.value.actual_bytes != size_bytes
    assert bench.on_disk() == []
    assert bench.progress.order(17)[-1] is DownloadEnded


def test_bytes_in_a_file_that_should_be_empty_are_a_failure(bench: Bench) -> None:
    bench.parts.faults[17] = [long_part] * 3
    with pytest.raises(SizeMismatch, match="Telegram declared 0 bytes and sent 1; the next run"):
        bench.download(item_of(17, 0))
    assert bench.on_disk() == []


def test_bytes_behind_the_end_are_a_failure(bench: Bench) -> None:
    """Every part before is whole; only the answer from behind the declared end tells."""

    def behind_the_end(part: bytes) -> bytes:
        return part or b"!"

    bench.parts.faults[17] = [behind_the_end] * 99
    with pytest.raises(SizeMismatch, match=f"declared {2 * MIB} bytes and sent {2 * MIB + 1};"):
        bench.download(item_of(17, 2 * MIB))
    assert bench.on_disk() == []


@pytest.mark.parametrize("passing", [short_part, empty_part, long_part, DownloadFailed("x")])
def test_what_passes_is_tried_again_and_what_was_written_is_not_asked_for_again(
    passing: Fault, bench: Bench
) -> None:
    """A part that was asked for again would be written, and told to the listener, twice."""
    item = item_of(17, 30 * MIB)
    bench.parts.faults[17] = [*[whole] * 20, passing]
    assert bench.download(item).read_bytes() == content_of(item)
    asked = bench.parts.asked_of(17)
    assert set(asked) == set(range(0, 31 * MIB, MIB))
    assert asked.count(20 * MIB) == 2
    assert len(asked) <= 31 + PARTS_IN_FLIGHT
    assert told_bytes(bench) == item.size_bytes


def test_a_partial_file_that_is_longer_than_the_file_is_thrown_away(bench: Bench) -> None:
    """All its parts are right, and still it is not what Telegram declared."""
    item = item_of(17, 2 * MIB + 5)
    with bench.partials.open(item, lambda: None) as partial:
        partial.write(0, content_of(item)[:MIB])
    with bench.staging.part_path(item.key).open("r+b") as file:
        file.truncate(item.size_bytes + 1)
    with pytest.raises(SizeMismatch) as caught:
        bench.download(item)
    assert caught.value.actual_bytes == item.size_bytes + 1
    assert bench.on_disk() == bench.journals() == []
    assert bench.download(item).read_bytes() == content_of(item)


def test_only_so_many_parts_of_a_file_are_asked_for_at_once(bench: Bench) -> None:
    answers = threading.Event()

    def late(part: bytes) -> bytes:
        answers.wait(60)
        return part

    bench.parts.faults[17] = [late] * 40
    download = in_thread(lambda: bench.download(item_of(17, 40 * MIB)))
    until(lambda: len(bench.parts.asked_of(17)) >= PARTS_IN_FLIGHT)
    bench.stop.set()
    with pytest.raises(Stopped):
        result_of(download)
    assert bench.parts.asked_of(17) == list(range(0, PARTS_IN_FLIGHT * MIB, MIB))
    answers.set()


def test_three_attempts_and_no_more(bench: Bench) -> None:
    bench.parts.faults[17] = [DownloadFailed("x")] * 99
    with pytest.raises(DownloadFailed):
        bench.download(item_of(17, 100))
    assert len(bench.parts.asked_of(17)) == 3


@pytest.mark.parametrize(
    "error",
    [RefusedByTelegram("FILE_ID_INVALID"), MessageGone("deleted"), FileReplaced()],
)
def test_what_is_not_to_be_had_is_not_tried_again_and_nothing_of_it_stays(
    error: Exception, bench: Bench
) -> None:
    bench.parts.faults[17] = [whole, whole, error]
    with pytest.raises(type(error)):
        bench.download(item_of(17, 5 * MIB))
    assert bench.parts.asked_of(17) == sorted(set(bench.parts.asked_of(17)))
    assert bench.on_disk() == []
    assert bench.journals() == []


@pytest.mark.parametrize(
    "error",
    [
        CredentialsRefused("Telegram", "ended", "Log in."),
        Stopped("stopping"),
        ZeroDivisionError("a bug"),
    ],
)
def test_what_ends_the_run_is_not_tried_again_and_the_next_run_goes_on_from_there(
    error: Exception, bench: Bench
) -> None:
    item = item_of(17, 30 * MIB)
    bench.parts.faults[17] = [*[whole] * 25, error]
    with pytest.raises(type(error)):
        bench.download(item)
    before = bench.parts.asked_of(17)
    assert len(before) == len(set(before))
    assert bench.on_disk() == [bench.staging.part_path(item.key).name]
    assert bench.download(item).read_bytes() == content_of(item)
    again = [offset for offset in set(before) if bench.parts.asked_of(17).count(offset) > 1]
    assert len(again) <= PARTS_IN_FLIGHT
    assert told_bytes(bench) == item.size_bytes
    assert bench.on_disk() == [bench.staging.staged_path(item.key).name]
    assert bench.partials.staged_is(item)


def test_a_stop_in_mid_file_ends_the_download_and_keeps_what_was_written(bench: Bench) -> None:
    answers = threading.Event()
    asked = threading.Event()

    def late(part: bytes) -> bytes:
        asked.set()
        answers.wait(60)
        return part

    bench.parts.faults[17] = [whole, late]
    reservation = Reservation(item_of(17, 20 * MIB), 20 * MIB)
    download = in_thread(lambda: bench.downloader.download(reservation, bench.steps))
    assert asked.wait(60)
    bench.stop.set()
    with pytest.raises(Stopped):
        result_of(download)
    assert bench.on_disk() == [bench.staging.part_path(reservation.item.key).name]
    assert bench.journals() != []
    answers.set()


def test_after_a_stop_not_one_part_is_asked_for_and_no_download_is_told(bench: Bench) -> None:
    bench.stop.set()
    with pytest.raises(Stopped):
        bench.download(item_of(17, 100))
    assert bench.parts.asked == []
    assert bench.progress.order(17) == []


def test_downloads_side_by_side_do_not_get_mixed_up(bench: Bench) -> None:
    items = [item_of(message_id, message_id * 300_000) for message_id in range(1, 13)]
    downloads = [in_thread(lambda item=item: bench.download(item)) for item in items]  # type: ignore[misc]
    for item, download in zip(items, downloads, strict=True):
        assert result_of(download).read_bytes() == content_of(item)


def test_a_full_disk_lets_the_download_rest_in_mid_part_until_there_is_room(
    small_disk: Path, short_pauses: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has filled the disk in the meantime, and clears it up later."""
    monkeypatch.setattr("tdl_sync.transfer.disk.full_disk.REST_SECONDS", 0.01)
    bench = Bench(small_disk)
    foreign = small_disk / "foreign"
    foreign.write_bytes(bytes(MIB + MIB // 2))
    items = [item_of(17, 2 * MIB), item_of(18, MIB)]
    downloads = [in_thread(lambda item=item: bench.download(item)) for item in items]  # type: ignore[misc]
    until(lambda: bench.progress.calls("waiting") != [])
    assert bench.progress.calls("message") == []
    foreign.unlink()
    for item, download in zip(items, downloads, strict=True):
        assert result_of(download).read_bytes() == content_of(item)
        assert len(bench.parts.asked_of(item.message_id)) == item.size_bytes // MIB + 1
    ((what, why, _),) = bench.progress.calls("waiting")
    assert (what, why) == (
        "downloading",
        f"the disk of {bench.staging.directory} is full; it goes on when there is room again, "
        "uploads go on",
    )
    assert bench.progress.calls("message") == [("the disk has room again: downloads go on",)]
    bench.close()


def test_a_stop_ends_the_rest_on_a_full_disk(small_disk: Path) -> None:
    bench = Bench(small_disk)
    (small_disk / "foreign").write_bytes(bytes(3 * MIB))
    download = in_thread(lambda: bench.download(item_of(17, 3 * MIB)))
    until(lambda: bench.progress.calls("waiting") != [])
    bench.stop.set()
    with pytest.raises(Stopped):
        result_of(download)
    bench.close()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_disk_that_refuses_a_write_fails_the_item_and_leaves_nothing(bench: Bench) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, before[1]))
    try:
        with pytest.raises(StagingFailed, match="the staging disk failed: File too large"):
            bench.download(item_of(17, 6 * MIB))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert bench.on_disk() == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_bytes_that_the_disk_refused_are_not_told(bench: Bench) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB // 2, before[1]))
    try:
        with pytest.raises(StagingFailed):
            bench.download(item_of(17, MIB - 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert told_bytes(bench) == 0


def test_a_staging_directory_that_vanished_fails_the_item(bench: Bench) -> None:
    (bench.staging.directory / LOCK_NAME).unlink()
    bench.staging.directory.rmdir()
    with pytest.raises(StagingFailed, match="No such file or directory"):
        bench.download(item_of(17, 100))


@given(
    size_bytes=st.one_of(
        st.integers(0, 5 * MIB),
        st.integers(0, 4).map(lambda parts: parts * MIB),
    ),
    faults=st.lists(
        st.sampled_from([whole, whole, short_part, empty_part, long_part, DownloadFailed("x")]),
        max_size=12,
    ),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_whatever_goes_wrong_a_file_is_whole_or_not_there(
    size_bytes: int,
    faults: list[Fault],
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    bench = Bench(tmp_path_factory.mktemp("any") / "staging", most_seconds=0.001)
    bench.parts.faults[17] = random.Random(seed).sample(faults, len(faults))
    item = item_of(17, size_bytes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tdl_sync.core.retry.FIRST_PAUSE_SECONDS", 0.0001)
        try:
            path = bench.download(item)
        except DownloadFailed:
            assert bench.on_disk() in ([], [bench.staging.part_path(item.key).name])
            bench.parts.faults[17] = []
            assert bench.download(item).read_bytes() == content_of(item)
        except ItemFailed:
            assert bench.on_disk() == bench.journals() == []
        else:
            assert path.read_bytes() == content_of(item)
            assert bench.on_disk() == [path.name]
        finally:
            bench.close()
