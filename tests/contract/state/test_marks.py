"""What every keeper of the durable records promises: the real one and the fake."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    DoneMark,
    FileIdentity,
    FileNumber,
    FormerFile,
    ListedFile,
    LocationKind,
    MessageDetails,
    MessageKey,
    Moved,
    RemoteFile,
    Scope,
)
from tdl_sync.core.ports import Marks
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.mark_database import DATABASE_NAME
from tests.fakes.chat import CHAT_ID, FIRST_DATE, further_of, item_of
from tests.fakes.marks import FakeMarks

REMOTE = "gdrive:tdl-sync"
SCOPE = Scope(REMOTE, CHAT_ID)


@pytest.fixture(params=["fake", "real"])
def marks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Marks]:
    if request.param == "fake":
        yield FakeMarks()
        return
    with DoneMarks(tmp_path / "marks") as real:
        yield real


def key_of(message_id: int) -> MessageKey:
    return MessageKey(CHAT_ID, 0, message_id)


def mark_of(message_id: int, remote: str = REMOTE) -> DoneMark:
    item = item_of(message_id, 5)
    return DoneMark(remote, RemoteFile.listed(item, "Folder", ListedFile(f"{message_id}_a", 5)))


def failure_of(message_id: int, attempts: int = 1) -> Failure:
    return Failure(key_of(message_id), "wrong size", "4 of 5 bytes", attempts, for_good=False)


def test_a_mark_counts_for_one_message_on_one_remote(marks: Marks) -> None:
    assert not marks.is_done(REMOTE, key_of(7))
    marks.write(mark_of(7))
    assert marks.is_done(REMOTE, key_of(7))
    assert not marks.is_done(REMOTE, key_of(8))
    assert not marks.is_done("gdrive:other", key_of(7))
    assert not marks.is_done(REMOTE, MessageKey(CHAT_ID, 3, 7))
    assert not marks.is_done(REMOTE, MessageKey(CHAT_ID - 1, 0, 7))


def test_all_that_is_done_of_a_chat_on_a_remote_is_told(marks: Marks) -> None:
    for message_id in (7, 12, 9):
        marks.write(mark_of(message_id))
    marks.write(mark_of(8, "gdrive:other"))
    assert set(marks.all_done(REMOTE, CHAT_ID, 0)) == {FileNumber(id_) for id_ in (7, 9, 12)}
    assert list(marks.all_done(REMOTE, CHAT_ID, 3)) == []
    assert list(marks.all_done(REMOTE, CHAT_ID - 1, 0)) == []


def test_marking_again_changes_nothing(marks: Marks) -> None:
    marks.write(mark_of(7))
    marks.write(mark_of(7))
    assert marks.is_done(REMOTE, key_of(7))


def test_the_attempts_of_a_failure_add_up_and_the_newest_reason_counts(marks: Marks) -> None:
    assert marks.record_failure(REMOTE, failure_of(7)) == failure_of(7)
    newest = replace(failure_of(7, attempts=2), reason="refused by Telegram", for_good=True)
    total = replace(newest, attempts=3)
    assert marks.record_failure(REMOTE, newest) == total
    assert marks.failures(REMOTE, CHAT_ID, 0) == [total]


def test_failures_are_listed_by_message_and_only_those_of_the_chat_and_remote(
    marks: Marks,
) -> None:
    for message_id in (30, 2, 11):
        marks.record_failure(REMOTE, failure_of(message_id))
    marks.record_failure("gdrive:other", failure_of(4))
    marks.record_failure(REMOTE, replace(failure_of(5), key=MessageKey(CHAT_ID, 9, 5)))
    marks.record_failure(REMOTE, replace(failure_of(6), key=MessageKey(CHAT_ID - 1, 0, 6)))
    listed = [failure.key.message_id for failure in marks.failures(REMOTE, CHAT_ID, 0)]
    assert listed == [2, 11, 30]


def test_a_mark_forgets_the_failure_of_its_message_on_its_remote_alone(marks: Marks) -> None:
    for message_id in (7, 8):
        marks.record_failure(REMOTE, failure_of(message_id))
    marks.record_failure("gdrive:other", failure_of(7))
    marks.write(mark_of(7))
    assert marks.failures(REMOTE, CHAT_ID, 0) == [failure_of(8)]
    assert marks.failures("gdrive:other", CHAT_ID, 0) == [failure_of(7)]


def test_a_forgotten_failure_begins_anew_and_forgetting_what_is_not_there_is_no_error(
    marks: Marks,
) -> None:
    marks.forget_failure(REMOTE, key_of(7))
    marks.record_failure(REMOTE, failure_of(7, attempts=5))
    marks.forget_failure(REMOTE, key_of(7))
    assert marks.failures(REMOTE, CHAT_ID, 0) == []
    assert marks.record_failure(REMOTE, failure_of(7)).attempts == 1


def test_each_scope_has_a_watermark_of_its_own_which_may_go_down(marks: Marks) -> None:
    assert marks.watermark(SCOPE) == 0
    marks.save_watermark(SCOPE, 20)
    marks.save_watermark(replace(SCOPE, lower_bound=5), 9)
    marks.save_watermark(SCOPE, 12)
    assert marks.watermark(SCOPE) == 12
    assert marks.watermark(replace(SCOPE, lower_bound=5)) == 9
    assert marks.watermark(replace(SCOPE, filters="video")) == 0


def test_threads_that_write_at_once_lose_nothing(marks: Marks) -> None:
    def work(message_id: int) -> None:
        marks.record_failure(REMOTE, failure_of(1))
        marks.record_failure(REMOTE, failure_of(message_id))
        marks.write(mark_of(message_id))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(2, 42)))
    assert all(marks.is_done(REMOTE, key_of(message_id)) for message_id in range(2, 42))
    assert marks.failures(REMOTE, CHAT_ID, 0) == [failure_of(1, attempts=40)]


# --- which file a message is


def file_of(message_id: int, size_bytes: int = 5) -> FileIdentity:
    return FileIdentity(LocationKind.DOCUMENT, message_id, size_bytes)


def with_file(mark: DoneMark, file: FileIdentity | None) -> DoneMark:
    return replace(mark, file=replace(mark.file, identity=file))


def test_a_file_is_found_in_its_chat_and_remote_alone(marks: Marks) -> None:
    marks.write(mark_of(7))
    assert marks.file_with(REMOTE, CHAT_ID, 0, file_of(7)) == FileNumber(7)
    assert marks.file_with(REMOTE, CHAT_ID, 0, file_of(8)) is None
    assert marks.file_with(REMOTE, CHAT_ID, 0, file_of(7, size_bytes=6)) is None
    photo = replace(file_of(7), kind=LocationKind.PHOTO)
    assert marks.file_with(REMOTE, CHAT_ID, 0, photo) is None
    assert marks.file_with("gdrive:other", CHAT_ID, 0, file_of(7)) is None
    assert marks.file_with(REMOTE, CHAT_ID - 1, 0, file_of(7)) is None


def test_of_several_messages_with_one_file_the_first_that_was_marked_counts(marks: Marks) -> None:
    for message_id in (7, 9, 11):
        marks.write(with_file(mark_of(message_id), file_of(7)))
    assert marks.file_with(REMOTE, CHAT_ID, 0, file_of(7)) == FileNumber(7)


def test_what_marks_did_not_say_is_learnt_from_messages_that_were_not_edited(
    marks: Marks,
) -> None:
    for message_id in (7, 8, 9, 10):
        marks.write(with_file(mark_of(message_id), None))
    marks.write(mark_of(11))
    assert marks.ids_of_unknown_files(REMOTE, CHAT_ID, 0) == [7, 8, 9, 10]
    edited = MessageDetails(edited_at=FIRST_DATE)
    marks.learn_file(REMOTE, item_of(7, 5))
    marks.learn_file(REMOTE, item_of(8, 6))
    marks.learn_file(REMOTE, replace(item_of(9, 5), details=edited))
    marks.learn_file(REMOTE, item_of(12, 5))
    found = [marks.file_with(REMOTE, CHAT_ID, 0, file_of(each)) for each in range(7, 13)]
    assert found == [FileNumber(7), None, None, None, FileNumber(11), None]
    assert marks.file_with(REMOTE, CHAT_ID, 0, file_of(8, 6)) is None
    assert marks.ids_of_unknown_files(REMOTE, CHAT_ID, 0) == [8, 9, 10]
    marks.files_are_known(REMOTE, CHAT_ID, 0)
    assert marks.ids_of_unknown_files(REMOTE, CHAT_ID, 0) == []
    assert marks.ids_of_unknown_files("gdrive:other", CHAT_ID, 0) == []
    assert not marks.is_done(REMOTE, key_of(12))


def test_what_a_mark_says_of_its_file_is_not_learnt_anew(marks: Marks) -> None:
    marks.write(with_file(mark_of(7), file_of(70)))
    marks.learn_file(REMOTE, item_of(7, 5))
    assert marks.file_with(REMOTE, CHAT_ID, 0, file_of(70)) == FileNumber(7)
    assert marks.file_with(REMOTE, CHAT_ID, 0, file_of(7)) is None


def test_what_was_only_listed_says_nothing_of_an_edited_message(marks: Marks) -> None:
    item = replace(item_of(7, 5), details=MessageDetails(edited_at=FIRST_DATE))
    listed = RemoteFile.listed(item, "Folder", ListedFile("7_a", 5))
    marks.write(DoneMark(REMOTE, listed))
    assert marks.is_done(REMOTE, key_of(7))
    assert marks.file_with(REMOTE, CHAT_ID, 0, file_of(7)) is None


def test_what_is_moved_is_counted_with_its_mark_in_the_scope_that_moved_it(marks: Marks) -> None:
    """And what other machines know of is never taken off it. Files are counted, not messages."""
    others = replace(SCOPE, filters="type=photo")
    assert marks.moved(SCOPE) == Moved()
    marks.write(mark_of(7), moved_in=SCOPE)
    second = RemoteFile.listed(further_of(item_of(7, 5), 2), "Folder", ListedFile("7.2_b", 5))
    marks.write(DoneMark(REMOTE, second), moved_in=SCOPE)
    marks.write(mark_of(8), moved_in=SCOPE)
    marks.write(mark_of(9), moved_in=others)
    marks.write(mark_of(10))
    assert (marks.moved(SCOPE), marks.moved(others)) == (Moved(3, 15), Moved(1, 5))
    marks.learn_moved(SCOPE, Moved(1, 20))
    assert marks.moved(SCOPE) == Moved(3, 20)
    marks.learn_moved(SCOPE, Moved(30, 3))
    marks.write(mark_of(11), moved_in=SCOPE)
    assert marks.moved(SCOPE) == Moved(31, 25)


def test_what_a_message_held_before_is_known_until_it_is_gone_or_held_again(marks: Marks) -> None:
    marks.write(with_file(mark_of(7), file_of(70)))
    before = marks.marked(REMOTE, key_of(7))
    assert before is not None
    former = FormerFile(key_of(7), before, gives_way=True)
    new = RemoteFile.listed(item_of(7, 6), "Folder/sub", ListedFile("7_b", 6))
    marks.write(DoneMark(REMOTE, new), former=former)
    assert marks.former_files(REMOTE, CHAT_ID, 0) == [former]
    assert marks.former_files("gdrive:other", CHAT_ID, 0) == []
    marks.write(mark_of(8))
    stays = replace(former, file=replace(before, name="7_c"), gives_way=False)
    marks.write(DoneMark(REMOTE, new), former=stays)
    assert marks.former_files(REMOTE, CHAT_ID, 0) == [former, stays]
    marks.forget_former(REMOTE, stays)
    marks.forget_former(REMOTE, stays)
    marks.write(mark_of(7))
    assert marks.former_files(REMOTE, CHAT_ID, 0) == []


def test_that_others_rely_on_a_file_is_known_as_long_as_its_message_holds_it(marks: Marks) -> None:
    marks.note_copies(REMOTE, key_of(7))
    marks.write(mark_of(7))
    assert [marks.marked(REMOTE, key_of(each)) for each in (8,)] == [None]
    for _ in range(2):
        marks.note_copies(REMOTE, key_of(7))
        marked = marks.marked(REMOTE, key_of(7))
        assert marked is not None
        assert marked.has_copies
        marks.write(mark_of(7))
    assert marks.file_with(REMOTE, CHAT_ID, 0, file_of(7)) == FileNumber(7)
    marks.write(with_file(mark_of(7), file_of(70)))
    marked = marks.marked(REMOTE, key_of(7))
    assert marked is not None
    assert not marked.has_copies


@pytest.mark.skipif(sys.platform == "win32", reason="its locks belong to the handle that took them")
def test_who_opens_the_records_a_second_time_takes_nobodys_locks_away(tmp_path: Path) -> None:
    """A process loses all its locks on a file with the first descriptor of it that it closes. Then
    another process takes itself for the last one, and removes the log that is in use here."""
    with DoneMarks(tmp_path) as first, DoneMarks(tmp_path):
        first.write(mark_of(7))
        script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT 1 FROM Cache')"
        database = tmp_path / DATABASE_NAME
        subprocess.run([sys.executable, "-c", script, str(database)], check=True)
        assert database.with_name(f"{DATABASE_NAME}-wal").exists()
