"""The chats of the account, and how many messages each holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pyrogram import raw
from pyrogram.errors import RPCError

from tdl_sync.core.model import Chat, ChatKind
from tdl_sync.options.chat_spelling import is_username
from tdl_sync.telegram.messages.dialogs import Dialog, dialog_pages, patiently
from tdl_sync.telegram.messages.queries import history
from tdl_sync.telegram.session.answers import error_name, translated
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.peers import chat_of, input_peer, why_unreadable
from tdl_sync.telegram.session.refusals import Concern, concern_of


class TelegramChatList:
    """Blocks; any thread but the loop's."""

    def __init__(self, telegram: TelegramClient) -> None:
        self._telegram = telegram
        self._peers: dict[int, raw.base.InputPeer] = {}

    def chats(self) -> list[ListedChat]:
        """All chats, the latest first and the archived ones behind the others; not counted yet."""
        listed = []
        for page in dialog_pages(patiently(self._telegram)):
            for dialog in page.dialogs:
                chat = _listed(dialog)
                self._peers[chat.chat.id] = input_peer(dialog.found)
                listed.append(chat)
        return listed

    def counted(self, chats: Iterable[ListedChat]) -> Iterator[ListedChat]:
        """The same with the numbers of their messages: a call for each, as Telegram has none for
        several. What can't be read says why."""
        for listed in chats:
            yield listed if listed.unreadable is not None else self._counted(listed)

    def _counted(self, listed: ListedChat) -> ListedChat:
        newest = history(self._peers[listed.chat.id], 1)
        try:
            answer: Any = self._telegram.call(newest, "counting messages")
        except RPCError as error:
            if concern_of(error) is Concern.SESSION:
                raise translated(error, "counting messages") from error
            return replace(listed, unreadable=f"Telegram refuses it ({error_name(error)})")
        # Only an answer that is not all there is has a count of its own.
        return replace(listed, messages=int(getattr(answer, "count", len(answer.messages))))


def _listed(dialog: Dialog) -> ListedChat:
    chat = chat_of(dialog.found)
    if isinstance(dialog.found, raw.types.User) and dialog.found.is_self:
        chat = Chat(chat.id, "Saved Messages", ChatKind.SAVED_MESSAGES, chat.username)
    barred = why_unreadable(dialog.found)
    why = None if barred is None else f"{barred.why}. {barred.next_step}"
    return ListedChat(chat, dialog.newest_message_id, unreadable=why)


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
    def spelling(self) -> str:
        """What ``-u`` takes for it."""
        if self.chat.kind is ChatKind.SAVED_MESSAGES:
            return "me"
        if self.chat.kind is ChatKind.USER and is_username(self.chat.username or ""):
            return at_username(self.chat)
        return str(self.chat.id)


def at_username(chat: Chat) -> str:
    """Empty for a chat without a user name."""
    return f"@{chat.username}" if chat.username else ""
