"""``status``: how far each chat is, from the states that runs have saved. It changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from tdl_sync.commands.output import StandardOutput
from tdl_sync.commands.status_facts import (
    SavedState,
    ScopeShards,
    ScopeStatus,
    claims_in,
    grouped,
    saved_states,
    status_of,
)
from tdl_sync.commands.status_page import write_status_page
from tdl_sync.commands.status_text import COLUMNS, block, record
from tdl_sync.core.errors import (
    ChatUnreadable,
    ConfigurationError,
    NetworkUnreachable,
    TdlSyncError,
)
from tdl_sync.core.model import Chat
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.chat_spelling import ByMarkedId, ChatSpelling
from tdl_sync.options.config import Config
from tdl_sync.run.books import balanced_in_time
from tdl_sync.run.notice import is_note
from tdl_sync.run.telegram_side import TelegramSide, opened_to_look
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_identity import is_gone
from tdl_sync.state.state_message import HEADER
from tdl_sync.telegram.messages.chats import ChatBook
from tdl_sync.telegram.messages.dialogs import newest_message_ids
from tdl_sync.telegram.session.answers import TelegramRefuses
from tdl_sync.telegram.session.clock import telegrams_now

NOTHING_YET = "No state is saved yet: nothing was moved with this account."


def show_status(config: Config, output: StandardOutput) -> list[TdlSyncError]:
    """Print a block for each scope; what can't be read, and chats without a state, are returned."""
    with opened_to_look(config) as telegram:
        messages = telegram.saved_messages.find(HEADER)
        states, errors = saved_states(messages, LocalStates(config.places.states))
        wanted = Wanted.of(config.chats.spellings, telegram.chats)
        if config.chats.spellings:
            states = [saved for saved in states if saved.state.channel_id in wanted.ids]
        errors = [*errors, *wanted.errors, *_without_state(wanted, states)]
        newest = _newest_ids(telegram, wanted, states)
        now = telegrams_now(telegram.client.client)
        claims = claims_in(messages)
        found = [
            replace(
                status_of(saved, claims, now, is_gone),
                newest_message_id=newest.get(saved.state.channel_id),
            )
            for saved in states
        ]
        groups = [_balanced(each, telegram, wanted) for each in grouped(found)]
    found = [
        status
        for each in groups
        for status in (each.statuses if isinstance(each, ScopeShards) else [each])
    ]
    if config.telling.page is not None:
        write_status_page(config.telling.page, found, now)
    if config.as_json:
        output.json_array(map(record, found))
        return errors
    if not found and not errors:
        output.line(NOTHING_YET)
    columns = output.columns or COLUMNS
    for number, each in enumerate(groups):
        if number:
            output.line("")
        for line in block(each, now, columns):
            output.line(line)
    return errors


def _balanced(
    group: ScopeStatus | ScopeShards, telegram: TelegramSide, wanted: Wanted
) -> ScopeStatus | ScopeShards:
    """No run of a shard can hold what it has seen against Telegram's count of the chat: here it is
    done, once all of them are through."""
    if not isinstance(group, ScopeShards) or not group.can_be_balanced:
        return group
    chat_id = group.states[0].channel_id
    try:
        by_id = (chat for chat in wanted.resolved if chat.id == chat_id)
        chat = next(by_id, None) or telegram.chats.resolve(ByMarkedId(chat_id))
    except (ChatUnreadable, TelegramRefuses, NetworkUnreachable):
        return group
    return group.balanced(balanced_in_time(telegram.reader, chat, group.read, StopFlag()))


@dataclass(frozen=True)
class Wanted:
    """The chats of ``-u``: their names by id, those that Telegram was asked for, what was wrong
    with the others, and what the supergroups among them were before."""

    titles: dict[int, str]
    resolved: tuple[Chat, ...]
    errors: tuple[TdlSyncError, ...]
    older_ids: frozenset[int]

    @property
    def ids(self) -> frozenset[int]:
        return self.older_ids | self.titles.keys()

    @classmethod
    def of(cls, spellings: Sequence[ChatSpelling], chats: ChatBook) -> Wanted:
        titles, resolved, errors = {}, [], []
        older_ids: set[int] = set()
        for spelling in spellings:
            by_id = isinstance(spelling, ByMarkedId)
            if isinstance(spelling, ByMarkedId):  # its state is there, whatever became of the chat
                titles[spelling.marked_id] = spelling.text
            try:
                chat = chats.resolve(spelling)
            except ChatUnreadable as error:
                errors += [] if by_id else [error]
                continue
            if not by_id:
                titles[chat.id] = chat.title
                resolved.append(chat)
            with suppress(ChatUnreadable):
                older = chats.older_part_of(chat)
                older_ids |= set() if older is None else {older.id}
        return cls(titles, tuple(resolved), tuple(errors), frozenset(older_ids))


def _without_state(wanted: Wanted, states: Sequence[SavedState]) -> list[ConfigurationError]:
    known_ids = {saved.state.channel_id for saved in states}
    return [
        ConfigurationError(
            f"there is no saved state of {title!r} (looked in Saved Messages and in the data "
            "directory): a run that moves it saves one"
        )
        for chat_id, title in wanted.titles.items()
        if chat_id not in known_ids
    ]


def _is_ours(text: str) -> bool:
    return text.startswith(HEADER) or is_note(text)


def _newest_ids(
    telegram: TelegramSide, wanted: Wanted, states: Sequence[SavedState]
) -> dict[int, int]:
    """A chat that the account has not joined is only found by its user name."""
    chat_ids = {saved.state.channel_id for saved in states}
    newest = {}
    for chat in wanted.resolved:
        if chat.id in chat_ids:
            with suppress(ChatUnreadable):
                newest[chat.id] = telegram.reader.newest_message_id(chat)
    with suppress(TelegramRefuses, NetworkUnreachable):  # how far is all that is missing then
        newest.update(newest_message_ids(telegram.client, chat_ids - newest.keys()))
    own_id = telegram.client.account_id
    if own_id in chat_ids:  # the states themselves are newer than all that a run has read there
        newest.pop(own_id, None)
        with suppress(TelegramRefuses, NetworkUnreachable):
            newest_of_the_users = telegram.saved_messages.newest_id_without(_is_ours)
            if newest_of_the_users is not None:
                newest[own_id] = newest_of_the_users
    return newest
