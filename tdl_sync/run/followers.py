"""The runs that stay with their chats, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, as_completed, wait

from tdl_sync.core.errors import ChatError, Stopped
from tdl_sync.core.futures import in_thread
from tdl_sync.core.stop import StopFlag
from tdl_sync.run.chat_run import ChatRun


class Followers:
    """``with Followers(…) as followers:``; leaving it waits for all, and an error stops them.

    Threads, since each chat keeps its lock and its state message all the time, and since a stop
    has 2 s to save all of them.
    """

    def __init__(self, stop: StopFlag, on_line: Callable[[str], None]) -> None:
        self._stop = stop
        self._on_line = on_line
        self._runs: dict[Future[None], ChatRun] = {}

    def __enter__(self) -> Followers:
        return self

    def __exit__(self, exc_type: object, exc: BaseException | None, traceback: object) -> None:
        if exc is not None:
            self._stop.set(exc)
        wait(self._runs)

    def begin(self, run: ChatRun) -> None:
        """Blocks until all was moved that is there, and the run stays. Raises what ends it."""
        ended = in_thread(run.run, f"follow {run.chat.id}")
        ended.add_done_callback(lambda _: run.stays.set())
        run.stays.wait()
        if ended.done():
            ended.result()
        else:
            self._runs[ended] = run

    def stay(
        self, on_error: Callable[[ChatError], None], on_out: Callable[[str, str], None]
    ) -> None:
        """Blocks until all have ended. ``on_error`` is told what ended one chat, as soon as it
        has, and ``on_out`` the remote and the title where it was what ails the remote; other errors
        are raised, and ``Stopped``."""
        for ended in as_completed(self._runs):
            try:
                ended.result()
            except Stopped:
                if not self._stop.is_set:
                    run = self._runs[ended]
                    on_out(run.remote, run.chat.title)
            except ChatError as error:
                on_error(error)
                title = self._runs[ended].chat.title
                self._on_line(f"warning: {title!r} is not followed any more: {error}")
        self._stop.check()
