"""How packets are framed on a TCP connection, and which framing a client chose.

https://core.telegram.org/mtproto/mtproto-transports
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from typing import Protocol

MAX_PACKET_BYTES = 16 * 1024 * 1024


class FramingError(Exception):
    """The bytes on the connection are no packet of the framing that the client chose."""


class Transport(Protocol):
    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """The next packet. Raises asyncio.IncompleteReadError at the end of the connection."""
        ...

    def frame(self, packet: bytes) -> list[bytes]:
        """The buffers to write, in order, so that the client reads `packet`."""
        ...


def _checked(length: int) -> int:
    if not 0 < length <= MAX_PACKET_BYTES:
        raise FramingError(f"a packet of {length} bytes")
    return length


class Abridged:
    """Length in words, in one byte or in 0x7f and three bytes."""

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        words = (await reader.readexactly(1))[0] & 0x7F  # the high bit asks for a quick ack
        if words == 0x7F:
            words = int.from_bytes(await reader.readexactly(3), "little")
        return await reader.readexactly(_checked(words * 4))

    def frame(self, packet: bytes) -> list[bytes]:
        words = len(packet) // 4
        if words < 0x7F:
            return [bytes([words]) + packet]
        return [b"\x7f" + words.to_bytes(3, "little"), packet]


class Intermediate:
    """Length in bytes, in four bytes. The padded kind carries up to 15 bytes more."""

    def __init__(self, *, padded: bool) -> None:
        self._padded = padded

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        length = int.from_bytes(await reader.readexactly(4), "little") & 0x7FFFFFFF
        packet = await reader.readexactly(_checked(length))
        if self._padded and packet[:8] != bytes(8):
            return packet[: len(packet) - (len(packet) - 24) % 16]
        return packet

    def frame(self, packet: bytes) -> list[bytes]:
        return [len(packet).to_bytes(4, "little"), packet]


class Full:
    """Length, running number and CRC32. Telethon's default."""

    def __init__(self, first_length: bytes) -> None:
        self._first_length = first_length
        self._sent = 0

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        head = self._first_length or await reader.readexactly(4)
        self._first_length = b""
        rest = await reader.readexactly(_checked(int.from_bytes(head, "little") - 4))
        if zlib.crc32(rest[:-4], zlib.crc32(head)) != int.from_bytes(rest[-4:], "little"):
            raise FramingError("a packet with a wrong CRC32")
        return rest[4:-4]

    def frame(self, packet: bytes) -> list[bytes]:
        head = struct.pack("<II", len(packet) + 12, self._sent)
        self._sent += 1
        return [head, packet, struct.pack("<I", zlib.crc32(packet, zlib.crc32(head)))]


async def detect(reader: asyncio.StreamReader) -> Transport:
    """Read the first bytes of a connection and choose the framing that they announce."""
    first = await reader.readexactly(1)
    if first == b"\xef":
        return Abridged()
    first += await reader.readexactly(3)
    if first == b"\xee" * 4:
        return Intermediate(padded=False)
    if first == b"\xdd" * 4:
        return Intermediate(padded=True)
    return Full(first)
