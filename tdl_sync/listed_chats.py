"""The account's chats as rows of a table, or as records of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tdl_sync.columns import columns_of, cut, padded
from tdl_sync.model import Chat, ChatKind
from tdl_sync.naming import printable

_LEAST_NAME_COLUMNS = 12
_GAP = "  "


@dataclass(frozen=True)
class ListedChat:
    """A chat of the account's list.

    ``newest_message_id`` is 0 where there is no message. ``messages`` is Telegram's count, ``None``
    as long as it was not asked for, and for a chat that can't be read: ``unreadable`` says why.
    """

    chat: Chat
    newest_message_id: int
    messages: int | None = None
    unreadable: str | None = None

    @property
    def spelling(self) -> str | None:
        """What ``-u`` takes for it; ``None`` for a person without a user name."""
        if self.chat.kind is ChatKind.SAVED_MESSAGES:
            return "me"
        if self.chat.kind is ChatKind.USER:
            return self._at_username or None
        return str(self.chat.id)

    @property
    def _at_username(self) -> str:
        return f"@{self.chat.username}" if self.chat.username else ""

    def record(self) -> dict[str, Any]:
        """For ``--json``; the keys are documented in docs/looking.md."""
        return {
            "spelling": self.spelling,
            "id": self.chat.id,
            "name": self.chat.title,
            "kind": self.chat.kind.value,
            "username": self.chat.username,
            "messages": self.messages,
            "newest_message_id": self.newest_message_id,
            "unreadable": self.unreadable,
        }

    def cells(self) -> tuple[str, ...]:
        count = "-" if self.messages is None else f"{self.messages:,}"
        texts = (self.spelling or "-", self.chat.kind.value, count, self._at_username)
        return (*map(printable, texts), printable(self.chat.title))


_HEADINGS = ("-u", "KIND", "MESSAGES", "USER NAME", "NAME")
_COUNT = _HEADINGS.index("MESSAGES")


class Table:
    """Rows can be made before all counts are known: no chat holds more messages than the id of
    its newest one says."""

    def __init__(self, chats: Sequence[ListedChat], columns: int | None) -> None:
        """``columns``: the terminal's, to which names are cut; ``None`` leaves them whole."""
        rows = [_HEADINGS, *(chat.cells() for chat in chats)]
        self._widths = [max(columns_of(row[i]) for row in rows) for i in range(len(_HEADINGS) - 1)]
        most = max((chat.newest_message_id for chat in chats), default=0)
        self._widths[_COUNT] = max(self._widths[_COUNT], len(f"{most:,}"))
        used = sum(self._widths) + len(_GAP) * len(self._widths)
        self._name_columns = None if columns is None else max(columns - used, _LEAST_NAME_COLUMNS)

    def heading(self) -> str:
        return self._line(_HEADINGS)

    def lines(self, chat: ListedChat) -> Iterator[str]:
        """The row, and under that of a chat that can't be read the reason."""
        yield self._line(chat.cells())
        if chat.unreadable is not None:
            yield f"{_GAP}cannot be read: {printable(chat.unreadable)}"

    def _line(self, cells: Iterable[str]) -> str:
        *others, name = cells
        row = [
            padded(cell, width, right=position == _COUNT)
            for position, (cell, width) in enumerate(zip(others, self._widths, strict=True))
        ]
        row.append(name if self._name_columns is None else cut(name, self._name_columns))
        return _GAP.join(row).rstrip()
