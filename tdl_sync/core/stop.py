"""The flag that ends a run, or what goes to one remote: everything that waits, waits on it too."""

from __future__ import annotations

import inspect
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from tdl_sync.core.errors import Stopped, TdlSyncError

_WakeUp = Callable[[], None]


class StopFlag:
    """Set once, by a signal or by an error that makes going on useless. All threads may use it.

    ``cause`` is the error that ended the run, or ``None`` where a person or a supervisor did.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._wake_ups: list[Callable[[], _WakeUp | None]] = []
        self.cause: BaseException | None = None
        self._set_at = 0.0

    def set(self, cause: BaseException | None = None) -> None:
        """Stop. Of several causes the first counts. Not to be called from a signal handler."""
        with self._lock:
            if self._event.is_set():
                return
            self.cause = cause
            self._set_at = time.monotonic()
            self._event.set()
            wake_ups = [there for each in self._wake_ups if (there := each()) is not None]
        for wake_up in wake_ups:
            wake_up()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    @property
    def ends_all(self) -> bool:
        """Whether it is the whole run that stops."""
        return self.is_set

    @property
    def of_run(self) -> StopFlag:
        """The one of the whole run."""
        return self

    @property
    def seconds_ago(self) -> float:
        """How long the flag has been set; 0 if it is not."""
        return time.monotonic() - self._set_at if self._event.is_set() else 0.0

    def wait_beside(self, work: Future[Any], seconds: float | None = None) -> None:
        """Block until the work has ended, the flag is set, or so much time has passed."""
        either = threading.Event()
        work.add_done_callback(lambda _: either.set())
        self.on_set(either.set)
        either.wait(seconds)

    def on_set(self, wake_up: _WakeUp) -> None:
        """Call this when the flag is set (at once if it is): for waits on other conditions.

        A method is forgotten together with its object, in which nobody can wait any more: a run
        that stays for weeks makes and drops many of them.
        """
        with self._lock:
            if not self._event.is_set():
                self._wake_ups = [each for each in self._wake_ups if each() is not None]
                self._wake_ups.append(_without_holding(wake_up))
                return
        wake_up()

    def wakes(self, condition: threading.Condition) -> None:
        """Notify all who wait for this condition when the flag is set: each has to look at it.

        It is forgotten when nobody else knows the condition any more, as with ``on_set``.
        """
        there = weakref.ref(condition)
        with self._lock:
            self._wake_ups = [each for each in self._wake_ups if each() is not None]
            self._wake_ups.append(
                lambda: None if (found := there()) is None else partial(_notify_all, found)
            )

    def check(self) -> None:
        """Raise ``Stopped`` if the flag is set."""
        if self._event.is_set():
            raise Stopped("the run is stopping")

    def sleep(self, seconds: float) -> None:
        """Sleep, or raise ``Stopped`` as soon as the flag is set."""
        if self._event.wait(seconds):
            self.check()


class StopOfRemote(StopFlag):
    """Of all that goes to one of several remotes. It is set together with the run's flag, and by
    itself where what is to be its cause is the affair of that remote alone."""

    def __init__(self, run: StopFlag, on_alone: Callable[[], None] = lambda: None) -> None:
        """``on_alone`` is called when it was set, and the run's flag was not."""
        super().__init__()
        self._run = run
        self._on_alone = on_alone
        run.on_set(self._stop_with_the_run)

    def set(self, cause: BaseException | None = None) -> None:
        """Stop what goes to this remote, or all. That something was stopped is no cause."""
        if isinstance(cause, Stopped) and self.is_set:
            return
        if not (isinstance(cause, TdlSyncError) and cause.of_remote):
            self._run.set(cause)
            return
        super().set(cause)
        if not self._run.is_set:
            self._on_alone()

    @property
    def ends_all(self) -> bool:
        return self._run.is_set

    @property
    def of_run(self) -> StopFlag:
        return self._run

    @property
    def seconds_ago(self) -> float:
        return self._run.seconds_ago if self._run.is_set else super().seconds_ago

    def _stop_with_the_run(self) -> None:
        super().set(self._run.cause)


def _without_holding(wake_up: _WakeUp) -> Callable[[], _WakeUp | None]:
    if inspect.ismethod(wake_up):
        return weakref.WeakMethod(wake_up)
    return lambda: wake_up


def _notify_all(condition: threading.Condition) -> None:
    with condition:
        condition.notify_all()


class Slots:
    """So many things at once, and a wait that ends when the run stops. All threads may use it."""

    def __init__(self, count: int, stop: StopFlag) -> None:
        self._free = count
        self._stop = stop
        self._changed = threading.Condition()
        stop.wakes(self._changed)

    def take(self) -> None:
        """Wait for a free slot and take it. Raises ``Stopped``."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set or self._free > 0)
            self._stop.check()
            self._free -= 1

    def give_back(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify()
