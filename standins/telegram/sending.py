"""What goes out on one connection: packets in order, encrypted in threads, paced by the shaping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from ..shaping import Pacer, Shaping
from .mtproto import wire
from .mtproto.auth_keys import AuthKey, Session
from .mtproto.transports import Transport
from .service.service import Service

_INLINE_BYTES = 16 * 1024
"""Messages up to this size are encrypted at once; a thread would cost more than it saves."""
_WRITE_BUFFER_BYTES = 1024 * 1024


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class _Outgoing:
    packet: Awaitable[bytes] | bytes
    ended: Callable[[], None] = _nothing
    """Called once, when the packet is sent or never will be."""
    breaks: bool = False
    """Half of the packet is sent, then the connection is dropped."""


class Sender:
    """The sending half of one connection. Lives on the event loop's thread."""

    def __init__(self, service: Service, pool: Executor, writer: asyncio.StreamWriter) -> None:
        self.transport: Transport | None = None
        """How packets are framed; set before the first one is sent."""
        self.stalled = False
        """Set: nothing is sent any more, and nobody is told."""
        self.slowed_to: float | None = None
        """Bytes a second, where this connection is slower than the shaping has them all."""
        self.silent_until = 0.0
        """By the loop's clock: nothing is sent before, and nothing is lost."""
        self._service = service
        self._pool = pool
        self._writer = writer
        self._pacer = Pacer(self._shaping, service.total_bandwidth)
        self._queue: asyncio.Queue[_Outgoing | None] = asyncio.Queue()
        writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)

    def enqueue_plain(self, packet: bytes) -> None:
        """A packet as it is: a step of the key exchange, or a transport error."""
        self._queue.put_nowait(_Outgoing(packet))

    def enqueue(
        self,
        auth_key: AuthKey,
        session: Session,
        body: list[bytes],
        *,
        is_answer: bool = True,
        content_related: bool = True,
        ended: Callable[[], None] = _nothing,
        breaks: bool = False,
    ) -> None:
        """Give the message its id and number now, so that both rise in the order of sending."""
        ids = session.message_ids
        msg_id = ids.answer() if is_answer else ids.notification()
        seq_no = ids.seq_no(content_related=content_related)
        key, key_id, salt = auth_key.key, auth_key.key_id, auth_key.salt
        arguments = (key, key_id, salt, session.session_id, msg_id, seq_no, body)
        packet: Awaitable[bytes] | bytes
        if sum(map(len, body)) <= _INLINE_BYTES:
            packet = wire.encrypt(*arguments)
        else:
            loop = asyncio.get_running_loop()
            packet = loop.run_in_executor(self._pool, wire.encrypt, *arguments)
        self._queue.put_nowait(_Outgoing(packet, ended, breaks))

    def finish(self) -> None:
        """Let `run` return after what is queued now."""
        self._queue.put_nowait(None)

    def drop(self) -> None:
        """Break the connection now."""
        self._writer.transport.abort()

    async def run(self) -> None:
        """Send what is queued, in order, until `finish`; a broken connection is dropped."""
        while (outgoing := await self._queue.get()) is not None:
            try:
                await self._send(outgoing)
            except OSError:
                self.drop()
                return
            finally:
                outgoing.ended()

    def abandon(self) -> None:
        """Forget what is queued still."""
        while not self._queue.empty():
            outgoing = self._queue.get_nowait()
            if outgoing is not None:
                outgoing.ended()

    async def _send(self, outgoing: _Outgoing) -> None:
        packet = outgoing.packet
        if not isinstance(packet, bytes):
            packet = await packet
        if self.stalled:
            return
        assert self.transport is not None
        buffers = self.transport.frame(packet)
        if outgoing.breaks:
            whole = b"".join(buffers)
            await self._write(whole[: len(whole) // 2])
            self.drop()
            return
        for buffer in buffers:
            await self._write(buffer)

    def _shaping(self) -> Shaping:
        return self._service.shaping.for_one(self.slowed_to)

    async def _write(self, buffer: bytes) -> None:
        view = memoryview(buffer)
        while view:
            piece = view[: self._shaping().slice_bytes()]
            await self._pacer.wait_for(len(piece))
            await asyncio.sleep(self.silent_until - asyncio.get_running_loop().time())
            if self.stalled:
                return
            self._writer.write(piece)
            await self._writer.drain()
            view = view[len(piece) :]
