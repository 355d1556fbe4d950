"""Who else works on a chat, as claims and state messages tell, and who has to give way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from tdl_sync.core.errors import HeldByAnotherRun
from tdl_sync.core.ports import SavedText
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.state.claims import Subject
from tdl_sync.state.run_state import RunIdentity
from tdl_sync.state.saved_texts import Broken, Claim, State, parsed

INTERVALS_TO_LAPSE = 3


@dataclass(frozen=True)
class Hold:
    """A run's claim or lease on a chat, or on a part of it, and when it was last heard of, by
    Telegram's clock."""

    run: RunIdentity
    heard_at: datetime
    message_id: int
    is_claim: bool
    shard: Shard = WHOLE

    @classmethod
    def of(cls, found: State | Claim) -> Hold:
        message = found.message
        is_claim = isinstance(found, Claim)
        return cls(found.run, message.edited_at, message.message_id, is_claim, found.shard)

    @property
    def lapses_at(self) -> datetime:
        seconds = INTERVALS_TO_LAPSE * self.run.save_interval_seconds
        return self.heard_at + timedelta(seconds=seconds)

    def lives(self, now: datetime, is_gone: Callable[[RunIdentity], bool]) -> bool:
        """``now`` is by Telegram's clock; ``is_gone`` tells of a process that has ended."""
        return now < self.lapses_at and not is_gone(self.run)


def holds_among(messages: Iterable[SavedText], subject: Subject) -> list[Hold]:
    """All claims and leases on some of this subject, in any scope, living or not."""
    return [
        Hold.of(each)
        for each in parsed(messages)
        if not isinstance(each, Broken) and each.holds(subject)
    ]


@dataclass(frozen=True)
class Others:
    """The other runs that hold, or claim, what this run works on.

    ``is_gone`` tells of a run whose process has certainly ended.
    """

    subject: Subject
    run: RunIdentity
    is_gone: Callable[[RunIdentity], bool]

    def among(self, messages: Iterable[SavedText]) -> list[Hold]:
        """All of them, living or not."""
        holds = holds_among(messages, self.subject)
        return [hold for hold in holds if hold.run.run_id != self.run.run_id]

    def before(self, own_id: int, messages: Iterable[SavedText]) -> list[Hold]:
        """Those before us: every lease, and of the claims those with a lower id than ours. Without
        a claim of our own (0) all of them are."""
        return [
            hold
            for hold in self.among(messages)
            if not (hold.is_claim and hold.message_id > own_id > 0)
        ]

    def living(self, holds: Iterable[Hold], now: datetime) -> Iterator[Hold]:
        return (hold for hold in holds if hold.lives(now, self.is_gone))

    def held(self, hold: Hold, *, take_over: bool) -> HeldByAnotherRun:
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
            f"another run moves {named_part(self.subject.title, hold.shard)} to the same remote"
            f"{self._in_common(hold)}: process {hold.run.pid} "
            f"on {hold.run.host!r}, begun at {_clock_text(since)}, last heard of at "
            f"{_clock_text(hold.heard_at)}; {advice}"
        )

    def _in_common(self, hold: Hold) -> str:
        """Of two parts it may not be seen at once that they overlap."""
        own = self.subject.shard
        if own.is_whole or hold.shard.is_whole or own == hold.shard:
            return ""
        return f", which has messages in common with part {own}"

    def taken_over(self, run: RunIdentity) -> HeldByAnotherRun:
        return HeldByAnotherRun(
            f"process {run.pid} on {run.host!r} has taken over {self.subject.title!r} from this "
            "run, which ends; the other one does what is left"
        )


def named_part(title: str, shard: Shard) -> str:
    """A chat, or a part of it, for a line."""
    return f"{title!r}" if shard.is_whole else f"part {shard} of {title!r}"


def _clock_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
