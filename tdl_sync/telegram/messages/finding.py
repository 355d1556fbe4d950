"""Which chat a user means, asked of Telegram in the cheapest way that is certain.

Channels and users are addressed by an id and an access hash, which an account learns by meeting
them: through a user name, an invite, or its list of dialogs
(https://core.telegram.org/api/peers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pyrogram import raw
from pyrogram.errors import RPCError
from pyrogram.raw.core import TLObject

from tdl_sync.core.errors import (
    ChatFoundLater,
    ChatUnreadable,
    ChatUnreadableNow,
    NetworkUnreachable,
)
from tdl_sync.options.chat_spelling import SPELLINGS, ByInviteHash, ByMarkedId, ByUsername
from tdl_sync.telegram.messages.dialogs import DOING, DialogPage, dialog_pages
from tdl_sync.telegram.messages.known_chats import KnownChat, KnownChats
from tdl_sync.telegram.session import refusals
from tdl_sync.telegram.session.answers import error_name, flood_wait_seconds
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.peers import (
    CHANNEL_MARK,
    access_hash_of,
    marked_id,
    marked_id_of,
    usernames_of,
)

OTHER_SPELLINGS = f"Spellings that work: {SPELLINGS}"
LONGEST_WAIT_SECONDS = 5.0
"""A longer flood wait is left to who has other chats to go on with."""

NO_MEANINGS: Mapping[str, ChatUnreadable] = MappingProxyType({})
_FINDING = "finding the chat"

Spelling = ByUsername | ByInviteHash | ByMarkedId


class Asker:
    """Asks about one chat at a time: what is refused ends this chat and no other."""

    def __init__(self, telegram: TelegramClient) -> None:
        self._telegram = telegram

    def ask(
        self,
        named: str,
        title: str,
        query: TLObject[Any],
        doing: str,
        meanings: Mapping[str, ChatUnreadable] = NO_MEANINGS,
    ) -> Any:
        """``meanings`` are those of single names of errors. Raises ``ChatUnreadable``, of which
        ``ChatFoundLater`` is what a flood wait becomes."""
        try:
            return self._telegram.call(query, doing, LONGEST_WAIT_SECONDS)
        except RPCError as error:
            seconds = flood_wait_seconds(error)
            if seconds is not None:
                raise ChatFoundLater(named, seconds, title) from error
            meaning = meanings.get(error_name(error))
            raise meaning or refusals.of_chat(named, title, error, doing) from error
        except NetworkUnreachable as error:
            raise refusals.unreadable_now(named, title, str(error)) from error


class Finder:
    """Blocks; one thread, and not the loop's."""

    def __init__(self, telegram: TelegramClient, known: KnownChats) -> None:
        self._telegram = telegram
        self._known = known
        self._asker = Asker(telegram)
        self._listed: list[Any] = []
        self._pages: Iterator[DialogPage] | None = None

    def find(self, spelling: Spelling) -> Any:
        """The raw chat or user. Raises ``ChatUnreadable`` with what else the user can do."""
        account_id = self._telegram.account_id
        known = self._known.find(account_id, spelling)
        found = None if known is None else self._still(known, spelling)
        if found is None:
            found = self._found(spelling)
            chat = KnownChat(marked_id(found), access_hash_of(found))
            self._known.learn(account_id, spelling, chat)
        return found

    def _found(self, spelling: Spelling) -> Any:
        if isinstance(spelling, ByUsername):
            return self._by_username(spelling)
        if isinstance(spelling, ByInviteHash):
            return self._by_invite(spelling)
        return self._by_marked_id(spelling)

    def _still(self, known: KnownChat, spelling: Spelling) -> Any | None:
        """The chat that was found by this spelling before, if that still is what it means.

        A name may have been given to another chat since, which only the chat itself can tell.
        """
        try:
            answer = self._asker.ask(spelling.text, "", _chat_by_id(known), _FINDING)
        except ChatUnreadableNow:
            raise
        except ChatUnreadable:
            return None
        found = next((each for each in _chats_in(answer) if marked_id(each) == known.chat_id), None)
        if found is None or (isinstance(spelling, ByUsername) and not _bears(found, spelling)):
            return None
        return found

    def _by_username(self, spelling: ByUsername) -> Any:
        query = raw.functions.contacts.ResolveUsername(username=spelling.username)
        nobody = ("USERNAME_NOT_OCCUPIED", "USERNAME_INVALID")
        try:
            answer = self._ask(spelling, query, nobody, "nobody has this user name")
        except ChatFoundLater:
            # The account's own list names its chats, too.
            listed = self._in_list(spelling, lambda each: _bears(each, spelling))
            if listed is None:
                raise
            return listed
        wanted_id = marked_id_of(answer.peer)
        for candidate in (*answer.chats, *answer.users):
            if marked_id(candidate) == wanted_id:
                return candidate
        raise ChatUnreadable(spelling.text, "Telegram did not say what it is", OTHER_SPELLINGS)

    def _by_invite(self, spelling: ByInviteHash) -> Any:
        query = raw.functions.messages.CheckChatInvite(hash=spelling.invite_hash)
        no_invite = ("INVITE_HASH_EMPTY", "INVITE_HASH_EXPIRED", "INVITE_HASH_INVALID")
        ended = "this invite link has ended or never was one"
        invite = self._ask(spelling, query, no_invite, ended)
        if isinstance(invite, raw.types.ChatInviteAlready):
            return invite.chat
        raise ChatUnreadable(
            spelling.text,
            "this account has not joined it",
            "Open the link in a Telegram app, join, and run again.",
        )

    def _by_marked_id(self, spelling: ByMarkedId) -> Any:
        """Ids alone say nothing to Telegram, but for those of basic groups: the list of dialogs
        gives the access hash."""
        found = self._in_list(spelling, lambda each: marked_id(each) == spelling.marked_id)
        if found is None and CHANNEL_MARK < spelling.marked_id < 0:
            found = self._still(KnownChat(spelling.marked_id, 0), spelling)
        if found is not None:
            return found
        raise ChatUnreadable(
            spelling.text,
            "this account has no chat with this id in its list (not joined, or left)",
            f"{_hint(spelling.marked_id)}Join it, or name it otherwise. {OTHER_SPELLINGS}",
        )

    def _in_list(self, spelling: Spelling, is_it: Callable[[Any], bool]) -> Any | None:
        """Of the account's list, of which no page is read twice, and none that is not needed."""
        for candidate in self._listed:
            if is_it(candidate):
                return candidate
        while (page := self._next_page(spelling)) is not None:
            self._listed += page.chats_and_users
            for candidate in page.chats_and_users:
                if is_it(candidate):
                    return candidate
        return None

    def _next_page(self, spelling: Spelling) -> DialogPage | None:
        def ask(query: TLObject[Any]) -> Any:
            return self._asker.ask(spelling.text, "", query, DOING)

        if self._pages is None:
            self._listed, self._pages = [], dialog_pages(ask)
        try:
            return next(self._pages, None)
        except ChatUnreadable:
            self._pages = None  # it has ended, so the next one begins anew
            raise

    def _ask(
        self, spelling: Spelling, query: TLObject[Any], unknown: tuple[str, ...], why: str
    ) -> Any:
        """Telegram's answer; ``why`` is what its ``unknown`` refusals mean."""
        meanings = {name: ChatUnreadable(spelling.text, why, OTHER_SPELLINGS) for name in unknown}
        return self._asker.ask(spelling.text, "", query, _FINDING, meanings)


def _hint(marked_id: int) -> str:
    return "" if marked_id < 0 else "A channel's id has -100 before it. "


def _bears(found: Any, spelling: ByUsername) -> bool:
    return spelling.username in (name.lower() for name in usernames_of(found))


def _chat_by_id(known: KnownChat) -> TLObject[Any]:
    chat_id, access_hash = known.chat_id, known.access_hash
    if chat_id > 0:
        user = raw.types.InputUser(user_id=chat_id, access_hash=access_hash)
        return raw.functions.users.GetUsers(id=[user])
    if chat_id > CHANNEL_MARK:
        return raw.functions.messages.GetChats(id=[-chat_id])
    channel = raw.types.InputChannel(channel_id=CHANNEL_MARK - chat_id, access_hash=access_hash)
    return raw.functions.channels.GetChannels(id=[channel])


def _chats_in(answer: Any) -> list[Any]:
    """Without what stands for a chat or a user that is not there."""
    found = answer if isinstance(answer, list) else answer.chats
    nothing = (raw.types.ChatEmpty, raw.types.UserEmpty)
    return [each for each in found if not isinstance(each, nothing)]
