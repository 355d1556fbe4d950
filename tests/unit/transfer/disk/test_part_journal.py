"""What was written of a file is known after any kill and power cut, and never more than that."""

from __future__ import annotations

import json
import os
import random
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_sync.core.errors import ConfigurationError, Stopped
from tdl_sync.core.model import FileLocation, LocationKind, MediaItem
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.transfer.disk.part_journal import RECORD_BYTES, Attempt, PartialFiles
from tdl_sync.transfer.disk.staging import Staging
from tests.durability import DurableSteps
from tests.fakes.chat import item_of
from tests.fakes.parts import content_of

MIB = PART_BYTES
SIZE = 5 * MIB + 123
ITEM = item_of(17, SIZE)
CONTENT = content_of(ITEM)


class Disk:
    """A staging directory and a data directory; ``files`` are opened anew by each run."""

    def __init__(self, directory: Path) -> None:
        self.staging = Staging.open(directory / "staging", 10**9)
        self.journals = directory / "data" / "partial"

    @property
    def files(self) -> PartialFiles:
        return PartialFiles(self.staging, self.journals)

    def write(self, item: MediaItem, *parts: int) -> None:
        """One run writes these parts, by their number."""
        with self.files.open(item, lambda: None) as partial:
            for number in parts:
                offset = number * MIB
                partial.write(offset, CONTENT[offset : offset + MIB])

    def parts(self, item: MediaItem) -> list[int]:
        """What the next run finds."""
        with self.files.open(item, lambda: None) as partial:
            return sorted(offset // MIB for offset in partial.offsets)

    def part(self, item: MediaItem) -> Path:
        return self.staging.part_path(item.key)

    def journal(self, item: MediaItem) -> Path:
        return self.files.journal_path(item.key)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.staging.close()


def test_the_next_run_finds_the_parts_that_were_written_and_goes_on(disk: Disk) -> None:
    disk.write(ITEM, 3, 0)
    assert disk.parts(ITEM) == [0, 3]
    disk.write(ITEM, 5)
    assert disk.parts(ITEM) == [0, 3, 5]
    disk.write(ITEM, 1, 2, 4)
    assert disk.parts(ITEM) == [0, 1, 2, 3, 4, 5]
    assert disk.part(ITEM).read_bytes() == CONTENT


def test_the_empty_answer_that_shows_the_end_is_remembered_too(disk: Disk) -> None:
    item = item_of(17, 2 * MIB)
    with disk.files.open(item, lambda: None) as partial:
        partial.write(2 * MIB, b"")
    assert disk.parts(item) == [2]


def test_the_journal_says_which_file_it_is_before_the_first_byte_is_asked_for(disk: Disk) -> None:
    with disk.files.open(ITEM, lambda: None):
        (line,) = disk.journal(ITEM).read_text().splitlines()
        assert disk.part(ITEM).stat().st_size == 0
    fields = json.loads(line)
    assert fields["message"] == [ITEM.key.chat_id, 0, 17]
    assert fields["size_bytes"] == SIZE
    assert fields["file"] == ["document", ITEM.location.file_id, ""]
    assert fields["partial_file"] == str(disk.part(ITEM))


@pytest.mark.skipif(sys.platform == "win32", reason="there a directory cannot be synced")
def test_the_journal_is_durable_under_its_name_before_there_is_a_partial_file(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = disk.files
    seen = DurableSteps(tmp_path, monkeypatch)
    with files.open(ITEM, lambda: None):
        seen.note("asked for the first byte")
    name = disk.part(ITEM).name
    assert seen.steps[:6] == [
        f"make data/partial/{name}s.new",
        f"sync data/partial/{name}s.new",
        f"rename data/partial/{name}s.new to data/partial/{name}s",
        "sync data/partial/",
        f"make staging/{name}",
        "note asked for the first byte",
    ]


def test_a_partial_file_is_removed_before_its_journal(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one without a journal is never one that could have gone on."""
    disk.write(ITEM, 0)
    seen = DurableSteps(tmp_path, monkeypatch)
    disk.files.remove(ITEM.key)
    name = disk.part(ITEM).name
    assert seen.steps == [f"remove staging/{name}", f"remove data/partial/{name}s"]


def test_a_file_of_which_nothing_was_written_leaves_nothing(disk: Disk) -> None:
    disk.write(ITEM)
    assert not disk.part(ITEM).exists()
    assert not disk.journal(ITEM).exists()


def test_what_goes_wrong_while_writing_keeps_what_was_written(disk: Disk) -> None:
    def breaks() -> None:
        with disk.files.open(ITEM, lambda: None) as partial:
            partial.write(0, CONTENT[:MIB])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()
    assert disk.parts(ITEM) == [0]


@pytest.mark.parametrize(
    "other",
    [
        item_of(17, SIZE - 1),
        item_of(17, SIZE + MIB),
        replace(ITEM, location=replace(ITEM.location, file_id=ITEM.location.file_id + 1)),
        replace(ITEM, location=replace(ITEM.location, thumb_size="y")),
        replace(ITEM, location=replace(ITEM.location, kind=LocationKind.PHOTO)),
    ],
)
def test_parts_of_another_file_of_the_same_message_are_thrown_away(
    other: MediaItem, disk: Disk
) -> None:
    disk.write(ITEM, 0, 1)
    assert disk.files.is_partial(ITEM)
    assert not disk.files.is_partial(other)
    with disk.files.open(other, lambda: None) as partial:
        assert partial.offsets == set()
        assert disk.part(other).stat().st_size == 0


def test_a_fresh_file_reference_is_still_the_same_file(disk: Disk) -> None:
    disk.write(ITEM, 0)
    old = ITEM.location
    fresh = FileLocation(old.kind, 5, old.file_id, 99, b"another reference", old.thumb_size)
    assert disk.parts(replace(ITEM, location=fresh)) == [0]


def test_a_partial_file_without_its_journal_is_not_believed(disk: Disk) -> None:
    disk.write(ITEM, 0, 1)
    disk.journal(ITEM).unlink()
    assert not disk.files.is_partial(ITEM)
    assert disk.parts(ITEM) == []


def test_a_journal_without_its_file_is_removed_when_a_run_begins(disk: Disk) -> None:
    disk.write(ITEM, 0, 1)
    disk.part(ITEM).unlink()
    (disk.journals / "broken.parts").write_bytes(b"\x00" * 60)
    PartialFiles(disk.staging, disk.journals)
    assert list(disk.journals.iterdir()) == []


def test_the_journals_of_another_staging_directory_stay(disk: Disk, tmp_path: Path) -> None:
    disk.write(ITEM, 0, 1)
    other = Staging.open(tmp_path / "elsewhere", 10**9)
    PartialFiles(other, disk.journals)
    assert disk.parts(ITEM) == [0, 1]
    other.close()


def test_the_journals_of_another_staging_directory_stay_while_its_disk_is_not_there(
    disk: Disk, tmp_path: Path
) -> None:
    disk.write(ITEM, 0, 1)
    disk.staging.directory.rename(tmp_path / "not mounted")
    other = Staging.open(tmp_path / "elsewhere", 10**9)
    PartialFiles(other, disk.journals)
    other.close()
    (tmp_path / "not mounted").rename(disk.staging.directory)
    assert disk.parts(ITEM) == [0, 1]


@pytest.mark.parametrize("line", [b"", b"\x00" * 60, b"{}\n", b"[1]\n", b'{"partial_file": 5}\n'])
def test_a_journal_whose_first_line_was_lost_counts_for_nothing(line: bytes, disk: Disk) -> None:
    disk.write(ITEM, 0, 1)
    disk.journal(ITEM).write_bytes(line)
    assert disk.parts(ITEM) == []


def test_a_record_that_was_cut_off_costs_its_part_alone(disk: Disk) -> None:
    for cut in range(1, RECORD_BYTES + 1):
        disk.write(ITEM, 0, 1, 2)
        path = disk.journal(ITEM)
        os.truncate(path, path.stat().st_size - cut)
        assert disk.parts(ITEM) == [0, 1]
        disk.files.remove(ITEM.key)


def test_writing_goes_on_behind_the_last_whole_record(disk: Disk) -> None:
    disk.write(ITEM, 0, 1)
    with disk.journal(ITEM).open("ab") as journal:
        journal.write(b"half a rec")
    disk.write(ITEM, 2, 3)
    assert disk.parts(ITEM) == [0, 1, 2, 3]


def test_a_part_whose_bytes_did_not_reach_the_disk_is_asked_for_again(disk: Disk) -> None:
    """A power cut: the journal was written, the data not yet."""
    disk.write(ITEM, 0, 1, 2, 4)
    with disk.part(ITEM).open("r+b") as file:
        file.seek(MIB)
        file.write(bytes(MIB))
        file.truncate(4 * MIB + 17)
    assert disk.parts(ITEM) == [0, 2]


def test_what_was_written_behind_a_part_that_was_lost_stays_known(disk: Disk) -> None:
    disk.write(ITEM, 0, 1, 2)
    with disk.part(ITEM).open("r+b") as file:
        file.seek(MIB)
        file.write(bytes(MIB))
    disk.write(ITEM, 3)
    assert disk.parts(ITEM) == [0, 2, 3]


def test_zeros_in_a_journal_are_no_record(disk: Disk) -> None:
    """A power cut leaves them where a file grew. Read as a record they would be the whole of an
    empty file: a part at 0, of 0 bytes, with the CRC 0.
    """
    item = item_of(17, 0)
    with disk.files.open(item, lambda: None) as partial:
        partial.write(0, b"")
    path = disk.journal(item)
    assert disk.parts(item) == [0]
    path.write_bytes(path.read_bytes()[:-RECORD_BYTES] + bytes(RECORD_BYTES))
    assert disk.parts(item) == []


@pytest.mark.parametrize(
    ("offset_bytes", "length_bytes"),
    [(0, 5), (MIB, MIB - 1), (5 * MIB, 122), (1, MIB), (MIB + 1, MIB), (6 * MIB, 0)],
)
def test_a_record_of_what_is_no_whole_part_of_the_file_is_not_believed(
    offset_bytes: int, length_bytes: int, disk: Disk
) -> None:
    """Its bytes lie there and have its CRC; counted as a part it would hide that some are not."""
    disk.write(ITEM, 2)
    with disk.files.open(ITEM, lambda: None) as partial:
        partial.write(offset_bytes, CONTENT[offset_bytes : offset_bytes + length_bytes])
    assert disk.parts(ITEM) == [2]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_part_that_the_disk_refuses_has_no_record(disk: Disk) -> None:
    import resource

    disk.write(ITEM, 0)
    before = disk.journal(ITEM).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with disk.files.open(ITEM, lambda: None) as partial:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                partial.write(2 * MIB, CONTENT[2 * MIB : 3 * MIB])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert partial.offsets == {0}
        assert disk.journal(ITEM).read_bytes() == before


def test_a_stop_cuts_the_reading_of_many_parts_short(disk: Disk) -> None:
    disk.write(ITEM, 0, 1, 2)
    checks = iter([None, None])

    def check() -> None:
        if next(checks, "stop") == "stop":
            raise Stopped("stopping")

    with pytest.raises(Stopped), disk.files.open(ITEM, check):
        pass
    assert disk.parts(ITEM) == [0, 1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_only_the_owner_may_read_what_lies_there(disk: Disk) -> None:
    disk.write(ITEM, 0)
    assert stat.S_IMODE(disk.journals.stat().st_mode) == 0o700
    assert stat.S_IMODE(disk.journal(ITEM).stat().st_mode) == 0o600
    assert stat.S_IMODE(disk.part(ITEM).stat().st_mode) == 0o600


def test_a_data_directory_that_cannot_be_used_is_named(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"cannot be used: .*; .* another --data-dir"):
        PartialFiles(disk.staging, tmp_path / "file" / "partial")


@given(parts=st.lists(st.integers(0, 5), unique=True, max_size=6), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_whatever_is_damaged_a_part_that_counts_has_its_bytes(
    parts: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bytes of the file and of the journal are overwritten or cut off at random."""
    disk = Disk(tmp_path_factory.mktemp("any"))
    dice = random.Random(seed)
    disk.write(ITEM, *parts)
    for path in (disk.part(ITEM), disk.journal(ITEM)):
        if path.exists() and dice.random() < 0.8:
            damage(path, dice)
    found = disk.parts(ITEM)
    assert set(found) <= set(parts)
    with disk.files.open(ITEM, lambda: None) as partial:
        content = disk.part(ITEM).read_bytes()
        for offset in partial.offsets:
            assert content[offset : offset + MIB] == CONTENT[offset : offset + MIB]
    disk.write(ITEM, *(number for number in range(6) if number not in found))
    assert disk.part(ITEM).read_bytes() == CONTENT
    disk.staging.close()


def damage(path: Path, dice: random.Random) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        if dice.random() < 0.5:
            file.truncate(dice.randint(0, size))
        for _ in range(dice.randint(0, 2)):
            file.seek(dice.randint(0, size))
            file.write(dice.randbytes(dice.randint(1, 40)))


# --- when it is staged ----------------------------------------------------------------------------


def staged(disk: Disk) -> PartialFiles:
    """The next run, after one that has downloaded the whole file."""
    disk.write(ITEM, *range(6))
    disk.part(ITEM).replace(disk.staging.staged_path(ITEM.key))
    return disk.files


ANOTHER_FILE = replace(ITEM, location=replace(ITEM.location, file_id=99))


def test_a_staged_file_is_known_to_be_the_one_that_its_message_holds_or_not(disk: Disk) -> None:
    files = staged(disk)
    assert files.staged_is(ITEM) is True
    assert files.staged_is(ANOTHER_FILE) is False
    assert files.attempt(ITEM) is None
    disk.journal(ITEM).unlink()
    assert files.staged_is(ITEM) is None


def test_that_a_hand_off_has_begun_is_durable_before_it_begins_and_known_until_it_is_marked(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the staged file is gone, which rclone deletes before we know that it has ended."""
    files = staged(disk)
    seen = DurableSteps(tmp_path, monkeypatch)
    attempt = Attempt("2021/17_a.bin", "ab" * 32)
    files.begin_attempt(ITEM, attempt)
    assert seen.steps == [f"sync data/partial/{disk.part(ITEM).name}s"]
    disk.staging.staged_path(ITEM.key).unlink()
    later = disk.files
    assert later.attempt(ITEM) == attempt
    assert later.attempt(ANOTHER_FILE) is None
    later.forget(ITEM.key)
    assert disk.files.attempt(ITEM) is None


def test_of_an_attempt_that_a_power_cut_has_cut_off_it_is_known_that_there_was_one(
    disk: Disk,
) -> None:
    staged(disk).begin_attempt(ITEM, Attempt("17_a.bin", "ab" * 32))
    journal = disk.journal(ITEM)
    journal.write_bytes(journal.read_bytes()[:-20])
    assert disk.files.attempt(ITEM) == Attempt(None, None)
    assert disk.files.staged_is(ITEM)


def test_what_an_earlier_version_has_staged_without_a_journal_gets_one_when_it_is_handed_off(
    disk: Disk,
) -> None:
    disk.staging.staged_path(ITEM.key).write_bytes(CONTENT)
    disk.files.begin_attempt(ITEM, Attempt("17_a.bin", "ab" * 32))
    assert disk.files.staged_is(ITEM)
    assert disk.files.attempt(ITEM) == Attempt("17_a.bin", "ab" * 32)
