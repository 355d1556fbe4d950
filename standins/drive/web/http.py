"""Requests and answers, once TLS and the proxy are out of the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

_SLICE_BYTES = 64 * 1024


class ConnectionCut(Exception):
    """The connection ends here, without an answer."""


class Stream(Protocol):
    """The reading half of a connection."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self) -> bytes: ...


class Body:
    """A request's body, read as it comes. `on_bytes` is told of each slice and may wait.

    Both forms of RFC 9112, section 6: Content-Length and chunked.
    """

    def __init__(
        self, stream: Stream, headers: Mapping[str, str], on_bytes: Callable[[int], None]
    ) -> None:
        self._stream = stream
        self._chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"
        self._left_bytes = 0 if self._chunked else int(headers.get("Content-Length") or 0)
        self._ended = not self._chunked and self._left_bytes == 0
        self._on_bytes = on_bytes
        self._read_bytes = 0
        self.cut_after_bytes: int | None = None
        """Raise `ConnectionCut` after this many, at the end at the latest; set before reading."""

    def read(self) -> bytes:
        """The next bytes, at most 64 KiB; none at the end. Raises ConnectionCut."""
        if self._chunked and self._left_bytes == 0 and not self._ended:
            self._begin_chunk()
        if self._ended:
            if self.cut_after_bytes is not None:
                raise ConnectionCut("as the fault wants it")
            return b""
        wanted = min(_SLICE_BYTES, self._left_bytes)
        if self.cut_after_bytes is not None:
            wanted = min(wanted, self.cut_after_bytes - self._read_bytes)
        if wanted == 0:
            raise ConnectionCut("as the fault wants it")
        data = self._stream.read(wanted)
        self._read_bytes += len(data)
        self._on_bytes(len(data))
        if len(data) < wanted:
            raise ConnectionCut("the client is gone")
        self._left_bytes -= len(data)
        if self._left_bytes == 0:
            if self._chunked:
                self._stream.readline()
            else:
                self._ended = True
        return data

    def read_all(self) -> bytes:
        slices = []
        while data := self.read():
            slices.append(data)
        return b"".join(slices)

    def drain(self) -> None:
        while self.read():
            pass

    def _begin_chunk(self) -> None:
        line = self._stream.readline()
        if not line:
            raise ConnectionCut("the client is gone")
        self._left_bytes = int(line.split(b";")[0], 16)
        if self._left_bytes == 0:
            self._ended = True
            while self._stream.readline().strip():
                pass  # trailers


@dataclass(frozen=True)
class Request:
    """`host` is what the client is connected to; header names are spelled `Content-Type`."""

    method: str
    host: str
    path: str
    parameters: dict[str, str]
    headers: Mapping[str, str]
    body: Body

    def json(self) -> dict[str, Any]:
        """The body as an object; empty when there is none. Raises ValueError."""
        text = self.body.read_all()
        value = json.loads(text) if text.strip() else {}
        if not isinstance(value, dict):
            raise ValueError(f"a JSON object is wanted, not {text[:80]!r}")
        return value


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(
        cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        kind = {"Content-Type": "application/json; charset=UTF-8"}
        return cls(status, json.dumps(value).encode(), {**kind, **(headers or {})})
