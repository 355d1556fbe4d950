"""One call from its bytes to its answer: login check, faults, handler, statistics."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyrogram import raw

from ..mtproto.wire import TlObject
from ..service.faults import CallFacts, Fault
from ..service.playback import Reply
from . import (  # noqa: F401 - importing registers the handlers
    account,
    chats,
    connection,
    history,
    input_media,
    login,
    own_channels,
    saved,
)
from .call_reading import Unreadable, read_call
from .entities import chat_by_peer
from .files import FilePart, file_id_of
from .named import chats_named, username_in
from .rpc import (
    Answer,
    Call,
    Registered,
    RpcError,
    handler_of,
    name_of,
    serialise,
)

_WITHHELD = ("stall", "no_answer")
"""Faults by which an answer is never sent."""


@dataclass(frozen=True)
class Outcome:
    """What becomes of a call."""

    answer: bytes | None
    """Serialised; None when the call is never answered."""
    drops_connection: bool = False
    stalls_connection: bool = False
    slows_connection_to: int | None = None
    """Bytes a second."""


class CallHandling:
    """Handles the calls of one connection."""

    def __init__(self, pool: Executor, connection_number: int) -> None:
        self._pool = pool
        self._connection_number = connection_number

    @contextmanager
    def begin(self, call: Call, body: bytes) -> Iterator[HandledCall]:
        """The call counts as in flight until the end of the block, or as it says itself."""
        handled = HandledCall(self._pool, self._connection_number, call, body)
        try:
            yield handled
        finally:
            if not handled.is_ended_by_another:
                handled.end()


class HandledCall:
    """A call that is in flight. On the event loop's thread."""

    def __init__(self, pool: Executor, connection_number: int, call: Call, body: bytes) -> None:
        self._pool = pool
        self._connection_number = connection_number
        self._call = call
        self._request = read_call(call, body)
        self.name = "unreadable"
        if not isinstance(self._request, Unreadable):
            self.name = name_of(self._request)
        self._statistics = call.service.statistics
        self._statistics.call_began(self.name, call.dc_id)
        self.is_ended_by_another = False

    def end(self) -> None:
        self._statistics.call_ended(self.name)

    def ends_later(self) -> Callable[[], None]:
        """Take over the duty to report the call's end: whoever gets this must call it once."""
        self.is_ended_by_another = True
        return self.end

    async def outcome(self) -> Outcome:
        """Never raises: what the stand-in can't do is recorded and answered with an error."""
        fault: Fault | None = None
        try:
            if isinstance(self._request, Unreadable):
                raise self._request.error
            registered = self._registered(self._request)
            fault = self._call.service.faults.strike(self._facts(self._request, registered))
            if fault is not None:
                _strike_before(self._call, self._request, fault)
            played = await self._played()
            answer = registered.handler(self._call, self._request)
            if played is not None:
                _shorten(self._call, self._request, answer, played)
            body = await self._serialised(answer, fault)
        except RpcError as error:
            self._statistics.error_answered(error.text)
            body = raw.types.RpcError(error_code=error.code, error_message=error.text).write()
        except Exception:  # noqa: BLE001 - a bug of the stand-in must not look like Telegram
            self._call.service.report_unknown(f"{self.name} failed:\n{traceback.format_exc()}")
            body = raw.types.RpcError(error_code=400, error_message="METHOD_INVALID").write()
        kind = fault.kind if fault else None
        return Outcome(
            None if kind in _WITHHELD else body,
            drops_connection=kind == "drop",
            stalls_connection=kind == "stall",
            slows_connection_to=fault.bytes_per_second if fault and kind == "slow" else None,
        )

    async def _played(self) -> Reply | None:
        """What a record holds for this call, if one is played. Raises its error, as late as that
        came."""
        playback = self._call.service.playback
        reply = None if playback is None else playback.next(self.name)
        if playback is None or reply is None:
            return None
        await asyncio.sleep(reply.took_seconds / playback.speed)
        if reply.error is not None:
            raise RpcError(*reply.error)
        return reply

    def _registered(self, request: TlObject) -> Registered:
        registered = handler_of(request)
        auth_key = self._call.auth_key
        if registered is None:
            self._call.service.report_unknown(self.name)
            raise RpcError(400, "METHOD_INVALID")
        if auth_key.dead_error is not None:
            raise RpcError(*auth_key.dead_error)
        if registered.needs_login and auth_key.user_id is None:
            raise RpcError(401, "AUTH_KEY_UNREGISTERED")
        return registered

    def _facts(self, request: TlObject, registered: Registered) -> CallFacts:
        file_id = file_id_of(request)
        return CallFacts(
            rpc=self.name,
            needs_login=registered.needs_login,
            chat_ids=chats_named(self._call.world, request, file_id),
            username=username_in(request),
            file_id=file_id,
            dc_id=self._call.dc_id,
            connection=self._connection_number,
            served_bytes_of_file=(0 if file_id is None else self._statistics.served_bytes(file_id)),
            served_bytes=self._statistics.served_bytes(None),
        )

    async def _serialised(self, answer: Answer, fault: Fault | None) -> bytes:
        if isinstance(answer, FilePart):
            answer = _struck_part(answer, fault)
            if fault is None or fault.kind not in _WITHHELD:
                self._statistics.part_served(
                    answer.record.file_id, answer.offset, answer.count_bytes()
                )
        elif fault is not None and fault.kind == "history_lags":
            _leave_out_newest(self._call, self._request, answer)
        if callable(answer):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, serialise, answer)
        return serialise(answer)


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


def _shorten(call: Call, request: Any, answer: Any, played: Reply) -> None:
    """A page that was shorter than asked for lacks what may not be shown to the account, which no
    other page shows: so it is from then on here, of messages without files as far as there are."""
    messages = getattr(answer, "messages", None)
    is_alike = played.lacks and getattr(request, "limit", None) == played.asked
    if not is_alike or not isinstance(messages, list) or not hasattr(request, "peer"):
        return
    ranked = sorted(messages, key=lambda each: getattr(each, "media", None) is not None)
    gone = {each.id for each in ranked[: min(played.lacks, len(ranked))]}
    chat = chat_by_peer(call.world, request.peer)
    if chat.kind == "saved":  # where nothing is anybody else's
        return
    chat.withheld |= gone
    answer.messages = [each for each in messages if each.id not in gone]


def _leave_out_newest(call: Call, request: Any, answer: Any) -> None:
    newest_id = chat_by_peer(call.world, request.peer).newest_id()
    answer.messages = [message for message in answer.messages if message.id != newest_id]


def _struck_part(part: FilePart, fault: Fault | None) -> FilePart:
    if fault is not None and fault.kind == "empty_part":
        return part.shortened(0)
    if fault is not None and fault.kind == "short_part":
        kept = part.count_bytes() // 2 if fault.keep_bytes is None else fault.keep_bytes
        return part.shortened(kept)
    return part
