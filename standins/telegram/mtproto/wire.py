"""MTProto 2.0 as the server sees it: encryption, messages, containers, message ids.

https://core.telegram.org/mtproto/description and https://core.telegram.org/mtproto/service_messages
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import compress, decompress
from hashlib import sha256
from io import BytesIO
from typing import Any, TypeAlias

from pyrogram.crypto import aes, mtproto
from pyrogram.raw.core import Bytes, TLObject

TlObject: TypeAlias = TLObject[Any]

MSG_CONTAINER = 0x73F1F8DC
GZIP_PACKED = 0x3072CFA1
RPC_RESULT = 0xF35C6D01
UPLOAD_FILE = 0x096A18D5
_HEADER_BYTES = 32

GZIP_FROM_BYTES = 4096
"""Answers from this size on are sent gzipped, as Telegram does (file parts never are)."""


class WireError(Exception):
    """The client's packet does not decrypt to a message; Telegram closes such a connection."""


@dataclass(frozen=True)
class Packet:
    """One decrypted packet of a client."""

    salt: int
    session_id: bytes
    message: ClientMessage


@dataclass(frozen=True)
class ClientMessage:
    """One message of a client: `body` is a serialised TL object, or a container of messages."""

    msg_id: int
    seq_no: int
    body: bytes

    @property
    def constructor(self) -> int:
        return int.from_bytes(self.body[:4], "little")

    def contained(self) -> Iterator[ClientMessage]:
        """The messages of a container; the message itself when it is none."""
        if self.constructor != MSG_CONTAINER:
            yield self
            return
        position = 8
        for _ in range(int.from_bytes(self.body[4:8], "little")):
            msg_id, seq_no, length = struct.unpack_from("<qii", self.body, position)
            position += 16
            yield ClientMessage(msg_id, seq_no, self.body[position : position + length])
            position += length


def decrypt(packet: bytes, key: bytes) -> Packet:
    """Decrypt and check a client's packet whose auth key is known. Raises WireError."""
    msg_key, encrypted = packet[8:24], packet[24:]
    if not encrypted or len(encrypted) % 16:
        raise WireError(f"encrypted data of {len(encrypted)} bytes")
    data = aes.ige256_decrypt(encrypted, *mtproto.kdf(key, msg_key, True))
    if len(data) < _HEADER_BYTES:
        raise WireError(f"a message of {len(data)} bytes with its header")
    if sha256(key[88:120] + data).digest()[8:24] != msg_key:
        raise WireError("wrong msg_key")
    salt, session_id, msg_id, seq_no, length = struct.unpack_from("<q8sqii", data)
    if not 12 <= len(data) - _HEADER_BYTES - length <= 1024 or length % 4 or length < 4:
        raise WireError(f"a message of {length} bytes in {len(data)} bytes")
    return Packet(
        salt,
        session_id,
        ClientMessage(msg_id, seq_no, data[_HEADER_BYTES : _HEADER_BYTES + length]),
    )


def encrypt(
    key: bytes,
    key_id: bytes,
    salt: int,
    session_id: bytes,
    msg_id: int,
    seq_no: int,
    body: list[bytes],
) -> bytes:
    """One packet for the client. `body`: the buffers that make up the message, in order.

    Safe to call from any thread; the cipher releases the GIL.
    """
    length = sum(map(len, body))
    head = struct.pack("<q8sqii", salt, session_id, msg_id, seq_no, length)
    padding = os.urandom(-(len(head) + length + 12) % 16 + 12)
    data = b"".join([head, *body, padding])
    digest = sha256(key[96:128])
    digest.update(data)
    msg_key = digest.digest()[8:24]
    encrypted = aes.ige256_encrypt(data, *mtproto.kdf(key, msg_key, False))
    return b"".join([key_id, msg_key, encrypted])


class _RequestBytes(BytesIO):
    """Bytes of a request, for pyrogram's own readers.

    Its vector reader is made for answers: from how much is left it guesses whether a vector holds
    bare numbers, and so takes `[inputUserSelf]` for a number. A vector without an element type in
    a request always holds objects; answering "nothing is left" makes the reader treat it so.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        return b"" if size is None or size < 0 else super().read(size)


def read_object(body: bytes) -> TlObject:
    """The TL object in `body`, which must not be gzipped. KeyError: an unknown constructor."""
    result: TlObject = TLObject.read(_RequestBytes(body))
    return result


def rpc_result(req_msg_id: int, answer: bytes) -> list[bytes]:
    """The buffers of an `rpc_result` around a serialised answer, gzipped where that helps."""
    head = struct.pack("<Iq", RPC_RESULT, req_msg_id)
    is_file_part = answer[:4] == UPLOAD_FILE.to_bytes(4, "little")
    if len(answer) < GZIP_FROM_BYTES or is_file_part:
        return [head, answer]
    packed = Bytes(compress(answer, compresslevel=1))
    return [head, struct.pack("<I", GZIP_PACKED), packed]


def ungzip(body: bytes) -> bytes:
    """The serialised object inside `gzip_packed`; any other object unchanged."""
    if int.from_bytes(body[:4], "little") != GZIP_PACKED:
        return body
    return decompress(Bytes.read(BytesIO(body[4:])))


class ServerMessageIds:
    """Message ids of one session: rising, near the server's clock, odd as a server's must be."""

    def __init__(self) -> None:
        self._last = 0
        self._content_related = 0

    def answer(self) -> int:
        return self._next(1)

    def notification(self) -> int:
        return self._next(3)

    def _next(self, remainder: int) -> int:
        msg_id = (int(time.time() * 2**32) & ~3) | remainder
        if msg_id <= self._last:
            msg_id = (self._last & ~3) + 4 + remainder
        self._last = msg_id
        return msg_id

    def seq_no(self, *, content_related: bool) -> int:
        number = self._content_related * 2 + content_related
        self._content_related += content_related
        return number


def msg_id_error(msg_id: int) -> int | None:
    """The `bad_msg_notification` code that a client's message id deserves; None when it is fine."""
    if msg_id % 4:
        return 18
    ahead_seconds = msg_id / 2**32 - time.time()
    if ahead_seconds < -300:
        return 16
    if ahead_seconds > 30:
        return 17
    return None
