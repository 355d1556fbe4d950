"""One call from its request to its answer: login check, faults, handler, statistics."""

from __future__ import annotations

import asyncio
import traceback
from concurrent.futures import Executor
from dataclasses import dataclass

from pyrogram import raw

from standins.telegram import (  # noqa: F401 - importing registers the handlers
    rpc_account,
    rpc_chats,
    rpc_connection,
    rpc_history,
    rpc_login,
    rpc_saved,
)
from standins.telegram.entities import chat_by_peer
from standins.telegram.faults import CallFacts, Fault
from standins.telegram.rpc import Answer, Call, Registered, RpcError, handler_of, name_of, serialise
from standins.telegram.rpc_files import FilePart, file_id_of
from standins.telegram.wire import TlObject


@dataclass(frozen=True)
class Outcome:
    """What becomes of a call. The one who gets it must report its end to the statistics."""

    call_name: str
    answer: bytes | None
    """Serialised; None when the call is never answered."""
    drops_connection: bool = False
    stalls_connection: bool = False


async def answer_call(
    call: Call,
    request: TlObject,
    connection_number: int,
    loop: asyncio.AbstractEventLoop,
    pool: Executor,
) -> Outcome:
    """Never raises: what the stand-in can't do is recorded and answered with an error."""
    name = name_of(request)
    statistics = call.service.statistics
    statistics.call_began(name, call.dc_id)
    fault: Fault | None = None
    try:
        registered = _registered(call, request, name)
        fault = call.service.faults.strike(
            _facts(call, request, name, registered, connection_number)
        )
        if fault is not None:
            _strike_before(call, request, fault)
        answer: Answer = registered.handler(call, request)
        if isinstance(answer, FilePart):
            answer = _part(call, answer, fault)
        if callable(answer):
            body = await loop.run_in_executor(pool, serialise, answer)
        else:
            body = serialise(answer)
    except RpcError as error:
        statistics.error_answered(error.text)
        body = raw.types.RpcError(error_code=error.code, error_message=error.text).write()
    except Exception:  # noqa: BLE001 - a bug of the stand-in must not look like Telegram's behaviour
        call.service.report_unknown(f"{name} failed:\n{traceback.format_exc()}")
        body = raw.types.RpcError(error_code=400, error_message="METHOD_INVALID").write()
    kind = fault.kind if fault else None
    return Outcome(
        name,
        None if kind in ("stall", "no_answer") else body,
        drops_connection=kind == "drop",
        stalls_connection=kind == "stall",
    )


def _registered(call: Call, request: TlObject, name: str) -> Registered:
    registered = handler_of(request)
    if registered is None:
        call.service.report_unknown(name)
        raise RpcError(400, "METHOD_INVALID")
    if call.auth_key.dead_error is not None:
        raise RpcError(*call.auth_key.dead_error)
    if registered.needs_login and call.auth_key.user_id is None:
        raise RpcError(401, "AUTH_KEY_UNREGISTERED")
    return registered


def _facts(
    call: Call, request: TlObject, name: str, registered: Registered, connection_number: int
) -> CallFacts:
    file_id = file_id_of(request) if isinstance(request, raw.functions.upload.GetFile) else None
    statistics = call.service.statistics
    return CallFacts(
        rpc=name,
        needs_login=registered.needs_login,
        file_id=file_id,
        dc_id=call.dc_id,
        connection=connection_number,
        served_bytes_of_file=0 if file_id is None else statistics.served_bytes(file_id),
        served_bytes=statistics.served_bytes(None),
    )


def _strike_before(call: Call, request: TlObject, fault: Fault) -> None:
    """What a fault does before the call is handled. Raises RpcError for the plain errors."""
    error = fault.rpc_error()
    if error is not None:
        if fault.kind == "auth_key_duplicated":
            call.auth_key.dead_error = error
        raise RpcError(*error)
    if fault.kind == "file_reference_expired":
        call.world.file_reference_epoch += 1
    elif fault.kind == "history_grows":
        peer = getattr(request, "peer", None)
        if peer is not None:
            chat_by_peer(call.world, peer).append("A message that came in between.")


def _part(call: Call, part: FilePart, fault: Fault | None) -> FilePart:
    """The part as it is served: shortened by a fault, and counted."""
    if fault is not None and fault.kind == "empty_part":
        part = part.shortened(0)
    elif fault is not None and fault.kind == "short_part":
        kept = part.count_bytes() // 2 if fault.keep_bytes is None else fault.keep_bytes
        part = part.shortened(kept)
    call.service.statistics.part_served(part.record.file_id, part.offset, part.count_bytes())
    return part
