"""Finds the chat that a user named, and says why where it can't be read.

Channels and users are addressed by an id and an access hash, which an account learns by meeting
them: through a user name, an invite, or its list of dialogs
(https://core.telegram.org/api/peers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

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

from tdl_sync.chat_spelling import (
    SPELLINGS,
    ByInviteHash,
    ByMarkedId,
    ByUsername,
    ChatSpelling,
    OwnSavedMessages,
)
from tdl_sync.errors import ChatUnreadable
from tdl_sync.model import Chat, ChatKind
from tdl_sync.telegram.answers import translated
from tdl_sync.telegram.client import TelegramClient
from tdl_sync.telegram.peers import CHANNEL_MARK, marked_id_of

DIALOGS_PER_PAGE = 100
MOST_DIALOG_PAGES = 200

OTHER_SPELLINGS = f"Spellings that work: {SPELLINGS}"

Answer = TypeVar("Answer")


class ChatBook:
    """The chats of this run and how to address them. Blocks; any thread but the loop's."""

    def __init__(self, telegram: TelegramClient) -> None:
        self._telegram = telegram
        self._peers: dict[int, raw.base.InputPeer] = {}
        self._chats: dict[int, Chat] = {}

    def resolve(self, spelling: ChatSpelling) -> Chat:
        """Find the chat. Raises ``ChatUnreadable`` with the reason and the spellings that work."""
        if isinstance(spelling, OwnSavedMessages):
            return self._remember(
                Chat(self._telegram.account_id, "Saved Messages", ChatKind.SAVED_MESSAGES),
                raw.types.InputPeerSelf(),
            )
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
                    group = self._readable(ByMarkedId(_marked_id(candidate)), candidate)
                    return replace(group, comments_on_id=chat.id)
        raise ChatUnreadable(
            chat.title, "it has no comments", "Leave --comments out for this chat."
        )

    def _ask_about(self, chat: Chat) -> Any:
        peer: Any = self._peers[chat.id]
        channel = raw.types.InputChannel(channel_id=peer.channel_id, access_hash=peer.access_hash)
        try:
            return self._telegram.call(
                raw.functions.channels.GetFullChannel(channel=channel), "finding the comments"
            )
        except RPCError as error:
            raise translated(error, f"finding the comments on {chat.title!r}") from error

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
            channel = raw.types.InputChannel(
                channel_id=peer.channel_id, access_hash=peer.access_hash
            )
            return raw.functions.channels.GetMessages(channel=channel, id=ids)
        return raw.functions.messages.GetMessages(id=ids)

    def belongs(self, message: object, chat: Chat) -> bool:
        """Whether a message that was asked for by id is there, and in this chat."""
        return isinstance(message, raw.types.Message) and marked_id_of(message.peer_id) == chat.id

    def _by_username(self, spelling: ByUsername) -> Chat:
        try:
            found: Any = self._telegram.call(
                raw.functions.contacts.ResolveUsername(username=spelling.username),
                "finding the chat",
            )
        except (UsernameNotOccupied, UsernameInvalid):
            raise ChatUnreadable(
                spelling.text, "nobody has this user name", OTHER_SPELLINGS
            ) from None
        except RPCError as error:
            raise translated(error, f"finding {spelling.text!r}") from error
        marked_id = marked_id_of(found.peer)
        for candidate in (*found.chats, *found.users):
            if _marked_id(candidate) == marked_id:
                return self._readable(spelling, candidate)
        raise ChatUnreadable(spelling.text, "Telegram did not say what it is", OTHER_SPELLINGS)

    def _by_invite(self, spelling: ByInviteHash) -> Chat:
        try:
            invite: Any = self._telegram.call(
                raw.functions.messages.CheckChatInvite(hash=spelling.invite_hash),
                "finding the chat",
            )
        except (InviteHashEmpty, InviteHashExpired, InviteHashInvalid):
            raise ChatUnreadable(
                spelling.text, "this invite link has ended or never was one", OTHER_SPELLINGS
            ) from None
        except RPCError as error:
            raise translated(error, f"finding {spelling.text!r}") from error
        if isinstance(invite, raw.types.ChatInviteAlready):
            return self._readable(spelling, invite.chat)
        raise ChatUnreadable(
            spelling.text,
            "this account has not joined it",
            "Open the link in a Telegram app, join, and run again.",
        )

    def _by_marked_id(self, spelling: ByMarkedId) -> Chat:
        """Ids alone say nothing to Telegram: the list of dialogs gives the access hash."""
        for page in self._dialog_pages():
            for candidate in page:
                if _marked_id(candidate) == spelling.marked_id:
                    return self._readable(spelling, candidate)
        raise ChatUnreadable(
            spelling.text,
            "this account has no chat with this id in its list (not joined, or left)",
            f"Join it, or name it otherwise. {OTHER_SPELLINGS}",
        )

    def _dialog_pages(self) -> Any:
        """The account's chats and users, newest dialog first (core.telegram.org/api/offsets)."""
        offset_date, offset_id = 0, 0
        offset_peer: raw.base.InputPeer = raw.types.InputPeerEmpty()
        for _ in range(MOST_DIALOG_PAGES):
            try:
                answer: Any = self._telegram.call(
                    raw.functions.messages.GetDialogs(
                        offset_date=offset_date,
                        offset_id=offset_id,
                        offset_peer=offset_peer,
                        limit=DIALOGS_PER_PAGE,
                        hash=0,
                    ),
                    "reading the list of chats",
                )
            except RPCError as error:
                raise translated(error, "reading the list of chats") from error
            yield (*answer.chats, *answer.users)
            last = self._last_dialog(answer)
            if last is None:
                return
            offset_date, offset_id, offset_peer = last

    def _last_dialog(self, answer: Any) -> tuple[int, int, raw.base.InputPeer] | None:
        """Where the next page begins, ``None`` after the last page."""
        if not isinstance(answer, raw.types.messages.DialogsSlice):
            return None
        peers = {_marked_id(each): each for each in (*answer.chats, *answer.users)}
        messages: Any = [message for message in answer.messages if message.peer_id is not None]
        dates = {(each.id, marked_id_of(each.peer_id)): each.date for each in messages}
        for dialog in reversed(answer.dialogs):
            if isinstance(dialog, raw.types.Dialog):
                where = (dialog.top_message, marked_id_of(dialog.peer))
                if where in dates and where[1] in peers:
                    return dates[where], dialog.top_message, _input_peer(peers[where[1]])
        return None

    def _readable(self, spelling: ChatSpelling, found: Any) -> Chat:
        if isinstance(found, (raw.types.ChannelForbidden, raw.types.ChatForbidden)):
            raise ChatUnreadable(
                spelling.text,
                "this account was removed from it",
                "Ask to be let in again, or log in with an account that is a member.",
            )
        if isinstance(found, raw.types.Chat) and found.migrated_to is not None:
            moved_to: Any = found.migrated_to
            moved_id = CHANNEL_MARK - int(moved_to.channel_id)
            raise ChatUnreadable(
                spelling.text, "this group has become a supergroup", f"Its id is {moved_id} now."
            )
        return self._remember(
            Chat(_marked_id(found), _title(found), _kind(found), getattr(found, "username", None)),
            _input_peer(found),
        )

    def _remember(self, chat: Chat, peer: raw.base.InputPeer) -> Chat:
        self._peers[chat.id] = peer
        self._chats[chat.id] = chat
        return chat


_MARKS: dict[type, Callable[[int], int]] = {
    raw.types.Channel: lambda number: CHANNEL_MARK - number,
    raw.types.ChannelForbidden: lambda number: CHANNEL_MARK - number,
    raw.types.Chat: lambda number: -number,
    raw.types.ChatForbidden: lambda number: -number,
}


def _marked_id(found: Any) -> int:
    mark = _MARKS.get(type(found))
    return int(found.id) if mark is None else mark(int(found.id))


def _input_peer(found: Any) -> raw.base.InputPeer:
    if isinstance(found, raw.types.Channel):
        return raw.types.InputPeerChannel(channel_id=found.id, access_hash=found.access_hash or 0)
    if isinstance(found, raw.types.User):
        return raw.types.InputPeerUser(user_id=found.id, access_hash=found.access_hash or 0)
    if isinstance(found, raw.types.Chat):
        return raw.types.InputPeerChat(chat_id=found.id)
    return raw.types.InputPeerEmpty()


def _title(found: Any) -> str:
    if isinstance(found, raw.types.User):
        names = (found.first_name, found.last_name)
        return " ".join(name for name in names if name) or str(found.id)
    return str(found.title)


def _kind(found: Any) -> ChatKind:
    if isinstance(found, raw.types.Channel):
        return ChatKind.CHANNEL if found.broadcast else ChatKind.SUPERGROUP
    return ChatKind.USER if isinstance(found, raw.types.User) else ChatKind.GROUP
