"""Where states are kept between runs: one pinned message of each scope in Saved Messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tdl_sync.core.errors import StateUnreadable, TdlSyncError
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.core.ports import SavedMessages, SavedText
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_state import RunState
from tdl_sync.state.state_message import (
    HEADER,
    decode,
    is_state_message,
    most_advanced,
    scope_key_in,
)


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


@dataclass(frozen=True)
class LoadedState:
    """What a run goes on from. ``message_id`` is the message to edit, ``None`` to make one.

    ``stale_ids`` are messages of the same scope that are less advanced: a run removes them.
    """

    state: RunState
    message_id: int | None
    stale_ids: tuple[int, ...] = ()


class StateStore:
    """Finds what earlier runs of a scope have saved. Calls block, in any worker thread."""

    def __init__(self, saved_messages: SavedMessages, local_states: LocalStates) -> None:
        self._saved_messages = saved_messages
        self._local_states = local_states

    def load(self, scope: Scope) -> LoadedState | None:
        """The most advanced state of this scope, ``None`` if there is none.

        Of several messages the less advanced ones are stale. A local copy that is further than
        the message counts instead of it; the message is kept, to be edited. Nothing is written.

        Raises ``StateUnreadable`` for a broken message that is this scope's, or that may be: one
        whose scope can't be made out, when this scope has no other message. It is not touched.
        Messages of other scopes are left alone, broken or not.
        """
        key = scope_key(scope)
        readable = self._readable(key)
        local = self._local_states.read(key)
        states = [state for _, state in readable]
        if not states:
            return None if local is None else LoadedState(local, None)
        kept = most_advanced(states)
        (kept_id,) = (message.message_id for message, state in readable if state is kept)
        stale_ids = tuple(message.message_id for message, state in readable if state is not kept)
        advanced = kept if local is None else most_advanced([kept, local])
        return LoadedState(advanced, kept_id, stale_ids)

    def _readable(self, key: str) -> list[tuple[SavedText, RunState]]:
        """This scope's messages; raises where a broken one is, or may be, this scope's."""
        readable: list[tuple[SavedText, RunState]] = []
        broken: list[tuple[SavedText, StateUnreadable]] = []
        for message in self._saved_messages.find(HEADER):
            if not is_state_message(message.text):
                continue
            try:
                state = decode(message.text)
            except StateUnreadable as error:
                broken.append((message, error))
            else:
                if state.scope_key == key:
                    readable.append((message, state))
        for message, unreadable in broken:
            found_key = scope_key_in(message.text)
            if found_key == key or (found_key is None and not readable):
                raise StateUnreadable(
                    f"message {message.message_id} in Saved Messages, "
                    f"edited {message.edited_at:%Y-%m-%d %H:%M} UTC: {unreadable}"
                ) from unreadable
        return readable


class StateMessage:
    """The one message of a scope, to be written. One thread at a time."""

    def __init__(
        self, saved_messages: SavedMessages, scope_key: str, message_id: int | None
    ) -> None:
        """``message_id``: the message that ``StateStore.load`` found."""
        self._saved_messages = saved_messages
        self._scope_key = scope_key
        self._message_id = message_id
        self._sending_in_doubt = False

    @property
    def scope_key(self) -> str:
        return self._scope_key

    @property
    def message_id(self) -> int | None:
        return self._message_id

    def write(self, text: str) -> None:
        """Edit the message in place; send and pin one where there is none or it was deleted.

        When this returns Telegram has the text. Raises ``TdlSyncError``. A send that failed may
        still have arrived, so that before the next one the message is looked for: there are
        never two.
        """
        if self._sending_in_doubt:
            self._message_id = self._find()
            self._sending_in_doubt = False
        if self._message_id is not None and self._saved_messages.edit(self._message_id, text):
            return
        self._message_id = None
        try:
            self._message_id = self._saved_messages.send_pinned(text).message_id
        except TdlSyncError:
            self._sending_in_doubt = True
            raise

    def _find(self) -> int | None:
        for message in self._saved_messages.find(HEADER):
            if is_state_message(message.text) and scope_key_in(message.text) == self.scope_key:
                return message.message_id
        return None
