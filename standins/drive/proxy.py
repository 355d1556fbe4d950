"""The way in: an HTTP proxy that ends TLS for Google's hosts itself, and refuses all others."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from ..shaping import TokenBucket
from .api.service import HOSTS, Service
from .shaping import Pacer
from .web.http import Body, ConnectionCut, Request, Response

_SLICE_BYTES = 64 * 1024


class ProxyServer(ThreadingHTTPServer):
    """A thread for each connection; `close_connections` ends those that are open."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, service: Service, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), ProxyConnection)
        self.service = service
        self.tls = tls
        self.total_bandwidth = TokenBucket()
        self.total_bandwidth_lock = threading.Lock()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def close_connections(self) -> int:
        """Break all of them, whatever they do; how many there were. From any thread."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # it may be gone by itself
                    # Not SSLSocket's, which would take TLS away under a reading thread.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
            return len(self._open)

    def handle_error(self, request: object, client_address: object) -> None:
        """A mistake in the stand-in itself: told to the test, which fails."""
        self.service.report_unknown(f"a request that raised {sys.exc_info()[1]!r}")
        super().handle_error(request, client_address)  # type: ignore[arg-type]


class ProxyConnection(BaseHTTPRequestHandler):
    """One client: CONNECT, TLS, and then requests of HTTP/1.1 until it goes."""

    server: ProxyServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    _host: str | None = None

    def setup(self) -> None:
        super().setup()
        self._service = self.server.service
        self._pacer = Pacer(
            lambda: self._service.shaping,
            self.server.total_bandwidth,
            self.server.total_bandwidth_lock,
        )
        self.server.opened(self.connection)

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError, ConnectionCut):
            self.close_connection = True  # the client went away, or the stand-in stops

    def finish(self) -> None:
        self.server.closed(self.connection)
        with suppress(OSError):  # what could not be sent any more
            super().finish()
        self.connection.close()

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        if self._service.faults.network_down:
            self.send_error(502)
            self.close_connection = True
        elif (host, port) not in [(known, "443") for known in HOSTS]:
            self._refuse(self.path)
        else:
            self._service.sleep(self._service.shaping.connect_seconds)
            self.send_response_only(200)
            self.end_headers()
            # Python's own client (so requests, too) asks for the tunnel in HTTP/1.0, which says
            # nothing of what is sent through it.
            self.close_connection = False
            self._begin_tls(host)

    def do_any(self) -> None:
        if self._host is None:
            self._refuse(urlsplit(self.path).netloc or self.path)
            return
        target = urlsplit(self.path)
        headers = {name.title(): value for name, value in self.headers.items()}
        body = Body(
            self.rfile,
            headers,
            lambda count_bytes: self._pacer.wait_for(count_bytes, self._service.sleep),
        )
        parameters = dict(parse_qsl(target.query, keep_blank_values=True))
        request = Request(self.command, self._host, target.path, parameters, headers, body)
        response = self._service.answer(request)
        body.drain()
        self._send(response)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_any

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the statistics tell."""

    def _begin_tls(self, host: str) -> None:
        self.server.closed(self.connection)
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.server.opened(self.connection)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        self._host = host
        self._service.statistics.connected()

    def _refuse(self, host: str) -> None:
        self._service.statistics.host_refused(host)
        self.send_error(403, "Only Google's hosts stand here")
        self.close_connection = True

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self._service.statistics.sent(len(response.body))
        for start in range(0, len(response.body), _SLICE_BYTES):
            piece = response.body[start : start + _SLICE_BYTES]
            self._pacer.wait_for(len(piece), self._service.sleep)
            self.wfile.write(piece)
