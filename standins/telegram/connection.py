"""One TCP connection of a client to one data centre.

Calls are handled concurrently; only the bytes of the answers go out one after another.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Coroutine
from concurrent.futures import Executor

from .calls.call_handling import CallHandling
from .calls.rpc import Call
from .mtproto import service_messages, wire
from .mtproto.auth_keys import AuthKey, Session
from .mtproto.handshake import (
    Handshake,
    HandshakeError,
    as_unencrypted,
    unencrypted,
)
from .mtproto.transports import FramingError, detect
from .mtproto.wire import TlObject
from .sending import Sender
from .service.service import Service

_AUTH_KEY_NOT_FOUND = struct.pack("<i", -404)
_BROKEN = (EOFError, OSError, struct.error, FramingError, wire.WireError, HandshakeError)


class _Closing(Exception):
    """The connection is to be closed, after what is queued has been sent."""


class Connection:
    """Lives on the event loop's thread. `number` counts from 1 over all data centres."""

    def __init__(
        self,
        service: Service,
        pool: Executor,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        dc_id: int,
        number: int,
    ) -> None:
        self.dc_id = dc_id
        self.number = number
        self.auth_key: AuthKey | None = None
        """Of the client's last message."""
        self._service = service
        self._pool = pool
        self._reader = reader
        self._writer = writer
        self._sender = Sender(service, pool, writer)
        self._calls = CallHandling(pool, number)
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._handshake = Handshake()
        self._disconnect: asyncio.TimerHandle | None = None
        self._session: Session | None = None

    async def serve(self) -> None:
        """Until the client or a fault ends the connection."""
        sending = asyncio.create_task(self._sender.run())
        try:
            transport = self._sender.transport = await detect(self._reader)
            while True:
                packet = await transport.read(self._reader)
                await self._receive(packet, self._loop.time())
        except _Closing:
            self._sender.finish()
            await sending
        except _BROKEN:
            pass
        finally:
            if self._disconnect:
                self._disconnect.cancel()
            for task in [*self._tasks, sending]:
                task.cancel()
            await asyncio.gather(*self._tasks, sending, return_exceptions=True)
            self._sender.abandon()
            self._writer.close()

    @property
    def is_logged_in(self) -> bool:
        return self.auth_key is not None and self.auth_key.user_id is not None

    def drop(self) -> None:
        """Break the connection now."""
        self._sender.drop()

    def stall(self) -> None:
        """Stay open and say nothing any more."""
        self._sender.stalled = True

    def be_silent(self, seconds: float) -> None:
        """Say nothing for so long, then all of it, as after a gap in the network."""
        self._sender.silent_until = self._loop.time() + seconds

    def slow_down(self, bytes_per_second: float) -> None:
        """Send no more than that from now on, whatever the shaping allows."""
        self._sender.slowed_to = bytes_per_second

    def push(self, update: TlObject, by: object = None) -> bool:
        """Tell the client something that it did not ask for, if it wants updates; whether it did.

        The session `by` that made it happen has its answer, and is told nothing.
        """
        auth_key, session = self.auth_key, self._session
        if auth_key is None or session is None or session is by or not session.wants_updates:
            return False
        self._sender.enqueue(auth_key, session, [update.write()], is_answer=False)
        return True

    async def _receive(self, packet: bytes, received_at: float) -> None:
        if packet[:8] == bytes(8):
            await self._exchange_keys(packet, received_at)
            return
        auth_key = self._service.auth_keys.get(packet[:8], self.dc_id)
        if auth_key is None:
            self._sender.enqueue_plain(_AUTH_KEY_NOT_FOUND)
            raise _Closing
        decrypted = wire.decrypt(packet, auth_key.key)
        session = auth_key.session(decrypted.session_id)
        self.auth_key, self._session = auth_key, session
        refusal = service_messages.refusal_of(auth_key, decrypted)
        if refusal is not None:
            self._spawn(self._say(auth_key, session, refusal, received_at))
            return
        if not session.announced:
            session.announced = True
            created = service_messages.session_created(auth_key, session, decrypted.message.msg_id)
            self._spawn(self._say(auth_key, session, created, received_at, content_related=True))
        for message in decrypted.message.contained():
            if session.is_new(message.msg_id):
                call = Call(self._service, self.dc_id, auth_key, session)
                self._dispatch(call, message.msg_id, wire.ungzip(message.body), received_at)

    async def _exchange_keys(self, packet: bytes, received_at: float) -> None:
        request = unencrypted(packet)
        answer = await self._loop.run_in_executor(self._pool, self._handshake.answer, request)
        new_key = self._handshake.new_key
        if new_key is not None:
            self._service.auth_keys.add(AuthKey(new_key.key, self.dc_id, salt=new_key.salt))
            self._service.statistics.key_exchanged()
            self._handshake = Handshake()
        await self._until_round_trip(received_at)
        self._sender.enqueue_plain(as_unencrypted(answer))

    def _dispatch(self, call: Call, msg_id: int, body: bytes, received_at: float) -> None:
        if not service_messages.is_service_message(body):
            self._spawn(self._call(call, msg_id, body, received_at))
            return
        delay_seconds = service_messages.disconnect_delay_seconds(body)
        if delay_seconds is not None:
            if self._disconnect:
                self._disconnect.cancel()
            self._disconnect = self._loop.call_later(delay_seconds, self.drop)
        answer = service_messages.answer_to(call.auth_key, msg_id, body)
        if answer is not None:
            self._spawn(self._say(call.auth_key, call.session, answer, received_at))

    async def _call(self, call: Call, msg_id: int, body: bytes, received_at: float) -> None:
        with self._calls.begin(call, body) as handled:
            outcome = await handled.outcome()
            if outcome.stalls_connection:
                self.stall()
            if outcome.slows_connection_to is not None:
                self.slow_down(outcome.slows_connection_to)
            if outcome.answer is None:
                return
            await self._until_round_trip(received_at)
            self._sender.enqueue(
                call.auth_key,
                call.session,
                wire.rpc_result(msg_id, outcome.answer),
                ended=handled.ends_later(),
                breaks=outcome.drops_connection,
            )

    async def _say(
        self,
        auth_key: AuthKey,
        session: Session,
        message: TlObject,
        received_at: float,
        *,
        content_related: bool = False,
    ) -> None:
        await self._until_round_trip(received_at)
        self._sender.enqueue(auth_key, session, [message.write()], content_related=content_related)

    async def _until_round_trip(self, received_at: float) -> None:
        """Wait until the answer to something received then has made the round trip."""
        delay_seconds = received_at + self._service.shaping.round_trip_seconds - self._loop.time()
        if delay_seconds > 0:
            await asyncio.sleep(delay_seconds)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
