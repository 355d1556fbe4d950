"""A few long-lived connections to one data centre, shared by all files.

Opening one costs several round trips, so they are opened side by side and kept; Telegram also
limits the speed of a connection, so requests are spread over all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pyrogram import Client, raw
from pyrogram.errors import AuthBytesInvalid, RPCError
from pyrogram.session import Session

from tdl_sync.core.errors import DownloadFailed
from tdl_sync.core.model import MessageKey
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files.addresses import Address, DataCentreAddresses
from tdl_sync.telegram.files.window import RequestWindow
from tdl_sync.telegram.session.answers import SESSION_ENDED, translated
from tdl_sync.telegram.session.client import CALL_SECONDS, TelegramClient
from tdl_sync.telegram.session.keys import KeyUnknown

BYTES_PER_CONNECTION = 2 * PART_BYTES
"""While the answer to one request for a whole part is on its way, the other is decrypted."""

SMALLEST_REQUEST_BYTES = PART_BYTES // 16
"""What the smallest request counts for, so that even tiny files are not asked for without end."""


@dataclass(frozen=True)
class Waiter:
    """A request that waits for its turn: what it counts for, how much its connection may then
    have under way, and who is told."""

    size_bytes: int
    most_bytes: int
    turn: asyncio.Future[Session]


class MediaConnections:
    """The media connections to one data centre. Lives on the loop.

    A request waits for its turn in ``session``: first come first served within a file, and turn
    by turn between files, so that a large file does not keep small ones waiting.
    """

    def __init__(
        self,
        telegram: TelegramClient,
        addresses: DataCentreAddresses,
        dc_id: int,
        connections: int,
    ) -> None:
        self._telegram = telegram
        self._addresses = addresses
        self._dc_id = dc_id
        self._connections = connections
        # One more, since the connection for calls carries the first parts.
        self._window = RequestWindow((connections + 1) * BYTES_PER_CONNECTION)
        self._address: Address | None = None
        self._starter: Session | None = None
        self._busy_bytes: dict[Session, int] = {}
        self._under_way = 0
        self._opening: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._waiting: OrderedDict[MessageKey, deque[Waiter]] = OrderedDict()
        self._paused_until = 0.0

    @asynccontextmanager
    async def session(
        self, key: MessageKey, size_bytes: int, most_bytes: int = BYTES_PER_CONNECTION
    ) -> AsyncIterator[Session]:
        """A connection for one request of this file, for as long as the request is under way.

        ``size_bytes`` is how long its answer will be; it goes over a connection that has no more
        than ``most_bytes`` under way then. Raises what opening a connection raised,
        if there is none at all.
        """
        counted_bytes = max(size_bytes, SMALLEST_REQUEST_BYTES)
        waiter = Waiter(counted_bytes, most_bytes, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(key, deque()).append(waiter)
        self._serve()
        session = await waiter.turn
        sent = self._window.sent()
        try:
            yield session
        except (OSError, *SESSION_ENDED) as error:
            if isinstance(error, OSError):
                self._window.refused()
            if isinstance(error, (KeyUnknown, *SESSION_ENDED)):
                self._need_a_new_key(session)
            raise
        else:
            self._window.answered(sent, size_bytes)
        finally:
            if session in self._busy_bytes:
                self._busy_bytes[session] -= counted_bytes
            self._under_way -= 1
            self._serve()

    async def pause(self, seconds: int) -> None:
        """Wait as long as Telegram asked; one line for the user however many requests wait."""
        until = time.monotonic() + seconds
        if until <= self._paused_until + 1:
            await self._telegram.sleep(seconds)
            return
        self._paused_until = until
        self._window.refused()
        await self._telegram.wait_as_told("downloads", seconds)

    # --- who gets which connection -------------------------------------------------------------

    def _serve(self) -> None:
        """Give connections to those who wait, as many as the window allows."""
        if self._waiting:
            self._open_what_is_wanted()
        while self._waiting:
            session = self._least_busy()
            first = next(iter(self._waiting.values()))[0]
            if session is None or not self._has_room(session, first):
                return
            waiter = self._next_waiter()
            if not waiter.turn.done():
                self._busy_bytes[session] += waiter.size_bytes
                self._under_way += 1
                waiter.turn.set_result(session)

    def _has_room(self, session: Session, waiter: Waiter) -> bool:
        limit_bytes = self._window.limit_bytes
        # As long as the window is small it is for all of them, not for the first that is open.
        most_bytes = min(waiter.most_bytes, max(limit_bytes // self._connections, PART_BYTES))
        return (
            sum(self._busy_bytes.values()) + waiter.size_bytes <= limit_bytes
            and self._busy_bytes[session] + waiter.size_bytes <= most_bytes
        )

    def _least_busy(self) -> Session | None:
        """One that the library is connecting anew counts as the busiest."""
        media = [session for session in self._busy_bytes if session is not self._starter]
        return min(
            media or self._busy_bytes,
            key=lambda session: (not session.is_started.is_set(), self._busy_bytes[session]),
            default=None,
        )

    def _next_waiter(self) -> Waiter:
        key, waiters = self._waiting.popitem(last=False)
        waiter = waiters.popleft()
        if waiters:
            self._waiting[key] = waiters
        return waiter

    # --- opening -------------------------------------------------------------------------------

    def _open_what_is_wanted(self) -> None:
        """A connection for each request that waits or is under way, all of them side by side."""
        if self._address is None:
            if not self._opening:
                self._begin(self._find())
            return
        wanted = self._under_way + sum(map(len, self._waiting.values()))
        media = sum(session is not self._starter for session in self._busy_bytes)
        for _ in range(min(wanted, self._connections) - media - len(self._opening)):
            self._begin(self._open(self._address))

    def _begin(self, opening: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(opening)
        self._opening.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._serve()
        elif not self._busy_bytes and not self._opening:
            while self._waiting:
                waiter = self._next_waiter()
                if not waiter.turn.done():
                    waiter.turn.set_exception(error)

    async def _find(self) -> None:
        """Learn where the data centre serves files.

        The library keeps one connection to each data centre for calls. For a foreign one it
        costs the only key exchange and the only authorization. Until the media connections are
        open that connection carries the first part, whose answer shows what the link can carry.
        """
        calls = await self._addresses.of(self._dc_id, media=False)
        try:
            starter: Session = await self._telegram.client.get_session(
                self._dc_id,
                server_address=calls.host,
                port=calls.port,
                export_authorization=False,
            )
        except (RPCError, OSError):
            raise
        except Exception as error:
            raise DownloadFailed(f"no connection to data centre {self._dc_id}: {error}") from error
        if not self._telegram.keys.is_home(self._dc_id):
            self._telegram.sessions.add(starter)
            try:
                await self._authorize(starter)
            except BaseException:
                self._close([starter])
                raise
        self._starter = starter
        self._busy_bytes[starter] = 0
        self._address = await self._addresses.of(self._dc_id, media=True)

    async def _authorize(self, session: Session) -> None:
        """Give the key of another data centre the rights of the account
        (https://core.telegram.org/api/datacenter#authorization-transfer).

        Not by the library, which would ask for minutes for what a dead session never answers.
        """
        export = raw.functions.auth.ExportAuthorization(dc_id=self._dc_id)
        doing = f"connecting to data centre {self._dc_id}"
        try:
            exported: Any = await self._telegram.invoke(export, doing)
        except SESSION_ENDED as error:  # the account's own session, so this is the end
            raise translated(error, doing) from error
        query = raw.functions.auth.ImportAuthorization(id=exported.id, bytes=exported.bytes)
        try:
            await self._telegram.ask(session, query, CALL_SECONDS)
        except AuthBytesInvalid as error:  # it lasts for a short time, and a new one will do
            raise ConnectionError("the exported authorization came too late") from error

    def _need_a_new_key(self, session: Session) -> None:
        """This data centre has forgotten the key or the rights of it, which is the end only where
        it is the account's home: all connections to it are opened anew, with another key."""
        if session not in self._busy_bytes or self._telegram.keys.is_home(self._dc_id):
            return
        for opening in self._opening:
            opening.cancel()
        self._opening.clear()
        self._close(list(self._busy_bytes))
        self._busy_bytes.clear()
        self._starter = self._address = None

    def _close(self, sessions: list[Session]) -> None:
        self._telegram.client.sessions.pop(self._dc_id, None)
        self._telegram.keys.renewed(self._dc_id)
        for session in sessions:
            closing = asyncio.ensure_future(self._telegram.close(session))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _open(self, address: Address) -> None:
        assert self._starter is not None
        client = self._telegram.client
        session = await opened_beside(client, self._starter, address.host, address.port)
        self._telegram.sessions.add(session)
        self._busy_bytes[session] = 0


async def opened_beside(client: Client, session: Session, host: str, port: int) -> Session:
    """Another session with the key of ``session``, for media; on the loop.

    It is opened as the library's ``get_session`` does, but with the salt that the key has got
    already. Without one its first request is refused, which costs a round trip
    (https://core.telegram.org/mtproto/service_messages_about_messages#notice-of-ignored-error-message).
    """
    other = Session(
        client, session.dc_id, host, port, session.auth_key, session.test_mode, is_media=True
    )
    other.salt = session.salt
    starting: Any = other.start
    await starting()
    return other
