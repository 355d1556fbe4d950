"""What has come to records and states since the last version that was released: kept as it is
written today, so that a later version reads it, and whoever changes it has to say so here.

A released version looks for none of the new records and leaves out the keys that it does not know:
what it makes of the rest is what it made of it before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tdl_sync.core.balance import Balance, Shortfall
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    READER,
    AdoptedFile,
    DoneMark,
    FileNumber,
    FormerFile,
    ListedFile,
    MarkedFile,
    MediaType,
    Moved,
    Reading,
    RemoteFile,
    Scope,
    Waiting,
)
from tdl_sync.core.shards import Shard
from tdl_sync.state.claims import claim_text, decode_claim
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.mark_database import MarkDatabase
from tdl_sync.state.mark_records import read_mark
from tdl_sync.state.run_state import RunStatus
from tdl_sync.state.state_message import decode, encode, json_in
from tdl_sync.transfer.adopted import Adoption, read_record, read_records, record_text
from tests.fakes.chat import CHAT_ID, further_of, item_of
from tests.kept.places import HERE
from tests.kept.test_further_files import KEYS_OF_0_1_0, PREFIXES_OF_0_1_0
from tests.kept.test_marks import rows
from tests.kept.values_states import FULL, RUN, SUBJECT

REMOTE = "gdrive:tdl-sync"
FOLDER = f"A channel [{CHAT_ID}]"
HASH = "ab" * 32
SCOPE = Scope(REMOTE, CHAT_ID)
SEEN = {MediaType.VIDEO: 3, MediaType.PHOTO: 1}

FIRST, SECOND = item_of(7, 10), further_of(item_of(7, 10), 2)
NEW = replace(FIRST, location=replace(FIRST.location, file_id=70))
OLD_FILE = MarkedFile(FOLDER, "7_a.bin", 10, HASH, FIRST.identity)
STAYS = FormerFile(FIRST.key, OLD_FILE, gives_way=False)
GOES = FormerFile(SECOND.key, replace(OLD_FILE, name="7.2_b.bin", sha256=None), gives_way=True)
FAILED = Failure(replace(SECOND.key, index=3), "wrong size", "…", 2, for_good=False)
ADOPTED = item_of(11, 5)
ADOPTED_FILE = AdoptedFile(ADOPTED.number, "box:old", "tdl/1_11_a.bin", 5, HASH, ADOPTED.identity)
WAITS = [Waiting(8, locked=True, seen_by="229.2"), Waiting(9, locked=False, seen_by="229.2")]

STATE = replace(
    FULL,
    failed_files=(FileNumber(12, 2), FileNumber(12, 3)),
    waiting_ids=(15, 16, 90),
    reader=READER,
    seen=SEEN,
    balance=Balance((Shortfall(MediaType.VIDEO, 5, 3),), (MediaType.VOICE,)),
)


WITH_ADOPTED = replace(STATE, adopted=Moved(4, 38_500))
CUT_SHORT = replace(STATE, status=RunStatus.STOPPED, cut_short=True)
ADOPTIONS = [Adoption(ADOPTED.number, ADOPTED_FILE, 1), Adoption(FileNumber(12, 2), None, 3)]

PART_SCOPE = replace(SCOPE, shard=Shard(2, 4))
PART = replace(STATE, shard=Shard(2, 4), whole_scope_key="00112233aabbccdd")
PART_SUBJECT = replace(SUBJECT, shard=Shard(2, 4))


def mark_of(file: RemoteFile) -> DoneMark:
    return DoneMark(REMOTE, file)


def write_all(marks: DoneMarks) -> None:
    new = RemoteFile(NEW, FOLDER, "7_a 2024.bin", sha256=HASH, identity=NEW.identity)
    marks.write(mark_of(new), SCOPE, STAYS)
    marks.note_copies(REMOTE, NEW.key)
    second = RemoteFile(SECOND, FOLDER, "7.2_c.bin", identity=SECOND.identity)
    marks.write(mark_of(second), SCOPE, GOES)
    marks.write_all([mark_of(RemoteFile.adopted(ADOPTED, ADOPTED_FILE))])
    marks.record_failure(REMOTE, FAILED)
    marks.wait_for(REMOTE, CHAT_ID, 0, WAITS)
    marks.save_watermark(SCOPE, 40, SEEN)
    marks.save_watermark(PART_SCOPE, 1040, SEEN)


def kept_rows() -> dict[str, str]:
    found: dict[str, str] = json.loads((HERE / "unreleased" / "marks.json").read_text("utf-8"))
    return found


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[DoneMarks]:
    """The kept records, opened."""
    database = MarkDatabase(tmp_path / "kept")
    with database.transaction() as cache:
        for key, text in kept_rows().items():
            cache.set(key, text)
    database.close()
    with DoneMarks(tmp_path / "kept") as marks:
        yield marks


def test_the_new_records_are_written_as_they_are_kept(tmp_path: Path) -> None:
    with DoneMarks(tmp_path) as marks:
        write_all(marks)
    written = {key: without_time(text) for key, text in rows(tmp_path).items()}
    assert written == {key: without_time(text) for key, text in kept_rows().items()}


def without_time(text: str) -> object:
    record = json.loads(text)
    if isinstance(record, dict):
        record.pop("when", None)
    return record


def test_the_kept_records_say_what_they_said(kept: DoneMarks) -> None:
    marked = kept.marked(REMOTE, NEW.key)
    assert marked == MarkedFile(FOLDER, "7_a 2024.bin", 10, HASH, NEW.identity, has_copies=True)
    assert kept.is_done(REMOTE, SECOND.key)
    adopted = kept.marked(REMOTE, ADOPTED.key)
    assert adopted is not None
    assert (adopted.adopted_from, adopted.adopted_path) == ("box:old", "tdl/1_11_a.bin")
    assert (adopted.sha256, adopted.identity) == (HASH, ADOPTED.identity)
    assert kept.former_files(REMOTE, CHAT_ID, 0) in ([STAYS, GOES], [GOES, STAYS])
    assert kept.failures(REMOTE, CHAT_ID, 0) == [FAILED]
    assert kept.waiting(REMOTE, CHAT_ID, 0) == WAITS
    assert kept.moved(SCOPE) == Moved(2, 20)
    assert kept.reading(SCOPE) == Reading(40, READER, SEEN)
    assert kept.file_with(REMOTE, CHAT_ID, 0, SECOND.identity) == SECOND.number
    assert kept.reading(PART_SCOPE) == Reading(1040, READER, SEEN)


def test_what_is_written_where_the_file_of_before_lay_ends_its_record_for_good(
    kept: DoneMarks, tmp_path: Path
) -> None:
    kept.write(mark_of(RemoteFile(FIRST, FOLDER, "7_a.bin", sha256=HASH, identity=FIRST.identity)))
    with DoneMarks(tmp_path / "kept") as again:
        assert again.former_files(REMOTE, CHAT_ID, 0) == [GOES]


def test_the_released_version_reads_of_them_the_mark_alone_as_it_always_did() -> None:
    group = f'["done","{REMOTE}",{CHAT_ID},0,'
    prefixes = (group, *PREFIXES_OF_0_1_0[1:], '["file",')
    read = {key: text for key, text in kept_rows().items() if key.startswith(prefixes)}
    file = f'["file","{REMOTE}",{CHAT_ID},0,"document",70,10]'
    of_adopted = f'["file","{REMOTE}",{CHAT_ID},0,"document",11,5]'
    watermark = f'["watermark","{REMOTE}",{CHAT_ID},0,"",0]'
    of_a_part = f'["watermark","{REMOTE}",{CHAT_ID},0,"",0,"2/4"]'  # which it never asks for
    assert read.keys() == {f"{group}7]", f"{group}11]", file, of_adopted, watermark, of_a_part}
    adopted = json.loads(read[f"{group}11]"])
    # Its folder is none below the remote: whatever it would remove there, it finds nothing.
    assert (adopted.pop("adopted_from"), adopted["folder"]) == ("box:old", "box:old/tdl")
    assert adopted.keys() == {"remote", "folder", "name", "size_bytes", "when", "sha256", "file"}
    record = json.loads(read[f"{group}7]"])
    assert record.pop("has_copies") is True  # it leaves out what it does not know, and keeps it not
    assert record.keys() == {"remote", "folder", "name", "size_bytes", "when", "sha256", "file"}
    assert not read_mark(json.dumps(record)).has_copies


def test_a_state_with_all_the_new_keys_is_written_and_read_as_it_is_kept() -> None:
    text = (HERE / "unreleased" / "state.txt").read_text("utf-8")
    assert encode(STATE) == text
    assert decode(text) == STATE


def test_a_state_with_what_was_adopted_is_written_and_read_as_it_is_kept() -> None:
    """A version that does not know that key leaves it out."""
    text = (HERE / "unreleased" / "state-with-adopted.txt").read_text("utf-8")
    assert encode(WITH_ADOPTED) == text
    assert decode(text) == WITH_ADOPTED
    record = json.loads(json_in(text))
    assert record.keys() - json.loads(json_in(encode(STATE))).keys() == {"adopted"}


def test_a_state_of_a_run_that_was_cut_short_is_written_and_read_as_it_is_kept() -> None:
    """A version that does not know that key takes it for one that ended by itself, as it did."""
    text = (HERE / "unreleased" / "state-cut-short.txt").read_text("utf-8")
    assert encode(CUT_SHORT) == text
    assert decode(text) == CUT_SHORT
    record = json.loads(json_in(text))
    assert record.keys() - json.loads(json_in(encode(STATE))).keys() == {"cut_short"}


def test_the_records_of_what_was_adopted_are_written_and_read_as_they_are_kept() -> None:
    """The first ones had no revision, and one name for all accounts."""
    text = (HERE / "unreleased" / "adopted-2f9ff3b5-0a1b2c3d.jsonl").read_bytes()
    assert record_text(ADOPTIONS) == text
    first = (HERE / "unreleased" / "adopted.jsonl").read_bytes()
    assert read_record(first, "adopted.jsonl") == [replace(ADOPTIONS[0], revision=0)]
    texts = {"adopted.jsonl": first, "adopted-2f9ff3b5-0a1b2c3d.jsonl": text}
    record = read_records([ListedFile(name, 1) for name in texts], texts.get)
    assert list(record.by_number.values()) == ADOPTIONS
    assert record.files == [ADOPTED_FILE]


def test_the_released_version_reads_of_that_state_what_it_knows() -> None:
    """Of its ``failed`` and ``last_message_id``, too, which say all that it has to try again."""
    text = (HERE / "unreleased" / "state.txt").read_text("utf-8")
    record = json.loads(json_in(text))
    new = {"failed_files", "waiting", "reader", "seen", "balance"}
    assert record.keys() - KEYS_OF_0_1_0 == new
    assert record["version"] == 1
    old = {key: value for key, value in record.items() if key in KEYS_OF_0_1_0}
    assert old == json.loads(json_in(encode(FULL)))


def test_the_state_and_the_claim_of_a_part_are_written_and_read_as_they_are_kept() -> None:
    text = (HERE / "unreleased" / "state-of-a-part.txt").read_text("utf-8")
    assert encode(PART) == text
    assert decode(text) == PART
    claim = (HERE / "unreleased" / "claim-of-a-part.txt").read_text("utf-8")
    assert claim_text(PART_SUBJECT, RUN) == claim
    assert decode_claim(claim) == (SUBJECT.key, RUN, Shard(2, 4))


def test_the_released_version_reads_of_them_that_the_whole_chat_is_held() -> None:
    """A state of a running run names the chat and the remote, a claim the chat: that is what it
    goes by. The scope of the state is none of its own, so it never goes on from there."""
    text = (HERE / "unreleased" / "state-of-a-part.txt").read_text("utf-8")
    record = json.loads(json_in(text))
    assert record.keys() - json.loads(json_in(encode(STATE))).keys() == {"shard", "whole_scope"}
    claim = json.loads(json_in((HERE / "unreleased" / "claim-of-a-part.txt").read_text("utf-8")))
    assert claim.pop("shard") == "2/4"
    assert claim == json.loads(json_in(claim_text(SUBJECT, RUN)))
