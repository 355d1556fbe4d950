"""What the saved states say of each scope, and whether a run is at work on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from tdl_sync.core.balance import Balance
from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.model import Reading, Scope, scope_key
from tdl_sync.core.ports import SavedText
from tdl_sync.core.shards import Shard
from tdl_sync.state.claims import Subject
from tdl_sync.state.holds import Hold
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus
from tdl_sync.state.saved_texts import Broken, Claim, State, parsed
from tdl_sync.state.state_message import advance


class Activity(str, Enum):
    """What goes on in a scope. The value is what programs read."""

    BEGINNING = "beginning"
    RUNNING = "running"
    DIED = "died"
    SILENT = "silent"
    STOPPED = "stopped"
    QUOTA = "quota"
    COMPLETE = "complete"


@dataclass(frozen=True)
class SavedState:
    """The state that a scope's next run goes on from. ``message_id`` is ``None`` for one that is
    only on this disk. ``heard_at`` is Telegram's time of the last save, or else the state's own."""

    state: RunState
    heard_at: datetime
    message_id: int | None


@dataclass(frozen=True)
class ScopeStatus:
    """``run`` is at work, or was the last one that was. ``newest_message_id`` is the chat's, and
    ``None`` where it is not known. ``balance_of_all`` is that of all shards together."""

    saved: SavedState
    activity: Activity
    run: RunIdentity
    newest_message_id: int | None = None
    balance_of_all: Balance | None = None

    @property
    def counts_every_message(self) -> bool:
        """No topic, no comments, no filters: every message counts, of the chat or of a shard."""
        state = self.saved.state
        every = Scope(
            state.remote, state.channel_id, lower_bound=state.lower_bound, shard=state.shard
        )
        return state.scope_key == scope_key(every)

    @property
    def is_whole_chat(self) -> bool:
        return self.counts_every_message and self.saved.state.shard.is_whole

    @property
    def balance(self) -> Balance | None:
        return self.balance_of_all or self.saved.state.balance

    @property
    def run_bytes_per_second(self) -> float | None:
        state = self.saved.state
        known = state.run_bytes > 0 and state.run_seconds > 0
        return state.run_bytes / state.run_seconds if known else None

    @property
    def average_bytes_per_second(self) -> float | None:
        """Since the first run began, with all the time between runs."""
        state = self.saved.state
        seconds = (state.timestamp - state.started).total_seconds()
        known = state.total_size_bytes > 0 and seconds > 0
        return state.total_size_bytes / seconds if known else None


@dataclass(frozen=True)
class ScopeShards:
    """The shards of one scope, of as many as it was parted into; at least one has a state."""

    count: int
    of_number: Mapping[int, ScopeStatus]

    @property
    def statuses(self) -> list[ScopeStatus]:
        return list(self.of_number.values())

    @property
    def states(self) -> list[RunState]:
        return [each.saved.state for each in self.statuses]

    @property
    def are_complete(self) -> bool:
        return len(self.of_number) == self.count and all(
            each.activity is Activity.COMPLETE for each in self.statuses
        )

    @property
    def read(self) -> dict[Shard, Reading]:
        return {state.shard: state.reading for state in self.states}

    @property
    def can_be_balanced(self) -> bool:
        """Of a part of a chat Telegram has no count."""
        return self.are_complete and all(
            each.counts_every_message and each.saved.state.lower_bound <= 1
            for each in self.statuses
        )

    def balanced(self, balance: Balance) -> ScopeShards:
        found = self.of_number.items()
        return replace(
            self,
            of_number={number: replace(each, balance_of_all=balance) for number, each in found},
        )


def grouped(found: Iterable[ScopeStatus]) -> list[ScopeStatus | ScopeShards]:
    """With the shards of each scope together, where the first of them was."""
    groups: dict[tuple[str, int], dict[int, ScopeStatus]] = {}
    for status in found:
        state = status.saved.state
        if state.shard.is_whole:
            groups[state.scope_key, 1] = {1: status}
        else:
            key = (state.whole_scope_key, state.shard.count)
            groups.setdefault(key, {})[state.shard.number] = status
    return [
        of_number[1] if count == 1 else ScopeShards(count, dict(sorted(of_number.items())))
        for (_, count), of_number in groups.items()
    ]


def saved_states(
    messages: Sequence[SavedText], local_states: LocalStates
) -> tuple[list[SavedState], list[TdlSyncError]]:
    """One state for each scope, the last saved first, and what can't be read."""
    found: list[SavedState] = []
    unreadable: list[TdlSyncError] = []
    for each in parsed(messages):
        if isinstance(each, Broken):
            unreadable.append(each.error)
        elif isinstance(each, State):
            found.append(SavedState(each.state, each.message.edited_at, each.message.message_id))
    for key in local_states.scope_keys():
        try:
            local = local_states.read(key)
        except TdlSyncError as error:
            unreadable.append(error)
        else:
            if local is not None:
                found.append(SavedState(local, local.timestamp, None))
    kept: dict[str, SavedState] = {}
    for saved in found:  # as a run chooses
        key = saved.state.scope_key
        kept[key] = max(kept.get(key, saved), saved, key=lambda one: advance(one.state))
    # Telegram tells the time in whole seconds, and two runs may end in one.
    last_first = sorted(
        kept.values(), key=lambda saved: (saved.heard_at, saved.message_id or 0), reverse=True
    )
    return last_first, unreadable


def claims_in(messages: Iterable[SavedText]) -> list[Claim]:
    """For ``status_of``: of many messages each is read once, however many states there are."""
    return [each for each in parsed(messages) if isinstance(each, Claim)]


def status_of(
    saved: SavedState,
    claims: Iterable[Claim],
    now: datetime,
    is_gone: Callable[[RunIdentity], bool],
) -> ScopeStatus:
    """``claims`` are all that there are, on whatever; ``now`` is Telegram's time; ``is_gone`` tells
    of a process that has ended for certain."""
    state = saved.state
    subject = Subject(
        state.remote,
        state.channel_id,
        scope_key(Scope(state.remote, state.channel_id)),
        state.channel_name,
        state.shard,
    )
    holds = (Hold.of(each) for each in claims if each.holds(subject))
    living = [hold for hold in holds if hold.lives(now, is_gone)]
    activity = _activity(saved, now, is_gone)
    if activity is not Activity.RUNNING and living:
        first = min(living, key=lambda hold: hold.message_id)
        return ScopeStatus(saved, Activity.BEGINNING, first.run)
    return ScopeStatus(saved, activity, state.run)


def _activity(saved: SavedState, now: datetime, is_gone: Callable[[RunIdentity], bool]) -> Activity:
    if saved.state.status is RunStatus.COMPLETE and not saved.state.is_finished:
        return Activity.STOPPED
    if saved.state.status is not RunStatus.RUNNING:
        return Activity(saved.state.status.value)
    run = saved.state.run
    if is_gone(run):
        return Activity.DIED
    hold = Hold(run, saved.heard_at, saved.message_id or 0, is_claim=False)
    return Activity.RUNNING if hold.lives(now, is_gone) else Activity.SILENT
