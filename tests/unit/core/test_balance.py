"""That Telegram counts more than was seen is one line; what can't be compared is another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.balance import COUNTED_KINDS, Balance, Shortfall, compared
from tdl_sync.core.model import MediaType

COUNTS = st.dictionaries(st.sampled_from(MediaType), st.integers(0, 3))
TOLD = st.dictionaries(st.sampled_from(MediaType), st.none() | st.integers(0, 3))


@given(TOLD, COUNTS)
def test_each_kind_is_balanced_or_short_or_not_compared(
    counted: dict[MediaType, int | None], seen: dict[MediaType, int]
) -> None:
    balance = compared(counted, seen)
    assert set(balance.not_compared) == {k for k in COUNTED_KINDS if counted.get(k) is None}
    short = {kind: count for kind, count in counted.items() if (count or 0) > seen.get(kind, 0)}
    assert {each.kind: each.counted for each in balance.fewer} == {
        kind: count for kind, count in short.items() if kind in COUNTED_KINDS
    }
    assert (balance.unseen > 0) == bool(balance.fewer)


def test_nothing_is_compared_where_either_side_is_not_known() -> None:
    nothing = Balance(not_compared=COUNTED_KINDS)
    assert compared(None, {}) == compared(dict.fromkeys(COUNTED_KINDS, 1), None) == nothing


def test_the_lines_say_how_many_of_what() -> None:
    fewer = (Shortfall(MediaType.VIDEO, 20, 18), Shortfall(MediaType.PHOTO, 1, 0))
    assert Balance(fewer, (MediaType.VOICE,)).lines == [
        "Telegram counts 20 videos here, 18 were seen, and 1 photo, 0 were seen",
        "not compared with Telegram's count, inexact or missing: voice messages",
    ]
    assert Balance().lines == []
