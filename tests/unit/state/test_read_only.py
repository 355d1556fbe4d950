"""Who only looks reads the records as they are, and leaves the disk as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import DoneMark, FileNumber, ListedFile, RemoteFile, Scope
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.mark_database import DATABASE_NAME
from tdl_sync.state.read_only import MarksToRead
from tests.fakes.chat import CHAT_ID, item_of

REMOTE = "gdrive:tdl-sync"
SCOPE = Scope(REMOTE, CHAT_ID)
DONE, FAILED = item_of(7, 10), item_of(9, 10)
FAILURE = Failure(FAILED.key, "too large", "100 GB", 2, for_good=True)


def mark(message_id: int = 7) -> DoneMark:
    item = item_of(message_id, 10)
    file = RemoteFile.listed(item, "Folder", ListedFile(f"{message_id}_a", 10))
    return DoneMark(REMOTE, replace(file, identity=item.identity))


def fill(marks: DoneMarks) -> None:
    marks.write(mark())
    marks.save_watermark(SCOPE, 8)
    marks.record_failure(REMOTE, FAILURE)


def assert_reads(marks: MarksToRead) -> None:
    assert marks.is_done(REMOTE, DONE.key)
    assert not marks.is_done("gdrive:other", DONE.key)
    assert not marks.is_done(REMOTE, FAILED.key)
    assert marks.watermark(SCOPE) == 8
    assert marks.watermark(replace(SCOPE, filters="x")) == 0
    assert marks.failures(REMOTE, CHAT_ID, 0) == [FAILURE]
    assert marks.failures("gdrive:other", CHAT_ID, 0) == []
    assert marks.file_with(REMOTE, CHAT_ID, 0, DONE.identity) == FileNumber(7)
    assert marks.file_with(REMOTE, CHAT_ID, 0, FAILED.identity) is None


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_what_was_written_is_read_and_no_file_is_made_or_changed(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as marks:
        fill(marks)
    before = content(tmp_path)
    to_read = MarksToRead(tmp_path)
    assert_reads(to_read)
    to_read.close()
    assert content(tmp_path) == before
    assert_reads(MarksToRead(tmp_path))


def test_what_a_run_at_work_has_written_is_read_from_its_log(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as marks:
        fill(marks)
        assert (tmp_path / f"{DATABASE_NAME}-wal").stat().st_size > 0
        to_read = MarksToRead(tmp_path)
        assert_reads(to_read)
        marks.write(mark(11))
        assert to_read.is_done(REMOTE, item_of(11, 1).key)
        to_read.close()


def test_without_any_records_nothing_is_done_and_nothing_is_made(tmp_path: Path) -> None:
    to_read = MarksToRead(tmp_path / "marks")
    assert not to_read.is_done(REMOTE, DONE.key)
    assert (to_read.watermark(SCOPE), to_read.failures(REMOTE, CHAT_ID, 0)) == (0, [])
    assert to_read.file_with(REMOTE, CHAT_ID, 0, DONE.identity) is None
    to_read.close()
    assert list(tmp_path.iterdir()) == []


def test_damaged_records_are_named_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / DATABASE_NAME).write_bytes(b"no database" * 100)
    with pytest.raises(ConfigurationError, match=r"cannot be read: .*another --data-dir"):
        MarksToRead(tmp_path)
