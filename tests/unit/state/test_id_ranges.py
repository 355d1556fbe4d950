"""Of many ids as many are kept as there is room for, to the last character and the last id."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tdl_sync.state import id_ranges
from tdl_sync.state.id_ranges import IdRange

IDS = (1, 2, 3, 7, 20, 21)
TEXT = "1-3,7,20-21"


def test_what_fits_to_the_last_character_is_kept_and_one_character_less_costs_one_range() -> None:
    ranges = id_ranges.to_ranges(IDS)
    assert id_ranges.encode(id_ranges.lowest_that_fit(ranges, len(TEXT))) == TEXT
    assert id_ranges.encode(id_ranges.lowest_that_fit(ranges, len(TEXT) - 1)) == "1-3,7"
    assert id_ranges.encode(id_ranges.lowest_that_fit(ranges, len("1-3"))) == "1-3"
    assert id_ranges.lowest_that_fit(ranges, len("1-3") - 1) == ()


def test_as_many_ids_are_kept_as_may_be_read_and_a_range_is_cut_there() -> None:
    ranges = id_ranges.to_ranges(IDS)
    for most_ids in range(len(IDS) + 2):
        kept = id_ranges.lowest_that_fit(ranges, 100, most_ids)
        assert id_ranges.Ids(kept) == IDS[:most_ids]
        assert id_ranges.decode(id_ranges.encode(kept), most_ids) == kept


@given(st.sets(st.integers(1, 300)), st.integers(-5, 100), st.integers(0, 40))
@example({1, 3}, 100, 1)
def test_what_was_kept_can_be_read_again(
    message_ids: set[int], characters: int, most_ids: int
) -> None:
    kept = id_ranges.lowest_that_fit(id_ranges.to_ranges(message_ids), characters, most_ids)
    assert id_ranges.decode(id_ranges.encode(kept), most_ids) == kept


def test_the_greatest_id_belongs_to_a_range_as_any_other() -> None:
    last = id_ranges.GREATEST_MESSAGE_ID
    assert id_ranges.to_ranges([last, last - 1]) == (IdRange(last - 1, last),)
    assert id_ranges.decode(f"{last - 1}-{last}") == (IdRange(last - 1, last),)
