"""The one thread that owns asyncio, and with it every Pyrogram object.

Worker threads hand it *functions*, not coroutines: Pyrogram's methods look at the thread they
are called from, so a coroutine that a worker makes would belong to the wrong loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

CLOSING_SECONDS = 5.0
"""How long tasks get to clean up after they were cancelled."""

CANCEL_AGAIN_SECONDS = 0.25


class EventLoopThread:
    """An asyncio loop in a daemon thread. ``start`` once, ``stop`` once; both may be called from
    any thread but the loop's own."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, name="event-loop", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._ready.set)
        try:
            self._loop.run_forever()
        finally:
            with self._lock:
                self._has_ended = True
            # What was submitted at the last moment would have somebody wait for ever.
            self._loop.run_until_complete(self._cancel_tasks())
            self._loop.close()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the event loop was not started")
        return self._loop

    def submit(
        self,
        function: Callable[Arguments, Coroutine[Any, Any, Result]],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Future[Result]:
        """Call a coroutine function on the loop and return at once. Once the loop has ended, what
        is returned was cancelled."""

        async def on_the_loop() -> Result:
            return await function(*args, **kwargs)

        with self._lock:
            if not self._has_ended:
                return asyncio.run_coroutine_threadsafe(on_the_loop(), self.loop)
        cancelled: Future[Result] = Future()
        cancelled.cancel()
        return cancelled

    def call(
        self,
        function: Callable[Arguments, Coroutine[Any, Any, Result]],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Call a coroutine function on the loop and block until it has returned or raised.

        Refused on the loop's own thread, where it would wait for itself for ever.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("call() would block the loop that it waits for; await instead")
        return self.submit(function, *args, **kwargs).result()

    def wake(self, event: asyncio.Event) -> None:
        """Set an event of the loop from any thread; nothing happens once the loop has ended."""
        with self._lock:
            if not self._has_ended:
                self.loop.call_soon_threadsafe(event.set)

    def stop(self) -> None:
        """Cancel what still runs, let it clean up, end the loop and its thread."""
        if not self._thread.is_alive():
            return
        self.submit(self._cancel_tasks).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(CLOSING_SECONDS)

    async def _cancel_tasks(self) -> None:
        # Tasks are cancelled, not the futures that threads hold: cancelling a future would
        # return to its thread while the task still cleans up. Again and again, because before
        # Python 3.12 asyncio.wait_for loses a cancellation that meets the end of its wait.
        deadline = self.loop.time() + CLOSING_SECONDS
        while self.loop.time() < deadline:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            if not tasks:
                return
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CANCEL_AGAIN_SECONDS)
