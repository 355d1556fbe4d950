"""The account's list of chats, which Telegram calls dialogs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from pyrogram import raw
from pyrogram.raw.core import TLObject

from tdl_sync.telegram.messages.queries import history, newest_shown_id
from tdl_sync.telegram.session.answers import TelegramRefuses, translating
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.peers import (
    input_peer,
    is_addressable,
    marked_id,
    marked_id_of,
)

DIALOGS_PER_PAGE = 100
"""The most that one call returns (https://core.telegram.org/api/offsets)."""

MOST_PAGES = 200
DOING = "reading the list of chats"

Ask = Callable[[TLObject[Any]], Any]
"""Sends one request and gives the answer."""

FOLDERS = (0, 1)
"""The main list and the archive (https://core.telegram.org/api/folders#peer-folders). Each is asked
for by its number: whether a list without one holds the archive is not documented."""


@dataclass(frozen=True)
class Dialog:
    """``found`` is the raw chat or user; ``newest_message_id`` is 0 where there is no message.
    That message need not be one that is shown to this account."""

    found: Any
    newest_message_id: int
    newest_is_shown: bool = True


@dataclass(frozen=True)
class DialogPage:
    """One answer: its dialogs, and all chats and users that it speaks of and that can be
    addressed."""

    dialogs: tuple[Dialog, ...]
    chats_and_users: tuple[Any, ...]


def dialog_pages(ask: Ask) -> Iterator[DialogPage]:
    """Both folders, the latest dialog first; no dialog twice. Blocks, and raises what ``ask``
    does."""
    seen: set[int] = set()
    for folder_id in FOLDERS:
        for answer in _answers(ask, folder_id):
            chats_and_users = tuple(filter(is_addressable, (*answer.chats, *answer.users)))
            by_id = {marked_id(each): each for each in chats_and_users}
            shown = {
                (marked_id_of(each.peer_id), each.id)
                for each in answer.messages
                if each.peer_id is not None
            }
            dialogs = []
            for each in answer.dialogs:
                if not isinstance(each, raw.types.Dialog):
                    continue  # the archive as one row, or a community: its chats have rows, too
                chat_id = marked_id_of(each.peer)
                if chat_id in by_id and chat_id not in seen:
                    seen.add(chat_id)
                    top_id = int(each.top_message)
                    dialogs.append(Dialog(by_id[chat_id], top_id, (chat_id, top_id) in shown))
            yield DialogPage(tuple(dialogs), chats_and_users)


def patiently(telegram: TelegramClient) -> Ask:
    """Flood waits are waited for; raises what ``translated`` makes of Telegram's refusals."""

    def ask(query: TLObject[Any]) -> Any:
        with translating(DOING):
            return telegram.call(query, DOING)

    return ask


def newest_message_ids(telegram: TelegramClient, chat_ids: Collection[int]) -> dict[int, int]:
    """Of those of the chats that are among the account's dialogs: the newest that is shown, as for
    whoever reads them. In as few calls as they allow.

    Raises what ``translated`` makes of Telegram's refusals.
    """
    newest: dict[int, int] = {}
    ask = patiently(telegram)
    pages = dialog_pages(ask)
    while len(newest) < len(chat_ids) and (page := next(pages, None)) is not None:
        for dialog in page.dialogs:
            if (chat_id := marked_id(dialog.found)) in chat_ids:
                newest[chat_id] = _newest_shown(ask, dialog)
    return newest


def _newest_shown(ask: Ask, dialog: Dialog) -> int:
    if dialog.newest_is_shown:
        return dialog.newest_message_id
    peer = input_peer(dialog.found)
    try:
        return newest_shown_id(lambda limit, **where: ask(history(peer, limit, **where)))
    except TelegramRefuses:  # such as a chat that this account was removed from
        return dialog.newest_message_id


def _answers(ask: Ask, folder_id: int) -> Iterator[Any]:
    offset_date, offset_id = 0, 0
    offset_peer: raw.base.InputPeer = raw.types.InputPeerEmpty()
    for page in range(MOST_PAGES):
        query = raw.functions.messages.GetDialogs(
            offset_date=offset_date,
            offset_id=offset_id,
            offset_peer=offset_peer,
            limit=DIALOGS_PER_PAGE,
            hash=0,
            # They stand above all others on the first page, and would on each.
            exclude_pinned=page > 0 or None,
            folder_id=folder_id,
        )
        answer = ask(query)
        yield answer
        last = _last_dialog(answer, offset_date)
        if last is None or last == (offset_date, offset_id, offset_peer):
            return
        offset_date, offset_id, offset_peer = last


def _last_dialog(answer: Any, offset_date: int) -> tuple[int, int, raw.base.InputPeer] | None:
    """Where the next page begins, ``None`` after the last page.

    The newest message of a chat is left out where it is not shown to this account. If all of a page
    are, its last chat says it with a date that is not too late: that of the page before.
    """
    if not isinstance(answer, raw.types.messages.DialogsSlice):
        return None
    addressable = filter(is_addressable, (*answer.chats, *answer.users))
    peers = {marked_id(each): each for each in addressable}
    messages: Any = [message for message in answer.messages if message.peer_id is not None]
    dates = {
        (each.id, marked_id_of(each.peer_id)): each.date
        for each in messages
        if not isinstance(each, raw.types.MessageEmpty)
    }
    undated = None
    for dialog in reversed(answer.dialogs):
        if not isinstance(dialog, raw.types.Dialog):
            continue
        where = (dialog.top_message, marked_id_of(dialog.peer))
        if where[1] not in peers:
            continue
        peer = input_peer(peers[where[1]])
        if where in dates:
            return dates[where], dialog.top_message, peer
        undated = undated or (offset_date, dialog.top_message, peer)
    return undated
