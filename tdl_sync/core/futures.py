"""Chaining stages that run in different thread pools."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TypeVar

from tdl_sync.core.errors import Stopped

First = TypeVar("First")
Second = TypeVar("Second")


def in_thread(work: Callable[[], First], name: str) -> Future[First]:
    """Run ``work`` in a thread of its own, which the end of the program does not wait for."""
    result: Future[First] = Future()
    threading.Thread(target=_settle, args=(result, work), name=name, daemon=True).start()
    return result


def _settle(future: Future[First], work: Callable[[], First]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
        future.set_exception(error)


def then(first: Future[First], pool: Executor, work: Callable[[First], Second]) -> Future[Second]:
    """Run ``work`` on the result of ``first``, in ``pool``, as soon as it is there.

    The future returned fails with whatever ``first`` or ``work`` raised, and with ``Stopped``
    when the pool takes nothing more. No thread waits in between.
    """
    second: Future[Second] = Future()

    def start(finished: Future[First]) -> None:
        error = finished.exception()
        if error is not None:
            second.set_exception(error)
            return
        try:
            running = pool.submit(work, finished.result())
        except RuntimeError:  # how an executor says that it was shut down
            second.set_exception(Stopped("the run is stopping"))
            return
        running.add_done_callback(lambda done: _settle(second, done.result))

    first.add_done_callback(start)
    return second
