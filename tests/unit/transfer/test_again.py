"""Which files of messages that are read once more are tried again."""

from __future__ import annotations

from dataclasses import replace

from tdl_sync.core.model import HistoryEntry, MediaItem, SkippedItem
from tdl_sync.transfer.again import GONE, of_messages
from tests.fakes.chat import further_of, item_of

FIRST = item_of(7, 10)
SECOND, THIRD = further_of(FIRST, 2), further_of(FIRST, 3)
FILES: list[HistoryEntry] = [FIRST, SECOND, THIRD]


def test_what_is_known_of_a_file_says_nothing_of_the_others_of_its_message() -> None:
    assert of_messages(FILES, {SECOND.key}, lambda entry: True) == [SECOND]
    assert of_messages(FILES, {SECOND.key}, lambda entry: entry is FIRST) == [SECOND, THIRD]
    assert of_messages(FILES, (), lambda entry: False) == FILES


def test_a_wanted_file_that_its_message_does_not_hold_any_more_is_gone() -> None:
    lost = replace(FIRST.key, index=4)
    found = of_messages(FILES, {FIRST.key, lost}, lambda entry: isinstance(entry, MediaItem))
    assert found == [FIRST, SkippedItem(lost, GONE)]
