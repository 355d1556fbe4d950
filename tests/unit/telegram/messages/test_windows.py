"""However a list is withheld in parts, all that is shown of it is read, in few calls more than it
has pages: a page that is short, or empty, is no end."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from standins.telegram.world.id_sequence import SortedIds, page_ids
from tdl_sync.telegram.messages.windows import PAGE_MESSAGES, Steps, Window


@dataclass(frozen=True)
class Message:
    id: int


@dataclass
class Telegram:
    """Messages by id, as Telegram pages through them; ``withheld`` ones take their places."""

    ids: list[int]
    withheld: frozenset[int]
    calls: int = field(default=0)

    def _page(self, offset_id: int, add_offset: int) -> list[Message]:
        self.calls += 1
        ids = page_ids(
            SortedIds(self.ids),
            offset_id=offset_id,
            add_offset=add_offset,
            limit=PAGE_MESSAGES,
            max_id=0,
            min_id=0,
        )
        return [Message(each) for each in ids if each not in self.withheld]

    def up(self, offset_id: int) -> Window:
        return Window.upwards(self._page(offset_id, -PAGE_MESSAGES), offset_id)

    def down(self, offset_id: int) -> Window:
        return Window.downwards(self._page(offset_id, 0), offset_id)

    def read_up(self, first_id: int, last_id: int) -> list[int]:
        steps, next_id, read = Steps(self.up, self.down), first_id, list[int]()
        while next_id <= last_id:
            window = steps.up(next_id, last_id)
            assert window.first_id <= next_id <= window.last_id
            read += [message.id for message in window.messages if message.id <= last_id]
            next_id = window.last_id + 1
        return read

    def read_down(self, first_id: int, last_id: int) -> list[int]:
        steps, next_id, read = Steps(self.up, self.down), last_id, list[int]()
        while next_id >= first_id:
            window = steps.down(next_id, first_id)
            assert window.first_id <= next_id <= window.last_id
            read[:0] = [message.id for message in window.messages if message.id >= first_id]
            next_id = window.first_id - 1
        return read


@st.composite
def lists(draw: st.DrawFn) -> Telegram:
    """Stretches of messages side by side or far apart, each shown, withheld, or with holes."""
    ids, withheld = list[int](), set[int]()
    for _ in range(draw(st.integers(0, 8))):
        start = (ids[-1] if ids else 0) + draw(st.sampled_from([1, 2, 90, 5_000]))
        apart = draw(st.sampled_from([1, 1, 3]))
        count = draw(st.sampled_from([1, 5, 99, 100, 101, 250, 420]))
        stretch = range(start, start + apart * count, apart)
        every = draw(st.sampled_from([0, 1, 1, 2, 37, 100]))
        ids += stretch
        withheld.update(stretch[::every] if every else ())
    return Telegram(ids, frozenset(withheld))


@settings(deadline=None, max_examples=100)
@given(lists(), st.data())
@example(Telegram(list(range(1, 382)), frozenset({60})), None)
@example(Telegram(list(range(1, 382)), frozenset({381})), None)
@example(Telegram(list(range(1, 382)), frozenset(range(281, 382))), None)
@example(Telegram(list(range(1, 382)), frozenset(range(1, 382))), None)
@example(Telegram([3_000_000, 9_000_000], frozenset()), None)
def test_all_that_is_shown_is_read_once_and_in_order(
    telegram: Telegram, data: st.DataObject | None
) -> None:
    newest = telegram.ids[-1] if telegram.ids else 0
    first_id, last_id = 1, newest
    if data is not None:
        first_id = data.draw(st.integers(1, newest + 2))
        last_id = data.draw(st.integers(first_id - 1, newest + 200))
    shown = [
        each
        for each in telegram.ids
        if first_id <= each <= last_id and each not in telegram.withheld
    ]
    for read in (telegram.read_up, telegram.read_down):
        telegram.calls = 0
        assert read(first_id, last_id) == shown
        assert telegram.calls <= 10 + 2 * (last_id - first_id) // PAGE_MESSAGES + len(shown) // 20


@pytest.mark.parametrize("read", ["read_up", "read_down"])
@pytest.mark.parametrize(
    ("withheld", "most_calls"),
    [
        (range(0), 100),
        (range(60, 10_000, 100), 102),  # each page has 99
        ([10_000], 102),
        (range(5_001, 6_001), 125),  # whole pages, in the middle
        (range(1, 10_001), 115),  # all of it
    ],
)
def test_a_long_list_takes_few_calls_more_than_it_has_pages(
    read: str, withheld: range | list[int], most_calls: int
) -> None:
    telegram = Telegram(list(range(1, 10_001)), frozenset(withheld))
    assert len(getattr(telegram, read)(1, 10_000)) == 10_000 - len(withheld)
    assert telegram.calls <= most_calls


@pytest.mark.parametrize("read", ["read_up", "read_down"])
def test_ids_that_are_missing_by_the_million_cost_no_calls(read: str) -> None:
    """As in chats outside of channels, whose ids are the account's."""
    telegram = Telegram([3_000_000, 8_000_000, 8_000_002], frozenset({8_000_002}))
    assert getattr(telegram, read)(1, 9_000_000) == [3_000_000, 8_000_000]
    assert telegram.calls <= 4
