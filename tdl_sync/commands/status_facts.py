"""What the saved states say of each scope, and whether a run is at work on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.core.ports import SavedText
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
    ``None`` where it is not known."""

    saved: SavedState
    activity: Activity
    run: RunIdentity
    newest_message_id: int | None = None

    @property
    def is_whole_chat(self) -> bool:
        """No topic, no comments, no filters: every message counts."""
        state = self.saved.state
        whole = Scope(state.remote, state.channel_id, lower_bound=state.lower_bound)
        return state.scope_key == scope_key(whole)

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
