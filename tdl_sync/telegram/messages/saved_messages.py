"""The account's Saved Messages, as far as state messages need them."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from pyrogram import raw
from pyrogram.errors import MessageIdInvalid, MessageNotModified, RandomIdDuplicate
from pyrogram.raw.core import TLObject

from tdl_sync.core.ports import SavedText
from tdl_sync.telegram.messages.queries import history, search
from tdl_sync.telegram.session.answers import translating
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.clock import utc

MOST_IN_A_PAGE = 100
"""Telegram answers no more in one call, whatever it is asked for."""

_SAVING = "saving the state"


class TelegramSavedMessages:
    """``ports.SavedMessages`` over the real Telegram. Blocks; any thread but the loop's."""

    def __init__(self, telegram: TelegramClient) -> None:
        self._telegram = telegram
        self._peer = raw.types.InputPeerSelf()

    def find(self, header: str) -> list[SavedText]:
        """Three questions at once, and what does not fit into the answers after that: one call for
        each further hundred."""
        # Telegram's text search knows words, not signs; and its index may lag behind a pin and
        # behind what was sent a moment ago, which the history shows at once.
        words = " ".join(word for word in header.split() if word.isalnum())
        with_words, pinned = _Search(self._peer, words), _Search(self._peer)
        newest, *pages = self._answers(
            history(self._peer, MOST_IN_A_PAGE), with_words.next_page(), pinned.next_page()
        )
        with_words.take(pages[0])
        pinned.take(pages[1])
        while not with_words.is_over:
            with_words.take(*self._answers(with_words.next_page()))
        # What is pinned has mostly come with the words.
        pinned.found_otherwise(with_words)
        while not pinned.is_over:
            pinned.take(*self._answers(pinned.next_page()))
        found: dict[int, SavedText] = {}
        for message in (*pinned.messages.values(), *with_words.messages.values(), *newest.messages):
            text = _own_text(message)
            if text is not None and text.text.startswith(header):
                found[text.message_id] = text
        return [found[message_id] for message_id in sorted(found)]

    def newest_id_without(self, is_ours: Callable[[str], bool]) -> int | None:
        """The id of the newest message that is neither a text of ours nor a notice of Telegram's.
        ``None`` where it is further down than one call shows.

        Ids are the account's: what a run writes here is newer than all that it has read."""
        (answer,) = self._answers(history(self._peer, MOST_IN_A_PAGE))
        ids = [
            int(message.id)
            for message in answer.messages
            if isinstance(message, raw.types.Message) and not _is_text_of(message, is_ours)
        ]
        # A page may come with fewer than there are: only its kind says that it is all.
        is_all = not isinstance(answer, raw.types.messages.MessagesSlice)
        return max(ids, default=0 if is_all else None)

    def read(self, message_id: int) -> SavedText | None:
        wanted: list[Any] = [raw.types.InputMessageID(id=message_id)]
        answer: Any = self._call(raw.functions.messages.GetMessages(id=wanted))
        texts = [_own_text(message) for message in answer.messages]
        return next((text for text in texts if text and text.message_id == message_id), None)

    def send(self, text: str) -> SavedText:
        doing = "claiming the chat"
        with translating(doing):
            return _sent(text, self._telegram.call(self._message(text), doing))

    def _message(self, text: str, *, silent: bool = True) -> TLObject[Any]:
        return raw.functions.messages.SendMessage(
            peer=self._peer,
            message=text,
            random_id=random.getrandbits(63),
            no_webpage=True,
            silent=silent or None,
        )

    def send_note(self, text: str) -> None:
        """Send a plain text that is for the user; not silently, whatever Telegram makes of that."""
        doing = "sending the note"
        # A duplicate: an earlier try had arrived, and its answer was lost.
        with translating(doing), contextlib.suppress(RandomIdDuplicate):
            self._telegram.call_if_there(self._message(text, silent=False), doing)

    def send_pinned(self, text: str) -> SavedText:
        sent = _sent(text, self._call(self._message(text)))
        # It is found without the pin, which is for the user's eyes: nobody waits for it.
        self._telegram.call_beside(
            raw.functions.messages.UpdatePinnedMessage(
                peer=self._peer, id=sent.message_id, silent=True, pm_oneside=True
            ),
            "pinning the state message",
        )
        return replace(sent, pinned=True)

    def edit(self, message_id: int, text: str) -> bool:
        # The raw call: the library's own would parse the JSON as Markdown.
        query = raw.functions.messages.EditMessage(
            peer=self._peer, id=message_id, message=text, no_webpage=True
        )
        with translating(_SAVING):
            try:
                self._telegram.call_if_there(query, _SAVING)
            except MessageNotModified:
                return True
            except MessageIdInvalid:
                return False
        return True

    def delete(self, message_ids: Iterable[int]) -> None:
        self._call(raw.functions.messages.DeleteMessages(id=list(message_ids), revoke=True))

    def _answers(self, *queries: TLObject[Any]) -> list[Any]:
        """Of several calls, which are made at once."""
        with translating("reading the state"):
            return self._telegram.call_all(queries, "reading the state")

    def _call(self, query: TLObject[Any]) -> Any:
        """A save does not wait for a network that is gone: there is the local file."""
        with translating(_SAVING):
            return self._telegram.call_if_there(query, _SAVING)


class _Search:
    """All pages of a search, newest first: what has these words, or what is pinned.

    A page may hold less than was asked for and not be the last one, and a message that is deleted
    meanwhile moves none of the others, since each page begins below an id
    (https://core.telegram.org/api/offsets).
    """

    def __init__(self, peer: raw.base.InputPeer, words: str = "") -> None:
        self._peer = peer
        self._words = words
        self.messages: dict[int, Any] = {}
        self.is_over = False
        self._oldest_id = 0
        self._skipped = 0
        self._count: int | None = None
        """How many there are, where Telegram says it for certain."""

    def next_page(self) -> TLObject[Any]:
        kind: Any = raw.types.InputMessagesFilterEmpty
        if not self._words:
            kind = raw.types.InputMessagesFilterPinned
        return search(
            self._peer,
            kind(),
            MOST_IN_A_PAGE,
            query=self._words,
            offset_id=self._oldest_id,
            add_offset=self._skipped,
        )

    def take(self, page: Any) -> None:
        """An answer to ``next_page``."""
        ids = [message.id for message in page.messages]
        self.messages.update(zip(ids, page.messages, strict=True))
        # Only an answer that is not all there is has a count of its own.
        is_all = not isinstance(page, raw.types.messages.MessagesSlice)
        self._count = None if is_all or page.inexact else int(page.count)
        goes_on = bool(ids) and (not self._oldest_id or min(ids) < self._oldest_id)
        # What is not shown is left out of a page, so that a page of such is empty.
        self._skipped = 0 if ids else self._skipped + MOST_IN_A_PAGE
        passed = len(self.messages) + self._skipped
        may_go_on = goes_on or (not ids and not is_all and passed < int(page.count))
        has_room = len(ids) < MOST_IN_A_PAGE
        self.is_over = is_all or not may_go_on or (has_room and self._are_all_in(self.messages))
        self._oldest_id = min(ids, default=self._oldest_id)

    def found_otherwise(self, other: _Search) -> None:
        """The pinned ones among what another search has found need not be asked for."""
        self.messages.update(
            (id_, message) for id_, message in other.messages.items() if _is_pinned(message)
        )
        self.is_over = self.is_over or self._are_all_in(self.messages)

    def _are_all_in(self, messages: Collection[int]) -> bool:
        return self._count is not None and len(messages) >= self._count


def _is_pinned(message: Any) -> bool:
    return isinstance(message, raw.types.Message) and bool(message.pinned)


def _own_text(message: object) -> SavedText | None:
    """Our own texts only: a forward of somebody's state message is not a state message."""
    if not isinstance(message, raw.types.Message) or message.fwd_from is not None:
        return None
    if message.media is not None:
        return None
    # The library's text type counts UTF-16 units when it is sliced; a plain str does not.
    return SavedText(
        message.id,
        str(message.message),
        utc(message.edit_date or message.date),
        pinned=bool(message.pinned),
    )


def _is_text_of(message: object, is_ours: Callable[[str], bool]) -> bool:
    text = _own_text(message)
    return text is not None and is_ours(text.text)


def _sent(text: str, updates: Any) -> SavedText:
    return SavedText(_sent_id(updates), text, datetime.now(timezone.utc), pinned=False)


def _sent_id(updates: Any) -> int:
    """The id of the message just sent (https://core.telegram.org/constructor/updateMessageID)."""
    if isinstance(updates, raw.types.UpdateShortSentMessage):
        return int(updates.id)
    for update in updates.updates:
        if isinstance(update, raw.types.UpdateMessageID):
            return int(update.id)
    raise RuntimeError(f"Telegram sent no id for the message: {type(updates).__name__}")
