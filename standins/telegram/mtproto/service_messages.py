"""Messages about the connection itself, which are no calls.

https://core.telegram.org/mtproto/service_messages
"""

from __future__ import annotations

import time

from pyrogram import raw
from pyrogram.raw.core import FutureSalts
from pyrogram.raw.core.future_salt import FutureSalt

from . import wire
from .auth_keys import AuthKey, Session
from .wire import TlObject

_SALT_SECONDS = 1800
_RECEIVED = "\x04"

_ANSWERED = {
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


def constructor_of(body: bytes) -> int:
    return int.from_bytes(body[:4], "little")


def is_service_message(body: bytes) -> bool:
    return constructor_of(body) in _ANSWERED | _SILENT


def disconnect_delay_seconds(body: bytes) -> int | None:
    """After how long a client wants to be disconnected unless it asks again."""
    if constructor_of(body) != raw.functions.PingDelayDisconnect.ID:
        return None
    request = wire.read_object(body)
    assert isinstance(request, raw.functions.PingDelayDisconnect)
    return request.disconnect_delay


def answer_to(auth_key: AuthKey, msg_id: int, body: bytes) -> TlObject | None:
    """The answer to a service message; None for one that gets none."""
    if constructor_of(body) in _SILENT:
        return None
    match request := wire.read_object(body):
        case raw.functions.Ping() | raw.functions.PingDelayDisconnect():
            return raw.types.Pong(msg_id=msg_id, ping_id=request.ping_id)
        case raw.functions.GetFutureSalts():
            now = int(time.time())
            salt = FutureSalt(now - _SALT_SECONDS, now + _SALT_SECONDS, auth_key.salt)
            return FutureSalts(msg_id, now, [salt])
        case raw.functions.DestroySession():
            session_id = request.session_id.to_bytes(8, "little", signed=True)
            if auth_key.sessions.pop(session_id, None) is None:
                return raw.types.DestroySessionNone(session_id=request.session_id)
            return raw.types.DestroySessionOk(session_id=request.session_id)
        case raw.types.MsgsStateReq():
            info = _RECEIVED * len(request.msg_ids)
            return raw.types.MsgsStateInfo(req_msg_id=msg_id, info=info)
    return None


def refusal_of(auth_key: AuthKey, packet: wire.Packet) -> TlObject | None:
    """What is wrong with a packet's message id or salt; None when nothing is."""
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


def session_created(auth_key: AuthKey, session: Session, first_msg_id: int) -> TlObject:
    return raw.types.NewSessionCreated(
        first_msg_id=first_msg_id,
        unique_id=int.from_bytes(session.session_id, "little", signed=True),
        server_salt=auth_key.salt,
    )
