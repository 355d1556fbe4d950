"""Finds the chat that a user named, and says why where it can't be read.

Channels and users are addressed by an id and an access hash, which an account learns by meeting
them: through a user name, an invite, or its list of dialogs
(https://core.telegram.org/api/peers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pyrogram import raw
from pyrogram.errors import (
    InviteHashEmpty,
    InviteHashExpired,
    InviteHashInvalid,
    RPCError,
    UsernameInvalid,
    UsernameNotOccupied,
)
from pyrogram.raw.core import TLObject

from tdl_sync.core.errors import ChatUnreadable
from tdl_sync.core.model import Chat, ChatKind
from tdl_sync.options.chat_spelling import (
    SPELLINGS,
    ByInviteHash,
    ByMarkedId,
    ByUsername,
    ChatSpelling,
    OwnSavedMessages,
)
from tdl_sync.telegram.messages.dialogs import dialog_pages
from tdl_sync.telegram.session.answers import translating
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.peers import (
    chat_of,
    input_peer,
    marked_id,
    marked_id_of,
    why_unreadable,
)

OTHER_SPELLINGS = f"Spellings that work: {SPELLINGS}"


class ChatBook:
    """The chats of this run and how to address them. Blocks; any thread but the loop's."""

    def __init__(self, telegram: TelegramClient) -> None:
        self._telegram = telegram
        self._peers: dict[int, raw.base.InputPeer] = {}
        self._chats: dict[int, Chat] = {}

    def resolve(self, spelling: ChatSpelling) -> Chat:
        """Find the chat. Raises ``ChatUnreadable`` with the reason and the spellings that work."""
        if isinstance(spelling, OwnSavedMessages):
            return self._own(spelling)
        if isinstance(spelling, ByUsername):
            return self._by_username(spelling)
        if isinstance(spelling, ByInviteHash):
            return self._by_invite(spelling)
        return self._by_marked_id(spelling)

    def discussion_of(self, chat: Chat) -> Chat:
        """The group in which a channel's posts are commented on.

        Raises ``ChatUnreadable`` for a chat that has none.
        """
        if chat.kind is ChatKind.CHANNEL:
            full = self._ask_about(chat)
            for candidate in full.chats:
                if candidate.id == full.full_chat.linked_chat_id:
                    group = self._readable(ByMarkedId(marked_id(candidate)), candidate)
                    return replace(group, comments_on_id=chat.id)
        raise ChatUnreadable(
            chat.title, "it has no comments", "Leave --comments out for this chat."
        )

    def _ask_about(self, chat: Chat) -> Any:
        query = raw.functions.channels.GetFullChannel(channel=_channel(self._peers[chat.id]))
        with translating(f"finding the comments on {chat.title!r}"):
            return self._telegram.call(query, "finding the comments")

    def known(self, chat_id: int) -> Chat:
        """A chat that was resolved before."""
        return self._chats[chat_id]

    def peer(self, chat: Chat) -> raw.base.InputPeer:
        return self._peers[chat.id]

    def get_messages(self, chat: Chat, message_ids: Sequence[int]) -> TLObject[Any]:
        """The request for these messages, at most 100. Outside channels ids are the account's."""
        ids: list[raw.base.InputMessage] = [
            raw.types.InputMessageID(id=message_id) for message_id in message_ids
        ]
        peer: Any = self._peers[chat.id]
        if type(peer) is raw.types.InputPeerChannel:
            return raw.functions.channels.GetMessages(channel=_channel(peer), id=ids)
        return raw.functions.messages.GetMessages(id=ids)

    def belongs(self, message: object, chat: Chat) -> bool:
        """Whether a message that was asked for by id is there, and in this chat."""
        return isinstance(message, raw.types.Message) and marked_id_of(message.peer_id) == chat.id

    def _by_username(self, spelling: ByUsername) -> Chat:
        query = raw.functions.contacts.ResolveUsername(username=spelling.username)
        nobody = (UsernameNotOccupied, UsernameInvalid)
        found = self._found(spelling, query, nobody, "nobody has this user name")
        wanted_id = marked_id_of(found.peer)
        for candidate in (*found.chats, *found.users):
            if marked_id(candidate) == wanted_id:
                return self._readable(spelling, candidate)
        raise ChatUnreadable(spelling.text, "Telegram did not say what it is", OTHER_SPELLINGS)

    def _by_invite(self, spelling: ByInviteHash) -> Chat:
        query = raw.functions.messages.CheckChatInvite(hash=spelling.invite_hash)
        no_invite = (InviteHashEmpty, InviteHashExpired, InviteHashInvalid)
        ended = "this invite link has ended or never was one"
        invite = self._found(spelling, query, no_invite, ended)
        if isinstance(invite, raw.types.ChatInviteAlready):
            return self._readable(spelling, invite.chat)
        raise ChatUnreadable(
            spelling.text,
            "this account has not joined it",
            "Open the link in a Telegram app, join, and run again.",
        )

    def _found(
        self,
        spelling: ChatSpelling,
        query: TLObject[Any],
        unknown: tuple[type[RPCError], ...],
        why: str,
    ) -> Any:
        """Telegram's answer; ``why`` is what its ``unknown`` refusals mean."""
        with translating(f"finding {spelling.text!r}"):
            try:
                return self._telegram.call(query, "finding the chat")
            except unknown:
                raise ChatUnreadable(spelling.text, why, OTHER_SPELLINGS) from None

    def _by_marked_id(self, spelling: ByMarkedId) -> Chat:
        """Ids alone say nothing to Telegram: the list of dialogs gives the access hash."""
        for page in dialog_pages(self._telegram):
            for candidate in page.chats_and_users:
                if marked_id(candidate) == spelling.marked_id:
                    return self._readable(spelling, candidate)
        raise ChatUnreadable(
            spelling.text,
            "this account has no chat with this id in its list (not joined, or left)",
            f"{_hint(spelling.marked_id)}Join it, or name it otherwise. {OTHER_SPELLINGS}",
        )

    def _own(self, spelling: ChatSpelling) -> Chat:
        own = Chat(self._telegram.account_id, "Saved Messages", ChatKind.SAVED_MESSAGES)
        return self._remember(replace(own, asked_as=spelling.text), raw.types.InputPeerSelf())

    def _readable(self, spelling: ChatSpelling, found: Any) -> Chat:
        if isinstance(found, raw.types.User) and found.is_self:  # by the account's name or id
            return self._own(spelling)
        barred = why_unreadable(found)
        if barred is not None:
            raise ChatUnreadable(spelling.text, barred.why, barred.next_step)
        chat = replace(chat_of(found), asked_as=spelling.text)
        return self._remember(chat, input_peer(found))

    def _remember(self, chat: Chat, peer: raw.base.InputPeer) -> Chat:
        self._peers[chat.id] = peer
        self._chats[chat.id] = chat
        return chat


def _hint(marked_id: int) -> str:
    return "" if marked_id < 0 else "A channel's id has -100 before it. "


def _channel(peer: Any) -> raw.types.InputChannel:
    return raw.types.InputChannel(channel_id=peer.channel_id, access_hash=peer.access_hash)
