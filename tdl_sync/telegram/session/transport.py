"""Pyrogram's connections, watched: no waiting for the kernel, nothing asked for piece by piece, and
an end that is noticed.

The library gives both classes as settings of its client (``connection_factory`` and
``protocol_factory``), so nothing of it is patched.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from python_socks import ProxyError

from tdl_sync.telegram.session.keys import Keys
from tdl_sync.telegram.session.library import Connection, TCPAbridged
from tdl_sync.telegram.session.network import Network
from tdl_sync.telegram.session.reception import Reception

_AUTH_KEY_UNKNOWN = 404
"""The transport error of a server that does not know our key
(https://core.telegram.org/mtproto/mtproto-transports#transport-errors)."""

_TRANSPORT_ERROR_BYTES = 4

_LONG = 0x7F
"""Three bytes follow that say how long the packet is."""


class PromptTCP(TCPAbridged):
    """The abridged transport with TCP_NODELAY: its small requests go out at once.

    Without it each new session waits for delayed acknowledgements several times. A proxy that
    refuses is an ``OSError`` like every other failure of the network.
    """

    _reception: Reception | None = None

    async def connect(self, address: tuple[str, int]) -> None:
        try:
            await super().connect(address)
        except ProxyError as error:
            # No OSError, so the library would not try again: its session would end in silence,
            # and whoever waits for it would wait for ever.
            raise ConnectionError(f"the proxy refuses the connection: {error}") from error
        if self.reader is not None and self.writer is not None:
            connection = self.writer.get_extra_info("socket")
            if connection is not None:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._reception = await Reception.in_place_of(self.reader, self.writer, self.TIMEOUT)

    @property
    def is_open(self) -> bool:
        """Whether what was sent just now may have gone out. The library's ``send`` says nothing
        where there is no connection (yet, or any more)."""
        return self.writer is not None and not self.writer.is_closing()

    @property
    def received_bytes(self) -> int:
        """As many have come so far, of a packet that is not whole yet, too."""
        return 0 if self._reception is None else self._reception.received_bytes

    async def recv(self, length: int = 0) -> bytes | None:
        """A packet (https://core.telegram.org/mtproto/mtproto-transports#abridged); ``None`` at the
        connection's end, and when it is silent for the library's time-out."""
        if self._reception is None:
            return None
        words = await self._reception.read(1)
        while words is not None and words[0] > _LONG:
            # The token of a quick acknowledgement, of four bytes; we never ask for one.
            token = await self._reception.read(3)
            words = token and await self._reception.read(1)
        if words is not None and words[0] == _LONG:
            words = await self._reception.read(3)
        if words is None:
            return None
        return await self._reception.read(int.from_bytes(words, "little") * 4)


class WatchedConnection(Connection):
    """One that reports how it fares; ``watched_connection`` says to whom."""

    _network: Network
    _keys: Keys
    _on_end: Callable[[Connection], None]

    _is_closed_by_us = False
    _has_ended = False

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.made_at_seconds = time.monotonic()
        super().__init__(*arguments, **settings)

    @property
    def has_ended(self) -> bool:
        """Whether nothing that comes is read any more."""
        return self._has_ended

    @property
    def received_bytes(self) -> int:
        """As many have come since it was opened; it may be opened more than once."""
        protocol: Any = self.protocol
        return 0 if protocol is None else int(protocol.received_bytes)

    async def connect(self) -> None:
        # What was sent in the moment in which the session's last connection ended went with it.
        self._on_end(self)
        try:
            await super().connect()
        except OSError:
            self._network.failed()
            await self._network.rest()
            raise

    async def send(self, data: bytes) -> None:
        """Raises ``OSError`` where nobody will hear of the answer. The library says nothing of it,
        and whoever has sent after ``on_end`` was called would wait for a minute."""
        await super().send(data)
        protocol: Any = self.protocol
        if self._has_ended or not protocol.is_open:
            # No ConnectionError, for which the library gives up an exchange of keys.
            raise OSError("the connection has ended")

    async def recv(self) -> bytes | None:
        packet: bytes | None = await super().recv()
        if packet is None:
            self._has_ended = True
            if not self._is_closed_by_us:
                self._network.ended(self)
            self._on_end(self)
            return None
        self._network.heard(self)
        if len(packet) == _TRANSPORT_ERROR_BYTES:
            self._has_ended = True
            if -int.from_bytes(packet, "little", signed=True) == _AUTH_KEY_UNKNOWN:
                self._keys.refused(self.dc_id, self.made_at_seconds)
            self._on_end(self)
        return packet

    async def close(self) -> None:
        self._is_closed_by_us = True
        self._network.closed(self)
        await super().close()


def watched_connection(
    network: Network, keys: Keys, on_end: Callable[[Connection], None]
) -> type[Connection]:
    """A class of connections that report to ``network`` how they fare, over ``PromptTCP``.

    ``on_end(connection)`` is called on the loop when the peer closed the connection, fell silent
    or sent a transport error; of one that refuses the key ``keys`` is told before.
    """

    class Watched(WatchedConnection):
        _network = network
        _keys = keys
        _on_end = staticmethod(on_end)

    return Watched
