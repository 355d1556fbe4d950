"""The durable records: what was written is there, whatever happens to the process."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import diskcache
import pytest

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    DoneMark,
    FileIdentity,
    FileLocation,
    FileNumber,
    ListedFile,
    LocationKind,
    MarkedFile,
    MediaItem,
    MediaType,
    MessageKey,
    Moved,
    RemoteFile,
    Scope,
)
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.mark_database import TextDisk
from tdl_sync.state.mark_records import failure_text, key_text, mark_text
from tdl_sync.state.read_only import MarksToRead
from tdl_sync.state.recorded_marks import RecordedMarks
from tests.waiting import finished

REMOTE = "gdrive:tdl-sync"
CHAT = -1001234567890
posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX modes and limits")


def mark_of(message_id: int, topic_id: int = 0, remote: str = REMOTE) -> DoneMark:
    key = MessageKey(CHAT, topic_id, message_id)
    location = FileLocation(LocationKind.DOCUMENT, 2, message_id, 1, b"reference")
    date = datetime(2024, 1, 1, tzinfo=timezone.utc)
    item = MediaItem(key, MediaType.VIDEO, "a.mp4", "video/mp4", 5, date, location)
    return DoneMark(remote, RemoteFile.listed(item, "Folder", ListedFile(f"{message_id}_a", 5)))


def failure_of(message_id: int, attempts: int = 1, for_good: bool = False) -> Failure:
    return Failure(
        MessageKey(CHAT, 0, message_id), "wrong size", "4 of 5 bytes", attempts, for_good
    )


def raw_rows(directory: Path) -> dict[str, object]:
    with sqlite3.connect(directory / "cache.db") as connection:
        return dict(connection.execute("SELECT key, value FROM Cache").fetchall())


MANY = 5000
ROWS_IN_A_PAGE = 500


def with_many_marks(directory: Path) -> Path:
    """So many done files and one failure; of those that sort before it and after it."""
    with DoneMarks(directory) as marks, marks._database.transaction() as cache:
        for message_id in range(1, MANY + 1):
            mark = mark_of(message_id)
            cache.set(key_text("done", REMOTE, mark.key), mark_text(mark))
            cache.set(json.dumps(["file", REMOTE, CHAT, 0, "document", message_id, 5]), "7")
        cache.set(key_text("failed", REMOTE, failure_of(9).key), failure_text(failure_of(9)))
    return directory


@pytest.mark.parametrize("kind", [DoneMarks, MarksToRead])
def test_opening_reads_the_failures_and_not_all_the_marks(
    kind: Callable[[Path], RecordedMarks], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chat of a million files begins as soon as one of ten."""
    directory = with_many_marks(tmp_path / "marks")
    steps = 0

    def counting(*_: object) -> int:
        nonlocal steps
        steps += 1
        return 0

    connect = sqlite3.connect

    def counted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_progress_handler(counting, 1)
        return connection

    monkeypatch.setattr(sqlite3, "connect", counted)
    marks = kind(directory)
    assert marks.failures(REMOTE, CHAT, 0) == [failure_of(9)]
    assert 0 < steps < MANY
    marks.close()


def test_all_of_many_marks_are_found_and_no_others(tmp_path: Path) -> None:
    assert MANY > 2 * ROWS_IN_A_PAGE
    with DoneMarks(with_many_marks(tmp_path / "marks")) as marks:
        marks.write(mark_of(3, remote=f"{REMOTE}/below"))
        found = sorted(number.message_id for number in marks.all_done(REMOTE, CHAT, 0))
        assert found == list(range(1, MANY + 1))


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    scope = Scope(REMOTE, CHAT, filters="video")
    with DoneMarks(tmp_path / "marks") as marks:
        marks.write(mark_of(7))
        marks.save_watermark(scope, 6)
        marks.record_failure(REMOTE, failure_of(9, for_good=True))
    with DoneMarks(tmp_path / "marks") as marks:
        assert marks.is_done(REMOTE, MessageKey(CHAT, 0, 7))
        assert marks.watermark(scope) == 6
        assert marks.failures(REMOTE, CHAT, 0) == [failure_of(9, for_good=True)]
        assert list(marks.all_done(REMOTE, CHAT, 0)) == [FileNumber(7)]


def test_a_mark_says_where_the_file_is_and_when_it_got_there(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as marks:
        marks.write(mark_of(7))
    (key, value), (file_key, message_id) = raw_rows(tmp_path).items()
    assert json.loads(key) == ["done", REMOTE, CHAT, 0, 7]
    record = json.loads(str(value))
    assert datetime.fromisoformat(record.pop("when")).tzinfo is not None
    assert record == {
        "remote": REMOTE,
        "folder": "Folder",
        "name": "7_a",
        "size_bytes": 5,
        "file": ["document", 7],
    }
    assert json.loads(file_key) == ["file", REMOTE, CHAT, 0, "document", 7, 5]
    assert message_id == "7"


def test_a_mark_keeps_the_hash_of_what_was_handed_off(tmp_path: Path) -> None:
    hashed = replace(mark_of(8), file=replace(mark_of(8).file, sha256="ab" * 32))
    with DoneMarks(tmp_path) as marks:
        marks.write(mark_of(7))
        marks.write(hashed)
    with DoneMarks(tmp_path) as marks:
        keys = [MessageKey(CHAT, 0, number) for number in (7, 8, 9)]
        assert [marks.marked(REMOTE, key) for key in keys] == [
            MarkedFile("Folder", "7_a", 5, None, FileIdentity(LocationKind.DOCUMENT, 7, 5)),
            MarkedFile("Folder", "8_a", 5, "ab" * 32, FileIdentity(LocationKind.DOCUMENT, 8, 5)),
            None,
        ]


def test_a_file_is_found_by_a_message_that_still_has_its_mark_and_still_has_that_file(
    tmp_path: Path,
) -> None:
    file = FileIdentity(LocationKind.DOCUMENT, 7, 5)
    with DoneMarks(tmp_path) as marks:
        marks.write(mark_of(7))
        assert marks.file_with(REMOTE, CHAT, 0, file) == FileNumber(7)
        marks.replace_mark(REMOTE, failure_of(7))
        assert marks.file_with(REMOTE, CHAT, 0, file) is None
        # It was edited in the meantime, and is moved with its new file.
        edited = replace(mark_of(7).file, identity=replace(file, file_id=70))
        marks.write(replace(mark_of(7), file=edited))
        assert marks.file_with(REMOTE, CHAT, 0, file) is None
        assert marks.file_with(REMOTE, CHAT, 0, replace(file, file_id=70)) == FileNumber(7)


def test_marks_of_before_that_do_not_say_which_file_they_are_go_on_counting(
    tmp_path: Path,
) -> None:
    with DoneMarks(tmp_path) as marks:
        marks.write(mark_of(7))
    with contextlib.closing(sqlite3.connect(tmp_path / "cache.db")) as database, database:
        database.execute("DELETE FROM Cache WHERE key LIKE '%file%'")
        database.execute("""UPDATE Cache SET value = json_remove(value, '$.file')""")
    with DoneMarks(tmp_path) as marks:
        key = MessageKey(CHAT, 0, 7)
        assert marks.is_done(REMOTE, key)
        assert marks.marked(REMOTE, key) == MarkedFile("Folder", "7_a", 5, None, None)
        assert marks.ids_of_unknown_files(REMOTE, CHAT, 0) == [7]
        marks.learn_file(REMOTE, mark_of(7).file.item)
        assert marks.file_with(REMOTE, CHAT, 0, mark_of(7).file.item.identity) == FileNumber(7)


def test_a_mark_that_is_replaced_by_a_failure_is_gone_and_the_failure_is_there(
    tmp_path: Path,
) -> None:
    with DoneMarks(tmp_path) as marks:
        marks.write(mark_of(7))
        marks.replace_mark(REMOTE, failure_of(7))
        assert marks.failures(REMOTE, CHAT, 0) == [failure_of(7)]
    with DoneMarks(tmp_path) as marks:
        assert not marks.is_done(REMOTE, MessageKey(CHAT, 0, 7))
        assert marks.failures(REMOTE, CHAT, 0) == [failure_of(7)]


def test_a_mark_counts_for_its_remote_chat_topic_and_message_alone(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as marks:
        marks.write(mark_of(7, topic_id=3))
        marks.write(mark_of(11, remote="gdrive:other"))
        marks.write(mark_of(8))
        assert not marks.is_done(REMOTE, MessageKey(CHAT, 0, 7))
        assert not marks.is_done(REMOTE, MessageKey(CHAT + 1, 3, 7))
        assert not marks.is_done("gdrive:other", MessageKey(CHAT, 3, 7))
        assert set(marks.all_done(REMOTE, CHAT, 3)) == {FileNumber(7)}
        assert set(marks.all_done(REMOTE, CHAT, 0)) == {FileNumber(8)}


def test_another_scope_never_inherits_a_watermark(tmp_path: Path) -> None:
    scope = Scope(REMOTE, CHAT, 0, "type=video", 5)
    others = [
        Scope("gdrive:other", CHAT, 0, "type=video", 5),
        Scope(REMOTE, CHAT + 1, 0, "type=video", 5),
        Scope(REMOTE, CHAT, 1, "type=video", 5),
        Scope(REMOTE, CHAT, 0, "type=photo", 5),
        Scope(REMOTE, CHAT, 0, "type=video", 0),
    ]
    with DoneMarks(tmp_path) as marks:
        marks.save_watermark(scope, 99)
        assert [marks.watermark(other) for other in others] == [0] * 5


def test_attempts_add_up_and_a_success_forgets_the_failure(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as marks:
        marks.record_failure(REMOTE, failure_of(7, attempts=3))
        assert marks.record_failure(REMOTE, failure_of(7, attempts=3)).attempts == 6
        marks.record_failure(REMOTE, failure_of(8))
        marks.record_failure(REMOTE, failure_of(9))
        marks.write(mark_of(7))
        marks.forget_failure(REMOTE, MessageKey(CHAT, 0, 8))
        assert marks.failures(REMOTE, CHAT, 0) == [failure_of(9)]
    with DoneMarks(tmp_path) as marks:
        assert marks.failures(REMOTE, CHAT, 0) == [failure_of(9)]


def test_hostile_remote_names_keep_their_marks_apart(tmp_path: Path) -> None:
    remotes = ['r:a","b', "r:a", "r:\udce9", "r:" + "x" * 40_000, "r:\x00\n"]
    with DoneMarks(tmp_path) as marks:
        for message_id, remote in enumerate(remotes, start=1):
            marks.write(mark_of(message_id, remote=remote))
        found = [
            {each.message_id for each in marks.all_done(remote, CHAT, 0)} for remote in remotes
        ]
    assert found == [{1}, {2}, {3}, {4}, {5}]
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} <= {".db"}


def test_several_threads_write_at_once(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as marks:

        def write_from(first: int) -> None:
            for message_id in range(first, first + 25):
                marks.write(mark_of(message_id))

        threads = [
            threading.Thread(target=write_from, args=(first,)) for first in (100, 200, 300, 400)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(list(marks.all_done(REMOTE, CHAT, 0))) == 100


WRITE_FOREVER = """
import sys
from pathlib import Path
from tests.unit.state.test_done_marks import REMOTE, failure_of, mark_of
from tdl_sync.state.done_marks import DoneMarks

marks = DoneMarks(Path(sys.argv[1]))
for message_id in range(1, 1_000_000):
    marks.record_failure(REMOTE, failure_of(message_id))
    marks.write(mark_of(message_id))
    print(message_id, flush=True)
"""


def test_a_mark_outlives_kill_9_right_after_write_returned(tmp_path: Path) -> None:
    for last_heard in (1, 17, 40):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE_FOREVER, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= last_heard:
                break
        process.kill()
        process.wait()
        process.stdout.close()
        with DoneMarks(tmp_path) as marks:
            done = {each.message_id for each in marks.all_done(REMOTE, CHAT, 0)}
            failed = {failure.key.message_id for failure in marks.failures(REMOTE, CHAT, 0)}
            assert done >= set(range(1, last_heard + 1))
            # The two records of one write went together: none is done and failed.
            assert not done & failed


def test_every_thread_writes_with_a_sync_for_each_transaction(tmp_path: Path) -> None:
    """``synchronous=FULL`` is 2; with less, WAL mode syncs only now and then."""
    with DoneMarks(tmp_path) as marks:

        def settings() -> tuple[object, object]:
            marks.write(mark_of(threading.get_ident()))
            connection = (
                marks._database._cache._con
            )  # what SQLite itself says of the open connection
            return (
                connection.execute("PRAGMA synchronous").fetchone()[0],
                connection.execute("PRAGMA journal_mode").fetchone()[0],
            )

        assert settings() == (2, "wal")
        assert finished(settings) == (2, "wal")


def test_no_mark_gives_way_to_newer_ones_however_many_there_are(tmp_path: Path) -> None:
    """diskcache would drop the oldest above a size; here that size is less than one mark."""
    with diskcache.Cache(str(tmp_path), disk=TextDisk, size_limit=1):
        pass
    with DoneMarks(tmp_path) as marks:
        marks.record_failure(REMOTE, failure_of(1000))
        for message_id in range(1, 101):
            marks.write(mark_of(message_id))
        assert marks._database._cache.size_limit == 1
        assert len(list(marks.all_done(REMOTE, CHAT, 0))) == 100
    with DoneMarks(tmp_path) as marks:
        assert len(list(marks.all_done(REMOTE, CHAT, 0))) == 100
        assert marks.failures(REMOTE, CHAT, 0) == [failure_of(1000)]


@posix_only
def test_only_the_owner_may_look_inside_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        with DoneMarks(tmp_path / "marks") as marks:
            marks.write(mark_of(1))
            modes = {
                path.name: stat.S_IMODE(path.stat().st_mode)
                for path in (tmp_path / "marks").iterdir()
            }
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "marks").stat().st_mode) == 0o700
    assert set(modes) == {"cache.db", "cache.db-wal", "cache.db-shm"}
    assert set(modes.values()) == {0o600}


def test_a_damaged_database_is_named_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(ConfigurationError) as caught:
        DoneMarks(tmp_path)
    assert str(caught.value) == (
        f"the done-marks in {tmp_path} are damaged: file is not a database. Remove that directory "
        "and run again: what is done is found again in the remote's listing"
    )


class RunsWhenUnpickled:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('a pickle ran')",)


def test_a_pickle_that_somebody_put_into_the_database_never_runs(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as marks:
        marks.record_failure(REMOTE, failure_of(1))
    with sqlite3.connect(tmp_path / "cache.db") as connection:
        connection.execute(
            "UPDATE Cache SET mode = 4, value = ?", (pickle.dumps(RunsWhenUnpickled()),)
        )
    with pytest.raises(ConfigurationError, match="a record should be text and is bytes"):
        DoneMarks(tmp_path)


def test_a_path_that_is_no_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot be opened: .*--data-dir"):
        DoneMarks(tmp_path / "file")


@posix_only
def test_a_write_that_failed_wrote_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    import resource

    with DoneMarks(tmp_path) as marks:
        marks.record_failure(REMOTE, failure_of(2))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        wal_bytes = (tmp_path / "cache.db-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal_bytes + 100, limits[1]))
        try:
            with pytest.raises(ConfigurationError, match="cannot be read or written"):
                marks.write(mark_of(2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, previous)
        assert not marks.is_done(REMOTE, MessageKey(CHAT, 0, 2))
        assert marks.failures(REMOTE, CHAT, 0) == [failure_of(2)]
        marks.write(mark_of(2))
        assert marks.is_done(REMOTE, MessageKey(CHAT, 0, 2))


def test_a_mark_and_the_end_of_its_failure_are_written_both_or_neither(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as marks:
        marks.record_failure(REMOTE, failure_of(3))
        with sqlite3.connect(tmp_path / "cache.db") as connection:
            connection.execute(
                "CREATE TRIGGER no_delete BEFORE DELETE ON Cache "
                "BEGIN SELECT RAISE(ABORT, 'kept'); END"
            )
        with pytest.raises(ConfigurationError, match="kept"):
            marks.write(mark_of(3))
        assert not marks.is_done(REMOTE, MessageKey(CHAT, 0, 3))
        assert marks.failures(REMOTE, CHAT, 0) == [failure_of(3)]


@contextlib.contextmanager
def refusing_commits(directory: Path) -> Iterator[None]:
    """SQLite takes each change, and refuses the commit, which leaves the transaction open."""
    with contextlib.closing(sqlite3.connect(directory / "cache.db")) as database, database:
        for change in ("INSERT", "UPDATE", "DELETE"):
            database.execute(
                f"CREATE TRIGGER no_{change} AFTER {change} ON Cache "
                "BEGIN INSERT INTO Child VALUES (1); END"
            )
    yield
    with contextlib.closing(sqlite3.connect(directory / "cache.db")) as database, database:
        for change in ("INSERT", "UPDATE", "DELETE"):
            database.execute(f"DROP TRIGGER no_{change}")


WRITES: dict[str, Callable[[DoneMarks], object]] = {
    "write": lambda marks: marks.write(mark_of(3), moved_in=Scope(REMOTE, CHAT)),
    "learn_moved": lambda marks: marks.learn_moved(Scope(REMOTE, CHAT), Moved(3, 3)),
    "replace_mark": lambda marks: marks.replace_mark(REMOTE, failure_of(2, attempts=5)),
    "record_failure": lambda marks: marks.record_failure(REMOTE, failure_of(3)),
    "forget_failure": lambda marks: marks.forget_failure(REMOTE, MessageKey(CHAT, 0, 3)),
    "save_watermark": lambda marks: marks.save_watermark(Scope(REMOTE, CHAT), 3),
}


@pytest.mark.parametrize("name", WRITES)
def test_what_could_not_be_made_durable_is_not_told_of_and_is_no_hindrance_to_the_next_write(
    name: str, tmp_path: Path
) -> None:
    def told(marks: DoneMarks) -> list[object]:
        return [
            sorted(each.message_id for each in marks.all_done(REMOTE, CHAT, 0)),
            marks.failures(REMOTE, CHAT, 0),
            marks.watermark(Scope(REMOTE, CHAT)),
            marks.moved(Scope(REMOTE, CHAT)),
        ]

    with DoneMarks(tmp_path) as marks:
        marks.write(mark_of(2))
        marks.record_failure(REMOTE, failure_of(3))
    with contextlib.closing(sqlite3.connect(tmp_path / "cache.db")) as database, database:
        database.execute("INSERT INTO Settings VALUES ('sqlite_foreign_keys', 1)")
        database.execute("CREATE TABLE Parent (id INTEGER PRIMARY KEY)")
        database.execute(
            "CREATE TABLE Child (id REFERENCES Parent (id) DEFERRABLE INITIALLY DEFERRED)"
        )
    with DoneMarks(tmp_path) as marks:
        before = told(marks)
        with refusing_commits(tmp_path):
            with pytest.raises(ConfigurationError, match="FOREIGN KEY"):
                WRITES[name](marks)
            assert told(marks) == before
        with DoneMarks(tmp_path) as reader:
            assert told(reader) == before
        WRITES[name](marks)
        after = told(marks)
        assert after != before
    with DoneMarks(tmp_path) as marks:
        assert told(marks) == after


def test_an_open_database_of_a_running_process_can_be_opened_by_another(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as writer, DoneMarks(tmp_path) as reader:
        writer.write(mark_of(5))
        assert reader.is_done(REMOTE, MessageKey(CHAT, 0, 5))
