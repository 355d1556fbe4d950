"""What the messages in Saved Messages are: states, claims, and states that can't be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tdl_sync.core.errors import StateUnreadable
from tdl_sync.core.ports import SavedText
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.state.claims import CLAIM_HEADER, Subject, decode_claim
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus
from tdl_sync.state.state_message import (
    decode,
    header_of,
    is_state_message,
    names_remote,
    scope_key_in,
)
from tdl_sync.state.strict_json import Unexpected


@dataclass(frozen=True)
class State:
    """The message that holds a scope's state."""

    message: SavedText
    state: RunState

    @property
    def scope_key(self) -> str:
        return self.state.scope_key

    @property
    def run(self) -> RunIdentity:
        return self.state.run

    @property
    def shard(self) -> Shard:
        return self.state.shard

    def holds(self, subject: Subject) -> bool:
        """Whether its run works on some of the subject, in any scope, if it lives."""
        return (
            self.state.status is RunStatus.RUNNING
            and self.state.channel_id == subject.chat_id
            and names_remote(self.state, subject.remote)
            and self.shard.overlaps(subject.shard)
        )


@dataclass(frozen=True)
class Claim:
    """The message by which a run that begins claims a subject."""

    message: SavedText
    subject_key: str
    run: RunIdentity
    shard: Shard = WHOLE

    def holds(self, subject: Subject) -> bool:
        return self.subject_key == subject.key and self.shard.overlaps(subject.shard)


@dataclass(frozen=True)
class Broken:
    """A state message that can't be read. ``scope_key`` is ``None`` where not even that can."""

    message: SavedText
    scope_key: str | None
    why: StateUnreadable

    @property
    def error(self) -> StateUnreadable:
        """It says which message it is."""
        where = f"message {self.message.message_id} in Saved Messages"
        return StateUnreadable(f"{where}: {self.why}")


def parsed(messages: Iterable[SavedText]) -> Iterator[State | Claim | Broken]:
    """What each message is, in their order. What is neither is left out, and so is a claim that
    can't be read: it claims nothing."""
    for message in messages:
        if header_of(message.text) == CLAIM_HEADER:
            try:
                claim = Claim(message, *decode_claim(message.text))
            except Unexpected:
                continue
            yield claim
        elif is_state_message(message.text):
            try:
                state = decode(message.text)
            except StateUnreadable as error:
                yield Broken(message, scope_key_in(message.text), error)
            else:
                yield State(message, state)
