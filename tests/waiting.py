"""Waiting in tests: a dead-lock is a failure with every thread's stack, not a test that hangs."""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

PATIENCE_SECONDS = 120.0

Result = TypeVar("Result")


def in_thread(work: Callable[[], Result]) -> Future[Result]:
    """Start ``work`` in a thread of its own, which does not outlive the test process."""
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where the result is read
            done.set_exception(error)

    threading.Thread(target=run, name="under-test", daemon=True).start()
    return done


def result_of(work: Future[Result], seconds: float = PATIENCE_SECONDS) -> Result:
    """What it returns or raises; a test failure when it does neither in time."""
    try:
        error = work.exception(seconds)
    except FutureTimeoutError:
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        raise AssertionError(f"nothing came back within {seconds} seconds") from None
    if error is not None:
        raise error
    return work.result()


def finished(work: Callable[[], Result], seconds: float = PATIENCE_SECONDS) -> Result:
    """The same for work that is started here."""
    return result_of(in_thread(work), seconds)


def until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition of another thread."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.002)
