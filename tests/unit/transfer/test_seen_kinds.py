"""However pages come and runs are killed, each message is counted once, up to the watermark."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.model import MediaType
from tdl_sync.transfer.seen_kinds import SeenKinds

MESSAGES = st.dictionaries(st.integers(1, 400), st.sampled_from(MediaType), max_size=60)


@given(
    MESSAGES,
    st.lists(st.tuples(st.integers(0, 450), st.integers(0, 450), st.booleans()), max_size=6),
    st.sampled_from([1, 7, 100]),
)
def test_what_several_runs_have_counted_is_what_is_there(
    messages: dict[int, MediaType], runs: list[tuple[int, int, bool]], per_page: int
) -> None:
    """Each run reads on from the watermark, up or down; it is asked in between, and is killed."""
    watermark, seen = 0, dict[MediaType, int]()
    for asked_at, ends_at, downwards in runs:
        kinds = SeenKinds(seen)
        left = sorted((each for each in messages.items() if each[0] > watermark), reverse=downwards)
        for start in range(0, len(left), per_page):
            kinds.listed(left[start : start + per_page])
        watermark = max(watermark, min(asked_at, ends_at))
        kinds.up_to(watermark)
        watermark = max(watermark, ends_at)
        found = kinds.up_to(watermark)
        assert found is not None
        seen = dict(found)
        assert seen == Counter(kind for id_, kind in messages.items() if id_ <= watermark)


@given(MESSAGES)
def test_what_was_seen_beyond_what_is_not_known_is_not_known(
    messages: dict[int, MediaType],
) -> None:
    kinds = SeenKinds(None)
    kinds.listed(messages.items())
    assert kinds.up_to(400) is None
