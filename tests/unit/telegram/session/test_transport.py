"""Packets are read as they are framed, and nobody waits for what a connection can't bring."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tdl_sync.telegram.session.keys import Keys
from tdl_sync.telegram.session.library import Connection
from tdl_sync.telegram.session.network import Network
from tdl_sync.telegram.session.transport import PromptTCP, watched_connection
from tests.waiting import PATIENCE_SECONDS

LONG = 0x7F
AUTH_KEY_UNKNOWN = (-404).to_bytes(4, "little", signed=True)


def framed(packet: bytes) -> bytes:
    words = len(packet) // 4
    head = bytes([words]) if words < LONG else bytes([LONG]) + words.to_bytes(3, "little")
    return head + packet


class Place:
    """A connection of ours, and the other end of it."""

    def __init__(self) -> None:
        self.ended: list[Connection] = []
        self.accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.Queue()
        )
        self.keys = Keys()

    def connection(self, port: int) -> Connection:
        network = Network(asyncio.Event(), lambda _: None)
        kind = watched_connection(network, self.keys, self.ended.append)
        return kind(2, "127.0.0.1", port, False, protocol_factory=PromptTCP)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.accepted.put((reader, writer))


Work = Callable[[Place, Connection, asyncio.StreamWriter], Awaitable[None]]


def connected(work: Work) -> None:
    async def run() -> None:
        place = Place()
        server = await asyncio.start_server(place.accept, "127.0.0.1", 0)
        connection = place.connection(server.sockets[0].getsockname()[1])
        await connection.connect()
        reader, far = await place.accepted.get()
        await reader.readexactly(1)  # what is unread at its end would reset the connection
        try:
            await asyncio.wait_for(work(place, connection, far), PATIENCE_SECONDS)
        finally:
            await connection.close()
            far.close()
            server.close()

    asyncio.run(run())


@pytest.fixture(autouse=True)
def no_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What must not be waited for lasts longer than the patience of a test."""
    monkeypatch.setattr(PromptTCP, "TIMEOUT", 3600)


def test_packets_are_read_one_after_the_other_whatever_their_length() -> None:
    packets = [bytes([each % 251]) * 4 * each for each in (2, 126, 127, 128, 300_000, 0, 5)]

    async def work(place: Place, connection: Connection, far: asyncio.StreamWriter) -> None:
        far.write(b"".join(map(framed, packets)))
        for packet in packets:
            assert await connection.recv() == packet

    connected(work)


def test_an_acknowledgement_that_nobody_has_asked_for_is_passed_over() -> None:
    async def work(place: Place, connection: Connection, far: asyncio.StreamWriter) -> None:
        far.write(b"\x80\x7f\x01\x02" + b"\xff\xff\xff\xff" + framed(b"a packet"))
        assert await connection.recv() == b"a packet"
        far.write(b"\x80\x7f")
        far.close()
        assert await connection.recv() is None

    connected(work)


@pytest.mark.parametrize("cut", [b"", b"\x02", b"\x02half", b"\x7f\x00", b"\x7f\xff\xff\xffhalf"])
def test_an_end_is_noticed_wherever_it_comes(cut: bytes) -> None:
    async def work(place: Place, connection: Connection, far: asyncio.StreamWriter) -> None:
        reading = asyncio.ensure_future(connection.recv())
        far.write(framed(b"a packet") + cut)
        far.close()
        assert await reading == b"a packet"
        assert await connection.recv() is None
        assert place.ended[-1] is connection

    connected(work)


def test_an_end_is_noticed_that_came_before_anybody_has_read() -> None:
    async def run() -> None:
        place = Place()

        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        connection = place.connection(server.sockets[0].getsockname()[1])
        await connection.connect()
        await asyncio.sleep(0.05)
        assert await asyncio.wait_for(connection.recv(), PATIENCE_SECONDS) is None
        await connection.close()
        server.close()

    asyncio.run(run())


def test_what_is_sent_after_the_end_is_refused() -> None:
    """Whoever was told of the end before would not hear of it again."""

    async def hung_up(place: Place, connection: Connection, far: asyncio.StreamWriter) -> None:
        far.close()
        assert await connection.recv() is None
        with pytest.raises(OSError, match="has ended"):
            await connection.send(b"a packet")

    async def key_unknown(place: Place, connection: Connection, far: asyncio.StreamWriter) -> None:
        far.write(framed(AUTH_KEY_UNKNOWN))
        assert await connection.recv() == AUTH_KEY_UNKNOWN
        assert place.keys.session_unknown.is_set()
        with pytest.raises(OSError, match="has ended"):
            await connection.send(b"a packet")

    async def closed(place: Place, connection: Connection, far: asyncio.StreamWriter) -> None:
        await connection.send(b"a packet")
        await connection.close()
        with pytest.raises(OSError, match="has ended"):
            await connection.send(b"a packet")

    for work in (hung_up, key_unknown, closed):
        connected(work)


def test_what_is_sent_while_the_connection_is_being_opened_is_refused() -> None:
    async def run() -> None:
        place = Place()
        server = await asyncio.start_server(place.accept, "127.0.0.1", 0)
        connection = place.connection(server.sockets[0].getsockname()[1])
        connecting = asyncio.ensure_future(connection.connect())
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="has ended"):
            await connection.send(b"a packet")
        await connecting
        await connection.send(b"a packet")
        await connection.close()
        server.close()

    asyncio.run(run())
