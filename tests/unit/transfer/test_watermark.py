"""The watermark never passes a message that is not settled, in whatever order files finish."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.transfer.watermark import MOST_REMEMBERED_ABOVE, NewestFirst, OldestFirst

ids_strategy = st.sets(st.integers(1, 400), min_size=1, max_size=60)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[list[int], int]], list[int]]:
    """Pages of items with their ends, and an order in which all of the items finish."""
    ids = sorted(draw(ids_strategy))
    ends = sorted(draw(st.sets(st.integers(1, 400), max_size=8)) | {ids[-1] + 3})
    pages = []
    start = 0
    for end in ends:
        pages.append(([one for one in ids if start < one <= end], end))
        start = end
    return pages, draw(st.permutations(ids))


@given(histories(), st.randoms(use_true_random=False))
def test_nothing_is_skipped_for_any_order_of_listing_and_finishing(
    history: tuple[list[tuple[list[int], int]], list[int]], random: Random
) -> None:
    pages, order = history
    frontier = OldestFirst()
    listed: set[int] = set()
    settled: set[int] = set()
    end = last_watermark = 0
    waiting = list(order)
    while pages or waiting:
        ready = [one for one in waiting if one in listed]
        if pages and (not ready or random.random() < 0.3):
            ids, end = pages.pop(0)
            frontier.listed(ids, end)
            listed |= set(ids)
        else:
            waiting.remove(ready[0])
            frontier.settled(ready[0])
            settled.add(ready[0])
        open_ids = listed - settled
        assert frontier.watermark == (min(open_ids) - 1 if open_ids else end)
        assert frontier.watermark >= last_watermark
        assert frontier.done_above() == tuple(
            sorted(one for one in settled if one > frontier.watermark)
        )
        last_watermark = frontier.watermark
    assert frontier.watermark == end
    assert frontier.done_above() == ()


def test_pages_without_a_file_move_the_watermark_but_not_past_an_open_item() -> None:
    frontier = OldestFirst(10)
    frontier.listed([], 110)
    assert frontier.watermark == 110
    frontier.listed([150], 210)
    frontier.listed([], 310)
    assert frontier.watermark == 149
    frontier.settled(150)
    assert frontier.watermark == 310


def test_settling_twice_or_below_the_start_changes_nothing() -> None:
    frontier = OldestFirst(10)
    frontier.listed([11, 12, 13], 20)
    frontier.settled(12)
    frontier.settled(12)
    frontier.settled(5)
    assert (frontier.watermark, frontier.done_above()) == (10, (12,))


def test_what_was_never_listed_cannot_settle() -> None:
    with pytest.raises(ValueError, match="message 21 settles, but only those up to 20"):
        OldestFirst(20).settled(21)


def test_what_was_listed_is_covered_to_its_last_message_and_nothing_beyond() -> None:
    frontier = OldestFirst(10)
    assert [frontier.covers(n) for n in (9, 10, 11)] == [True, True, False]
    frontier.listed([12], 20)
    assert [frontier.covers(n) for n in (12, 20, 21)] == [True, True, False]


def test_the_last_message_of_a_page_may_be_an_item_and_the_next_page_begins_behind_it() -> None:
    frontier = OldestFirst(10)
    frontier.listed([11, 20], 20)
    frontier.listed([21], 21)
    frontier.settled(11)
    assert frontier.watermark == 19
    frontier.settled(20)
    assert frontier.watermark == 20


def test_a_page_that_ends_where_the_one_before_it_did_changes_nothing() -> None:
    """Nothing was posted since, or all of what was is deleted."""
    frontier = OldestFirst(20)
    frontier.listed([], 20)
    assert frontier.watermark == 20
    frontier.listed([25], 30)
    frontier.listed([], 30)
    assert frontier.watermark == 24


@pytest.mark.parametrize(("ids", "end"), [([15], 30), ([20], 30), ([35], 30), ([31], 30), ([], 19)])
def test_a_page_that_the_watermark_may_have_passed_is_refused(ids: list[int], end: int) -> None:
    frontier = OldestFirst(20)
    with pytest.raises(ValueError, match="page"):
        frontier.listed(ids, end)


def test_memory_stays_bounded_while_one_slow_file_holds_the_watermark() -> None:
    frontier = OldestFirst()
    frontier.listed([1], 1)
    for message_id in range(2, 3 * MOST_REMEMBERED_ABOVE):
        frontier.listed([message_id], message_id)
        frontier.settled(message_id)
    assert frontier.watermark == 0
    assert frontier.done_above() == tuple(range(2, MOST_REMEMBERED_ABOVE + 2))
    frontier.settled(1)
    assert frontier.watermark == 3 * MOST_REMEMBERED_ABOVE - 1
    assert frontier.done_above() == ()


# --- newest first -------------------------------------------------------------------------------


def test_newest_first_the_watermark_waits_for_the_last_page() -> None:
    frontier = NewestFirst(10, 30)
    frontier.listed([30, 25], 21)
    for message_id in (30, 25):
        frontier.settled(message_id)
    assert (frontier.watermark, frontier.done_above()) == (10, (25, 30))
    frontier.listed([12], 11)
    assert (frontier.watermark, frontier.done_above()) == (11, (25, 30))
    frontier.settled(12)
    assert (frontier.watermark, frontier.done_above()) == (30, ())


def test_newest_first_one_message_that_was_not_read_holds_the_watermark() -> None:
    frontier = NewestFirst(10, 30)
    frontier.listed([], 12)
    assert frontier.watermark == 10
    frontier.listed([], 11)
    assert frontier.watermark == 30


def test_newest_first_memory_stays_bounded_and_the_lowest_are_remembered() -> None:
    frontier = NewestFirst(0, MOST_REMEMBERED_ABOVE + 10)
    ids = range(2, MOST_REMEMBERED_ABOVE + 11)
    frontier.listed(ids, 2)
    for message_id in ids:
        frontier.settled(message_id)
    assert frontier.watermark == 0
    assert frontier.done_above() == tuple(ids[:MOST_REMEMBERED_ABOVE])


def test_newest_first_covers_what_was_read_and_what_lies_before_the_beginning() -> None:
    frontier = NewestFirst(10, 30)
    assert [frontier.covers(n) for n in (5, 10, 11, 30, 31)] == [True, True, False, False, True]
    frontier.listed([], 20)
    assert [frontier.covers(n) for n in (10, 11, 19, 20, 30)] == [True, False, False, True, True]


def test_newest_first_with_nothing_to_read_stands_at_its_end() -> None:
    assert NewestFirst(10, 10).watermark == NewestFirst(10, 7).watermark == 10


@pytest.mark.parametrize(("ids", "read_down_to"), [([31], 20), ([19], 20), ([], 32), ([], 10)])
def test_newest_first_a_page_that_does_not_follow_is_refused(
    ids: list[int], read_down_to: int
) -> None:
    with pytest.raises(ValueError, match="a page"):
        NewestFirst(10, 30).listed(ids, read_down_to)
