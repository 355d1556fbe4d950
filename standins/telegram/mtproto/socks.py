"""The SOCKS5 listener's side of the talk: which address does the client want?

RFC 1928, without authentication (or with any name and password, RFC 1929).
"""

from __future__ import annotations

import asyncio
import ipaddress

_NO_AUTHENTICATION = 0
_NAME_AND_PASSWORD = 2
_CONNECT = 1
HOST_UNREACHABLE = 4
_COMMAND_UNSUPPORTED = 7


class SocksError(Exception):
    """The client does not speak SOCKS5, or wants what this listener does not offer."""


async def read_destination(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, int]:
    """Host and port that the client wants to be connected to. Raises SocksError."""
    version, count = await reader.readexactly(2)
    if version != 5:
        raise SocksError(f"SOCKS version {version}, expected 5")
    offered = await reader.readexactly(count)
    if _NO_AUTHENTICATION in offered:
        writer.write(bytes([5, _NO_AUTHENTICATION]))
    elif _NAME_AND_PASSWORD in offered:
        writer.write(bytes([5, _NAME_AND_PASSWORD]))
        await _accept_any_password(reader, writer)
    else:
        raise SocksError(f"authentication methods {offered!r}")
    _, command, _, kind = await reader.readexactly(4)
    host = await _read_host(reader, kind)
    port = int.from_bytes(await reader.readexactly(2), "big")
    if command != _CONNECT:
        refuse(writer, _COMMAND_UNSUPPORTED)
        raise SocksError(f"SOCKS command {command}")
    return host, port


async def _accept_any_password(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    _, name_bytes = await reader.readexactly(2)
    await reader.readexactly(name_bytes)
    (password_bytes,) = await reader.readexactly(1)
    await reader.readexactly(password_bytes)
    writer.write(b"\x01\x00")


async def _read_host(reader: asyncio.StreamReader, kind: int) -> str:
    if kind == 1:
        return str(ipaddress.IPv4Address(await reader.readexactly(4)))
    if kind == 4:
        return str(ipaddress.IPv6Address(await reader.readexactly(16)))
    if kind == 3:
        (length,) = await reader.readexactly(1)
        return (await reader.readexactly(length)).decode("ascii", "replace")
    raise SocksError(f"address type {kind}")


def accept(writer: asyncio.StreamWriter) -> None:
    """Tell the client that its connection stands."""
    writer.write(b"\x05\x00\x00\x01" + bytes(6))


def refuse(writer: asyncio.StreamWriter, code: int = HOST_UNREACHABLE) -> None:
    """Tell the client that there is no way to that host."""
    writer.write(bytes([5, code, 0, 1]) + bytes(6))
