"""``chats``: what the account can read, for choosing what to give to ``-u``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tdl_sync.commands.output import StandardOutput
from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.text import columns_of, cut_to_columns, padded, printable
from tdl_sync.options.config import Config
from tdl_sync.run.telegram_side import opened_to_look
from tdl_sync.telegram.messages.chat_list import ListedChat, TelegramChatList, at_username

_LEAST_NAME_COLUMNS = 12
_GAP = "  "


_HEADINGS = ("-u", "KIND", "MESSAGES", "USER NAME", "NAME")
_COUNT = _HEADINGS.index("MESSAGES")


class Table:
    """Rows can be made before all counts are known: no chat holds more messages than the id of
    its newest one says."""

    def __init__(self, chats: Sequence[ListedChat], columns: int | None) -> None:
        """``columns``: the terminal's, to which names are cut; ``None`` leaves them whole."""
        rows = [_HEADINGS, *map(_cells, chats)]
        self._widths = [max(columns_of(row[i]) for row in rows) for i in range(len(_HEADINGS) - 1)]
        most = max((chat.newest_message_id for chat in chats), default=0)
        self._widths[_COUNT] = max(self._widths[_COUNT], len(f"{most:,}"))
        used = sum(self._widths) + len(_GAP) * len(self._widths)
        self._name_columns = None if columns is None else max(columns - used, _LEAST_NAME_COLUMNS)

    def heading(self) -> str:
        return self._line(_HEADINGS)

    def lines(self, chat: ListedChat) -> Iterator[str]:
        """The row, and under it what there is to know of the chat: why it can't be read, and that
        it is a part of another."""
        yield self._line(_cells(chat))
        if chat.chat.became_id is not None:
            yield f"{_GAP}the older part of the supergroup {chat.chat.became_id}, moved with it"
        if chat.unreadable is not None:
            yield f"{_GAP}cannot be read: {printable(chat.unreadable)}"

    def _line(self, cells: Iterable[str]) -> str:
        *others, name = cells
        row = [
            padded(cell, width, right=position == _COUNT)
            for position, (cell, width) in enumerate(zip(others, self._widths, strict=True))
        ]
        row.append(name if self._name_columns is None else cut_to_columns(name, self._name_columns))
        return _GAP.join(row).rstrip()


def record_of(listed: ListedChat) -> dict[str, Any]:
    """For ``--json``; the keys are documented in docs/looking.md."""
    chat = listed.chat
    return {
        "spelling": listed.spelling,
        "id": chat.id,
        "name": chat.title,
        "kind": chat.kind.value,
        "username": chat.username,
        "messages": listed.messages,
        "newest_message_id": listed.newest_message_id,
        "unreadable": listed.unreadable,
        "became": chat.became_id,
    }


def _cells(listed: ListedChat) -> tuple[str, ...]:
    chat = listed.chat
    count = "-" if listed.messages is None else f"{listed.messages:,}"
    texts = (listed.spelling, chat.kind.value, count, at_username(chat))
    return (*map(printable, texts), printable(chat.title))


def list_chats(config: Config, output: StandardOutput) -> tuple[TdlSyncError, ...]:
    """Print the account's chats, each as soon as its messages are counted."""
    with opened_to_look(config) as telegram:
        chat_list = TelegramChatList(telegram.client)
        chats = chat_list.chats()
        counted = chat_list.counted(chats)
        if config.as_json:
            output.json_array(record_of(chat) for chat in counted)
            return ()
        table = Table(chats, output.columns)
        output.line(table.heading())
        for chat in counted:
            for line in table.lines(chat):
                output.line(line)
    return ()
