"""What a run finds on the disk after the last one died there, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tdl_sync.core.errors import CorruptedInTransfer, HandOffFailed
from tdl_sync.core.model import MediaItem
from tdl_sync.core.naming import file_name
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.core.shards import Shard
from tdl_sync.core.steps import Resumed
from tdl_sync.options.choice import Choice
from tdl_sync.transfer.disk.part_journal import Attempt, PartialFiles
from tdl_sync.transfer.disk.staging import Staging
from tests.fakes.chat import CHAT_ID, FIRST_DATE, item_of
from tests.fakes.parts import content_of
from tests.transfer.line import FOLDER, REMOTE, Line, assert_complete

MIB = PART_BYTES
ITEM = item_of(2, 6 * MIB + 5)
OTHERS = [item_of(1, 100), item_of(3, 200)]


@pytest.fixture
def line(tmp_path: Path, short_pauses: None) -> Iterator[Line]:
    line = Line(tmp_path, [*OTHERS, ITEM])
    yield line
    line.close()


def leave_parts(line: Line, item: MediaItem, *parts: int) -> Path:
    """A run wrote these parts and died."""
    staging = Staging.open(line.directory, 10**9)
    with PartialFiles(staging, line.directory.parent / "partial").open(item, lambda: None) as file:
        for part in parts:
            file.write(part * MIB, content_of(item)[part * MIB : (part + 1) * MIB])
    staging.close()
    return staging.part_path(item.key)


def journals(line: Line) -> list[str]:
    return [path.name for path in (line.directory.parent / "partial").iterdir()]


def assert_clean(line: Line) -> None:
    assert line.staged() == []
    assert journals(line) == []


def test_of_a_partial_file_only_what_is_missing_is_asked_for(line: Line) -> None:
    leave_parts(line, ITEM, 0, 1, 4)
    ended = line.run(budget_bytes=7 * MIB)
    assert_complete(ended)
    assert sorted(line.parts.asked_of(2)) == [2 * MIB, 3 * MIB, 5 * MIB, 6 * MIB]
    assert ended.progress.steps(Resumed) == [Resumed(ITEM, 3 * MIB)]
    line.assert_all_moved()
    assert_clean(line)


def test_with_all_parts_there_nothing_is_asked_for(line: Line) -> None:
    leave_parts(line, ITEM, *range(7))
    assert_complete(line.run())
    assert line.parts.asked_of(2) == []
    line.assert_all_moved()
    assert_clean(line)


def test_renamed_with_its_journal_still_there_it_counts_as_staged(line: Line) -> None:
    part = leave_parts(line, ITEM, *range(7))
    part.rename(part.with_suffix(".staged"))
    assert_complete(line.run())
    assert line.parts.asked_of(2) == []
    line.assert_all_moved()
    assert_clean(line)


def test_a_partial_file_of_a_message_that_is_gone_is_removed_with_its_journal(line: Line) -> None:
    leave_parts(line, ITEM, 0, 1)
    line.reader.delete(2)
    assert_complete(line.run())
    line.assert_all_moved(OTHERS)
    assert_clean(line)


@pytest.mark.parametrize(
    "now",
    [
        replace(ITEM, location=replace(ITEM.location, file_id=99)),
        replace(ITEM, size_bytes=ITEM.size_bytes - 7),
        replace(ITEM, size_bytes=100),
    ],
)
def test_a_partial_file_of_what_the_message_held_before_is_not_used(
    now: MediaItem, line: Line
) -> None:
    leave_parts(line, ITEM, 0, 1, 2)
    line.reader.messages[2] = now
    assert_complete(line.run(budget_bytes=7 * MIB))
    assert 0 in line.parts.asked_of(2)
    line.assert_all_moved()
    assert_clean(line)


def test_a_partial_file_of_what_is_done_is_removed(line: Line) -> None:
    assert_complete(line.run())
    leave_parts(line, ITEM, 0, 1)
    line.parts.asked.clear()
    assert_complete(line.run())
    assert line.parts.asked == []
    assert_clean(line)


def test_parts_wait_for_their_turn_while_an_earlier_file_needs_their_room(line: Line) -> None:
    """The budget holds either of them: the parts give way, and nothing waits for ever."""
    line.reader.messages[1] = item_of(1, 6 * MIB)
    leave_parts(line, ITEM, 0, 1, 2)
    assert_complete(line.run(budget_bytes=7 * MIB))
    line.assert_all_moved()
    assert_clean(line)


def test_on_the_remote_and_deleted_here_without_a_mark_it_is_marked(line: Line) -> None:
    line.remote[FOLDER] = {file_name(ITEM): content_of(ITEM)}
    ended = line.run()
    assert_complete(ended)
    assert line.parts.asked_of(2) == []
    assert (ended.report.moved, ended.report.done_before) == (2, 1)
    line.assert_all_moved()


def test_half_a_file_under_its_final_name_is_not_believed_and_overwritten(line: Line) -> None:
    line.remote[FOLDER] = {file_name(ITEM): content_of(ITEM)[: 2 * MIB]}
    part = leave_parts(line, ITEM, *range(7))
    part.rename(part.with_suffix(".staged"))
    ended = line.run()
    assert_complete(ended)
    assert line.parts.asked_of(2) == []
    assert ended.report.moved == 3
    line.assert_all_moved()


def staged_by_a_run(line: Line, item: MediaItem) -> Path:
    """A run downloaded it and died."""
    part = leave_parts(line, item, *range(7))
    return part.rename(part.with_suffix(".staged"))


OTHER_FILE = replace(
    ITEM,
    location=replace(ITEM.location, file_id=99),
    file_name="new.bin",
    details=replace(ITEM.details, edited_at=FIRST_DATE),
)


def test_of_a_message_that_was_edited_while_its_file_lay_staged_the_new_file_is_moved(
    line: Line,
) -> None:
    """Also where it has the same size: the journal says which file the staged one is."""
    staged_by_a_run(line, ITEM)
    line.reader.messages[2] = OTHER_FILE
    ended = line.run(budget_bytes=7 * MIB)
    assert_complete(ended)
    assert ended.report.believed == 0
    line.assert_all_moved()
    mark = line.marks.marks[REMOTE, ITEM.key].file
    assert (mark.identity, mark.name) == (OTHER_FILE.identity, "2_new.bin")
    assert_clean(line)


def test_an_edit_of_the_text_alone_costs_no_second_download(line: Line) -> None:
    staged_by_a_run(line, ITEM)
    line.reader.messages[2] = replace(ITEM, details=OTHER_FILE.details)
    assert_complete(line.run())
    assert line.parts.asked_of(2) == []
    assert line.marks.marks[REMOTE, ITEM.key].file.identity == ITEM.identity


def test_what_is_staged_is_compared_with_what_is_listed_and_goes_over_it_by_its_name(
    line: Line,
) -> None:
    """The right size and other bytes: a bad copy that nobody could remove, an upload with holes.
    It may be there by the name that another template has given it."""
    line.remote[FOLDER] = {"2_as it was called.bin": b"x" * ITEM.size_bytes}
    staged_by_a_run(line, ITEM)
    ended = line.run()
    assert_complete(ended)
    assert (ended.report.moved, ended.report.believed) == (3, 0)
    assert line.parts.asked_of(2) == []
    assert line.remote[FOLDER]["2_as it was called.bin"] == content_of(ITEM)
    assert file_name(ITEM) not in line.remote[FOLDER]


@pytest.mark.parametrize("is_right", [True, False])
def test_where_only_the_journal_knows_of_a_hand_off_the_remotes_hash_tells_how_it_ended(
    is_right: bool, line: Line
) -> None:
    """rclone had deleted the staged file; nothing else is left of it."""
    line.lists_sha256 = True
    content = content_of(ITEM)
    line.remote[FOLDER] = {file_name(ITEM): content if is_right else b"x" * len(content)}
    staged = staged_by_a_run(line, ITEM)
    begin(line, ITEM, Attempt(file_name(ITEM), hashlib.sha256(content).hexdigest()))
    staged.unlink()
    ended = line.run()
    assert_complete(ended)
    assert (ended.report.done_before, ended.report.believed) == (int(is_right), 0)
    assert bool(line.parts.asked_of(2)) is not is_right
    line.assert_all_moved()
    assert line.marks.marks[REMOTE, ITEM.key].file.sha256 == hashlib.sha256(content).hexdigest()
    assert_clean(line)


@pytest.mark.parametrize("lists_sha256", [True, False])
def test_what_a_message_held_before_is_not_believed_to_be_what_it_holds_since_an_edit(
    lists_sha256: bool, line: Line
) -> None:
    """A run was killed when that was on the remote and not yet marked; both have one name and one
    size."""
    line.lists_sha256 = lists_sha256
    before = replace(ITEM, location=replace(ITEM.location, file_id=ITEM.location.file_id + 1))
    content = b"x" * ITEM.size_bytes
    line.remote[FOLDER] = {file_name(ITEM): content}
    staged = staged_by_a_run(line, before)
    begin(line, before, Attempt(file_name(ITEM), hashlib.sha256(content).hexdigest()))
    staged.unlink()
    ended = line.run()
    assert_complete(ended)
    assert (ended.report.moved, ended.report.believed) == (3, 0)
    line.assert_all_moved()
    assert_clean(line)


@pytest.mark.parametrize("error", [CorruptedInTransfer("hashes differ"), HandOffFailed("EOF")])
def test_after_a_hand_off_that_failed_no_name_and_size_is_believed(
    error: HandOffFailed, line: Line
) -> None:
    """Though what was staged had to give way to others."""
    line.upload_errors[file_name(ITEM)] = [error] * 3
    assert line.run().report.failed == 1
    staged = next(line.directory.glob("*_2.staged"))
    staged.unlink()
    for journal in (line.directory.parent / "partial").iterdir():
        journal.unlink()
    line.remote[FOLDER][file_name(ITEM)] = b"x" * ITEM.size_bytes
    line.parts.asked.clear()
    assert_complete(line.run())
    assert line.parts.asked_of(2) != []
    line.assert_all_moved()


def begin(line: Line, item: MediaItem, attempt: Attempt) -> None:
    staging = Staging.open(line.directory, 10**9)
    PartialFiles(staging, line.directory.parent / "partial").begin_attempt(item, attempt)
    staging.close()


def test_what_another_chat_left_in_the_middle_waits_for_its_own_run(line: Line) -> None:
    foreign = replace(ITEM, key=replace(ITEM.key, chat_id=CHAT_ID - 1))
    part = leave_parts(line, foreign, 0, 1)
    ended = line.run()
    assert_complete(ended)
    assert line.staged() == [part.name]
    assert journals(line) == [f"{part.name}s"]
    assert ended.used_bytes == 2 * MIB


def test_what_lies_there_of_another_part_of_the_chat_is_left_alone(tmp_path: Path) -> None:
    """It may be moved now by that part's own run, from another directory: it would be there twice.
    Where its room is needed it gives way like anything that lies there."""
    own, others = item_of(1500, 3 * MIB), item_of(2, 3 * MIB)
    line = Line(tmp_path, [own, others])
    line.choice = Choice(shard=Shard(2, 2))
    for item in (own, others):
        part = leave_parts(line, item, 0, 1, 2)
        part.rename(part.with_suffix(".staged"))
    ended = line.run()
    assert_complete(ended)
    assert (ended.report.seen, ended.report.moved) == (1, 1)
    line.assert_all_moved([own])
    assert line.staged() == [f"m{CHAT_ID}_0_2.staged"]
    line.choice = Choice(shard=Shard(1, 2))
    line.after_id = 0
    assert_complete(line.run())
    assert line.parts.asked == []
    line.assert_all_moved()
    line.close()
