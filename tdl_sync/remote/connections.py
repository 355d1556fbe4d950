"""The connections to the rclone that runs: HTTP on this machine, a call and its answer.

Plain ``http.client``: proxies of the environment do not count, nothing is tried again, and a call
is as patient as it is told to be.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections import deque
from dataclasses import dataclass
from http.client import HTTPConnection

_CONNECT_SECONDS = 10.0
_KEPT_SECONDS = 20.0
"""rclone closes a connection that was idle for a minute. A call on one that is just being closed
would look like one whose outcome is unknown."""


@dataclass(frozen=True)
class Response:
    """``text`` is UTF-8; what is none is still text, if not of a kind that means anything."""

    status: int
    text: str


class Connections:
    """To one port of 127.0.0.1. All threads may ``post``."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._port = port
        token = b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}
        self._lock = threading.Lock()
        self._idle: deque[tuple[HTTPConnection, float]] = deque()

    def post(
        self, path: str, body: bytes, content_type: str, timeout_seconds: float | None
    ) -> Response:
        """Call and wait for the answer; ``None``: for as long as it takes.

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
                # As text only: a listing is tens of megabytes, and would be there twice.
                answer = Response(response.status, response.read().decode("utf-8", "replace"))
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
