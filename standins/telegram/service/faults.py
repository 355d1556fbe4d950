"""What goes wrong on purpose: which call, which file, how often, after how much.

Faults may be added and removed from any thread while the stand-in runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from .limits import ArmedLimit, LimitCounts, RequestLimit

FaultKind = Literal[
    "flood_wait",  # 420 FLOOD_WAIT_<seconds>
    "flood_premium_wait",  # 420 FLOOD_PREMIUM_WAIT_<seconds>
    "file_reference_expired",  # every reference given out so far expires (a message has a new one)
    "timedout",  # -503 Timedout
    "internal_error",  # 500 RPC_CALL_FAIL
    "channel_private",  # 400 CHANNEL_PRIVATE
    "auth_key_unregistered",  # 401; with times=None as after a log-out elsewhere
    "session_revoked",  # 401
    "auth_key_duplicated",  # 406; the key is dead from then on
    "error",  # any: `code` and `text`
    "drop",  # the connection breaks in the middle of the answer
    "stall",  # the connection stays open and says nothing more, for good
    "no_answer",  # this one call is never answered; its connection answers everything else
    "slow",  # its connection sends `bytes_per_second` from this answer on, for good
    "short_part",  # a file part of `keep_bytes` bytes
    "empty_part",  # a file part without bytes
    "history_grows",  # a message is appended to the chat before the page is answered
    "history_lags",  # the page is answered by a server that does not know the newest message yet
]

FILE_CALL = "upload.GetFile"
_CALL_OF_KIND: dict[str, str] = {
    "file_reference_expired": FILE_CALL,
    "short_part": FILE_CALL,
    "empty_part": FILE_CALL,
    "history_grows": "messages.GetHistory",
    "history_lags": "messages.GetHistory",
}

_ERRORS: dict[str, tuple[int, str]] = {
    "flood_wait": (420, "FLOOD_WAIT_{seconds}"),
    "flood_premium_wait": (420, "FLOOD_PREMIUM_WAIT_{seconds}"),
    "timedout": (-503, "Timedout"),
    "internal_error": (500, "RPC_CALL_FAIL"),
    "channel_private": (400, "CHANNEL_PRIVATE"),
    "auth_key_unregistered": (401, "AUTH_KEY_UNREGISTERED"),
    "session_revoked": (401, "SESSION_REVOKED"),
    "auth_key_duplicated": (406, "AUTH_KEY_DUPLICATED"),
}


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    It strikes calls that fit `rpc`, `chat_id`, `username`, `file_id`, `dc_id` and `connection`
    (None: any; the calls that open a connection or log in are struck only when `rpc` names them),
    first lets `after_calls` of them pass and waits until `after_bytes` of that file (of all files,
    without `file_id`) were served, and is over after `times` strikes (None: never).
    """

    kind: FaultKind
    rpc: str | None = None
    chat_id: int | None = None
    """The marked id of a chat that the call names, or whose file it asks for."""
    username: str | None = None
    """In lower case."""
    file_id: int | None = None
    dc_id: int | None = None
    connection: int | None = None
    times: int | None = 1
    after_calls: int = 0
    after_bytes: int = 0
    seconds: int = 0
    keep_bytes: int | None = None
    """How many bytes a short part holds; half of what was asked for when None."""
    bytes_per_second: int = 0
    """What a slow connection sends."""
    code: int = 400
    text: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"fault kind {self.kind!r}, expected one of {get_args(FaultKind)}")
        if (self.kind == "slow") is not (self.bytes_per_second > 0):
            raise ValueError("a slow connection has bytes_per_second, and nothing else has")

    @property
    def call_name(self) -> str | None:
        return self.rpc or _CALL_OF_KIND.get(self.kind)

    def rpc_error(self) -> tuple[int, str] | None:
        """Code and text of the error that the client gets; None when it is no plain error."""
        if self.kind == "error":
            return self.code, self.text
        if self.kind not in _ERRORS:
            return None
        code, text = _ERRORS[self.kind]
        return code, text.format(seconds=self.seconds)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fault:
        """ValueError names what is not a field of a fault."""
        unknown = set(value) - {known.name for known in fields(cls)}
        if unknown:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        return cls(**value)


@dataclass(frozen=True)
class CallFacts:
    """What of a call a fault can be bound to."""

    rpc: str
    needs_login: bool
    chat_ids: frozenset[int]
    username: str | None
    file_id: int | None
    dc_id: int
    connection: int
    served_bytes_of_file: int
    served_bytes: int


@dataclass
class _Armed:
    fault: Fault
    passed: int = 0
    struck: int = 0
    over: bool = field(default=False)


class Faults:
    """The faults that are armed. Thread-safe."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._armed = [_Armed(fault) for fault in faults]
        self._limits: list[ArmedLimit] = []
        self.network_down = False
        """While true every new connection is refused; see also StandIn.drop_connections."""
        self.refused_addresses: frozenset[str] = frozenset()
        """New connections to these are refused."""
        self.silent_addresses: frozenset[str] = frozenset()
        """Of new connections to these nothing is heard any more, as behind a firewall."""
        self.updates_lost = False
        """While true no client is told of new messages."""

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._armed.extend(_Armed(fault) for fault in faults)

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def replace(self, faults: Iterable[Fault]) -> None:
        with self._lock:
            self._armed = [_Armed(fault) for fault in faults]

    def limit(self, *limits: RequestLimit) -> None:
        """Take no more requests than these, instead of those limits that there were."""
        with self._lock:
            self._limits = [ArmedLimit(limit) for limit in limits]

    def limited(self) -> list[LimitCounts]:
        """What each limit has taken and refused."""
        with self._lock:
            return [armed.counts() for armed in self._limits]

    def strikes(self) -> list[tuple[Fault, int]]:
        """Each fault that is armed or over, and how often it struck."""
        with self._lock:
            return [(armed.fault, armed.struck) for armed in self._armed]

    def strike(self, call: CallFacts) -> Fault | None:
        """The first fault that strikes this call, now counted; None when nothing goes wrong."""
        with self._lock:
            for armed in self._armed:
                if not armed.over and _fits(armed.fault, call) and _strikes(armed):
                    return armed.fault
            for limit in self._limits:
                seconds = limit.seconds_to_wait(call.rpc, call.dc_id, call.connection)
                if seconds is not None:
                    return Fault(limit.limit.kind, rpc=call.rpc, seconds=seconds, times=None)
        return None


def _fits(fault: Fault, call: CallFacts) -> bool:
    name = fault.call_name
    if (name is None and not call.needs_login) or (name is not None and name != call.rpc):
        return False
    if fault.chat_id is not None and fault.chat_id not in call.chat_ids:
        return False
    for wanted, actual in (
        (fault.username, call.username),
        (fault.file_id, call.file_id),
        (fault.dc_id, call.dc_id),
        (fault.connection, call.connection),
    ):
        if wanted is not None and wanted != actual:
            return False
    served = call.served_bytes if fault.file_id is None else call.served_bytes_of_file
    return served >= fault.after_bytes


def _strikes(armed: _Armed) -> bool:
    if armed.passed < armed.fault.after_calls:
        armed.passed += 1
        return False
    armed.struck += 1
    armed.over = armed.fault.times is not None and armed.struck >= armed.fault.times
    return True
