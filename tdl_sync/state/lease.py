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

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta, timezone

from tdl_sync.core.errors import CredentialsRefused, HeldByAnotherRun, TdlSyncError
from tdl_sync.core.operating_system import steady_seconds
from tdl_sync.core.ports import SavedMessages, SavedText
from tdl_sync.core.stop import StopFlag
from tdl_sync.state.folder_claim import lapsed_claims
from tdl_sync.state.holds import INTERVALS_TO_LAPSE, Before, Others
from tdl_sync.state.own_claim import OwnClaim
from tdl_sync.state.saved_texts import State, parsed
from tdl_sync.state.state_message import HEADER
from tdl_sync.state.state_store import StateMessage

INTERVALS_TO_PAUSE = 2

FRESH_SECONDS = 2.0
"""A save need not look whether the chat is still ours where that was seen so short a time ago: a
hold that lives is taken over by nobody but ``--take-over``, and the run that does so against a run
that lives ends with its own next save at the latest."""


class Renewals:
    """When the lease was renewed last, by this machine's clock."""

    def __init__(self, save_interval_seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._interval_seconds = save_interval_seconds
        self._renewed_at = clock()

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """What is done meanwhile renews the lease unless it raises: from when it was asked for,
        however late the answer is."""
        began_at = self._clock()
        yield
        self._renewed_at = began_at

    def need_none(self) -> None:
        """There is no lease to lose, until something renews it."""
        self._renewed_at = math.inf

    @property
    def are_missing(self) -> bool:
        """The last one was two intervals ago."""
        return self._seconds_ago >= INTERVALS_TO_PAUSE * self._interval_seconds

    @property
    def have_lapsed(self) -> bool:
        """So long ago that another run may have taken the chat meanwhile."""
        return self._seconds_ago >= INTERVALS_TO_LAPSE * self._interval_seconds

    @property
    def _seconds_ago(self) -> float:
        return self._clock() - self._renewed_at


class LastLook:
    """When the chat was seen to be ours, for the save that comes next. One thread at a time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looked_at = -math.inf

    @contextmanager
    def looking(self) -> Iterator[None]:
        began_at = self._clock()
        yield
        self._looked_at = began_at

    def serves(self) -> bool:
        """Whether a save need not look again. It serves no further one."""
        looked_at, self._looked_at = self._looked_at, -math.inf
        return self._clock() - looked_at < FRESH_SECONDS


class Loss:
    """Whether the chat is lost to another run, and what that ends: the run, or an idle chat."""

    def __init__(self, stop: StopFlag) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._lost: HeldByAnotherRun | None = None
        self._is_idle = False

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """What is raised meanwhile is a loss, or what Telegram refuses for good."""
        try:
            yield
        except CredentialsRefused as error:
            self._stop.set(error)
            raise
        except HeldByAnotherRun as error:
            with self._lock:
                stops_the_run = self._lost is None and not self._is_idle
                self._lost = self._lost or error
            if stops_the_run:
                self._stop.set(error)
            raise

    @contextmanager
    def idle(self) -> Iterator[None]:
        with self._lock:
            self._is_idle = True
        try:
            yield
        finally:
            with self._lock:
                self._is_idle = False
        self.check()

    def check(self) -> None:
        with self._lock:
            if self._lost is not None:
                raise self._lost


class Lease:
    """``take`` once, ``write`` for each save, ``release`` at the end.

    Between ``take`` and the first ``write`` another thread calls ``renew_claim``. From ``take`` on
    all threads may call everything.
    """

    def __init__(
        self,
        saved_messages: SavedMessages,
        others: Others,
        stop: StopFlag,
        clock: Callable[[], float] = steady_seconds,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``clock`` must go on while a laptop sleeps, and must not follow when its time is set."""
        self._saved_messages = saved_messages
        self._others = others
        self._claim = OwnClaim(saved_messages, others.subject, others.run, sleep)
        self._claimed_at = datetime.now(timezone.utc)
        self._renewals = Renewals(others.run.save_interval_seconds, clock)
        self._loss = Loss(stop)
        self._writing = threading.Lock()
        self._message: StateMessage | None = None
        self._in_the_message = False
        self._last_look = LastLook(clock)
        self.found: tuple[SavedText, ...] = ()
        """All messages as they were when the chat had become ours."""
        self.before = Before()
        """As of ``take``."""

    @property
    def warning(self) -> str | None:
        """What to tell the user after ``take``, if Telegram did not take the claim."""
        return self._claim.warning

    def take(self, *, seconds_since_start: float, take_over: bool) -> None:
        """Claim the subject. Blocks for some calls to Telegram, and for its network and pauses.

        With ``take_over`` other runs count only if they were heard of since this process began.
        Raises ``HeldByAnotherRun``, or what a call to Telegram raises.
        """
        with self._renewals.renewing():
            messages, now = self._claim.send()
        self.found = tuple(messages)
        if self._claim.message_id is None:
            self._renewals.need_none()
        self._claimed_at = now
        others = self._others.before(self._claim.message_id or 0, messages)
        claimed = self._claim.message_id is not None
        self.before = self._others.found_before(others, messages, now) if claimed else Before()
        began_at = now - timedelta(seconds=seconds_since_start)
        for hold in self._others.living(others, now):
            if not (take_over and hold.heard_at < began_at):
                self.release()
                raise self._others.held(hold, take_over=take_over)
        dead_claims = [hold.message_id for hold in others if hold.is_claim]
        dead_claims += lapsed_claims(self._others.subject.remote, messages, now)
        if dead_claims:
            self._saved_messages.delete(dead_claims)

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
        ``idle``; so it is where the save itself has taken longer than the lease lasts, since nobody
        knows then who was here. What Telegram refuses for good stops the run, too.
        """
        with self._writing:
            may_have_lapsed = self._in_the_message and self._renewals.are_missing
            with self._renewals.renewing(), self._loss.noticed():
                if may_have_lapsed:
                    # Who has taken the chat and not yet saved is known by a claim alone. It would
                    # give way as well if it saw us renewed.
                    self._look_for_another(None)
                if self._in_the_message:
                    if may_have_lapsed or not self._last_look.serves():
                        self._check_still_ours()
                else:
                    self._check_claim()
                self._written.write(text)
                # Also where the machine has slept since we looked.
                if may_have_lapsed or self._renewals.are_missing:
                    self._look_for_another(None)  # who claimed it meanwhile has not seen us
                    if not may_have_lapsed and self._renewals.have_lapsed:
                        # Who has even saved meanwhile was overwritten just now, and its claim gone.
                        raise self._others.may_be_overwritten()
            self._in_the_message = True
            self._claim.remove()

    def look(self) -> None:
        """For a save that is likely to follow at once, which then looks no more. What ails
        Telegram meets that save as well."""
        with self._writing:
            if not self._in_the_message:
                return
            with contextlib.suppress(TdlSyncError), self._loss.noticed(), self._last_look.looking():
                self._check_still_ours()

    def idle(self) -> AbstractContextManager[None]:
        """Nothing of this chat is moved meanwhile, so a lease that is lost ends this chat alone:
        it stops no other one, and is raised on leaving, and by ``check_not_lost``."""
        return self._loss.idle()

    def check_not_lost(self) -> None:
        self._loss.check()

    def _check_still_ours(self) -> None:
        message_id = self._written.message_id
        if message_id is None:
            return
        message = self._saved_messages.read(message_id)
        messages = self._saved_messages.find(HEADER) if message is None else [message]
        for each in parsed(messages):
            if not isinstance(each, State) or each.scope_key != self.scope_key:
                continue
            if each.run.run_id != self._others.run.run_id:
                raise self._others.taken_over(each.run)

    # --- until the first save ------------------------------------------------------------------

    def check_claim(self) -> None:
        """For what writes by itself, without ``write``: raises if the chat is not ours any more,
        ``HeldByAnotherRun`` as ``write`` does, or what a call to Telegram raises."""
        with self._writing, self._loss.noticed():
            self._check_claim()

    def renew_claim(self) -> bool:
        """To be called once a save interval. False: there is no claim left to renew.

        A lost claim stops the run. Where Telegram can't be reached nothing is said: a claim that
        has lapsed by that is found by the first save.
        """
        with self._writing:
            claim_id = self._claim.message_id
            if claim_id is None or self._in_the_message:
                return False
            try:
                with self._loss.noticed():
                    self._renew(claim_id)
            except (HeldByAnotherRun, CredentialsRefused):
                return False
            except TdlSyncError:
                return True
            return True

    def _check_claim(self) -> None:
        claim_id = self._claim.message_id
        if claim_id is None:
            self._look_for_another(datetime.now(timezone.utc))
        elif self._renewals.are_missing:
            self._renew(claim_id)
        else:
            self._claim.seen_at(claim_id)

    def _renew(self, claim_id: int) -> None:
        """Where the claim may have lapsed, look who else is there, only after it was renewed: who
        comes later finds it, and who came earlier is found."""
        may_have_lapsed = self._renewals.are_missing
        with self._renewals.renewing():
            self._claim.renew(claim_id)
            if self._claim.message_id is None:  # released meanwhile
                return
            if may_have_lapsed:
                self._look_for_another(self._claim.seen_at(claim_id))

    def _look_for_another(self, now: datetime | None) -> None:
        """Whom ``take`` has seen and did not mind was heard of before our claim. ``None``: by
        Telegram's clock it is at least as late as the newest of all messages.

        Who came when our hold had lapsed counts though it lives no more: it may have moved files
        that are in no listing of ours.
        """
        messages = self._saved_messages.find(HEADER)
        if now is None:
            edited = (message.edited_at for message in messages)
            now = max(edited, default=self._claimed_at)
        lapsed_at = self._others.own_lapse(messages)
        others = [hold for hold in self._others.among(messages) if hold.heard_at > self._claimed_at]
        for hold in self._others.living(others, now):
            raise self._others.taken_over(hold.run)
        for hold in others:
            if lapsed_at is not None and hold.heard_at >= lapsed_at:
                raise self._others.had_taken_over(hold.run)

    # --- at all times --------------------------------------------------------------------------

    @property
    def admits(self) -> bool:
        """False when the lease is not certain to be ours: it was not renewed for two intervals.

        True in a run that never could write one: there is none to lose.
        """
        return not self._renewals.are_missing

    @property
    def has_lapsed(self) -> bool:
        """It was not renewed for three intervals (this machine slept, or Telegram could not be
        reached): another run may have taken the chat, until a ``write`` shows that none has."""
        return self._renewals.have_lapsed

    def release(self) -> None:
        """See ``OwnClaim.release``."""
        self._claim.release()
