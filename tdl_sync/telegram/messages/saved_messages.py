"""The account's Saved Messages, as far as state messages need them."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Iterator
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

FOUND_AT_MOST = 100
_SAVING = "saving the state"


class TelegramSavedMessages:
    """``ports.SavedMessages`` over the real Telegram. Blocks; any thread but the loop's."""

    def __init__(self, telegram: TelegramClient) -> None:
        self._telegram = telegram
        self._peer = raw.types.InputPeerSelf()

    def find(self, header: str) -> list[SavedText]:
        # Telegram's text search knows words, not signs; and its index may lag behind a pin and
        # behind what was sent a moment ago, which the history shows at once.
        words = " ".join(word for word in header.split() if word.isalnum())
        found: dict[int, SavedText] = {}
        for message in self._all_of(
            search(self._peer, raw.types.InputMessagesFilterPinned(), FOUND_AT_MOST),
            search(self._peer, raw.types.InputMessagesFilterEmpty(), FOUND_AT_MOST, query=words),
            history(self._peer, FOUND_AT_MOST),
        ):
            text = _own_text(message)
            if text is not None and text.text.startswith(header):
                found[text.message_id] = text
        return [found[message_id] for message_id in sorted(found)]

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
        self._call(
            raw.functions.messages.UpdatePinnedMessage(
                peer=self._peer, id=sent.message_id, silent=True, pm_oneside=True
            )
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

    def _all_of(self, *queries: TLObject[Any]) -> Iterator[Any]:
        """The messages of several answers, which are asked for at once."""
        with translating("reading the state"):
            answers = self._telegram.call_all(queries, "reading the state")
        for answer in answers:
            yield from answer.messages

    def _call(self, query: TLObject[Any]) -> Any:
        """A save does not wait for a network that is gone: there is the local file."""
        with translating(_SAVING):
            return self._telegram.call_if_there(query, _SAVING)


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
