"""What of a list by ids is certain after an answer, and where to ask next.

An answer is a window of the list: so many messages, one after the other, without those that
Telegram does not show to this account, as some may not be shown in its country. So it may hold
fewer than were asked for, or none, and say nothing about an end. What is certain: all that is shown
between two messages of a window is in it, and a window spans at least as many ids as messages were
asked for, each being one. Near the newest message Telegram fills a window with older ones, and only
that, or the last id that is known, says that nothing comes behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

PAGE_MESSAGES = 100
"""The most that one call returns (https://core.telegram.org/api/offsets)."""

END = 2**63 - 1
"""Higher than any message's id: nothing comes behind this window."""

_LEAST_LEAP_IDS = 2 * PAGE_MESSAGES


@dataclass(frozen=True)
class Window:
    """Of the ids from ``first_id`` to ``last_id`` all that is shown, oldest first."""

    messages: tuple[Any, ...]
    first_id: int
    last_id: int

    @classmethod
    def upwards(
        cls, found: Sequence[Any], offset_id: int, *, is_all: bool = False, ends: bool = False
    ) -> Window:
        """An answer about the ids from ``offset_id`` on. ``is_all``: Telegram says that there is
        no more; ``ends``: it is known otherwise that nothing comes behind it."""
        ids = [message.id for message in found]
        last_id = max([*ids, offset_id + PAGE_MESSAGES - 1])
        if is_all or ends or any(each < offset_id for each in ids):
            last_id = END
        return cls(_sorted(each for each in found if each.id >= offset_id), offset_id, last_id)

    @classmethod
    def downwards(cls, found: Sequence[Any], offset_id: int, *, is_all: bool = False) -> Window:
        """An answer about the ids below ``offset_id``."""
        ids = [message.id for message in found]
        first_id = 0 if is_all else max(0, min([*ids, offset_id - PAGE_MESSAGES]))
        return cls(_sorted(each for each in found if each.id < offset_id), first_id, offset_id - 1)

    def within(self, first_id: int, last_id: int) -> Window:
        """As much of it as these ids have; all of them must be in it."""
        kept = tuple(each for each in self.messages if first_id <= each.id <= last_id)
        return Window(kept, first_id, last_id)


def _sorted(messages: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(messages, key=lambda message: int(message.id)))


class Steps:
    """Finds the next window from an id on, up or down. One reading in one direction, one thread.

    A call for each window that holds something. Where nothing is shown next, a look from the other
    side mostly tells that nothing is there at all: the newest message was deleted or is withheld,
    or ids are missing by the million, as in chats that share theirs with others. Where it does not
    tell, whole windows are withheld; then it goes on by as many ids as an answer spans.
    """

    def __init__(self, up: Callable[[int], Window], down: Callable[[int], Window]) -> None:
        """``up`` asks for the window from an id on, ``down`` for the one below an id."""
        self._ask_up = up
        self._ask_down = down
        self._leap_ids = END
        self._steps_before_leap = 0
        self._failed_leaps = 0

    def up(self, first_id: int, last_id: int) -> Window:
        """The window that begins with ``first_id``. It is empty only where all of its ids are."""
        window = self._ask_up(first_id)
        if window.messages or window.last_id >= last_id or not self._may_leap():
            return window
        target_id = first_id + min(self._leap_ids, last_id - first_id)
        seen = self._ask_down(target_id + 1)
        if not self._has_leapt(seen.first_id <= window.last_id + 1, target_id - first_id):
            return window
        return _joined(window, seen, first_id, target_id)

    def down(self, last_id: int, first_id: int) -> Window:
        """The window that ends with ``last_id``. It is empty only where all of its ids are."""
        window = self._ask_down(last_id + 1)
        if window.messages or window.first_id <= first_id or not self._may_leap():
            return window
        target_id = last_id - min(self._leap_ids, last_id - first_id)
        seen = self._ask_up(target_id)
        if not self._has_leapt(seen.last_id >= window.first_id - 1, last_id - target_id):
            return window
        return _joined(seen, window, target_id, last_id)

    def _may_leap(self) -> bool:
        self._steps_before_leap -= 1
        return self._steps_before_leap < 0

    def _has_leapt(self, has: bool, ids: int) -> bool:
        """Whether the look from the other side met ours. The next one is bolder then, or else less
        bold, and rarer when it can't be less bold."""
        if has:
            self._leap_ids = 2 * self._leap_ids
            self._failed_leaps = self._steps_before_leap = 0
            return True
        self._leap_ids = max(_LEAST_LEAP_IDS, ids // 2)
        if ids <= _LEAST_LEAP_IDS:
            self._failed_leaps += 1
            self._steps_before_leap = 2**self._failed_leaps
        return False


def _joined(lower: Window, upper: Window, first_id: int, last_id: int) -> Window:
    """Of two windows that overlap or lie side by side."""
    by_id = {message.id: message for message in (*lower.messages, *upper.messages)}
    return Window(_sorted(by_id.values()), lower.first_id, upper.last_id).within(first_id, last_id)
