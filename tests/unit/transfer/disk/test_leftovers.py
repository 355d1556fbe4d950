"""What nobody works on keeps its room, and gives way before it would block the run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tdl_sync.core.errors import LargerThanBudget
from tdl_sync.core.model import MediaItem
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.core.stop import StopFlag
from tdl_sync.transfer.disk.budget import DiskBudget
from tdl_sync.transfer.disk.leftovers import Leftovers
from tdl_sync.transfer.disk.part_journal import PartialFiles
from tdl_sync.transfer.disk.staging import LOCK_NAME, Staging
from tests.durability import DurableSteps
from tests.fakes.chat import CHAT_ID, item_of
from tests.fakes.parts import content_of
from tests.fakes.progress import RecordingProgress

BLOCK = 4096
MIB = PART_BYTES


class Disk:
    """A staging directory that an earlier run has left; ``begin`` starts the next one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.path = directory / "staging"
        self.progress = RecordingProgress()
        self._open()

    def _open(self) -> None:
        self.staging = Staging.open(self.path, 10**9)
        self.partials = PartialFiles(self.staging, self._directory / "partial")

    def leave_partial(self, item: MediaItem, parts: int = 1, written_at: float = 0.0) -> None:
        with self.partials.open(item, lambda: None) as partial:
            for offset in range(0, parts * MIB, MIB):
                partial.write(offset, content_of(item)[offset : offset + MIB])
        os.utime(self.staging.part_path(item.key), (written_at, written_at))

    def leave_staged(self, item: MediaItem) -> None:
        self.staging.staged_path(item.key).write_bytes(content_of(item))

    def begin(self, budget_bytes: int) -> Leftovers:
        self.staging.close()
        self._open()
        self.budget = DiskBudget(budget_bytes, BLOCK, StopFlag())
        return Leftovers(self.staging, self.partials, self.budget, self.progress)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir() if path.name != LOCK_NAME)

    def messages(self) -> list[object]:
        return [line for (line,) in self.progress.calls("message")]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.staging.close()


def test_what_an_earlier_run_left_is_reserved_from_the_start(disk: Disk) -> None:
    disk.leave_partial(item_of(1, 3 * MIB), parts=2)
    disk.leave_staged(item_of(2, BLOCK + 1))
    leftovers = disk.begin(10 * MIB)
    assert disk.budget.used_bytes == 2 * MIB + 2 * BLOCK
    assert [left.complete for left in leftovers.leftovers_of(CHAT_ID)] == [False, True]
    assert leftovers.leftovers_of(CHAT_ID - 1) == []


def test_the_bytes_of_a_partial_file_become_part_of_its_reservation(disk: Disk) -> None:
    """In a budget of that one file: neither counted twice nor for a moment not at all."""
    item = item_of(1, 3 * MIB)
    disk.leave_partial(item, parts=2)
    leftovers = disk.begin(3 * MIB)
    reservation = disk.budget.reserve(item, adopted_bytes=leftovers.take_partial(item))
    assert reservation.reserved_bytes == disk.budget.used_bytes == 3 * MIB
    assert leftovers.leftovers_of(CHAT_ID) == []
    assert disk.names() != []
    disk.budget.release(reservation)
    assert disk.budget.used_bytes == 0


def test_a_partial_file_of_what_the_message_held_before_is_gone_before_the_new_one_is_reserved(
    disk: Disk,
) -> None:
    item = item_of(1, 3 * MIB)
    disk.leave_partial(item, parts=2)
    leftovers = disk.begin(3 * MIB)
    other = replace(item, location=replace(item.location, file_id=item.location.file_id + 1))
    assert leftovers.take_partial(other) == 0
    assert disk.budget.used_bytes == 0
    assert disk.names() == []


def test_a_partial_file_that_has_no_room_in_a_smaller_budget_is_deleted(disk: Disk) -> None:
    item = item_of(1, 3 * MIB)
    disk.leave_partial(item, parts=2)
    leftovers = disk.begin(2 * MIB)
    assert leftovers.take_partial(item) == 0
    assert disk.names() == []


def test_while_work_under_way_will_give_its_room_back_nothing_is_deleted(disk: Disk) -> None:
    disk.leave_partial(item_of(1, 3 * MIB))
    leftovers = disk.begin(3 * MIB)
    disk.budget.reserve(item_of(2, 2 * MIB))
    leftovers.make_room(item_of(3, 2 * MIB))
    assert disk.messages() == []


def test_where_nothing_would_ever_fit_the_oldest_partial_files_go_first_one_line_each(
    disk: Disk,
) -> None:
    for message_id, written_at in ((1, 300.0), (2, 100.0), (3, 200.0)):
        disk.leave_partial(item_of(message_id, 3 * MIB), 1, written_at)
    disk.leave_staged(item_of(4, MIB))
    leftovers = disk.begin(4 * MIB)
    leftovers.make_room(item_of(9, 2 * MIB))
    kept = (f"m{CHAT_ID}_0_1.part", f"m{CHAT_ID}_0_4.staged")
    assert disk.names() == sorted(kept)
    assert disk.budget.used_bytes == 2 * MIB
    assert disk.messages() == [
        f"deleted m{CHAT_ID}_0_{message_id}.part, which an earlier run left behind and beside "
        f"which message 9 would never have room: {MIB} bytes freed on the staging disk"
        for message_id in (2, 3)
    ]
    leftovers.make_room(item_of(9, 4 * MIB))
    assert disk.names() == []
    assert disk.budget.used_bytes == 0


def test_beside_files_that_are_not_ours_only_the_rest_counts(disk: Disk) -> None:
    (disk.path / "mine.iso").write_bytes(bytes(2 * MIB))
    leftovers = disk.begin(4 * MIB)
    leftovers.make_room(item_of(9, 2 * MIB))
    with pytest.raises(LargerThanBudget) as caught:
        leftovers.make_room(item_of(9, 2 * MIB + 1))
    assert caught.value.budget_bytes == 2 * MIB
    assert disk.names() == ["mine.iso"]


def test_a_download_that_failed_for_now_gives_way_when_somebody_waits(disk: Disk) -> None:
    leftovers = disk.begin(3 * MIB)
    item = item_of(1, 3 * MIB)
    reservation = disk.budget.reserve(item)
    disk.leave_partial(item)
    leftovers.keep(reservation)
    assert disk.budget.used_bytes == 3 * MIB
    new = disk.budget.reserve(item_of(2, MIB), lambda: leftovers.make_room(item_of(2, MIB)))
    assert disk.names() == []
    assert disk.budget.used_bytes == new.reserved_bytes
    assert disk.messages() == [
        "deleted the partial file of message 1, whose download failed: "
        f"{3 * MIB} bytes freed for others"
    ]


def test_a_complete_file_makes_its_partial_file_needless(disk: Disk) -> None:
    item = item_of(1, 2 * MIB)
    disk.leave_partial(item)
    disk.leave_staged(item)
    leftovers = disk.begin(9 * MIB)
    assert disk.names() == [f"m{CHAT_ID}_0_1.staged"]
    assert [left.complete for left in leftovers.leftovers_of(CHAT_ID)] == [True]
    assert disk.budget.used_bytes == 2 * MIB


@pytest.mark.skipif(sys.platform == "win32", reason="there a directory cannot be synced")
def test_a_staged_file_that_is_deleted_is_gone_for_good_before_its_journal_goes(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could bring it back beside the journal of what the message holds by then."""
    item = item_of(1, BLOCK)
    disk.leave_partial(item)
    disk.staging.part_path(item.key).replace(disk.staging.staged_path(item.key))
    leftovers = disk.begin(10 * MIB)
    seen = DurableSteps(tmp_path, monkeypatch)
    leftovers.delete(leftovers.leftovers_of(CHAT_ID)[0])
    name = disk.staging.part_path(item.key).stem
    assert seen.steps == [
        f"remove staging/{name}.staged",
        "sync staging/",
        f"remove partial/{name}.parts",
    ]
