"""A message that holds several files, and what may be one at another time, on the whole line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import LOCKED, UNSUPPORTED, HistoryEntry, SkippedItem
from tdl_sync.options.choice import WHOLE_CHAT, Choice
from tests.fakes.chat import CHAT_ID, further_of, item_of
from tests.transfer.line import REMOTE, Line

MakeLine = Callable[[list[HistoryEntry]], Line]


@pytest.fixture
def make_line(tmp_path: Path, short_pauses: None) -> Iterator[MakeLine]:
    with ExitStack() as closing:

        def make(entries: list[HistoryEntry]) -> Line:
            line = Line(tmp_path, entries)
            closing.callback(line.close)
            return line

        yield make


def test_a_file_that_was_found_beside_a_failed_one_is_on_record_before_that_is_moved(
    make_line: MakeLine,
) -> None:
    first = item_of(1, 10)
    second = further_of(first, 2)
    line = make_line([first, second])
    line.after_id = 1
    line.marks.record_failure(REMOTE, Failure(first.key, "wrong size", "…", 1, for_good=False))
    line.choice = Choice(limit=1)
    assert line.run().report.moved == 1
    assert [each.key for each in line.marks.failures(REMOTE, CHAT_ID, 0)] == [second.key]
    line.choice = WHOLE_CHAT
    assert line.run().report.moved == 1
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []
    line.assert_all_moved()


def test_a_message_is_passed_only_with_the_last_of_its_files(make_line: MakeLine) -> None:
    first = item_of(1, 10)
    line = make_line([first, further_of(first, 2), further_of(first, 3), item_of(2, 10)])
    line.choice = Choice(limit=2)
    ended = line.run()
    assert (ended.report.moved, ended.position.watermark) == (2, 0)
    line.choice = WHOLE_CHAT
    ended = line.run()
    assert (ended.report.moved, ended.report.done_before, ended.position.watermark) == (2, 2, 2)
    line.assert_all_moved()


def test_what_may_be_open_later_is_remembered_before_it_is_passed_and_looked_at_by_its_kind(
    make_line: MakeLine,
) -> None:
    key = item_of(1, 10).key
    line = make_line(
        [SkippedItem(key, LOCKED), SkippedItem(replace(key, message_id=2), UNSUPPORTED)]
    )
    ended = line.run()
    assert (ended.report.skipped, ended.position.watermark) == (2, 2)
    locked, unsupported = line.marks.waiting(REMOTE, CHAT_ID, 0)
    assert (locked.message_id, unsupported.message_id) == (1, 2)
    reads = line.reader.reads
    assert (locked.is_due(reads), unsupported.is_due(reads)) == (True, False)
    assert unsupported.is_due("a later layer")
