"""One run for a chat between machines: a claim to begin with, and a lease in the state message.

Telegram edits know no "only if nobody else did": the last writer wins, and a slow one overwrites
without seeing it. Sent messages, though, get ascending ids from the server. So a run that begins

1. sends a *claim*, a message of its own, and only then
2. reads all claims and state messages. A living claim with a lower id, or a state message that
   another living run renews, means that the chat is taken: the claim is removed, exit 5.
3. works. Its first save puts the run into the state message, and then the claim is removed.
   Until then the claim is renewed by edits, since a start may last (the listing of a large
   remote). Whoever takes over a claim removes it, so the first save looks whether it is there.

Of any number of runs that start at once the one with the lowest claim works, however slow each
of them is: whoever comes later finds either its claim or, where that is gone already, its state.
(Waiting for a while after an edit and reading it back was rejected: a request that is under way
for longer than the wait breaks it.)

A run that is silent for three save intervals has lost its lease. Age is told by Telegram's dates
alone: how old a message is, is its edit date against the date of the claim just sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from tdl_sync.core.errors import (
    CredentialsRefused,
    HeldByAnotherRun,
    NetworkUnreachable,
    Stopped,
    TdlSyncError,
)
from tdl_sync.core.operating_system import steady_seconds
from tdl_sync.core.ports import SavedMessages, SavedText
from tdl_sync.core.stop import StopFlag
from tdl_sync.state.claims import Subject, claim_text, claimant, held, holds_among, state_in
from tdl_sync.state.run_state import RunIdentity
from tdl_sync.state.state_message import HEADER
from tdl_sync.state.state_store import StateMessage

INTERVALS_TO_PAUSE = 2
READING_PAUSE_SECONDS = 1.0
RELEASE_SECONDS = 0.5


class Lease:
    """``take`` once, ``write`` for each save, ``release`` at the end.

    Between ``take`` and the first ``write`` another thread calls ``renew_claim``. From ``take`` on
    all threads may call everything.
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
        self._claimed_at = datetime.now(timezone.utc)
        self._renewals = 0
        self._writing = threading.Lock()
        self._losing = threading.Lock()
        self._lost: HeldByAnotherRun | None = None
        self._is_idle = False
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
        self._claimed_at = now
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
        ``HeldByAnotherRun`` is raised, and the run is stopped with it unless this chat is
        ``idle``. What Telegram refuses for good stops the run, too.
        """
        with self._writing:
            began_at = self._clock()
            with self._stopping_the_run():
                if self._in_the_message:
                    self._check_still_ours()
                else:
                    self._check_claim()
                self._written.write(text)
            self._renewed_at = began_at
            self._in_the_message = self._is_written = True
            if self._claim_id is not None:
                self._saved_messages.delete([self._claim_id])
                self._claim_id = None

    @contextmanager
    def _stopping_the_run(self) -> Iterator[None]:
        try:
            yield
        except CredentialsRefused as error:
            self._stop.set(error)
            raise
        except HeldByAnotherRun as error:
            with self._losing:
                stops_the_run = self._lost is None and not self._is_idle
                self._lost = self._lost or error
            if stops_the_run:
                self._stop.set(error)
            raise

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Nothing of this chat is moved meanwhile, so a lease that is lost ends this chat alone:
        it stops no other one, and is raised on leaving, and by ``check_not_lost``."""
        with self._losing:
            self._is_idle = True
        try:
            yield
        finally:
            with self._losing:
                self._is_idle = False
        self.check_not_lost()

    def check_not_lost(self) -> None:
        with self._losing:
            if self._lost is not None:
                raise self._lost

    def _check_still_ours(self) -> None:
        message_id = self._written.message_id
        if message_id is None:
            return
        message = self._saved_messages.read(message_id)
        messages = self._saved_messages.find(HEADER) if message is None else [message]
        for each in messages:
            state = state_in(each)
            if state is None or state.scope_key != self.scope_key:
                continue
            if state.run.run_id != self._run.run_id:
                raise self._taken_over_by(state.run)

    def _taken_over_by(self, run: RunIdentity) -> HeldByAnotherRun:
        return HeldByAnotherRun(
            f"process {run.pid} on {run.host!r} has taken over {self._subject.title!r} from this "
            "run, which ends; the other one does what is left"
        )

    # --- until the first save ------------------------------------------------------------------

    def check_claim(self) -> None:
        """For what writes by itself, without ``write``: raises if the chat is not ours any more,
        ``HeldByAnotherRun`` as ``write`` does, or what a call to Telegram raises."""
        with self._writing, self._stopping_the_run():
            self._check_claim()

    def renew_claim(self) -> bool:
        """To be called once a save interval. False: there is no claim left to renew.

        A lost claim stops the run. Where Telegram can't be reached nothing is said: a claim that
        has lapsed by that is found by the first save.
        """
        with self._writing:
            claim_id = self._claim_id
            if claim_id is None or self._in_the_message:
                return False
            try:
                with self._stopping_the_run():
                    self._renew(claim_id)
            except (HeldByAnotherRun, CredentialsRefused):
                return False
            except TdlSyncError:
                return True
            return True

    def _check_claim(self) -> None:
        claim_id = self._claim_id
        if claim_id is None:
            self._look_for_another(datetime.now(timezone.utc))
        elif self._is_silent:
            self._renew(claim_id)
        elif self._saved_messages.read(claim_id) is None:
            raise self._claim_is_gone()

    def _renew(self, claim_id: int) -> None:
        """Where the claim may have lapsed, look who else is there, only after it was renewed: who
        comes later finds it, and who came earlier is found."""
        began_at, may_have_lapsed = self._clock(), self._is_silent
        self._renewals += 1
        text = claim_text(self._subject, self._run, self._renewals)
        is_there = self._saved_messages.edit(claim_id, text)
        if self._claim_id is None:  # released meanwhile
            return
        if not is_there:
            raise self._claim_is_gone()
        if may_have_lapsed:
            renewed = self._saved_messages.read(claim_id)
            if renewed is None:
                raise self._claim_is_gone()
            self._look_for_another(renewed.edited_at)
        self._renewed_at = began_at

    def _look_for_another(self, now: datetime) -> None:
        """Whom ``take`` has seen and did not mind was heard of before our claim."""
        for hold in holds_among(self._saved_messages.find(HEADER), self._subject):
            is_new = hold.run.run_id != self._run.run_id and hold.heard_at > self._claimed_at
            if is_new and hold.lives(now, self._is_gone):
                raise self._taken_over_by(hold.run)

    def _claim_is_gone(self) -> HeldByAnotherRun:
        return HeldByAnotherRun(
            f"this run's claim for {self._subject.title!r} in Saved Messages is gone: another run "
            "has taken over the chat, or somebody deleted the message. This run ends and has saved "
            "nothing; run again when no other one works on the chat"
        )

    @property
    def _is_silent(self) -> bool:
        allowed_seconds = INTERVALS_TO_PAUSE * self._run.save_interval_seconds
        return self._clock() - self._renewed_at >= allowed_seconds

    # --- at all times --------------------------------------------------------------------------

    @property
    def admits(self) -> bool:
        """False when the lease is not certain to be ours: it was not renewed for two intervals.

        True in a run that never could write one: there is none to lose.
        """
        return not self._is_written or not self._is_silent

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
