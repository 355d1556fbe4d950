"""From the bytes of a call to the call: its layer, its wrappers, and what is in them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pyrogram import raw
from pyrogram.raw.all import layer as our_layer

from ..mtproto import wire
from ..mtproto.wire import TlObject
from .rpc import Call, RpcError, name_of

_INVOKE_WITH_LAYER = 0xDA9B0D0D
_WRAPPERS = (
    raw.functions.InitConnection,
    raw.functions.InvokeWithoutUpdates,
    raw.functions.InvokeAfterMsg,
    raw.functions.InvokeAfterMsgs,
    raw.functions.InvokeWithTakeout,
)


@dataclass(frozen=True)
class Unreadable:
    """Stands for a call that could not be read."""

    error: RpcError


def read_call(call: Call, body: bytes) -> TlObject | Unreadable:
    """The call in `body` without its wrappers; what they say is noted with key and session.

    The stand-in speaks one layer, pyrogram's; a client of another one is refused as Telegram
    refuses a layer that it does not know.
    """
    if int.from_bytes(body[:4], "little") == _INVOKE_WITH_LAYER:
        layer = int.from_bytes(body[4:8], "little")
        if layer != our_layer:
            call.service.report_unknown(f"layer {layer}, expected {our_layer}")
            return Unreadable(RpcError(400, "CONNECTION_LAYER_INVALID"))
        call.auth_key.layer = layer
        body = wire.ungzip(body[8:])
    try:
        request = wire.read_object(body)
    except (KeyError, ValueError, EOFError, OSError, struct.error) as error:
        call.service.report_unknown(f"unreadable call: {error!r}")
        return Unreadable(RpcError(400, "INPUT_FETCH_ERROR"))
    wants_updates = not isinstance(request, raw.functions.InitConnection)
    while isinstance(request, _WRAPPERS):
        if isinstance(request, raw.functions.InvokeWithTakeout) and not (
            call.service.takeout.takes(request.takeout_id, type(request.query))
        ):
            return Unreadable(RpcError(400, "TAKEOUT_INVALID"))
        wants_updates &= not isinstance(request, raw.functions.InvokeWithoutUpdates)
        request = request.query
    # A connection for files is told nothing (https://core.telegram.org/api/updates).
    wants_updates &= not name_of(request).startswith("upload.")
    call.session.wants_updates |= wants_updates
    if call.auth_key.layer is None:
        return Unreadable(RpcError(400, "CONNECTION_NOT_INITED"))
    return request
