"""The whole line after ``verify --repair``: what was wrong is moved again, nothing else is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tdl_sync.core.errors import HandOffFailed
from tdl_sync.core.failures import OTHER_CONTENT, WRONG_SIZE, Failure
from tdl_sync.core.model import MediaItem
from tdl_sync.core.naming import file_name
from tests.fakes.chat import item_of
from tests.transfer.line import BLOCK, FOLDER, REMOTE, Line, assert_complete

pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path, [item_of(1, BLOCK)])
    yield line
    line.close()


def repaired(line: Line, reason: str) -> tuple[MediaItem, bytes]:
    """Its one file was moved, and is recorded as wrong; returns what is right."""
    assert_complete(line.run())
    (item,) = line.items()
    name = file_name(item)
    del line.marks.marks[REMOTE, item.key]
    line.marks.record_failure(
        REMOTE,
        Failure(item.key, reason, "…", 0, False, reason == OTHER_CONTENT, overwrites=name),
    )
    return item, line.remote[FOLDER][name]


def test_a_damaged_file_is_replaced_even_if_the_first_try_fails(line: Line) -> None:
    """Its size is right: the next run must neither believe it nor drop what was downloaded."""
    item, right = repaired(line, OTHER_CONTENT)
    name = file_name(item)
    line.remote[FOLDER][name] = b"x" * len(right)
    line.upload_errors[name] = [HandOffFailed("no luck")] * 3
    assert line.run().report.failed == 1
    assert line.staged()
    again = line.run()
    assert_complete(again)
    assert again.watch.count("fetch") == 0
    assert line.remote[FOLDER] == {name: right}
    assert line.is_done(item)


def test_a_persons_file_with_the_same_id_is_not_overwritten_by_a_repair(line: Line) -> None:
    item, right = repaired(line, WRONG_SIZE)
    del line.remote[FOLDER][file_name(item)]
    line.remote[FOLDER]["1_my own notes on it.txt"] = b"precious"
    assert_complete(line.run())
    assert line.remote[FOLDER] == {
        file_name(item): right,
        "1_my own notes on it.txt": b"precious",
    }
