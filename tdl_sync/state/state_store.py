"""Where states are kept between runs: one pinned message of each scope in Saved Messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tdl_sync.core.errors import StateUnreadable, TdlSyncError
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.core.ports import SavedMessages, SavedMessagesReader, SavedText
from tdl_sync.core.shards import WHOLE
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_state import RunState
from tdl_sync.state.saved_texts import Broken, Claim, State, parsed
from tdl_sync.state.state_message import HEADER, NEXT_STEP, advance, names_remote


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

    def __init__(
        self,
        saved_messages: SavedMessagesReader,
        local_states: LocalStates,
        found: Sequence[SavedText] | None = None,
    ) -> None:
        """``found`` is what ``find`` gave when the chat was ours already: nobody else has written
        this scope's state since, and it need not be read again."""
        self._saved_messages = saved_messages
        self._local_states = local_states
        self._messages = found
        self._parsed: Sequence[State | Claim | Broken] = ()

    def load(self, scope: Scope) -> LoadedState | None:
        """The most advanced state of this scope, ``None`` if there is none.

        Of several messages the less advanced ones are stale. A local copy that is further than
        the message counts instead of it; the message is kept, to be edited. Nothing is written.

        Raises ``StateUnreadable`` for a broken message that is this scope's, or that may be: one
        whose scope can't be made out, when this scope has no other message. It is not touched.
        A copy that is broken is no better, nor what says of its scope that it is about another
        chat. Messages of other scopes are left alone, broken or not.
        """
        key = scope_key(scope)
        found = self._found(key)
        for each in found:
            why = _is_of_another(each.state, scope)
            if why is not None:
                raise _named(each.message, f"the saved state cannot be read: {why}. {NEXT_STEP}")
        local = self._local_states.read(key)
        if local is not None and (why := _is_of_another(local, scope)) is not None:
            raise self._local_states.unreadable(key, why)
        if not found:
            return None if local is None else LoadedState(local, None)
        kept = max(found, key=lambda each: advance(each.state))
        stale_ids = tuple(each.message.message_id for each in found if each is not kept)
        advanced = kept.state if local is None else max(kept.state, local, key=advance)
        return LoadedState(advanced, kept.message.message_id, stale_ids)

    def of_other_parts(self, scope: Scope, loaded: LoadedState | None) -> list[RunState]:
        """After ``load``, whose answer is ``loaded``: what was saved since of the same scope in
        other parts, of however many, or as a whole. Some of its messages are this scope's, too."""
        return [
            each.state
            for each in self._parsed
            if isinstance(each, State)
            and each.scope_key != scope_key(scope)
            and _whole_key(each.state) == scope_key(replace(scope, shard=WHOLE))
            and _is_of_another(each.state, scope) is None
            and (loaded is None or each.state.timestamp > loaded.state.timestamp)
        ]

    def _found(self, key: str) -> list[State]:
        """This scope's messages; raises where a broken one is, or may be, this scope's."""
        texts = self._messages
        messages = list(parsed(self._saved_messages.find(HEADER) if texts is None else texts))
        self._parsed = messages
        found = [each for each in messages if isinstance(each, State) and each.scope_key == key]
        for each in messages:
            if isinstance(each, Broken) and (
                each.scope_key == key or (each.scope_key is None and not found)
            ):
                raise _named(each.message, str(each.why)) from each.why
        return found


def _whole_key(state: RunState) -> str:
    return state.scope_key if state.shard.is_whole else state.whole_scope_key


def _is_of_another(state: RunState, scope: Scope) -> str | None:
    """The key of a scope is made of its chat and its remote, so that nobody but an editor can have
    written others beside it."""
    if state.channel_id != scope.chat_id:
        return f"expected 'channel_id' to be {scope.chat_id}, found {state.channel_id}"
    if not names_remote(state, scope.remote):
        return f"expected 'remote' to be {scope.remote!r}, found {state.remote!r:.80}"
    return None


def _named(message: SavedText, why: str) -> StateUnreadable:
    return StateUnreadable(
        f"message {message.message_id} in Saved Messages, "
        f"edited {message.edited_at:%Y-%m-%d %H:%M} UTC: {why}"
    )


class StateMessage:
    """The one message of a scope, to be written. One thread at a time."""

    def __init__(
        self, saved_messages: SavedMessages, scope_key: str, message_id: int | None
    ) -> None:
        """``message_id``: the message that ``StateStore.load`` found."""
        self._saved_messages = saved_messages
        self.scope_key = scope_key
        self.message_id = message_id
        self._sending_in_doubt = False

    def write(self, text: str) -> None:
        """Edit the message in place; send and pin one where there is none or it was deleted.

        When this returns Telegram has the text. Raises ``TdlSyncError``. A send that failed may
        still have arrived, so that before the next one the message is looked for: there are
        never two.
        """
        if self._sending_in_doubt:
            self.message_id = self._find()
            self._sending_in_doubt = False
        if self.message_id is not None and self._saved_messages.edit(self.message_id, text):
            return
        self.message_id = None
        try:
            self.message_id = self._saved_messages.send_pinned(text).message_id
        except TdlSyncError:
            self._sending_in_doubt = True
            raise

    def _find(self) -> int | None:
        for each in parsed(self._saved_messages.find(HEADER)):
            if not isinstance(each, Claim) and each.scope_key == self.scope_key:
                return each.message.message_id
        return None
