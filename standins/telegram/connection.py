"""One TCP connection of a client to one data centre.

Calls are handled concurrently; only the bytes of the answers go out one after another.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable
from concurrent.futures import Executor
from dataclasses import dataclass

from pyrogram import raw
from pyrogram.raw.all import layer as our_layer

from standins.telegram import wire
from standins.telegram.auth_keys import AuthKey, Session
from standins.telegram.call_handling import Outcome, answer_call
from standins.telegram.handshake import Handshake, HandshakeError, as_unencrypted, unencrypted
from standins.telegram.rpc import Call, RpcError
from standins.telegram.rpc_connection import future_salts, pong
from standins.telegram.service import Service
from standins.telegram.shaping import Pacer
from standins.telegram.transports import FramingError, Transport, detect
from standins.telegram.wire import TlObject

_INVOKE_WITH_LAYER = 0xDA9B0D0D
_INLINE_BYTES = 16 * 1024
"""Messages up to this size are encrypted at once; a thread would cost more than it saves."""
_WRITE_BUFFER_BYTES = 1024 * 1024
_AUTH_KEY_NOT_FOUND = struct.pack("<i", -404)


class _Closing(Exception):
    """The connection is to be closed, after what is queued has been sent."""


@dataclass(frozen=True)
class _Outgoing:
    packet: Awaitable[bytes] | bytes
    call_name: str | None = None
    breaks: bool = False
    """Half of the packet is sent, then the connection is dropped."""


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
        self.stalled = False
        """Set: nothing is sent any more, and nobody is told."""
        self._service = service
        self._pool = pool
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._pacer = Pacer(lambda: service.shaping, service.total_bandwidth)
        self._outgoing: asyncio.Queue[_Outgoing | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._handshake = Handshake()
        self._transport: Transport | None = None
        self._disconnect: asyncio.TimerHandle | None = None
        self.auth_key: AuthKey | None = None
        self._session: Session | None = None

    async def serve(self) -> None:
        """Until the client or a fault ends the connection."""
        writer_transport = self._writer.transport
        writer_transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        sender = asyncio.create_task(self._send_all())
        try:
            self._transport = await detect(self._reader)
            while True:
                packet = await self._transport.read(self._reader)
                await self._receive(packet, self._loop.time())
        except _Closing:
            self._outgoing.put_nowait(None)
            await sender
        except (EOFError, OSError, FramingError, wire.WireError, HandshakeError):
            pass
        finally:
            if self._disconnect:
                self._disconnect.cancel()
            for task in [*self._tasks, sender]:
                task.cancel()
            await asyncio.gather(*self._tasks, sender, return_exceptions=True)
            self._abandon_queue()
            self._writer.close()

    def drop(self) -> None:
        """Break the connection now."""
        self._writer.transport.abort()

    def push(self, update: TlObject) -> None:
        """Tell the client something that it did not ask for, if it wants updates."""
        session = self._session
        if self.auth_key is not None and session is not None and session.wants_updates:
            self._enqueue(self.auth_key, session, [update.write()], is_answer=False)

    # Receiving

    async def _receive(self, packet: bytes, received_at: float) -> None:
        if packet[:8] == bytes(8):
            await self._exchange_keys(packet, received_at)
            return
        auth_key = self._service.auth_keys.get(packet[:8], self.dc_id)
        if auth_key is None:
            self._outgoing.put_nowait(_Outgoing(_AUTH_KEY_NOT_FOUND))
            raise _Closing
        decrypted = wire.decrypt(packet, auth_key.key)
        self.auth_key = auth_key
        session = auth_key.sessions.get(decrypted.session_id)
        if session is None:
            session = auth_key.sessions[decrypted.session_id] = Session(decrypted.session_id)
        self._session = session
        refusal = self._refusal(auth_key, decrypted)
        if refusal is not None:
            self._spawn(self._say(auth_key, session, refusal, received_at))
            return
        if not session.announced:
            session.announced = True
            first = raw.types.NewSessionCreated(
                first_msg_id=decrypted.message.msg_id,
                unique_id=int.from_bytes(session.session_id, "little", signed=True),
                server_salt=auth_key.salt,
            )
            self._spawn(self._say(auth_key, session, first, received_at, content_related=True))
        for message in decrypted.message.contained():
            if session.is_new(message.msg_id):
                self._dispatch(auth_key, session, message, received_at)

    async def _exchange_keys(self, packet: bytes, received_at: float) -> None:
        request = unencrypted(packet)
        if isinstance(request, raw.types.MsgsAck):
            return
        if isinstance(request, (raw.functions.ReqPq, raw.functions.ReqPqMulti)):
            self._handshake = Handshake()
        answer = await self._loop.run_in_executor(self._pool, self._handshake.answer, request)
        new_key = self._handshake.new_key
        if new_key is not None:
            self._service.auth_keys.add(AuthKey(new_key.key, self.dc_id, salt=new_key.salt))
            self._service.statistics.key_exchanged()
            self._handshake = Handshake()
        await self._until(received_at)
        self._outgoing.put_nowait(_Outgoing(as_unencrypted(answer)))

    @staticmethod
    def _refusal(auth_key: AuthKey, packet: wire.Packet) -> TlObject | None:
        message = packet.message
        error_code = wire.msg_id_error(message.msg_id)
        if error_code is not None:
            return raw.types.BadMsgNotification(
                bad_msg_id=message.msg_id, bad_msg_seqno=message.seq_no, error_code=error_code
            )
        if packet.salt != auth_key.salt:
            return raw.types.BadServerSalt(
                bad_msg_id=message.msg_id,
                bad_msg_seqno=message.seq_no,
                error_code=48,
                new_server_salt=auth_key.salt,
            )
        return None

    def _dispatch(
        self, auth_key: AuthKey, session: Session, message: wire.ClientMessage, received_at: float
    ) -> None:
        call = Call(self._service, self.dc_id, auth_key, session)
        body = wire.ungzip(message.body)
        constructor = int.from_bytes(body[:4], "little")
        service_answer = self._service_answer(call, message.msg_id, constructor, body)
        if service_answer is not None:
            self._spawn(self._say(auth_key, session, service_answer, received_at))
        elif constructor not in _SILENT:
            self._spawn(self._call(call, message.msg_id, body, received_at))

    def _service_answer(
        self, call: Call, msg_id: int, constructor: int, body: bytes
    ) -> TlObject | None:
        """The answer to a service message; None for a call and for what needs no answer."""
        if constructor not in _SERVICE_MESSAGES:
            return None
        match request := wire.read_object(body):
            case raw.functions.Ping():
                return pong(msg_id, request.ping_id)
            case raw.functions.PingDelayDisconnect():
                if self._disconnect:
                    self._disconnect.cancel()
                self._disconnect = self._loop.call_later(request.disconnect_delay, self.drop)
                return pong(msg_id, request.ping_id)
            case raw.functions.GetFutureSalts():
                return future_salts(call, msg_id, request.num)
            case raw.functions.DestroySession():
                known = call.auth_key.sessions.pop(
                    request.session_id.to_bytes(8, "little", signed=True), None
                )
                if known is None:
                    return raw.types.DestroySessionNone(session_id=request.session_id)
                return raw.types.DestroySessionOk(session_id=request.session_id)
            case raw.types.MsgsStateReq():
                return raw.types.MsgsStateInfo(
                    req_msg_id=msg_id, info="\x04" * len(request.msg_ids)
                )
        return None

    # Answering

    async def _call(self, call: Call, msg_id: int, body: bytes, received_at: float) -> None:
        try:
            request = _readable(call, body)
        except RpcError as error:
            answer = raw.types.RpcError(error_code=error.code, error_message=error.text).write()
            outcome = Outcome("unreadable", answer)
            self._service.statistics.call_began(outcome.call_name, self.dc_id)
        else:
            outcome = await answer_call(call, request, self.number, self._loop, self._pool)
        if outcome.stalls_connection:
            self.stalled = True
        if outcome.answer is None:
            self._service.statistics.call_ended(outcome.call_name)
            return
        await self._until(received_at)
        self._enqueue(
            call.auth_key,
            call.session,
            wire.rpc_result(msg_id, outcome.answer),
            call_name=outcome.call_name,
            breaks=outcome.drops_connection,
        )

    async def _say(
        self,
        auth_key: AuthKey,
        session: Session,
        answer: TlObject,
        received_at: float,
        *,
        content_related: bool = False,
    ) -> None:
        await self._until(received_at)
        self._enqueue(auth_key, session, [answer.write()], content_related=content_related)

    def _enqueue(
        self,
        auth_key: AuthKey,
        session: Session,
        body: list[bytes],
        *,
        is_answer: bool = True,
        content_related: bool = True,
        call_name: str | None = None,
        breaks: bool = False,
    ) -> None:
        """Give the message its id and number now, so that both rise in the order of sending."""
        ids = session.message_ids
        msg_id = ids.answer() if is_answer else ids.notification()
        seq_no = ids.seq_no(content_related=content_related)
        arguments = (
            auth_key.key,
            auth_key.key_id,
            auth_key.salt,
            session.session_id,
            msg_id,
            seq_no,
            body,
        )
        packet: Awaitable[bytes] | bytes
        if sum(map(len, body)) <= _INLINE_BYTES:
            packet = wire.encrypt(*arguments)
        else:
            packet = self._loop.run_in_executor(self._pool, wire.encrypt, *arguments)
        self._outgoing.put_nowait(_Outgoing(packet, call_name, breaks))

    async def _until(self, received_at: float) -> None:
        """Wait until the answer to something received then has made the round trip."""
        delay_seconds = received_at + self._service.shaping.round_trip_seconds - self._loop.time()
        if delay_seconds > 0:
            await asyncio.sleep(delay_seconds)

    # Sending

    async def _send_all(self) -> None:
        while (outgoing := await self._outgoing.get()) is not None:
            try:
                await self._send(outgoing)
            except OSError:
                self.drop()
                return
            finally:
                self._ended(outgoing)

    async def _send(self, outgoing: _Outgoing) -> None:
        packet = outgoing.packet
        if not isinstance(packet, bytes):
            packet = await packet
        if self.stalled:
            return
        assert self._transport is not None
        buffers = self._transport.frame(packet)
        if outgoing.breaks:
            joined = b"".join(buffers)
            await self._write(joined[: len(joined) // 2])
            self.drop()
            return
        for buffer in buffers:
            await self._write(buffer)

    async def _write(self, buffer: bytes) -> None:
        view = memoryview(buffer)
        while view:
            piece = view[: self._service.shaping.slice_bytes()]
            await self._pacer.wait_for(len(piece))
            if self.stalled:
                return
            self._writer.write(piece)
            await self._writer.drain()
            view = view[len(piece) :]

    def _ended(self, outgoing: _Outgoing) -> None:
        if outgoing.call_name is not None:
            self._service.statistics.call_ended(outgoing.call_name)

    def _abandon_queue(self) -> None:
        while not self._outgoing.empty():
            outgoing = self._outgoing.get_nowait()
            if outgoing is not None:
                self._ended(outgoing)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_SERVICE_MESSAGES = {
    raw.functions.Ping.ID,
    raw.functions.PingDelayDisconnect.ID,
    raw.functions.GetFutureSalts.ID,
    raw.functions.DestroySession.ID,
    raw.types.MsgsStateReq.ID,
}
_SILENT = {
    raw.types.MsgsAck.ID,
    raw.types.HttpWait.ID,
    raw.types.MsgsStateInfo.ID,
    raw.types.MsgsAllInfo.ID,
    raw.types.MsgResendReq.ID,
}


def _readable(call: Call, body: bytes) -> TlObject:
    """The call in `body` without its wrappers. Raises RpcError.

    The stand-in speaks one layer, pyrogram's; a client of another one is refused as Telegram
    refuses a layer that it does not know.
    """
    if int.from_bytes(body[:4], "little") == _INVOKE_WITH_LAYER:
        layer = int.from_bytes(body[4:8], "little")
        if layer != our_layer:
            call.service.report_unknown(f"layer {layer}, expected {our_layer}")
            raise RpcError(400, "CONNECTION_LAYER_INVALID")
        call.auth_key.layer = layer
        body = wire.ungzip(body[8:])
    try:
        request = wire.read_object(body)
    except (KeyError, ValueError) as error:
        call.service.report_unknown(f"unreadable call: {error!r}")
        raise RpcError(400, "INPUT_FETCH_ERROR") from error
    wants_updates = not isinstance(request, raw.functions.InitConnection)
    while isinstance(request, _WRAPPERS):
        wants_updates &= not isinstance(request, raw.functions.InvokeWithoutUpdates)
        request = request.query
    call.session.wants_updates |= wants_updates
    if call.auth_key.layer is None:
        raise RpcError(400, "CONNECTION_NOT_INITED")
    return request


_WRAPPERS = (
    raw.functions.InitConnection,
    raw.functions.InvokeWithoutUpdates,
    raw.functions.InvokeAfterMsg,
    raw.functions.InvokeAfterMsgs,
)
