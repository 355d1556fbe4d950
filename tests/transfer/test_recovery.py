"""What a run finds on the disk after the last one died there, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tdl_sync.core.model import MediaItem
from tdl_sync.core.naming import file_name
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.transfer.disk.part_journal import PartialFiles
from tdl_sync.transfer.disk.staging import Staging
from tests.fakes.chat import CHAT_ID, item_of
from tests.fakes.parts import content_of
from tests.transfer.line import FOLDER, Line, assert_complete

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
    assert ended.progress.calls("resumed") == [(ITEM, 3 * MIB)]
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


def test_what_another_chat_left_in_the_middle_waits_for_its_own_run(line: Line) -> None:
    foreign = replace(ITEM, key=replace(ITEM.key, chat_id=CHAT_ID - 1))
    part = leave_parts(line, foreign, 0, 1)
    ended = line.run()
    assert_complete(ended)
    assert line.staged() == [part.name]
    assert journals(line) == [f"{part.name}s"]
    assert ended.used_bytes == 2 * MIB
