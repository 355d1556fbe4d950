"""Runs that die at any point, in any order of finishing and failing: nothing lost, nothing twice.

A dying run does nothing durable any more: from the fatal event on, each thread dies at its next
step, without a chance to book anything. What it wrote stays, and the next run finds it.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdl_sync.core.errors import DownloadFailed, HandOffFailed
from tdl_sync.core.model import MediaItem, Moved, Scope
from tdl_sync.core.naming import file_name
from tdl_sync.core.ports import PART_BYTES
from tests.fakes.chat import CHAT_ID, further_of, item_of
from tests.transfer.line import (
    BLOCK,
    REMOTE,
    assert_complete,
    assert_order,
    event_id,
)
from tests.transfer.mortal import MortalLine

MIB = PART_BYTES
SIZES = st.one_of(st.integers(0, 3 * BLOCK), st.sampled_from([MIB, 2 * MIB, 3 * MIB + 1]))
FATES = st.sampled_from(["moves", "moves", "downloads later", "uploads later"])


@given(
    files=st.lists(st.tuples(SIZES, FATES, st.integers(1, 3)), min_size=1, max_size=8),
    deaths=st.lists(
        st.tuples(st.sampled_from(["fetch", "move", "moved", "marked"]), st.integers(1, 9)),
        min_size=1,
        max_size=4,
    ),
    budget_mib=st.integers(4, 12),
    seed=st.integers(0, 2**16),
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_however_often_runs_die_each_file_is_moved_once_and_nothing_done_is_fetched_again(
    files: list[tuple[int, str, int]],
    deaths: list[tuple[str, int]],
    budget_mib: int,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
    short_pauses: None,
) -> None:
    dice = random.Random(seed)
    fates: dict[MediaItem, str] = {}
    for number, (size, fate, count) in enumerate(files, start=1):
        first = item_of(number, size)
        # Of one size: nothing but the message and the index tells them apart.
        fates.update(
            {each: fate for each in (first, *(further_of(first, i) for i in range(2, count + 1)))}
        )
    items = list(fates)
    line = MortalLine(tmp_path_factory.mktemp("line"), items)
    for item, fate in fates.items():
        if fate == "downloads later":
            line.parts.faults[item.message_id].extend([DownloadFailed("x")] * 3)
        elif fate == "uploads later":
            line.upload_errors[file_name(item)] = [HandOffFailed("x") for _ in range(3)]
    budget_bytes = budget_mib * MIB
    runs = [line.dying_run(name, count, dice, budget_bytes) for name, count in deaths]
    for _ in range(2):
        runs.append(line.run(budget_bytes=budget_bytes))
        assert_complete(runs[-1])
    moved: set[int] = set()
    for ended in runs:
        fetched = {message_id for name, message_id in ended.watch.events if name == "fetch"}
        assert fetched.isdisjoint(moved)
        assert_order(ended, listed_before=moved)
        now = [message_id for name, message_id in ended.watch.events if name == "moved"]
        assert moved.isdisjoint(now)
        moved |= set(now)
    assert moved == {event_id(item.key) for item in items}
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []
    line.assert_all_moved()
    assert line.staged() == []
    assert line.after_id == len(files)
    # Also what runs have moved that did not live to say so.
    expected = Moved(len(items), sum(item.size_bytes for item in items))
    assert line.marks.moved(Scope(REMOTE, CHAT_ID)) == expected
    line.close()
