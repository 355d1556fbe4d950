"""``--resume`` without a chat: what the state messages in Saved Messages ask to go on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tdl_sync.core.errors import StateUnreadable
from tdl_sync.core.model import RunState, RunStatus, Scope, scope_key
from tdl_sync.core.ports import SavedText
from tdl_sync.options.chat_spelling import ByMarkedId
from tdl_sync.state.state_message import names_remote
from tdl_sync.state.told_states import told_states


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
    for _, state in told_states(messages):
        if isinstance(state, StateUnreadable):
            left_out.append(f"warning: not resumed: {state}")
            continue
        if state.status is RunStatus.COMPLETE:
            continue
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
