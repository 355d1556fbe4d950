"""Finds the chat that a user named, and says why where it can't be read.

Channels and users are addressed by an id and an access hash, which an account learns by meeting
them: through a user name, an invite, or its list of dialogs
(https://core.telegram.org/api/peers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from pyrogram import raw
from pyrogram.errors import RPCError
from pyrogram.raw.core import TLObject

from tdl_sync.core.errors import ChatUnreadable, NetworkUnreachable
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
from tdl_sync.telegram.session import refusals
from tdl_sync.telegram.session.answers import error_name
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.peers import (
    chat_of,
    input_peer,
    marked_id,
    marked_id_of,
    why_unreadable,
)

NO_MEANINGS: Mapping[str, ChatUnreadable] = MappingProxyType({})
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
            own = Chat(self._telegram.account_id, "Saved Messages", ChatKind.SAVED_MESSAGES)
            return self._remember(replace(own, asked_as=spelling.text), raw.types.InputPeerSelf())
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
        return self._asked(chat.asked_as, chat.title, query, "finding the comments")

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
        nobody = ("USERNAME_NOT_OCCUPIED", "USERNAME_INVALID")
        found = self._found(spelling, query, nobody, "nobody has this user name")
        wanted_id = marked_id_of(found.peer)
        for candidate in (*found.chats, *found.users):
            if marked_id(candidate) == wanted_id:
                return self._readable(spelling, candidate)
        raise ChatUnreadable(spelling.text, "Telegram did not say what it is", OTHER_SPELLINGS)

    def _by_invite(self, spelling: ByInviteHash) -> Chat:
        query = raw.functions.messages.CheckChatInvite(hash=spelling.invite_hash)
        no_invite = ("INVITE_HASH_EMPTY", "INVITE_HASH_EXPIRED", "INVITE_HASH_INVALID")
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
        unknown: tuple[str, ...],
        why: str,
    ) -> Any:
        """Telegram's answer; ``why`` is what its ``unknown`` refusals mean."""
        return self._asked(
            spelling.text,
            "",
            query,
            "finding the chat",
            {name: ChatUnreadable(spelling.text, why, OTHER_SPELLINGS) for name in unknown},
        )

    def _asked(
        self,
        named: str,
        title: str,
        query: TLObject[Any],
        doing: str,
        meanings: Mapping[str, ChatUnreadable] = NO_MEANINGS,
    ) -> Any:
        """What is refused ends this chat and no other. ``meanings`` are those of single names."""
        try:
            return self._telegram.call(query, doing)
        except RPCError as error:
            meaning = meanings.get(error_name(error))
            raise meaning or refusals.of_chat(named, title, error, doing) from error
        except NetworkUnreachable as error:
            raise refusals.unreadable_now(named, title, str(error)) from error

    def _by_marked_id(self, spelling: ByMarkedId) -> Chat:
        """Ids alone say nothing to Telegram: the list of dialogs gives the access hash."""
        for page in dialog_pages(self._telegram):
            for candidate in page.chats_and_users:
                if marked_id(candidate) == spelling.marked_id:
                    return self._readable(spelling, candidate)
        raise ChatUnreadable(
            spelling.text,
            "this account has no chat with this id in its list (not joined, or left)",
            f"Join it, or name it otherwise. {OTHER_SPELLINGS}",
        )

    def _readable(self, spelling: ChatSpelling, found: Any) -> Chat:
        barred = why_unreadable(found)
        if barred is not None:
            raise ChatUnreadable(spelling.text, barred.why, barred.next_step)
        chat = replace(chat_of(found), asked_as=spelling.text)
        return self._remember(chat, input_peer(found))

    def _remember(self, chat: Chat, peer: raw.base.InputPeer) -> Chat:
        self._peers[chat.id] = peer
        self._chats[chat.id] = chat
        return chat


def _channel(peer: Any) -> raw.types.InputChannel:
    return raw.types.InputChannel(channel_id=peer.channel_id, access_hash=peer.access_hash)
