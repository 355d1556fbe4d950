"""``chats``: what the account can read, for choosing what to give to ``-u``."""

from __future__ import annotations

from tdl_sync.commands.listed_chats import Table, record_of
from tdl_sync.commands.output import StandardOutput
from tdl_sync.core.errors import TdlSyncError
from tdl_sync.options.config import Config
from tdl_sync.run.telegram_session import opened_to_look
from tdl_sync.telegram.messages.chat_list import TelegramChatList


def list_chats(config: Config, output: StandardOutput) -> tuple[TdlSyncError, ...]:
    """Print the account's chats, each as soon as its messages are counted."""
    with opened_to_look(config) as telegram:
        chat_list = TelegramChatList(telegram)
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
