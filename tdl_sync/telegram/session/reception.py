"""What a connection receives, put straight where its reader wants it.

The library asks for each chunk of a packet in a task of its own, and copies what is there so far
for each of them: a fifth of what a download costs of the processor.
"""

from __future__ import annotations

import asyncio
from typing import Any

SPARE_BYTES = 64 * 1024
"""Room for what comes before it is asked for: heads of packets, and small ones."""

PIECE_BYTES = 256 * 1024
"""So much room a packet gets for its bare word, and as much more whenever that is filled: what
comes over many connections at once, or only says that it is long, takes no more than that."""


class Reception(asyncio.BufferedProtocol):
    """Takes the place of a stream's protocol. One reader at a time.

    What else happens on the connection is still told to the stream, which goes on to write.
    """

    def __init__(self, transport: Any, silence_seconds: float) -> None:
        """After ``silence_seconds`` without a byte ``read`` gives up; a packet that comes slowly
        has as long after each of its bytes."""
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._stream: Any = transport.get_protocol()
        self._silence_seconds = silence_seconds
        self._heard_at = self._loop.time()
        self._spare = memoryview(bytearray(SPARE_BYTES))
        self._begin = self._end = 0
        """Of what lies there."""
        self._wanted: memoryview | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._is_paused = self._has_ended = False
        self.received_bytes = 0
        """As many have come so far, of whole packets and of others."""

        transport.set_protocol(self)

    @classmethod
    async def in_place_of(
        cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silence_seconds: float
    ) -> Reception:
        """Take over from a stream that was opened a moment ago, with what it has heard already:
        that may be the connection's end, of which nobody would be told again."""
        reception = cls(writer.transport, silence_seconds)
        reception._has_ended = reader.at_eof() or writer.transport.is_closing()
        reader.feed_eof()  # so that it gives what it has, and waits for no more
        if reader.exception() is None:
            reception._lay_down(await reader.read())
        return reception

    async def read(self, count_bytes: int) -> bytes | None:
        """So many bytes; ``None`` where the connection has ended before, or is silent.

        Who gets ``None``, or gives up waiting, has lost where a packet begins, so that nothing
        more is to be had of this connection.
        """
        pieces: list[bytearray] = []
        while True:
            pieces.append(bytearray(min(count_bytes, PIECE_BYTES)))
            with memoryview(pieces[-1]) as room:
                if not await self._fill(room):
                    return None
            count_bytes -= len(pieces[-1])
            if count_bytes == 0:
                return b"".join(pieces)

    async def _fill(self, room: memoryview) -> bool:
        """Whether it could be filled."""
        taken = self._take(room)
        if taken == len(room):
            return True
        if self._has_ended:
            return False
        self._wanted = room[taken:]
        self._heard_at = self._loop.time()
        self._waiting = self._loop.create_future()
        if self._looking is None:
            self._look_for_silence()
        is_full = False
        try:
            await self._waiting
            is_full = not self._wanted
            return is_full
        finally:
            self._has_ended |= not is_full
            self._waiting = None
            self._wanted.release()
            self._wanted = None

    def _take(self, wanted: memoryview) -> int:
        """What lies there already, as much as is wanted."""
        taken = min(len(wanted), self._end - self._begin)
        wanted[:taken] = self._spare[self._begin : self._begin + taken]
        self._begin += taken
        if self._begin == self._end:
            self._begin = self._end = 0
            if self._is_paused:
                self._is_paused = False
                self._transport.resume_reading()
        return taken

    def _look_for_silence(self) -> None:
        """One timer for all reads: it is set anew only when it has run out."""
        self._looking = None
        if self._waiting is None:
            return
        left_seconds = self._heard_at + self._silence_seconds - self._loop.time()
        if left_seconds > 0:
            self._looking = self._loop.call_later(left_seconds, self._look_for_silence)
        else:
            self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # --- called by the transport -----------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._wanted:
            return self._wanted
        if self._end == len(self._spare):  # on Windows what was read before a pause comes after it
            more = bytearray(2 * self._end)
            more[: self._end] = self._spare
            self._spare = memoryview(more)
        return self._spare[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        self._heard_at = self._loop.time()
        self.received_bytes += nbytes
        if self._wanted:
            rest = self._wanted[nbytes:]
            self._wanted.release()
            self._wanted = rest
            if not rest:
                self._wake()
            return
        self._end += nbytes
        if self._end >= SPARE_BYTES and not self._is_paused:
            # Nobody wants it now, and the kernel holds on to the rest.
            self._is_paused = True
            self._transport.pause_reading()

    def _lay_down(self, data: bytes) -> None:
        while data:
            room = self.get_buffer(len(data))
            laid_bytes = min(len(room), len(data))
            room[:laid_bytes] = data[:laid_bytes]
            self.buffer_updated(laid_bytes)
            data = data[laid_bytes:]

    def eof_received(self) -> bool | None:
        self._ended()
        told: bool | None = self._stream.eof_received()
        return told

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended()
        if self._looking is not None:
            self._looking.cancel()
        self._stream.connection_lost(exc)

    def _ended(self) -> None:
        self._has_ended = True
        self._wake()

    def pause_writing(self) -> None:
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        self._stream.resume_writing()
