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
from tdl_sync.state.state_message import names_remote

INTERVALS_TO_LAPSE = 3

QUIET_SECONDS = 60.0
"""What a run has done on the remote is seen there by everybody after this time, with room."""


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
class Before:
    """What Saved Messages say of other runs, when the chat has become ours. What is on this machine
    may be older than its last run.

    ``all_ended``: none is known that did not come to its end by itself, nor one that was stopped
    just now while it was sending. ``was_quiet``: nor one that moved the chat to the same remote
    within the last ``QUIET_SECONDS``, in whatever scope and however it ended.
    """

    all_ended: bool = False
    was_quiet: bool = False


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

    def own_lapse(self, messages: Iterable[SavedText]) -> datetime | None:
        """When our own hold lapses as others see it, by what the messages say; ``None`` if they
        show none of ours."""
        holds = holds_among(messages, self.subject)
        own = (hold.lapses_at for hold in holds if hold.run.run_id == self.run.run_id)
        return max(own, default=None)

    def before(self, own_id: int, messages: Iterable[SavedText]) -> list[Hold]:
        """Those before us: every lease, and of the claims those with a lower id than ours. Without
        a claim of our own (0) all of them are."""
        return [
            hold
            for hold in self.among(messages)
            if not (hold.is_claim and hold.message_id > own_id > 0)
        ]

    def found_before(
        self, others: Iterable[Hold], messages: Iterable[SavedText], now: datetime
    ) -> Before:
        """What the messages say of other runs, where ours has a claim; ``now`` is by Telegram's
        clock, and ``others`` are those ``before`` us."""
        lately = list(self._states_since(now - timedelta(seconds=QUIET_SECONDS), messages))
        cut_short = any(isinstance(each, State) and each.state.cut_short for each in lately)
        none_died = not list(others)
        return Before(all_ended=none_died and not cut_short, was_quiet=none_died and not lately)

    def _states_since(
        self, moment: datetime, messages: Iterable[SavedText]
    ) -> Iterator[State | Broken]:
        """What runs that move the chat to this remote have written since then; also what can't be
        read, which may be of such a run."""
        subject = self.subject
        for each in parsed(messages):
            if isinstance(each, Claim) or each.message.edited_at < moment:
                continue
            if isinstance(each, Broken) or (
                each.state.channel_id == subject.chat_id
                and names_remote(each.state, subject.remote)
            ):
                yield each

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

    def had_taken_over(self, run: RunIdentity) -> HeldByAnotherRun:
        return HeldByAnotherRun(
            f"process {run.pid} on {run.host!r} took over {self.subject.title!r} while this run "
            "was silent, and is silent itself by now. It may have moved files that this run does "
            "not know of, so this one ends; run again"
        )

    def may_be_overwritten(self) -> HeldByAnotherRun:
        return HeldByAnotherRun(
            f"this run stood still in the midst of a save for longer than it holds "
            f"{self.subject.title!r}: another run may have taken it meanwhile and moved files that "
            "this one does not know of, so this one ends; run again"
        )


def named_part(title: str, shard: Shard) -> str:
    """A chat, or a part of it, for a line."""
    return f"{title!r}" if shard.is_whole else f"part {shard} of {title!r}"


def _clock_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
