"""One run for a chat between machines: a claim to begin with, and a lease in the state message.

Telegram edits know no "only if nobody else did": the last writer wins, and a slow one overwrites
without seeing it. Sent messages, though, get ascending ids from the server. So a run that begins

1. sends a *claim*, a message of its own, and only then
2. reads all claims and state messages. A living claim with a lower id, or a state message that
   another living run renews, means that the chat is taken: the claim is removed, exit 5.
3. works. Its first save puts the run into the state message, and then the claim is removed.

Of any number of runs that start at once the one with the lowest claim works, however slow each
of them is: whoever comes later finds either its claim or, where that is gone already, its state.
(Waiting for a while after an edit and reading it back was rejected: a request that is under way
for longer than the wait breaks it.)

A run that is silent for three save intervals has lost its lease. Age is told by Telegram's dates
alone: how old a message is, is its edit date against the date of the claim just sent.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from tdl_sync.errors import (
    CredentialsRefused,
    HeldByAnotherRun,
    NetworkUnreachable,
    StateUnreadable,
    Stopped,
    TdlSyncError,
)
from tdl_sync.model import RunIdentity, RunState, RunStatus
from tdl_sync.operating_system import steady_seconds
from tdl_sync.ports import SavedMessages, SavedText
from tdl_sync.run_state import StateMessage
from tdl_sync.state_message import (
    HEADER,
    decode,
    is_state_message,
    json_in,
    names_remote,
    run_in,
    run_record,
)
from tdl_sync.stop import StopFlag
from tdl_sync.strict_json import Fields, Unexpected

CLAIM_HEADER = f"{HEADER} claim"
"""It begins like a state message's header, so that one search finds both."""

INTERVALS_TO_LAPSE = 3
INTERVALS_TO_PAUSE = 2
READING_PAUSE_SECONDS = 1.0
RELEASE_SECONDS = 0.5


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


def claim_text(subject: Subject, run: RunIdentity) -> str:
    record = {"version": 1, "subject": subject.key, "run": run_record(run)}
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
        state = _state_in(message)
        if (
            state is not None
            and state.status is RunStatus.RUNNING
            and state.channel_id == subject.chat_id
            and names_remote(state, subject.remote)
        ):
            holds.append(Hold(state.run, message.edited_at, message.message_id, is_claim=False))
    return holds


def _state_in(message: SavedText) -> RunState | None:
    if not is_state_message(message.text):
        return None
    try:
        return decode(message.text)
    except StateUnreadable:  # the loading of the state says so, where it matters
        return None


class Lease:
    """``take`` once, ``write`` for each save, ``release`` at the end.

    ``admits`` may be asked by any thread; ``write`` is one thread's at a time.
    """

    def __init__(
        self,
        saved_messages: SavedMessages,
        subject: Subject,
        run: RunIdentity,
        is_gone: Callable[[RunIdentity], bool],
        stop: StopFlag,
        clock: Callable[[], float] = steady_seconds,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``is_gone`` tells of a run whose process has certainly ended.

        ``clock`` must go on while a laptop sleeps, and must not follow when its time is set.
        """
        self._saved_messages = saved_messages
        self._subject = subject
        self._run = run
        self._is_gone = is_gone
        self._stop = stop
        self._clock = clock
        self._sleep = sleep
        self._claim_id: int | None = None
        self._message: StateMessage | None = None
        self._in_the_message = False
        self._is_written = True
        self._renewed_at = self._clock()
        self.warning: str | None = None
        """What to tell the user after ``take``, if Telegram did not take the claim."""

    def take(self, *, seconds_since_start: float, take_over: bool) -> None:
        """Claim the subject. Blocks for some calls to Telegram, and for its network and pauses.

        With ``take_over`` other runs count only if they were heard of since this process began.
        Raises ``HeldByAnotherRun``, or what a call to Telegram raises.
        """
        self._renewed_at = self._clock()
        own_id, messages, now = self._claimed()
        others = [
            hold
            for hold in holds_among(messages, self._subject)
            if hold.run.run_id != self._run.run_id
            and not (hold.is_claim and hold.message_id > own_id > 0)
        ]
        began_at = now - timedelta(seconds=seconds_since_start)
        for hold in others:
            if hold.lives(now, self._is_gone) and not (take_over and hold.heard_at < began_at):
                self.release()
                raise held(self._subject, hold, take_over=take_over)
        dead_claims = [hold.message_id for hold in others if hold.is_claim]
        if dead_claims:
            self._saved_messages.delete(dead_claims)

    def _claimed(self) -> tuple[int, list[SavedText], datetime]:
        """Send the claim; its id, all messages, and Telegram's time.

        Where Telegram takes no message there the run goes on without a claim (its id is 0 then),
        as it does where no state can be saved: nobody could use the program otherwise, and what
        another machine moves meanwhile is seen in the remote's listing, if not before it begins.
        """
        try:
            own_id = self._saved_messages.send(claim_text(self._subject, self._run)).message_id
        except (CredentialsRefused, NetworkUnreachable, Stopped):
            raise
        except TdlSyncError as error:
            messages = self._saved_messages.find(HEADER)
            for message in messages:
                if claimant(message.text, self._subject) == self._run:  # its answer was lost
                    self._claim_id = message.message_id
                    return message.message_id, messages, message.edited_at
            self._is_written = False
            self.warning = (
                f"warning: {self._subject.title!r} cannot be claimed in Saved Messages ({error}): "
                "no other machine sees this run, so start none there for this chat and remote"
            )
            return 0, messages, datetime.now(timezone.utc)
        self._claim_id = own_id
        return (own_id, *self._read_with_own(own_id))

    def _read_with_own(self, own_id: int) -> tuple[list[SavedText], datetime]:
        """All messages, and Telegram's time, once it shows the claim just sent."""
        for _ in range(5):
            messages = self._saved_messages.find(HEADER)
            for message in messages:
                if message.message_id == own_id:
                    return messages, message.edited_at
            self._sleep(READING_PAUSE_SECONDS)
        raise HeldByAnotherRun(
            f"the claim for {self._subject.title!r} that was sent to Saved Messages is gone again: "
            "another run or another program removes such messages; end it, then run again"
        )

    # --- while it works ------------------------------------------------------------------------

    def hold_by(self, message: StateMessage) -> None:
        """Which message ``write`` is to write, once the state was loaded."""
        self._message = message

    @property
    def scope_key(self) -> str:
        return self._written.scope_key

    @property
    def _written(self) -> StateMessage:
        if self._message is None:
            raise RuntimeError("the lease was not told of its message")
        return self._message

    def write(self, text: str) -> None:
        """See ``StateMessage.write``; it renews the lease.

        A message that another run has written meanwhile is left as it is: the lease is lost,
        ``HeldByAnotherRun`` is raised, and the run is stopped with it. What Telegram refuses
        for good stops the run, too.
        """
        began_at = self._clock()
        try:
            if self._in_the_message:
                self._check_still_ours()
            self._written.write(text)
        except (HeldByAnotherRun, CredentialsRefused) as error:
            self._stop.set(error)
            raise
        self._renewed_at = began_at
        self._in_the_message = self._is_written = True
        if self._claim_id is not None:
            self._saved_messages.delete([self._claim_id])
            self._claim_id = None

    def _check_still_ours(self) -> None:
        message_id = self._written.message_id
        if message_id is None:
            return
        message = self._saved_messages.read(message_id)
        messages = self._saved_messages.find(HEADER) if message is None else [message]
        for each in messages:
            state = _state_in(each)
            if state is None or state.scope_key != self.scope_key:
                continue
            if state.run.run_id != self._run.run_id:
                raise HeldByAnotherRun(
                    f"process {state.run.pid} on {state.run.host!r} has taken over "
                    f"{self._subject.title!r} from this run, which ends; the other one does what "
                    "is left"
                )

    @property
    def admits(self) -> bool:
        """False when the lease is not certain to be ours: it was not renewed for two intervals.

        True in a run that never could write one: there is none to lose.
        """
        silent_seconds = self._clock() - self._renewed_at
        allowed_seconds = INTERVALS_TO_PAUSE * self._run.save_interval_seconds
        return not self._is_written or silent_seconds < allowed_seconds

    def release(self) -> None:
        """Remove a claim that no save has replaced. Best effort and quick: it would lapse."""
        if self._claim_id is None:
            return
        claim_id, self._claim_id = self._claim_id, None

        def remove() -> None:
            try:
                self._saved_messages.delete([claim_id])
            except TdlSyncError:
                return  # it lapses by itself, and its process is known to be gone on this machine

        removing = threading.Thread(target=remove, name="release", daemon=True)
        removing.start()
        removing.join(RELEASE_SECONDS)


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
