"""What earlier versions have marked, given up and passed is known, and is written as ever."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tdl_sync.core.model import (
    READER,
    DoneMark,
    FileNumber,
    MarkedFile,
    MediaType,
    MessageKey,
    Moved,
    Reading,
    RemoteFile,
    Scope,
)
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.mark_database import DATABASE_NAME
from tdl_sync.state.mark_records import watermark_key
from tdl_sync.state.read_only import MarksToRead
from tests.kept import values_marks as values
from tests.kept.places import VERSIONS, Kept
from tests.kept.values_marks import CHANNEL, GROUP, OTHER_REMOTE, REMOTE, in_channel

WATERMARKS_AFTER_KILL = {**values.WATERMARKS, values.LATE_WATERMARK[0]: values.LATE_WATERMARK[1]}
FAILURES_AFTER_KILL = [
    *(each for each in values.FAILURES if each.key != values.LATE.item.key),
    values.LATE_FAILURE,
]


def as_marked(file: RemoteFile) -> MarkedFile:
    return MarkedFile(file.folder, file.name, file.item.size_bytes, file.sha256, file.identity)


def expected_marks() -> dict[tuple[str, MessageKey], MarkedFile]:
    marks = {(remote, file.item.key): as_marked(file) for remote, file in values.MARKS}
    learnt = marks[REMOTE, in_channel(30)]
    marks[REMOTE, in_channel(30)] = replace(learnt, identity=values.LEARNT)
    return marks


@contextlib.contextmanager
def opened(kept: Kept, name: str, tmp_path: Path) -> Iterator[DoneMarks]:
    with DoneMarks(kept.copy(name, tmp_path / "marks")) as marks:
        yield marks


def rows(directory: Path) -> dict[str, str]:
    """What is in the database, without the times of marks."""
    with contextlib.closing(sqlite3.connect(directory / DATABASE_NAME)) as database:
        found = dict(database.execute("SELECT key, value FROM Cache"))
    for key, value in found.items():
        if key.startswith('["done",'):
            record = json.loads(value)
            assert isinstance(record.pop("when"), str)
            found[key] = json.dumps(record)
    return found


def test_every_mark_tells_where_its_file_is_and_which_file(kept: Kept, tmp_path: Path) -> None:
    with opened(kept, "marks", tmp_path) as marks:
        for (remote, key), expected in expected_marks().items():
            assert marks.is_done(remote, key)
            assert marks.marked(remote, key) == expected
        channel_ids = {
            key.message_id
            for remote, key in expected_marks()
            if (remote, key.chat_id, key.topic_id) == (REMOTE, CHANNEL, 0)
        }
        assert {each.message_id for each in marks.all_done(REMOTE, CHANNEL, 0)} == channel_ids
        assert set(marks.all_done(REMOTE, CHANNEL, 55)) == {FileNumber(1)}
        assert set(marks.all_done(OTHER_REMOTE, CHANNEL, 0)) == {FileNumber(1)}
        for message_id in (20, 27, 28):
            assert not marks.is_done(REMOTE, in_channel(message_id))


def test_a_copy_is_known_by_its_file_and_what_is_unknown_can_be_learnt(
    kept: Kept, tmp_path: Path
) -> None:
    with opened(kept, "marks", tmp_path) as marks:
        files = [values.LARGE, values.SMALL, values.EMPTY, values.PICTURE, values.LEARNT]
        found = [marks.file_with(REMOTE, CHANNEL, 0, file) for file in files]
        assert found == [FileNumber(each) for each in (1, 2, 5, 3, 30)]
        assert marks.file_with(REMOTE, CHANNEL, 55, values.OF_TOPIC) == FileNumber(1)
        assert marks.file_with(REMOTE, CHANNEL, 0, values.OF_TOPIC) is None
        lost = replace(values.SMALL, file_id=27, size_bytes=27)
        assert marks.file_with(REMOTE, CHANNEL, 0, lost) is None
        assert marks.ids_of_unknown_files(REMOTE, CHANNEL, 0) == [4, 6, 2**31 - 1]
        # There a run has learnt what could be learnt.
        assert marks.ids_of_unknown_files(REMOTE, GROUP, 0) == []


def test_every_failure_is_known_with_what_it_says_of_the_remote(kept: Kept, tmp_path: Path) -> None:
    with opened(kept, "marks", tmp_path) as marks:
        assert marks.failures(REMOTE, CHANNEL, 0) == values.FAILURES
        assert marks.failures(REMOTE, GROUP, 0) == [values.OF_GROUP]
        assert marks.failures(REMOTE, CHANNEL, 55) == [values.IN_TOPIC]
        assert marks.failures(OTHER_REMOTE, CHANNEL, 0) == []


def test_every_scope_has_its_watermark(kept: Kept, tmp_path: Path) -> None:
    with opened(kept, "marks", tmp_path) as marks:
        for scope, message_id in values.WATERMARKS.items():
            assert marks.watermark(scope) == message_id
        assert marks.watermark(Scope(REMOTE, CHANNEL, 0, "", 77)) == 0


def test_what_was_written_right_before_a_kill_is_there(kept: Kept, tmp_path: Path) -> None:
    directory = kept.copy("marks-after-kill", tmp_path / "marks")
    assert (directory / f"{DATABASE_NAME}-wal").stat().st_size > 0
    with DoneMarks(directory) as marks:
        assert marks.marked(REMOTE, values.LATE.item.key) == as_marked(values.LATE)
        assert marks.failures(REMOTE, CHANNEL, 0) == FAILURES_AFTER_KILL
        for (remote, key), expected in expected_marks().items():
            assert marks.marked(remote, key) == expected
        for scope, message_id in WATERMARKS_AFTER_KILL.items():
            assert marks.watermark(scope) == message_id


@pytest.mark.parametrize("name", ["marks", "marks-after-kill"])
def test_who_only_looks_knows_the_same(kept: Kept, name: str, tmp_path: Path) -> None:
    killed = name == "marks-after-kill"
    marks = MarksToRead(kept.copy(name, tmp_path / "marks"))
    for remote, key in expected_marks():
        assert marks.is_done(remote, key)
    assert marks.is_done(REMOTE, values.LATE.item.key) == killed
    assert marks.file_with(REMOTE, CHANNEL, 0, values.SMALL) == FileNumber(2)
    assert marks.failures(REMOTE, CHANNEL, 0) == (
        FAILURES_AFTER_KILL if killed else values.FAILURES
    )
    for scope, message_id in (WATERMARKS_AFTER_KILL if killed else values.WATERMARKS).items():
        assert marks.watermark(scope) == message_id
    marks.close()


def test_records_of_the_first_versions_are_read(kept: Kept, tmp_path: Path) -> None:
    with opened(kept, "marks-older", tmp_path) as marks:
        for message_id, expected in values.OLDER_MARKS.items():
            assert marks.marked(REMOTE, in_channel(message_id)) == expected
        assert marks.failures(REMOTE, CHANNEL, 0) == values.OLDER_FAILURES
        assert marks.watermark(Scope(REMOTE, CHANNEL)) == 12
        assert marks.ids_of_unknown_files(REMOTE, CHANNEL, 0) == [1, 2]
        gone, other, known = (
            replace(values.PICTURE, kind=values.DOCUMENT, file_id=9, size_bytes=9),
            replace(values.PICTURE, file_id=4, size_bytes=7),
            replace(values.PICTURE, file_id=3, size_bytes=7),
        )
        found = [marks.file_with(REMOTE, CHANNEL, 0, file) for file in (gone, other, known)]
        assert found == [None, None, FileNumber(3)]


def test_a_run_goes_on_in_a_database_of_before(kept: Kept, tmp_path: Path) -> None:
    with opened(kept, "marks-older", tmp_path) as marks:
        again = replace(values.OLDER_FAILURES[1], reason="upload failed", distrusted=False)
        total = marks.record_failure(REMOTE, again)
        assert (total.attempts, total.distrusted) == (2, True)
        values.write_late(marks)
    with DoneMarks(tmp_path / "marks") as marks:
        assert marks.marked(REMOTE, values.LATE.item.key) == as_marked(values.LATE)
        assert len(marks.failures(REMOTE, CHANNEL, 0)) == len(values.OLDER_FAILURES) + 1


def test_the_same_keys_and_values_are_written_as_ever(tmp_path: Path) -> None:
    with DoneMarks(tmp_path / "new") as marks:
        values.write_all(marks)
    kept = VERSIONS[-1].copy("marks", tmp_path / "kept")
    written = rows(tmp_path / "new")
    # Of these the kept version knows nothing, nor does it mind them.
    readings = {key for key in written if key.startswith('["reading",')}
    watermarks = {key for key in written if key.startswith('["watermark",')}
    assert len(readings) == len(watermarks)
    assert {key: written[key] for key in written.keys() - readings} == rows(kept)


def test_who_has_read_up_to_a_watermark_is_known_until_an_earlier_version_moves_it(
    tmp_path: Path, kept: Kept
) -> None:
    scope = Scope(REMOTE, CHANNEL)
    with DoneMarks(kept.copy("marks", tmp_path / "kept")) as marks:
        assert not marks.reading(scope).is_whole
        marks.save_watermark(scope, 40, {MediaType.VIDEO: 3})
        assert marks.reading(scope) == Reading(40, READER, {MediaType.VIDEO: 3})
        with marks._database.transaction() as cache:  # as the earlier version writes it
            cache.set(watermark_key(scope), "60")
        assert marks.reading(scope) == Reading(60)


@pytest.mark.parametrize("name", ["marks", "marks-older"])
def test_what_is_moved_is_counted_beside_the_records_of_before(
    kept: Kept, name: str, tmp_path: Path
) -> None:
    """An earlier version knows nothing of the count, and asks for no key that begins so."""
    scope = Scope(REMOTE, CHANNEL)
    before = rows(kept.copy(name, tmp_path / "before"))
    with opened(kept, name, tmp_path) as marks:
        assert marks.moved(scope) == Moved()
        marks.write(DoneMark(REMOTE, values.LATE), moved_in=scope)
        assert marks.moved(scope) == Moved(1, values.LATE.item.size_bytes)
    after = rows(tmp_path / "marks")
    (counted,) = [key for key in after if key.startswith('["moved",')]
    assert (counted, after.pop(counted)) == (
        f'["moved","{REMOTE}",{CHANNEL},0,"",0]',
        f"[1, {values.LATE.item.size_bytes}]",
    )
    asked_for = ('["done",', '["failed",', '["watermark",', '["file",', '["files known",')
    assert all(key.startswith(asked_for) for key in {*before, *after})
