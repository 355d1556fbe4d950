"""A few long-lived connections to one data centre, shared by all files.

Opening one costs several round trips, so they are opened side by side and kept; Telegram also
limits the speed of a connection, so requests are spread over all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pyrogram.errors import RPCError
from pyrogram.session import Session

from tdl_sync.errors import DownloadFailed
from tdl_sync.model import MessageKey
from tdl_sync.telegram.client import TelegramClient
from tdl_sync.telegram.window import RequestWindow

REQUESTS_PER_CONNECTION = 2
"""While the answer to one is on its way, the other is being prepared or decrypted."""

Waiter = asyncio.Future[Session]


class MediaConnections:
    """The media connections to one data centre. Lives on the loop.

    A request waits for its turn in ``session``: first come first served within a file, and turn
    by turn between files, so that a large file does not keep small ones waiting.
    """

    def __init__(self, telegram: TelegramClient, dc_id: int, connections: int) -> None:
        self._telegram = telegram
        self._dc_id = dc_id
        self._connections = connections
        self._window = RequestWindow(connections * REQUESTS_PER_CONNECTION)
        self._busy: dict[Session, int] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: OrderedDict[MessageKey, deque[Waiter]] = OrderedDict()
        self._paused_until = 0.0

    @asynccontextmanager
    async def session(self, key: MessageKey) -> AsyncIterator[Session]:
        """A connection for one request of this file, for as long as the request is under way.

        Raises what opening a connection raised, if there is none at all.
        """
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(waiter)
        self._serve()
        session = await waiter
        started_at = time.monotonic()
        try:
            yield session
        except OSError:
            self._window.refused()
            raise
        else:
            self._window.answered(time.monotonic() - started_at)
        finally:
            self._busy[session] -= 1
            self._serve()

    async def pause(self, seconds: int) -> None:
        """Wait as long as Telegram asked; one line for the user however many requests wait."""
        until = time.monotonic() + seconds
        if until <= self._paused_until + 1:
            await asyncio.sleep(seconds)
            return
        self._paused_until = until
        self._window.refused()
        await self._telegram.wait_as_told("downloads", seconds)

    def _serve(self) -> None:
        """Give connections to those who wait, as many as the window allows."""
        while self._waiting:
            in_flight = sum(self._busy.values())
            if in_flight >= self._window.limit:
                return
            session = self._least_busy()
            if session is None or self._busy[session] > 0:
                self._open_more(in_flight)
            if session is None or self._busy[session] >= REQUESTS_PER_CONNECTION:
                return
            waiter = self._next_waiter()
            if not waiter.done():
                self._busy[session] += 1
                waiter.set_result(session)

    def _least_busy(self) -> Session | None:
        """A connection that is being opened anew by the library counts as the busiest."""
        if not self._busy:
            return None
        return min(self._busy, key=lambda each: (not each.is_started.is_set(), self._busy[each]))

    def _next_waiter(self) -> Waiter:
        key, waiters = self._waiting.popitem(last=False)
        waiter = waiters.popleft()
        if waiters:
            self._waiting[key] = waiters
        return waiter

    def _open_more(self, in_flight: int) -> None:
        """Open as many as could be used at once; before the first is open, only that one."""
        wanted = in_flight + sum(len(waiters) for waiters in self._waiting.values())
        most = min(wanted, self._window.limit, self._connections) if self._busy else 1
        while len(self._busy) + len(self._opening) < most:
            task = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail_if_there_is_none(error)
        self._serve()

    def _fail_if_there_is_none(self, error: BaseException) -> None:
        if self._busy or self._opening:
            return
        while self._waiting:
            waiter = self._next_waiter()
            if not waiter.done():
                waiter.set_exception(error)

    async def _open(self) -> None:
        try:
            session = await (self._sibling() if self._busy else self._first())
        except (RPCError, OSError):
            raise
        except Exception as error:
            raise DownloadFailed(f"no connection to data centre {self._dc_id}: {error}") from error
        self._telegram.sessions.add(session)
        self._busy[session] = 0

    async def _first(self) -> Session:
        """The one that costs a key exchange, and for a foreign data centre an authorization.

        The library keeps both for the data centre, so the others only have to connect.
        """
        client = self._telegram.client
        await client.get_session(self._dc_id)
        session: Session = await client.get_session(
            self._dc_id, is_media=True, temporary=True, export_authorization=False
        )
        return session

    async def _sibling(self) -> Session:
        first = next(iter(self._busy))
        session: Session = await self._telegram.client.get_session(
            self._dc_id,
            is_media=True,
            temporary=True,
            export_authorization=False,
            server_address=first.server_address,
            port=first.port,
        )
        return session
