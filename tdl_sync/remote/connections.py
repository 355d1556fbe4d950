"""The connections to the rclone that runs: HTTP on this machine, a call and its answer.

Plain ``http.client``: proxies of the environment do not count, nothing is tried again, and a call
is as patient as it is told to be.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from tdl_sync.remote.answers import ReadObject, json_object

_CONNECT_SECONDS = 10.0
_KEPT_SECONDS = 20.0
"""rclone closes a connection that was idle for a minute. A call on one that is just being closed
would look like one whose outcome is unknown."""
_PIECE_BYTES = 65_536


@dataclass(frozen=True)
class Response:
    """``answer`` is ``None`` where it is no JSON object."""

    status: int
    answer: Mapping[str, Any] | None


class Connections:
    """To one port of 127.0.0.1. All threads may ``post``."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._port = port
        token = b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}
        self._lock = threading.Lock()
        self._idle: deque[tuple[HTTPConnection, float]] = deque()

    def post(
        self,
        path: str,
        body: bytes,
        content_type: str,
        timeout_seconds: float | None,
        read: ReadObject | None = None,
    ) -> Response:
        """Call and wait for the answer; ``None``: for as long as it takes.

        ``read`` makes something of each object of a list as it comes.

        Raises ``TimeoutError``, ``OSError`` or ``HTTPException``. The connection is closed then,
        which cancels what was called for.
        """
        connection = self._free() or self._opened()
        answered = False
        try:
            assert connection.sock is not None
            connection.sock.settimeout(timeout_seconds)
            headers = {**self._headers, "Content-Type": content_type}
            connection.request("POST", path, body, headers)
            with connection.getresponse() as response:
                pieces = _pieces(response)
                found = json_object(pieces, read if response.status == HTTPStatus.OK else None)
                answer = Response(response.status, found)
                for _ in pieces:
                    pass  # what follows a text that is none: the connection is to be used again
            answered = True
        finally:
            if not answered:
                connection.close()
        if connection.sock is not None:
            with self._lock:
                self._idle.append((connection, time.monotonic()))
        return answer

    def close(self) -> None:
        """Those that are idle; one in a call ends with it."""
        with self._lock:
            idle, self._idle = self._idle, deque()
        for connection, _ in idle:
            connection.close()

    def _free(self) -> HTTPConnection | None:
        with self._lock:
            while self._idle:
                connection, since = self._idle.pop()
                if time.monotonic() - since < _KEPT_SECONDS:
                    return connection
                connection.close()
        return None

    def _opened(self) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self._port, _CONNECT_SECONDS)
        connection.connect()
        return connection


def _pieces(response: HTTPResponse) -> Iterator[str]:
    """What is not UTF-8 is still text, if not of a kind that means anything."""
    decoder = getincrementaldecoder("utf-8")("replace")
    while piece := response.read(_PIECE_BYTES):
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)
