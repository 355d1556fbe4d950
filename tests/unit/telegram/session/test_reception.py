"""What comes is read as it came, however it was cut on its way."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_sync.telegram.session.reception import SPARE_BYTES, Reception
from tests.waiting import PATIENCE_SECONDS

Answer = TypeVar("Answer")


class Stream(asyncio.Protocol):
    """What was there before, and goes on to write."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def eof_received(self) -> bool:
        self.told.append("end")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


class Transport:
    """One that tests move by hand, as asyncio's own would."""

    def __init__(self) -> None:
        self.stream = Stream()
        self.protocol: Any = self.stream
        self.is_reading = True

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def pause_reading(self) -> None:
        assert self.is_reading
        self.is_reading = False

    def resume_reading(self) -> None:
        assert not self.is_reading
        self.is_reading = True

    def bring(self, data: bytes) -> None:
        while data:
            room = self.protocol.get_buffer(-1)
            assert len(room) > 0
            taken = min(len(room), len(data))
            room[:taken] = data[:taken]
            self.protocol.buffer_updated(taken)
            data = data[taken:]


def with_clock(work: Callable[[Transport, Reception, list[float]], Awaitable[Answer]]) -> Answer:
    """On a loop whose clock is set by hand."""
    loop = asyncio.new_event_loop()
    now = [100.0]
    loop.time = lambda: now[0]  # type: ignore[method-assign]

    async def run() -> Answer:
        transport = Transport()
        return await work(transport, Reception(transport, 10.0), now)

    try:
        return loop.run_until_complete(run())
    finally:
        loop.close()


async def at_once(work: Coroutine[Any, Any, Answer]) -> Answer:
    """What it returns without waiting for anything."""
    task = asyncio.ensure_future(work)
    await turns()
    assert task.done()
    return await task


async def turns() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=8),
    st.lists(st.integers(1, 3000), min_size=1, max_size=30),
    st.booleans(),
)
def test_all_that_comes_is_read_in_the_pieces_that_are_asked_for(
    sizes: list[int], cuts: list[int], first: bool
) -> None:
    whole = bytes(number % 251 for number in range(sum(sizes)))

    async def work(transport: Transport, reception: Reception, now: list[float]) -> bytes:
        async def bring() -> None:
            sent, number = 0, 0
            while sent < len(whole):
                count = cuts[number % len(cuts)]
                transport.bring(whole[sent : sent + count])
                sent, number = sent + count, number + 1
                if not first:
                    await asyncio.sleep(0)

        bringing = asyncio.ensure_future(bring())
        if first:
            await bringing
        read = [await reception.read(size) for size in sizes]
        await bringing
        assert [len(each or b"") for each in read] == sizes
        assert transport.is_reading
        return b"".join(each or b"" for each in read)

    assert with_clock(work) == whole


def test_a_packet_that_comes_slowly_is_waited_for_as_long_as_it_comes() -> None:
    async def work(transport: Transport, reception: Reception, now: list[float]) -> object:
        reading = asyncio.ensure_future(reception.read(9))
        for number in range(9):
            await turns()
            assert not reading.done()
            now[0] += 9.0  # in all eight times as long as the silence that ends a read
            transport.bring(bytes([number]))
        return await reading

    assert with_clock(work) == bytes(range(9))


def test_silence_ends_a_read_and_all_later_ones() -> None:
    """Nobody knows any more where a packet begins."""

    async def work(transport: Transport, reception: Reception, now: list[float]) -> list[object]:
        first = asyncio.ensure_future(reception.read(3))
        await turns()
        transport.bring(b"x")
        now[0] += 9.9
        await turns()
        assert not first.done()
        now[0] += 0.2
        await turns()
        found: list[object] = [await first]
        transport.bring(b"yz and more")
        return [*found, await at_once(reception.read(20))]

    assert with_clock(work) == [None, None]


def test_silence_before_a_read_does_not_count() -> None:
    async def work(transport: Transport, reception: Reception, now: list[float]) -> list[object]:
        found: list[object] = []
        for _ in range(3):
            now[0] += 60.0
            reading = asyncio.ensure_future(reception.read(1))
            await turns()
            assert not reading.done()
            transport.bring(b"y")
            found.append(await reading)
        return found

    assert with_clock(work) == [b"y"] * 3


def test_who_gives_up_in_the_midst_of_a_packet_gets_nothing_out_of_its_place() -> None:
    async def work(transport: Transport, reception: Reception, now: list[float]) -> object:
        reading = asyncio.ensure_future(reception.read(4))
        await turns()
        transport.bring(b"ab")
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        transport.bring(b"cdefgh")
        return await at_once(reception.read(20))

    assert with_clock(work) is None


def test_a_packet_that_only_says_it_is_long_gets_no_more_room_than_what_comes() -> None:
    promised_bytes = 4 * (2**24 - 1)

    async def work(transport: Transport, reception: Reception, now: list[float]) -> int:
        tracemalloc.start()
        try:
            reading = asyncio.ensure_future(reception.read(promised_bytes))
            await turns()
            for _ in range(3 * 1024):
                transport.bring(bytes(1024))
                await asyncio.sleep(0)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    assert with_clock(work) < promised_bytes // 4


def test_what_nobody_asks_for_is_left_to_the_kernel() -> None:
    async def work(transport: Transport, reception: Reception, now: list[float]) -> object:
        transport.bring(bytes(SPARE_BYTES))
        assert not transport.is_reading
        transport.bring(b"and more")  # which a system had read before it heard of the pause
        assert await reception.read(SPARE_BYTES) == bytes(SPARE_BYTES)
        assert not transport.is_reading
        found = await reception.read(8)
        assert transport.is_reading
        return found

    assert with_clock(work) == b"and more"


def test_the_end_gives_what_has_come_and_then_nothing() -> None:
    async def work(transport: Transport, reception: Reception, now: list[float]) -> list[object]:
        transport.bring(b"abcd")
        assert transport.protocol.eof_received() is True
        found: list[object] = []
        for count_bytes in (3, 2):
            reading = asyncio.ensure_future(reception.read(count_bytes))
            await turns()
            assert reading.done()
            found.append(await reading)
        transport.protocol.connection_lost(None)
        transport.protocol.pause_writing()
        transport.protocol.resume_writing()
        return [*found, await at_once(reception.read(1)), *transport.stream.told]

    assert with_clock(work) == [b"abc", None, None, "end", "lost", "pause", "resume"]


def test_an_end_wakes_who_waits() -> None:
    async def work(transport: Transport, reception: Reception, now: list[float]) -> object:
        waiting = asyncio.ensure_future(reception.read(1))
        await turns()
        transport.protocol.connection_lost(ConnectionResetError())
        await turns()
        assert waiting.done()
        return await waiting

    assert with_clock(work) is None


class Place:
    """A real connection, whose other end is in the test's hands."""

    def __init__(self, near: tuple[Any, Any], far: tuple[Any, Any]) -> None:
        self.reader, self.writer = near
        self.far_reader, self.far = far

    async def take_over(self) -> Reception:
        return await Reception.in_place_of(self.reader, self.writer, 3600.0)


def on_a_real_connection(work: Callable[[Place], Awaitable[None]]) -> None:
    async def run() -> None:
        near, far = socket.socketpair()
        place = Place(
            await asyncio.open_connection(sock=near), await asyncio.open_connection(sock=far)
        )
        try:
            await asyncio.wait_for(work(place), PATIENCE_SECONDS)
        finally:
            place.far.close()
            place.writer.close()
            await place.writer.wait_closed()

    asyncio.run(run())


def test_it_is_so_on_a_real_connection() -> None:
    """Of 8 MB, most in one packet, and an end in the midst of the next one."""

    async def work(place: Place) -> None:
        reception = await place.take_over()
        head, body = b"head", bytes(range(256)) * 32 * 1024

        async def tell() -> None:
            place.far.write(head + body + b"cut")
            await place.far.drain()
            place.far.close()

        sending = asyncio.ensure_future(tell())
        place.writer.write(b"request")
        await place.writer.drain()
        assert await place.far_reader.readexactly(7) == b"request"
        assert await reception.read(4) == head
        assert await reception.read(len(body)) == body
        await sending
        assert await reception.read(4) is None

    on_a_real_connection(work)


def test_what_was_heard_before_is_not_lost() -> None:
    """Neither bytes nor, which nobody would be told of again, the end."""

    async def bytes_first(place: Place) -> None:
        place.far.write(bytes(3 * SPARE_BYTES))
        while not place.reader._buffer:
            await asyncio.sleep(0.002)
        reception = await place.take_over()
        assert await reception.read(3 * SPARE_BYTES) == bytes(3 * SPARE_BYTES)

    async def end_first(place: Place) -> None:
        place.far.close()
        while not place.reader.at_eof():
            await asyncio.sleep(0.002)
        assert await (await place.take_over()).read(1) is None

    async def lost_first(place: Place) -> None:
        place.writer.transport.abort()
        await asyncio.sleep(0)
        assert await (await place.take_over()).read(1) is None

    for work in (bytes_first, end_first, lost_first):
        on_a_real_connection(work)


def test_a_connection_that_is_closed_here_wakes_who_waits() -> None:
    async def work(place: Place) -> None:
        reception = await place.take_over()
        waiting = asyncio.ensure_future(reception.read(1))
        await turns()
        place.writer.transport.abort()
        assert await waiting is None

    on_a_real_connection(work)


def test_what_nobody_reads_stays_with_who_sends_it() -> None:
    async def work(place: Place) -> None:
        reception = await place.take_over()
        much = bytes(8 * 1024 * 1024)
        place.far.write(much)
        while place.writer.transport.is_reading():
            await asyncio.sleep(0.002)
        sending = asyncio.ensure_future(place.far.drain())
        for _ in range(20):
            await asyncio.sleep(0.002)
        assert not sending.done()
        assert await reception.read(len(much)) == much
        await sending

    on_a_real_connection(work)
