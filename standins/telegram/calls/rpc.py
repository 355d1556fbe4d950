"""Which handler answers which call, and in what form handlers answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from pyrogram.raw.core import TLObject, Vector

from ..mtproto.auth_keys import AuthKey, Session
from ..mtproto.wire import TlObject
from ..service.service import Service
from ..world.world import World


class RpcError(Exception):
    """An `rpc_error` for the client (https://core.telegram.org/api/errors)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True)
class Call:
    """Who calls, and where."""

    service: Service
    dc_id: int
    auth_key: AuthKey
    session: Session

    @property
    def world(self) -> World:
        return self.service.world


Answer: TypeAlias = TlObject | bytes | Sequence[TlObject] | Callable[[], bytes]
"""An object, a serialised one, a vector, or work for another thread that serialises one."""

Handler: TypeAlias = Callable[[Call, Any], Answer]
_AnyHandler = TypeVar("_AnyHandler", bound=Handler)


@dataclass(frozen=True)
class Registered:
    handler: Handler
    needs_login: bool


_HANDLERS: dict[type, Registered] = {}


def handles(*requests: type, needs_login: bool = True) -> Callable[[_AnyHandler], _AnyHandler]:
    """Register a handler for these functions. It runs on the event loop's thread."""

    def register(handler: _AnyHandler) -> _AnyHandler:
        for request in requests:
            _HANDLERS[request] = Registered(handler, needs_login)
        return handler

    return register


def handler_of(request: TlObject) -> Registered | None:
    return _HANDLERS.get(type(request))


def name_of(request: TlObject) -> str:
    """As Telegram's documentation names it: "upload.GetFile"."""
    return request.QUALNAME.partition(".")[2]


def serialise(answer: Answer) -> bytes:
    """The bytes of an answer; long work for a file part, so not on the event loop's thread."""
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, TLObject):
        return answer.write()
    if callable(answer):
        return answer()
    return Vector(list(answer))
