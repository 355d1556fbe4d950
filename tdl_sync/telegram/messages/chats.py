"""The chats of a run: found, addressed, and said why where one can't be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pyrogram import raw
from pyrogram.raw.core import TLObject

from tdl_sync.core.errors import ChatUnreadable, TdlSyncError
from tdl_sync.core.model import Chat, ChatKind
from tdl_sync.options.chat_spelling import ByMarkedId, ChatSpelling, OwnSavedMessages
from tdl_sync.telegram.messages.finding import Asker, Finder
from tdl_sync.telegram.messages.known_chats import KnownChats
from tdl_sync.telegram.messages.queries import history
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.peers import (
    chat_of,
    input_peer,
    marked_id,
    marked_id_of,
    why_unreadable,
)


class ChatBook:
    """The chats of this run and how to address them. Blocks; any thread but the loop's."""

    def __init__(self, telegram: TelegramClient, known: KnownChats | None = None) -> None:
        """``known`` is what earlier runs have learnt."""
        self._telegram = telegram
        self._asker = Asker(telegram)
        self._finder = Finder(telegram, known or KnownChats())
        self._peers: dict[int, raw.base.InputPeer] = {}
        self._chats: dict[int, Chat] = {}

    def resolve(self, spelling: ChatSpelling) -> Chat:
        """Find the chat. Raises ``ChatUnreadable`` with the reason and the spellings that work;
        ``ChatFoundLater`` where a flood wait would have to be waited for."""
        try:
            found = self._resolved(spelling)
        except TdlSyncError:
            self._telegram.check_account()  # a session that has ended is told as what it is
            raise
        self._telegram.check_account()
        return found

    def _resolved(self, spelling: ChatSpelling) -> Chat:
        if isinstance(spelling, OwnSavedMessages):
            return self._own(spelling)
        return self._readable(spelling, self._finder.find(spelling))

    def discussion_of(self, chat: Chat) -> Chat:
        """The group in which a channel's posts are commented on.

        Raises ``ChatUnreadable`` for a chat that has none.
        """
        if chat.kind is ChatKind.CHANNEL:
            full = self._ask_about(chat, "finding the comments")
            for candidate in full.chats:
                if candidate.id == full.full_chat.linked_chat_id:
                    group = self._readable(ByMarkedId(marked_id(candidate)), candidate)
                    return replace(group, comments_on_id=chat.id)
        raise ChatUnreadable(
            chat.title, "it has no comments", "Leave --comments out for this chat."
        )

    def older_part_of(self, chat: Chat) -> Chat | None:
        """The group that this supergroup was; ``None`` if it was none, or nothing is left of it.

        Raises ``ChatUnreadable`` where it can't be read, as by an account that joined later, and
        the same as ``resolve``.
        """
        if chat.kind is not ChatKind.SUPERGROUP:
            return None
        doing = "looking for its older part"
        full = self._ask_about(chat, doing)
        group_id = full.full_chat.migrated_from_chat_id
        if not group_id:
            return None
        peer = raw.types.InputPeerChat(chat_id=group_id)
        named = chat.asked_as or chat.title
        newest = self._asker.ask(named, chat.title, history(peer, 1), doing)
        # Only an answer that is not all there is has a count of its own.
        if not getattr(newest, "count", len(newest.messages)):
            return None
        title = next((each.title for each in full.chats if marked_id(each) == -group_id), "")
        older = Chat(-group_id, title or chat.title, ChatKind.GROUP, became_id=chat.id)
        return self._remember(older, peer)

    def _ask_about(self, chat: Chat, doing: str) -> Any:
        query = raw.functions.channels.GetFullChannel(channel=_channel(self._peers[chat.id]))
        return self._asker.ask(chat.asked_as or chat.title, chat.title, query, doing)

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


def _channel(peer: Any) -> raw.types.InputChannel:
    return raw.types.InputChannel(channel_id=peer.channel_id, access_hash=peer.access_hash)
