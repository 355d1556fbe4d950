"""What ``verify --repair`` records, and what the next run makes of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tdl_sync.commands.verify_comparison import Comparison, Findings
from tdl_sync.commands.verify_repair import MISSING, recorded, save_state
from tdl_sync.core.errors import DownloadFailed, HandOffFailed
from tdl_sync.core.failures import NOT_RIGHT, OTHER_CONTENT, WRONG_SIZE, Failure, reasons_for_others
from tdl_sync.core.model import (
    Chat,
    ChatKind,
    DoneMark,
    FileNumber,
    ListedFile,
    MediaItem,
    RemoteFile,
)
from tdl_sync.core.naming import path_of
from tdl_sync.run.resume import failed_elsewhere
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.mark_records import read_failure
from tdl_sync.state.state_message import OTHER_REASONS
from tdl_sync.state.state_store import LoadedState
from tdl_sync.transfer.job import Job
from tdl_sync.transfer.known import Done, DoneByListing, KnownFiles
from tests.fakes.chat import CHAT_ID, item_of
from tests.fakes.saved_messages import FakeSavedMessages
from tests.unit.state.test_state_message import PLAIN

REMOTE = "gdrive:tdl-sync"
FOLDER = f"A channel [{CHAT_ID}]"
HASH, OTHER_HASH = "ab" * 32, "cd" * 32


@pytest.fixture
def marks(tmp_path: Path) -> Iterator[DoneMarks]:
    with DoneMarks(tmp_path) as opened:
        yield opened


def mark_done(marks: DoneMarks, *items: MediaItem) -> None:
    for item in items:
        listed = ListedFile(f"{item.message_id}_a.bin", item.size_bytes)
        file = replace(RemoteFile.listed(item, FOLDER, listed), sha256=HASH)
        marks.write(DoneMark(REMOTE, file))


def found(marks: DoneMarks, items: list[MediaItem], listing: list[ListedFile]) -> Findings:
    failures = {each.key: each for each in marks.failures(REMOTE, CHAT_ID, 0)}
    comparison = Comparison(listing, FOLDER, lambda key: marks.marked(REMOTE, key), failures)
    for item in items:
        comparison.take(item)
    return comparison.findings()


@dataclass(frozen=True)
class Knowing:
    """What the next run knows, and the mark that it writes of what the listing alone shows."""

    files: KnownFiles
    marks: DoneMarks

    def is_done(self, item: MediaItem) -> bool:
        known = self.files.of(item)
        if isinstance(known, DoneByListing):
            self.marks.write(DoneMark(REMOTE, known.file))
        return isinstance(known, Done)

    def path_before(self, item: MediaItem) -> str | None:
        return self.files.path_before(item)


def knowing(marks: DoneMarks, *listing: ListedFile) -> Knowing:
    on_remote: defaultdict[FileNumber, list[ListedFile]] = defaultdict(list)
    for file in listing:
        on_remote[FileNumber(int(file.name.partition("_")[0]))].append(file)
    failures = marks.failures(REMOTE, CHAT_ID, 0)
    chat = Chat(CHAT_ID, "A channel", ChatKind.CHANNEL)
    job = Job(chat, REMOTE, FOLDER, 0, 0, (), on_remote, retry_failed_for_good=False)
    return Knowing(KnownFiles(marks, job, failures), marks)


def reasons(marks: DoneMarks) -> dict[int, str]:
    return {each.key.message_id: each.reason for each in marks.failures(REMOTE, CHAT_ID, 0)}


def test_what_was_marked_or_passed_is_recorded_and_what_no_run_came_to_is_not(
    marks: DoneMarks,
) -> None:
    items = [item_of(number, 10) for number in (1, 2, 3, 4)]
    mark_done(marks, items[0], items[3])
    known = Failure(items[1].key, "larger than the disk budget", "…", 3, for_good=True)
    marks.record_failure(REMOTE, known)
    again = recorded(found(marks, items, []), marks, REMOTE, passed_id=2)
    assert [each.key.message_id for each in again] == [1, 4]
    assert reasons(marks) == {1: MISSING, 2: known.reason, 4: MISSING}
    assert not marks.is_done(REMOTE, items[0].key)
    assert [each.for_good for each in again] == [False, False]
    assert [
        each.key.message_id for each in recorded(found(marks, items, []), marks, REMOTE, 3)
    ] == [3]
    assert recorded(found(marks, items, []), marks, REMOTE, passed_id=100) == ()


def test_a_wrong_file_that_is_certainly_ours_is_overwritten_where_it_lies(
    marks: DoneMarks,
) -> None:
    item = item_of(7, 10)
    mark_done(marks, item)
    cut = ListedFile("7_a.bin", 4)
    recorded(found(marks, [item], [cut]), marks, REMOTE, passed_id=0)
    assert reasons(marks) == {7: WRONG_SIZE}
    after = knowing(marks, cut)
    assert not after.is_done(item)
    assert after.path_before(item) == path_of(cut)


def test_other_content_of_the_right_size_is_no_proof_that_the_file_is_there(
    marks: DoneMarks,
) -> None:
    item = item_of(7, 10)
    mark_done(marks, item)
    other = ListedFile("7_a.bin", 10, sha256=OTHER_HASH)
    recorded(found(marks, [item], [other]), marks, REMOTE, passed_id=0)
    assert reasons(marks) == {7: OTHER_CONTENT}
    after = knowing(marks, replace(other, sha256=None))
    assert not after.is_done(item)
    assert after.path_before(item) == path_of(other)


@pytest.mark.parametrize("size_bytes", [4, 10])
def test_a_file_that_may_be_the_users_own_is_not_overwritten(
    marks: DoneMarks, size_bytes: int
) -> None:
    item = item_of(2024, 10)
    mark_done(marks, item)
    users = ListedFile("2024_taxes.pdf", size_bytes, sha256=OTHER_HASH)
    recorded(found(marks, [item], [users]), marks, REMOTE, passed_id=0)
    assert reasons(marks) == {2024: NOT_RIGHT}
    after = knowing(marks, users)
    assert not after.is_done(item)
    assert after.path_before(item) is None


def test_without_a_repair_the_listing_proves_and_nothing_is_overwritten(marks: DoneMarks) -> None:
    item, cut = item_of(7, 10), item_of(8, 10)
    of_run = knowing(marks, ListedFile("7_a.bin", 10), ListedFile("8_a.bin", 4))
    assert of_run.is_done(item)
    assert marks.is_done(REMOTE, item.key)
    assert not of_run.is_done(cut)
    assert of_run.path_before(cut) is None


UPLOAD_FAILED = HandOffFailed("connection reset")


def fail_for_now(marks: DoneMarks, item: MediaItem) -> None:
    error = UPLOAD_FAILED
    marks.record_failure(
        REMOTE, Failure(item.key, error.reason, str(error), 1, for_good=error.for_good)
    )


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_file_that_is_not_believed_stays_so_when_a_later_try_fails_until_the_item_is_moved(
    tmp_path: Path, is_ours: bool
) -> None:
    item = item_of(7, 10)
    other = ListedFile("7_a.bin" if is_ours else "7_taxes.pdf", 10, sha256=OTHER_HASH)
    with DoneMarks(tmp_path) as marks:
        mark_done(marks, item)
        recorded(found(marks, [item], [other]), marks, REMOTE, passed_id=0)
        fail_for_now(marks, item)
        fail_for_now(marks, item)
    with DoneMarks(tmp_path) as marks:
        assert reasons(marks) == {7: UPLOAD_FAILED.reason}
        after = knowing(marks, other)
        assert not after.is_done(item)
        assert after.path_before(item) == (path_of(other) if is_ours else None)
        mark_done(marks, item)
        assert knowing(marks, other).is_done(item)
        # With the move all of it is over: of a failure after that the listing is a proof again.
        marks.replace_mark(REMOTE, Failure(item.key, "missing", "…", 0, for_good=False))
        assert knowing(marks, other).is_done(item)


def test_a_record_of_an_earlier_version_says_by_its_reason_that_the_file_is_not_believed() -> None:
    def read(reason: str) -> Failure:
        text = json.dumps({"reason": reason, "detail": "…", "attempts": 0, "for_good": False})
        return read_failure(item_of(7, 10).key, text)

    assert [
        read(each).distrusted
        for each in (OTHER_CONTENT, NOT_RIGHT, "upload failed", WRONG_SIZE, "other")
    ] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert read(WRONG_SIZE).overwrites is None


def test_another_machine_believes_no_listed_file_where_a_reason_in_the_state_speaks_against_one(
    marks: DoneMarks,
) -> None:
    item = item_of(7, 10)
    mark_done(marks, item)
    other = ListedFile("7_a.bin", 10, sha256=OTHER_HASH)
    recorded(found(marks, [item], [other]), marks, REMOTE, passed_id=0)
    fail_for_now(marks, item)
    told = reasons_for_others(marks.failures(REMOTE, CHAT_ID, 0))
    assert told == [UPLOAD_FAILED.reason]
    state = replace(PLAIN, channel_id=CHAT_ID, failed_ids=(7,))
    for reasons_of_state, is_believed in (
        (told, False),
        ([OTHER_CONTENT, "missing"], False),
        ([OTHER_REASONS], False),
        ([NOT_RIGHT], False),
        ([WRONG_SIZE, DownloadFailed.reason], True),
    ):
        marks.forget_failure(REMOTE, item.key)
        (failure,) = failed_elsewhere(
            replace(state, failures_by_reason=dict.fromkeys(reasons_of_state, 1))
        )
        marks.record_failure(REMOTE, failure)
        after = knowing(marks, other)
        assert (after.is_done(item), after.path_before(item)) == (is_believed, None)


def test_the_state_tells_the_reason_even_of_a_message_that_it_knew_as_failed(
    tmp_path: Path,
) -> None:
    states = LocalStates(tmp_path)
    known_id = PLAIN.failed_ids[0]
    failure = Failure(item_of(known_id, 10).key, OTHER_CONTENT, "…", 0, False, distrusted=True)
    save_state(LoadedState(PLAIN, None), [failure], FakeSavedMessages(), states)
    state = states.read(PLAIN.scope_key)
    assert state is not None
    assert state.failed_ids == PLAIN.failed_ids
    assert state.failures_by_reason == {**PLAIN.failures_by_reason, OTHER_CONTENT: 1}


@pytest.mark.parametrize(
    ("before", "repaired", "after"),
    [
        ((), (1, 2), (1, 2)),
        ((1,), (2,), (1, 2)),
        ((2,), (1,), (1, 2)),
        ((2,), (3,), (2, 3)),
        ((), (2,), (2,)),
        ((), (1,), ()),
    ],
)
def test_a_state_names_each_further_file_that_was_repaired_beside_those_that_had_failed(
    tmp_path: Path, before: tuple[int, ...], repaired: tuple[int, ...], after: tuple[int, ...]
) -> None:
    """For a machine that knows no more than the state."""
    states = LocalStates(tmp_path)
    number = FileNumber(5)
    failed_files = tuple(replace(number, index=each) for each in before) if before != (1,) else ()
    loaded = replace(PLAIN, failed_ids=(5,) if before else (), failed_files=failed_files)
    item = item_of(5, 10)
    failures = [
        Failure(replace(item.key, index=index), MISSING, "…", 0, for_good=False)
        for index in repaired
    ]
    save_state(LoadedState(loaded, None), failures, FakeSavedMessages(), states)
    state = states.read(PLAIN.scope_key)
    assert state is not None
    assert state.failed_files == tuple(replace(number, index=each) for each in after)
    told = [each.key.number.index for each in failed_elsewhere(state)]
    assert told == sorted({*before, *repaired})


def test_only_the_very_file_that_was_wrong_is_overwritten(marks: DoneMarks) -> None:
    """Somebody has put another one beside it since, or in its place."""
    item = item_of(7, 10)
    mark_done(marks, item)
    cut, users = ListedFile("7_a.bin", 4), ListedFile("7_notes of mine.txt", 4)
    recorded(found(marks, [item], [cut]), marks, REMOTE, passed_id=0)
    for listing in ([users], [replace(cut, subfolder="kept")], [cut, users], [users, cut]):
        assert knowing(marks, *listing).path_before(item) == path_of(cut)


def test_of_several_files_of_a_message_the_one_of_its_size_is_the_proof(marks: DoneMarks) -> None:
    item = item_of(7, 10)
    assert knowing(marks, ListedFile("7_a.bin", 10), ListedFile("7_notes.txt", 4)).is_done(item)
    marked = marks.marked(REMOTE, item.key)
    assert marked is not None
    assert marked.name == "7_a.bin"


@pytest.mark.parametrize("sha256", [HASH, None])
def test_a_file_that_is_as_it_was_uploaded_is_left_alone_though_its_message_has_another_now(
    marks: DoneMarks, sha256: str | None
) -> None:
    item = item_of(7, 10)
    mark_done(marks, item)
    intact = ListedFile("7_a.bin", 10, sha256=sha256)
    findings = found(marks, [replace(item, size_bytes=12)], [intact])
    assert [each.edited for each in findings.wrong] == [True]
    assert recorded(findings, marks, REMOTE, passed_id=100) == ()
    assert marks.is_done(REMOTE, item.key)
    assert reasons(marks) == {}
