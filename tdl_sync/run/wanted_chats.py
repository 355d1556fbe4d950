"""Which chats a run reads, in order: those that the user named and the comments on their posts, or
all that are unfinished (``--resume`` alone).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.model import Chat, Scope, scope_key
from tdl_sync.core.ports import SavedMessagesReader, SavedText
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.options.chat_spelling import ByMarkedId, ChatSpelling, beginning, names
from tdl_sync.options.config import Config
from tdl_sync.state.run_state import RunState
from tdl_sync.state.saved_texts import Broken, State, parsed
from tdl_sync.state.state_message import HEADER, names_remote

if TYPE_CHECKING:
    from tdl_sync.telegram.messages.chats import ChatBook


@dataclass(frozen=True)
class WantedChat:
    """A chat, from ``lower_bound`` on; of a forum only ``topic_id`` unless that is 0.

    ``config`` is what holds for it. ``comments``: instead of a channel's posts, all that was
    written about them.
    """

    config: Config
    spelling: ChatSpelling
    lower_bound: int = 0
    topic_id: int = 0
    comments: bool = False

    def find(self, chats: ChatBook) -> Chat:
        """Raises ``ChatUnreadable``, and ``ConfigurationError`` where the settings file has a table
        for this chat, which it was not known by."""
        chat = chats.resolve(self.spelling)
        self._refuse_left_out(chat)
        return chats.discussion_of(chat) if self.comments else replace(chat, topic_id=self.topic_id)

    def _refuse_left_out(self, chat: Chat) -> None:
        for spelling in self.config.left_out:
            if spelling.topic_id == self.topic_id and names(spelling, chat.id, chat.username):
                raise ConfigurationError(
                    f"the chat {self.spelling.text!r} ({chat.title!r}) has a table of its own in "
                    f"the settings file, where it is called {spelling.text!r}; name it so here, "
                    "too, that what stands there holds"
                )


def wanted_chats(config: Config) -> Iterator[WantedChat]:
    for group in config.groups:
        chats = group.chats
        for spelling in chats.spellings:
            first_id = chats.from_id or spelling.from_message_id
            yield WantedChat(group, spelling, first_id, chats.topic_id or spelling.topic_id)
            if chats.comments:
                yield WantedChat(group, spelling, comments=True)


def chats_to_move(
    config: Config, saved_messages: SavedMessagesReader, on_line: Callable[[str], None]
) -> Iterator[WantedChat]:
    """Those that the user named, else all that are unfinished; a line says what is left out, and
    what a link to a message means."""
    for line in beginnings(config):
        on_line(line)
    if not config.names_chats:
        task = config.task
        choice = task.choice
        found = unfinished_in(
            saved_messages.find(HEADER), task.remote, choice.canonical_text, choice.shard
        )
        for line in found.left_out:
            on_line(line)
        config = replace(config, chats=replace(config.chats, spellings=found.chats))
    return wanted_chats(config)


def beginnings(config: Config) -> Iterator[str]:
    """A line for each link to a message, unless other options say from where to where."""
    for group in config.groups:
        if group.chats.from_id is None and group.task.choice.filters.to_id is None:
            yield from filter(None, map(beginning, group.chats.spellings))


@dataclass(frozen=True)
class Unfinished:
    """The chats, each from its scope's lower bound, and one line for each that is left out."""

    chats: tuple[ByMarkedId, ...]
    left_out: tuple[str, ...]


def unfinished_in(
    messages: Sequence[SavedText], remote: str, filters: str, shard: Shard = WHOLE
) -> Unfinished:
    """``filters`` is the canonical text of this run's: a scope that has others is not gone on with,
    since a state message does not say which; nor is one of another ``shard``. A complete scope is
    looked at again, too, where something waits: what was locked may be bought by now."""
    chats: list[ByMarkedId] = []
    left_out: list[str] = []
    for each in parsed(messages):
        if isinstance(each, Broken):
            left_out.append(f"warning: not resumed: {each.error}")
        if not isinstance(each, State):
            continue
        state = each.state
        is_done = state.is_finished and state.reading.is_whole
        if is_done and not state.waiting_ids:
            continue
        why = _why_not(state, remote, filters, shard)
        if why is None:
            name = f"{state.channel_name} ({state.channel_id})"
            chats.append(ByMarkedId(state.channel_id, state.lower_bound, name))
        elif not is_done:
            left_out.append(f"not resumed: {state.channel_name!r} {why}")
    return Unfinished(tuple(chats), tuple(left_out))


def _why_not(state: RunState, remote: str, filters: str, shard: Shard) -> str | None:
    scope = Scope(
        remote, state.channel_id, filters=filters, lower_bound=state.lower_bound, shard=shard
    )
    if state.scope_key == scope_key(scope):
        return None
    if not names_remote(state, remote):
        return f"goes to another remote; run with --remote {state.remote!r} for it"
    if state.shard != shard:
        if state.shard.is_whole:
            return "was begun without --shard; run without it for it"
        return f"is part {state.shard} of it; run with --shard {state.shard} for it"
    return "was begun with other filters; run with the same ones for it"
