"""A part of a chat is read without the others: only the blocks of ids that are its own.

Between two of them it goes on with the next that is its own, and where nothing is shown in that,
with the one of the next message that is shown. What belongs to a block is certain where a message
was shown at its edge or beyond, or where two looks behind the last one found nothing: nobody else
reads this block, and no later page would show that one of Telegram's servers did not know the
newest messages yet. An album lies in two blocks now and then; its other messages are read with
either, as they tell its caption.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tdl_sync.core.shards import Shard, block_around
from tdl_sync.telegram.messages.details import (
    ALBUM_NEIGHBOURS,
    album_at_the_end,
    album_of,
    is_shown,
)
from tdl_sync.telegram.messages.windows import END, Steps, Window

_LOOKS = 2
"""So many that find nothing say that nothing is there."""


@dataclass(frozen=True)
class Stretch:
    """From ``first_id`` to ``last_id`` all that belongs to the part was read, and is among the
    messages, in the order of the reading, with what others hold of their albums. As a container,
    it has the ids that are the part's."""

    messages: Sequence[Any]
    first_id: int
    last_id: int
    shard: Shard

    def __contains__(self, message_id: object) -> bool:
        return (
            isinstance(message_id, int)
            and self.first_id <= message_id <= self.last_id
            and self.shard.holds(message_id)
        )


class Blocks:
    """Of one part of one chat; one reading in one direction, one thread."""

    def __init__(
        self,
        shard: Shard,
        up: Callable[[int], Window],
        down: Callable[[int], Window],
        pause: Callable[[int], None],
        newest_id: int = 0,
    ) -> None:
        """``up`` and ``down`` as for ``Steps``. ``pause`` is called before a look is repeated that
        may have met a server which lags behind, with how many looks have found nothing.
        ``newest_id``: nothing was known above."""
        self._shard = shard
        self._ask_up = up
        self._ask_down = down
        self._pause = pause
        self._newest_id = newest_id
        self._steps = Steps(up, down)

    def upwards(self, after_id: int, up_to_id: int) -> Iterator[Stretch]:
        """All of ``after_id < id <= up_to_id``, without a gap; a call for each that holds a
        message, and none where the part has no block there."""
        next_id, begins = after_id + 1, True
        while next_id <= up_to_id:
            first_id = self._shard.next_held(next_id)
            messages: Sequence[Any] = ()
            read_id = up_to_id
            if first_id <= up_to_id:
                window = self._window_from(first_id, up_to_id, begins=begins)
                messages, read_id = window.messages, window.last_id
                cut = album_at_the_end(messages)
                if read_id < END and cut is not None and messages[cut].id > first_id:
                    # It may be cut: the next page begins with it.
                    messages, read_id = messages[:cut], messages[cut].id - 1
            last_id = min(up_to_id, self._shard.next_held(read_id + 1) - 1)
            yield Stretch(messages, next_id, last_id, self._shard)
            next_id, begins = last_id + 1, last_id > read_id

    def _window_from(self, first_id: int, up_to_id: int, *, begins: bool) -> Window:
        """``begins``: its first message may be of an album that began before."""
        offset_id = max(1, first_id - ALBUM_NEIGHBOURS) if begins else first_id
        window = self._steps.up(offset_id, up_to_id)
        found_nothing = 0 if window.messages else 1
        while found_nothing < _LOOKS:
            shown_id = window.messages[-1].id if window.messages else offset_id - 1
            open_id = self._shard.next_held(max(shown_id + 1, first_id))
            edge_id = min(block_around(open_id)[-1], up_to_id)
            if open_id > up_to_id or window.last_id < edge_id:
                break
            if window.last_id == END:
                self._pause(found_nothing)
            more = self._ask_up(shown_id + 1)
            found_nothing = 0 if more.messages else found_nothing + 1
            last_id = more.last_id if more.messages else max(window.last_id, more.last_id)
            window = Window((*window.messages, *more.messages), window.first_id, last_id)
        if begins and window.first_id > 1 and self._is_cut(window.messages, first_id, up_to_id):
            below = self._ask_down(window.first_id)
            window = Window((*below.messages, *window.messages), below.first_id, window.last_id)
        return window

    def downwards(self, after_id: int, up_to_id: int) -> Iterator[Stretch]:
        """The same from the other end."""
        next_id, begins = up_to_id, True
        while next_id > after_id:
            top_id = self._shard.last_held(next_id)
            messages: Sequence[Any] = ()
            read_id = after_id + 1
            if top_id > after_id:
                window = self._window_to(top_id, after_id + 1, begins=begins)
                messages, read_id = window.messages[::-1], window.first_id
                cut = album_at_the_end(messages)
                if read_id > 1 and cut is not None and messages[cut].id < top_id:
                    messages, read_id = messages[:cut], messages[cut].id + 1
            first_id = max(after_id + 1, self._shard.last_held(read_id - 1) + 1)
            yield Stretch(messages, first_id, next_id, self._shard)
            next_id, begins = first_id - 1, first_id < read_id

    def _window_to(self, top_id: int, first_id: int, *, begins: bool) -> Window:
        """``begins``: its last message may be of an album that goes on behind it."""
        window = self._steps.down(top_id + ALBUM_NEIGHBOURS if begins else top_id, first_id)
        shown_id = min((each.id for each in window.messages), default=top_id + 1)
        found_nothing = 0 if shown_id <= top_id else 1
        shown_id = min(shown_id, top_id + 1)
        if begins:
            window = self._with_what_is_above(window, top_id, first_id)
        while found_nothing < _LOOKS:
            open_id = self._shard.last_held(shown_id - 1)
            edge_id = max(block_around(open_id)[0], first_id)
            if open_id < first_id or window.first_id > edge_id:
                break
            more = self._ask_down(shown_id)
            found_nothing = 0 if more.messages else found_nothing + 1
            read_id = more.first_id if more.messages else min(window.first_id, more.first_id)
            window = Window((*more.messages, *window.messages), read_id, window.last_id)
            shown_id = window.messages[0].id if more.messages else shown_id
        return window

    def _with_what_is_above(self, window: Window, top_id: int, first_id: int) -> Window:
        """With the messages behind its last one, where that is not at the edge yet, or where an
        album may go on there."""
        found_nothing, is_behind = 0, False
        while found_nothing < _LOOKS:
            shown_id = window.messages[-1].id if window.messages else max(0, window.first_id - 1)
            is_cut = self._is_cut(window.messages[::-1], first_id, top_id)
            if shown_id >= top_id and (shown_id >= self._newest_id or not is_cut):
                break
            if is_behind:
                self._pause(found_nothing)
            more = self._ask_up(shown_id + 1)
            window = Window((*window.messages, *more.messages), window.first_id, more.last_id)
            is_behind = more.last_id == END
            found_nothing += not more.messages
            if shown_id >= top_id:
                break
        return window

    def _is_cut(self, messages: Sequence[Any], first_id: int, last_id: int) -> bool:
        """Whether there may be more of an album of the part's, of these ids, before the messages: a
        few ids further on, as where others write in between."""
        shown = [each for each in messages if is_shown(each)]
        own = (each for each in shown if first_id <= each.id <= last_id)
        album_id = album_of(next((each for each in own if self._shard.holds(each.id)), None))
        if album_id is None or album_of(shown[0]) != album_id:
            return False
        return sum(album_of(each) == album_id for each in shown) <= ALBUM_NEIGHBOURS
