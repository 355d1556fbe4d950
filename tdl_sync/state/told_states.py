"""All states that Saved Messages tell of, whatever their scopes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tdl_sync.core.errors import StateUnreadable
from tdl_sync.core.model import RunState
from tdl_sync.core.ports import SavedText
from tdl_sync.state.state_message import decode, is_state_message


def told_states(
    messages: Iterable[SavedText],
) -> Iterator[tuple[SavedText, RunState | StateUnreadable]]:
    """Each state message with its state, or with an error that says which message is broken."""
    for message in messages:
        if is_state_message(message.text):
            try:
                yield message, decode(message.text)
            except StateUnreadable as error:
                where = f"message {message.message_id} in Saved Messages"
                yield message, StateUnreadable(f"{where}: {error}")
