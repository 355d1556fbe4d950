"""What tells other machines that a run works on a chat: its claim, or its state message."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from tdl_sync.core.errors import HeldByAnotherRun, StateUnreadable
from tdl_sync.core.ports import SavedText
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus
from tdl_sync.state.state_message import (
    HEADER,
    decode,
    is_state_message,
    json_in,
    names_remote,
    run_in,
    run_record,
)
from tdl_sync.state.strict_json import Fields, Unexpected

CLAIM_HEADER = f"{HEADER} claim"
"""It begins like a state message's header, so that one search finds both."""

INTERVALS_TO_LAPSE = 3


@dataclass(frozen=True)
class Subject:
    """What only one run at a time may work on, whatever scope it has in mind."""

    remote: str
    chat_id: int
    key: str
    title: str


@dataclass(frozen=True)
class Hold:
    """Another run's claim or lease, and when it was last heard of, by Telegram's clock."""

    run: RunIdentity
    heard_at: datetime
    message_id: int
    is_claim: bool

    @property
    def lapses_at(self) -> datetime:
        seconds = INTERVALS_TO_LAPSE * self.run.save_interval_seconds
        return self.heard_at + timedelta(seconds=seconds)

    def lives(self, now: datetime, is_gone: Callable[[RunIdentity], bool]) -> bool:
        """``now`` is by Telegram's clock; ``is_gone`` tells of a process that has ended."""
        return now < self.lapses_at and not is_gone(self.run)


def claim_text(subject: Subject, run: RunIdentity, renewals: int = 0) -> str:
    """Each renewal has another text, since an edit that changes nothing has no date."""
    record = {
        "version": 1,
        "subject": subject.key,
        "run": run_record(run),
        "renewals": renewals,
    }
    return f"{CLAIM_HEADER}\n{json.dumps(record)}\nA run begins; it removes this message itself."


def claimant(text: str, subject: Subject) -> RunIdentity | None:
    """The run that claims this subject by this text, if it does."""
    if text.partition("\n")[0].rstrip() != CLAIM_HEADER:
        return None
    try:
        fields = Fields.load(json_in(text))
        if fields.text("subject") != subject.key:
            return None
        return run_in(fields.object("run"))
    except Unexpected:
        return None


def holds_among(messages: Sequence[SavedText], subject: Subject) -> list[Hold]:
    """All claims and leases on this subject, in any scope, living or not."""
    holds = []
    for message in messages:
        run = claimant(message.text, subject)
        if run is not None:
            holds.append(Hold(run, message.edited_at, message.message_id, is_claim=True))
            continue
        state = state_in(message)
        if (
            state is not None
            and state.status is RunStatus.RUNNING
            and state.channel_id == subject.chat_id
            and names_remote(state, subject.remote)
        ):
            holds.append(Hold(state.run, message.edited_at, message.message_id, is_claim=False))
    return holds


def state_in(message: SavedText) -> RunState | None:
    """The state that this message is; ``None`` if it is none, or can't be read."""
    if not is_state_message(message.text):
        return None
    try:
        return decode(message.text)
    except StateUnreadable:  # the loading of the state says so, where it matters
        return None


def held(subject: Subject, hold: Hold, *, take_over: bool) -> HeldByAnotherRun:
    """Who has it, since when, until when, and what to do."""
    since = datetime.fromtimestamp(hold.run.process_started, timezone.utc)
    if take_over:
        advice = "it lives, so --take-over does not help: end it first"
    else:
        advice = (
            f"unless it goes on, it loses its hold at {_clock_text(hold.lapses_at)}; "
            "if you know that it is dead, run with --take-over"
        )
    return HeldByAnotherRun(
        f"another run moves {subject.title!r} to the same remote: process {hold.run.pid} on "
        f"{hold.run.host!r}, begun at {_clock_text(since)}, last heard of at "
        f"{_clock_text(hold.heard_at)}; {advice}"
    )


def _clock_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
