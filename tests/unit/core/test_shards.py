from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.shards import BLOCK_MESSAGES, WHOLE, Shard, block_around, parse_shard


@st.composite
def shards(draw: st.DrawFn) -> Shard:
    count = draw(st.integers(1, 30))
    return Shard(draw(st.integers(1, count)), count)


@given(st.integers(1, 30), st.integers(1, 2**31 - 1))
def test_each_message_belongs_to_one_part(count: int, message_id: int) -> None:
    parts = [Shard(number, count) for number in range(1, count + 1)]
    assert sum(part.holds(message_id) for part in parts) == 1


@given(shards(), shards())
def test_parts_overlap_where_they_have_a_message_in_common(one: Shard, other: Shard) -> None:
    first_ids = range(1, one.count * other.count * BLOCK_MESSAGES + 1, BLOCK_MESSAGES)
    common = any(one.holds(first_id) and other.holds(first_id) for first_id in first_ids)
    assert one.overlaps(other) == other.overlaps(one) == common


@given(shards(), st.integers(1, 100_000))
def test_what_a_part_holds_next_is_found_without_going_through_all(
    shard: Shard, message_id: int
) -> None:
    up, down = shard.next_held(message_id), shard.last_held(message_id)
    assert shard.holds(up)
    assert not any(shard.holds(each) for each in range(message_id, up))
    assert down == 0 or shard.holds(down)
    assert not any(shard.holds(each) for each in range(down + 1, message_id + 1))
    assert up in block_around(up)
    assert all(shard.holds(each) for each in block_around(up))


def test_a_thousand_messages_in_a_row_belong_together() -> None:
    held = [message_id for message_id in range(1, 4001) if Shard(2, 3).holds(message_id)]
    assert held == list(range(1001, 2001))


def test_the_whole_chat_is_one_part_of_one() -> None:
    assert parse_shard("1/1") == WHOLE
    assert WHOLE.is_whole
    assert WHOLE.holds(1)
    assert WHOLE.holds(123_456_789)


@given(shards())
def test_a_part_is_read_as_it_is_written(shard: Shard) -> None:
    assert parse_shard(str(shard)) == shard


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "-1/4", "1/0", "1/", "/2", "a/b", "¹/2"])
def test_what_is_no_part_of_a_chat_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="K/N"):
        parse_shard(text)
