"""Versions up to 0.1.0 know one file of a message. What they read of the records that later ones
write of further files is nothing at all, under the names and patterns that stand in this file as
those versions have them.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import DoneMark, MediaItem, RemoteFile, Waiting
from tdl_sync.core.naming import file_name
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.mark_database import MarkDatabase
from tdl_sync.state.mark_records import file_key
from tdl_sync.state.state_message import decode, encode, json_in
from tdl_sync.transfer.disk.part_journal import Attempt, PartialFiles
from tdl_sync.transfer.disk.staging import Staging
from tdl_sync.transfer.sidecar import sidecar_name
from tests.fakes.chat import CHAT_ID, further_of, item_of
from tests.kept.values_states import FULL

REMOTE = "gdrive:tdl-sync"

GROUP = f'"{REMOTE}",{CHAT_ID},0,'
PREFIXES_OF_0_1_0 = (f'["done",{GROUP}', '["failed",', '["watermark",', '["files known",')
NAME_OF_0_1_0 = re.compile(r"([1-9][0-9]{0,18})_")
STAGED_OF_0_1_0 = re.compile(r"m(-?\d+)_(\d+)_(\d+)\.(part|staged)")
SIDECAR_OF_0_1_0 = re.compile(r"([1-9][0-9]{0,18})\.json")
KEYS_OF_0_1_0 = frozenset(
    "version scope channel_id channel_name last_message_id total_downloaded total_uploaded "
    "total_size_gb timestamp status remote folder started done_above failed failures lower_bound "
    "upload_rate run_bytes run_seconds run".split()
)

FIRST_FILE = item_of(7, 10)
SECOND_FILE = further_of(FIRST_FILE, 2)


def mark_of(item: MediaItem) -> DoneMark:
    file = RemoteFile(item, "A channel", file_name(item), identity=item.identity)
    return DoneMark(REMOTE, file)


def keys_that_0_1_0_reads(directory: Path) -> set[str]:
    database = MarkDatabase(directory)
    keys = {key for prefix in PREFIXES_OF_0_1_0 for key in database.keys(prefix)}
    # Of a file it looks for one key, which says the first message that holds it.
    keys |= {key for key in database.keys('["file",') if key == file_of(SECOND_FILE)}
    database.close()
    return keys


def file_of(item: MediaItem) -> str:
    return file_key(REMOTE, CHAT_ID, 0, item.identity)


def test_marks_failures_and_what_waits_are_no_records_to_it(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as marks:
        marks.write(mark_of(FIRST_FILE))
    before = keys_that_0_1_0_reads(tmp_path)
    failure = Failure(replace(SECOND_FILE.key, index=3), "wrong size", "…", 1, for_good=False)
    waiting = Waiting(9, locked=True, seen_by="229.1")
    with DoneMarks(tmp_path) as marks:
        marks.write(mark_of(SECOND_FILE))
        marks.record_failure(REMOTE, failure)
        marks.wait_for(REMOTE, CHAT_ID, 0, [waiting])
    assert keys_that_0_1_0_reads(tmp_path) == before
    with DoneMarks(tmp_path) as marks:
        assert marks.is_done(REMOTE, SECOND_FILE.key)
        assert marks.failures(REMOTE, CHAT_ID, 0) == [failure]
        assert marks.waiting(REMOTE, CHAT_ID, 0) == [waiting]
        found = marks.file_with(REMOTE, CHAT_ID, 0, SECOND_FILE.identity)
        assert found == SECOND_FILE.key.number


def test_a_mark_of_before_is_one_of_the_first_file_alone(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as marks:
        marks.write(mark_of(FIRST_FILE))
        assert marks.is_done(REMOTE, FIRST_FILE.key)
        assert not marks.is_done(REMOTE, SECOND_FILE.key)


def test_what_lies_staged_and_on_the_remote_has_no_name_that_it_takes_for_its_own(
    tmp_path: Path,
) -> None:
    staging = Staging.open(tmp_path / "staging", 10**9)
    try:
        partials = PartialFiles(staging, tmp_path / "partial")
        staged = staging.staged_path(SECOND_FILE.key)
        staged.write_bytes(bytes(10))
        partials.begin_attempt(SECOND_FILE, Attempt("7.2_b.bin", "ab" * 32))
        assert STAGED_OF_0_1_0.fullmatch(staged.name) is None
        assert STAGED_OF_0_1_0.fullmatch(staging.staged_path(FIRST_FILE.key).name)
        # The journal names the staged file, so it stays as long as that does.
        (journal,) = (tmp_path / "partial").iterdir()
        first_line = json.loads(journal.read_bytes().partition(b"\n")[0])
        assert Path(first_line["partial_file"]).with_suffix(".staged") == staged.absolute()
        assert first_line["message"] == [CHAT_ID, 0, 7, 2]
        assert PartialFiles(staging, tmp_path / "partial").attempt(SECOND_FILE) is not None
    finally:
        staging.close()
    assert NAME_OF_0_1_0.match(file_name(SECOND_FILE)) is None
    assert NAME_OF_0_1_0.match(file_name(FIRST_FILE))
    assert SIDECAR_OF_0_1_0.fullmatch(sidecar_name(SECOND_FILE.number)) is None


def test_of_a_state_message_it_reads_the_failed_messages_and_leaves_out_what_is_new() -> None:
    plain = encode(FULL)
    assert set(json.loads(json_in(plain))) == KEYS_OF_0_1_0
    failed_id = FULL.failed_ids[0]
    number = replace(SECOND_FILE.number, message_id=failed_id)
    state = replace(FULL, failed_files=(number,), waiting_ids=(3,))
    record = json.loads(json_in(encode(state)))
    assert record.keys() - KEYS_OF_0_1_0 == {"failed_files", "waiting"}
    old = json.loads(json_in(plain))
    assert {key: record[key] for key in KEYS_OF_0_1_0} == old
    read = decode(plain)
    assert (read.failed_files, list(read.waiting_ids)) == ((), [])
