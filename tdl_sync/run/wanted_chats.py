"""Which chats a run reads, in order: those that the user named and the comments on their posts, or
all that are unfinished (``--resume`` alone).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tdl_sync.core.model import Chat, Scope, scope_key
from tdl_sync.core.ports import SavedText
from tdl_sync.options.chat_spelling import ByMarkedId, ChatSpelling
from tdl_sync.options.config import Config
from tdl_sync.state.run_state import RunState, RunStatus
from tdl_sync.state.saved_texts import Broken, State, parsed
from tdl_sync.state.state_message import names_remote

if TYPE_CHECKING:
    from tdl_sync.telegram.messages.chats import ChatBook


@dataclass(frozen=True)
class WantedPosts:
    """A chat, from ``lower_bound`` on; of a forum only ``topic_id`` unless that is 0."""

    spelling: ChatSpelling
    lower_bound: int
    topic_id: int

    def find(self, chats: ChatBook) -> Chat:
        """Raises ``ChatUnreadable``."""
        return replace(chats.resolve(self.spelling), topic_id=self.topic_id)


@dataclass(frozen=True)
class WantedComments:
    """All that was written about a channel's posts."""

    spelling: ChatSpelling
    lower_bound: int = 0

    def find(self, chats: ChatBook) -> Chat:
        """Raises ``ChatUnreadable``."""
        return chats.discussion_of(chats.resolve(self.spelling))


def wanted_chats(
    spellings: Iterable[ChatSpelling], config: Config
) -> Iterator[WantedPosts | WantedComments]:
    for spelling in spellings:
        lower_bound = config.resume_from_id or spelling.from_message_id
        yield WantedPosts(spelling, lower_bound, config.topic_id or 0)
        if config.comments:
            yield WantedComments(spelling)


@dataclass(frozen=True)
class Unfinished:
    """The chats, each from its scope's lower bound, and one line for each that is left out."""

    chats: tuple[ByMarkedId, ...]
    left_out: tuple[str, ...]


def unfinished_in(messages: Sequence[SavedText], remote: str, filters: str) -> Unfinished:
    """``filters`` is the canonical text of this run's: a scope that has others is not gone on with,
    since a state message does not say which."""
    chats: list[ByMarkedId] = []
    left_out: list[str] = []
    for each in parsed(messages):
        if isinstance(each, Broken):
            left_out.append(f"warning: not resumed: {each.error}")
        if not isinstance(each, State) or each.state.status is RunStatus.COMPLETE:
            continue
        state = each.state
        why = _why_not(state, remote, filters)
        if why is None:
            name = f"{state.channel_name} ({state.channel_id})"
            chats.append(ByMarkedId(state.channel_id, state.lower_bound, name))
        else:
            left_out.append(f"not resumed: {state.channel_name!r} {why}")
    return Unfinished(tuple(chats), tuple(left_out))


def _why_not(state: RunState, remote: str, filters: str) -> str | None:
    scope = Scope(remote, state.channel_id, filters=filters, lower_bound=state.lower_bound)
    if state.scope_key == scope_key(scope):
        return None
    if not names_remote(state, remote):
        return f"goes to another remote; run with --remote {state.remote!r} for it"
    return "was begun with other filters; run with the same ones for it"
