"""The wanted chats, found one after the other: those first that can be worked on at once.

A supergroup that was a group brings its older part along, which Telegram keeps as a chat of its
own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from tdl_sync.core.errors import (
    ChatError,
    ChatFoundLater,
    ChatUnreadable,
    ChatUnreadableNow,
    ConfigurationError,
)
from tdl_sync.core.model import Chat
from tdl_sync.options.config import Config
from tdl_sync.run.wanted_chats import WantedChat

if TYPE_CHECKING:
    from tdl_sync.run.telegram_side import TelegramSide


@dataclass(frozen=True)
class FoundChat:
    """A chat, from ``lower_bound`` on. ``config`` is what holds for it."""

    chat: Chat
    config: Config
    lower_bound: int = 0


@dataclass(frozen=True)
class _OlderPart:
    """Of this supergroup. ``named_ids``: the user has named ids of messages, which are its own."""

    config: Config
    chat: Chat
    named_ids: bool


_Wanted = WantedChat | _OlderPart | FoundChat


class InTurn:
    """Iterate once. Blocks where nothing can be worked on, and then raises ``Stopped``."""

    def __init__(
        self,
        wanted: Iterable[WantedChat],
        telegram: TelegramSide,
        on_line: Callable[[str], None],
        on_error: Callable[[ChatError], None],
    ) -> None:
        """``on_error`` is told of the chats that are not found."""
        self._to_find: deque[_Wanted] = deque(wanted)
        self._telegram = telegram
        self._on_line = on_line
        self._on_error = on_error
        self._later: list[tuple[float, _Wanted]] = []
        self._begun: dict[tuple[str, int, int], _Wanted] = {}
        self._brought: set[tuple[str, int]] = set()

    def __iter__(self) -> Iterator[FoundChat]:
        while self._to_find or self._later:
            self._take_up_what_is_due()
            if not self._to_find:
                self._wait()
                continue
            wanted = self._to_find.popleft()
            if isinstance(wanted, FoundChat):
                yield wanted
                continue
            try:
                found = self._older(wanted) if isinstance(wanted, _OlderPart) else self._own(wanted)
            except ChatFoundLater as error:
                self._put_off(wanted, error)
            except ChatError as error:
                self._on_error(error)
            else:
                if found is not None:
                    yield found

    @property
    def has_others(self) -> bool:
        """Whether there is a chat to go on with now, beside the one that came last."""
        return any(not isinstance(each, _OlderPart) for each in self._to_find)

    def put_off(self, found: FoundChat, error: ChatFoundLater) -> None:
        """It came, and can't be read for a while: it comes again, after others that can."""
        self._put_off(found, error)

    # --- finding ---------------------------------------------------------------------------------

    def _own(self, wanted: WantedChat) -> FoundChat | None:
        chat = wanted.find(self._telegram.chats)
        remote = wanted.config.task.remote
        if (remote, chat.id) in self._brought:
            return None
        begun = self._begun.setdefault((remote, chat.id, chat.topic_id), wanted)
        if isinstance(begun, WantedChat) and begun.config != wanted.config:
            raise ConfigurationError(
                f"the chat {wanted.spelling.text!r} ({chat.title!r}) is left out: it has gone to "
                f"the same remote as {begun.spelling.text!r}, with other options; name it once"
            )
        if chat.became_id is not None:
            self._on_line(
                f"{chat.title!r} has become a supergroup, whose own part is {chat.became_id}"
            )
        if not chat.topic_id and chat.comments_on_id is None:
            ends_by_id = wanted.config.task.choice.filters.to_id is not None
            named_ids = ends_by_id or wanted.lower_bound > 0
            self._to_find.appendleft(_OlderPart(wanted.config, chat, named_ids))
        return FoundChat(chat, wanted.config, wanted.lower_bound)

    def _older(self, wanted: _OlderPart) -> FoundChat | None:
        title, config = wanted.chat.title, wanted.config
        try:
            older = self._telegram.chats.older_part_of(wanted.chat)
        except ChatUnreadableNow:
            raise
        except ChatUnreadable as error:
            # An account that joined later has none, and this is how it learns that.
            self._on_line(f"no older part of {title!r} is moved: {error}")
            return None
        if older is None or (config.task.remote, older.id, 0) in self._begun:
            return None
        if wanted.named_ids:
            self._on_line(
                f"the older part of {title!r}, from before it was a supergroup, is left out: the "
                f"message ids that were given are not its own; -u {older.id} is that part"
            )
            return None
        self._begun[(config.task.remote, older.id, 0)] = wanted
        self._brought.add((config.task.remote, older.id))
        self._on_line(
            f"{title!r} was a group before it was a supergroup; that part is a chat of its own, "
            f"{older.title!r} ({older.id})"
        )
        # --resume demands a saved state of what was named, not of what that brings along.
        return FoundChat(older, replace(config, task=replace(config.task, resume=False)))

    # --- waiting ---------------------------------------------------------------------------------

    def _put_off(self, wanted: _Wanted, error: ChatFoundLater) -> None:
        self._later.append((time.monotonic() + error.seconds, wanted))
        self._on_line(
            f"warning: {error.spelling!r} waits: Telegram asks for a pause of {error.seconds} s "
            "before it tells of that chat; the other chats come first"
        )

    def _take_up_what_is_due(self) -> None:
        now = time.monotonic()
        due = [wanted for due_at, wanted in self._later if due_at <= now]
        self._later = [each for each in self._later if each[0] > now]
        self._to_find.extendleft(reversed(due))

    def _wait(self) -> None:
        seconds = max(0.0, min(due_at for due_at, _ in self._later) - time.monotonic())
        until = datetime.now(timezone.utc).astimezone() + timedelta(seconds=seconds)
        client = self._telegram.client
        client.on_wait("finding the chat", "Telegram asks for a pause", until)
        client.pause(seconds)
