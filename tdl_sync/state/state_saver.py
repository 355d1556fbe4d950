"""The timer thread that keeps the state message up to date while a run works."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from tdl_sync.core.errors import CredentialsRefused, HeldByAnotherRun, Stopped, TdlSyncError
from tdl_sync.core.operating_system import give_back_freed_memory, steady_seconds
from tdl_sync.core.ports import Notices
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_state import RunState, RunStatus
from tdl_sync.state.state_message import encode, json_in

FILES_BETWEEN_SAVES = 10
SHORTEST_GAP_SECONDS = 30.0
PAUSES_SECONDS = (2.0, 8.0)
"""Before the second and the third attempt; after that the state goes to the local file."""


_GOES_ON = "the run goes on"
_NEXT = "the next run on this machine begins"


def _wait(event: threading.Event, seconds: float) -> bool:
    """``Event.wait``, but for the time that the machine sleeps, which that does not count."""
    until = steady_seconds() + seconds
    while (left_seconds := until - steady_seconds()) > 0:
        if event.wait(min(left_seconds, SHORTEST_GAP_SECONDS)):
            return True
    return event.is_set()


class SavedIn(Enum):
    """Where a save has put the state."""

    TELEGRAM = "Saved Messages"
    LOCAL_FILE = "a local file"
    NOWHERE = "nowhere"


class StateWriter(Protocol):
    """Puts the text where the next run finds it; see ``state_store.StateMessage``."""

    @property
    def scope_key(self) -> str: ...

    def write(self, text: str) -> None: ...


class SaveSchedule:
    """When the next save is due. Pure: seconds come from outside, from one clock."""

    def __init__(self, save_interval_seconds: float, now: float) -> None:
        self._interval_seconds = max(save_interval_seconds, SHORTEST_GAP_SECONDS)
        self._last_save = now
        self._finished_files = 0
        self._failed = False
        self._asked_saves = 0
        self._begun_saves = 0
        self._answered_saves = 0

    def file_finished(self) -> None:
        self._finished_files += 1

    def wanted(self) -> None:
        """Something happened that should be saved as soon as that is allowed."""
        self._finished_files = max(self._finished_files, FILES_BETWEEN_SAVES)

    def ask(self) -> int:
        """For a save at once; the number is for ``has_answered``."""
        self._asked_saves += 1
        return self._asked_saves

    def has_answered(self, asked: int) -> bool:
        """Whether a save has ended that began after that was asked for."""
        return self._answered_saves >= asked

    @property
    def is_asked(self) -> bool:
        """Somebody may wait for a save, also for the one that is under way."""
        return not self.has_answered(self._asked_saves)

    def save_began(self) -> None:
        """The state is being looked at now; what finishes from here on is for the next save."""
        self._finished_files = 0
        self._begun_saves = self._asked_saves

    def save_ended(self, now: float, saved_in: SavedIn) -> None:
        """Where Telegram did not take it the next try is soon: each save renews the lease, and
        without that a run begins nothing more."""
        self._last_save = now
        self._failed = saved_in is not SavedIn.TELEGRAM
        self._answered_saves = self._begun_saves

    @property
    def due_at(self) -> float:
        if self.is_asked:
            return -math.inf
        soon = self._failed or self._finished_files >= FILES_BETWEEN_SAVES
        return self._last_save + (SHORTEST_GAP_SECONDS if soon else self._interval_seconds)


@dataclass
class StatePlaces:
    """Where the state is put: in Telegram or, what that does not take, in the local file.

    The listener gets one line when Telegram fails first, and one when it takes the state again.
    """

    message: StateWriter
    local_states: LocalStates
    snapshot: Callable[[], RunState]
    notices: Notices

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._local_saves = 0
        self._telegram_fails = False

    def save(self, pause: Callable[[float], None]) -> SavedIn:
        """In three attempts, with a ``pause`` of so many seconds between them. One at a time."""
        with self._lock:
            local_saves_before = self._local_saves
        state = self.snapshot()
        text, failure, ends = encode(state), "", False
        for pause_seconds in (0.0, *PAUSES_SECONDS):
            if pause_seconds:
                pause(pause_seconds)
            try:
                self.message.write(text)
            except (HeldByAnotherRun, Stopped) as error:
                failure, ends = str(error), True
                break
            except CredentialsRefused as error:  # what to do is said when the run has ended
                failure, ends = f"{error.who}: {error.why}", True
                break
            except TdlSyncError as error:
                failure = str(error)
            else:
                self._telegram_has_it(local_saves_before)
                return SavedIn.TELEGRAM
        return self._save_locally(state, failure, ends=ends)

    def save_locally(self, failure: str) -> SavedIn:
        """At once, whatever ``save`` is at, in any thread."""
        return self._save_locally(self.snapshot(), failure)

    def _telegram_has_it(self, local_saves_before: int) -> None:
        """Drop the local copy, unless it was written after this state was looked at: then what
        Telegram has is older, and no news for the user."""
        lines = []
        with self._lock:
            if self._local_saves != local_saves_before:
                return
            if self._telegram_fails:
                self._telegram_fails = False
                lines.append("the state message is saved in Saved Messages again")
            try:
                self.local_states.remove(self.message.scope_key)
            except OSError as error:
                lines.append(f"warning: an old copy of the state stays: {error}")
        for line in lines:
            self.notices.message(line)

    def _save_locally(self, state: RunState, failure: str, *, ends: bool = False) -> SavedIn:
        """``ends``: the run does, and the user is told what the next one begins with."""
        key, json_text = self.message.scope_key, json_in(encode(state))
        ends = ends or state.status is not RunStatus.RUNNING
        with self._lock:
            self._local_saves += 1
            first, self._telegram_fails = not self._telegram_fails, True
        try:
            self.local_states.write(key, json_text)
        except OSError as error:
            after = f"{_NEXT} with what is marked as done" if ends else _GOES_ON
            self.notices.message(
                f"warning: the state can be saved neither in Saved Messages ({failure}) nor in "
                f"{self.local_states.path(key)} ({error.strerror}); {after}"
            )
            return SavedIn.NOWHERE
        if first:
            after = f"{_NEXT} there" if ends else _GOES_ON
            self.notices.message(
                f"warning: the state cannot be saved in Saved Messages ({failure}); it is kept in "
                f"{self.local_states.path(key)}, and {after}"
            )
        return SavedIn.LOCAL_FILE


class StateSaver:
    """Saves while it is entered (``with StateSaver(…) as saver:``); leaving it saves nothing.

    A save is at least every ``save_interval_seconds``, and when ten files have finished or the
    last one failed, but never less than 30 s after the one before; ``save_now`` saves at once.
    All methods may be called from any thread, but none from within ``snapshot``.

    What can't be saved in Telegram in three attempts goes to the local file, and the run goes on.
    """

    def __init__(
        self,
        message: StateWriter,
        local_states: LocalStates,
        snapshot: Callable[[], RunState],
        notices: Notices,
        save_interval_seconds: float,
        clock: Callable[[], float] = steady_seconds,
        wait: Callable[[threading.Event, float], bool] = _wait,
    ) -> None:
        """``snapshot`` gives the state as it is now, in any thread.

        ``wait`` waits for an event, or for seconds of ``clock``, whatever comes first.
        """
        self._places = StatePlaces(message, local_states, snapshot, notices)
        self._clock = clock
        self._wait = wait
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state saver", daemon=True)
        # Guards all that follows, and the event's being set together with what it announces.
        self._changed = threading.Condition()
        self._schedule = SaveSchedule(save_interval_seconds, clock())
        self._saved_in = SavedIn.NOWHERE
        self._closing = False
        self._ended = False

    def __enter__(self) -> StateSaver:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End the thread. It is not waited for when it hangs in a call to Telegram."""
        with self._changed:
            self._closing = True
            self._wake.set()
        self._thread.join(timeout=1.0)

    def file_finished(self) -> None:
        """One more file has come to its end; call it after its records are written."""
        with self._changed:
            due_at = self._schedule.due_at
            self._schedule.file_finished()
            if self._schedule.due_at != due_at:
                self._wake.set()

    def save_when_allowed(self) -> None:
        """Save the state once 30 s have passed since the last save, without waiting for it."""
        with self._changed:
            self._schedule.wanted()
            self._wake.set()

    def save_soon(self) -> None:
        """Save the state without waiting for it."""
        self._ask()

    def save_now(self, timeout_seconds: float | None = None) -> SavedIn:
        """Save the state as it is now, or newer; blocks until that is done.

        After ``timeout_seconds`` (a call to Telegram hangs, or waits for a flood wait) the state
        is written to the local file here, so that on a stop it is durable in that time. Attempts
        that fail follow each other without a pause.
        """
        with self._changed:
            asked = self._ask()
            self._changed.wait_for(
                lambda: self._schedule.has_answered(asked) or self._ended, timeout_seconds
            )
            if self._schedule.has_answered(asked):
                return self._saved_in
        return self._places.save_locally("Telegram does not answer in time")

    def _ask(self) -> int:
        with self._changed:
            self._wake.set()
            return self._schedule.ask()

    def _run(self) -> None:
        try:
            while True:
                self._sleep()
                with self._changed:
                    self._wake.clear()
                    if self._closing and not self._schedule.is_asked:
                        return
                    if self._clock() < self._schedule.due_at:
                        continue
                    self._schedule.save_began()
                saved_in = self._places.save(self._pause)
                with self._changed:
                    self._schedule.save_ended(self._clock(), saved_in)
                    self._saved_in = saved_in
                    self._changed.notify_all()
                # What saves, downloads and listings have freed piled up to some megabytes.
                give_back_freed_memory()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _sleep(self) -> None:
        with self._changed:
            seconds = 0.0 if self._closing else self._schedule.due_at - self._clock()
        if seconds > 0:
            self._wait(self._wake, seconds)

    def _pause(self, seconds: float) -> None:
        """Wait between two attempts, unless somebody waits for the save."""
        with self._changed:
            wanted = self._closing or self._schedule.is_asked
        if not wanted:
            self._wait(self._wake, seconds)
