"""The bytes of files that nobody stores: any range of any file, computed from a seed."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

_BLOCK_BYTES = 1 << 16
_POOL_BYTES = 1 << 20
_HEADER_BYTES = 32
_HASH_STEP_BYTES = 1 << 20


def derived_number(*parts: int | str, bits: int = 63) -> int:
    """A number of at most `bits` (up to 64) bits that depends on all parts and on nothing else.

    Python's own `hash` differs from process to process, so it can't be used.
    """
    text = "\x1f".join(map(str, parts)).encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - bits)


@functools.cache
def _pool() -> bytes:
    return random.Random("pool").randbytes(_POOL_BYTES + _BLOCK_BYTES)


def _block(seed: int, index: int) -> bytes:
    """One block: a header that no other block has, then a slice of the pool.

    The header also picks the slice, so that bytes which arrive from another file, from another
    block or shifted never compare equal. Drawing every byte from a generator would be ten times
    slower, and the stand-in shares its processor with what is measured.
    """
    key = seed.to_bytes(8, "big", signed=True) + index.to_bytes(8, "big")
    header = hashlib.blake2b(key, digest_size=_HEADER_BYTES).digest()
    start = int.from_bytes(header[:4], "big") % _POOL_BYTES
    return header + _pool()[start : start + _BLOCK_BYTES - _HEADER_BYTES]


@dataclass(frozen=True)
class FileRecord:
    """One file that Telegram stores. May be read from any thread."""

    file_id: int
    access_hash: int
    dc_id: int
    size_bytes: int
    seed: int
    content: bytes | None = field(default=None, repr=False)
    """What was uploaded; else the bytes are computed from the seed."""

    def read(self, offset: int, limit: int) -> bytes:
        """The bytes from `offset`, at most `limit`; fewer at the end, none behind it."""
        end = min(offset + limit, self.size_bytes)
        if offset >= end:
            return b""
        if self.content is not None:
            return self.content[offset:end]
        first = offset // _BLOCK_BYTES
        last = (end - 1) // _BLOCK_BYTES
        blocks = b"".join(_block(self.seed, index) for index in range(first, last + 1))
        skipped = first * _BLOCK_BYTES
        return blocks[offset - skipped : end - skipped]

    def chunks(self) -> Iterator[bytes]:
        for offset in range(0, self.size_bytes, _HASH_STEP_BYTES):
            yield self.read(offset, _HASH_STEP_BYTES)

    def sha256(self) -> str:
        return self._hexdigest("sha256")

    def md5(self) -> str:
        return self._hexdigest("md5")

    def _hexdigest(self, algorithm: str) -> str:
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()


_ID_BITS = 63
_ID_MODULUS = 1 << _ID_BITS
_ID_FACTOR = 0x2545F4914F6CDD1D
_ID_FACTOR_INVERSE = pow(_ID_FACTOR, -1, _ID_MODULUS)


@dataclass(frozen=True)
class FilePlace:
    """Where a file hangs, which is all that its id says.

    Packing the place into the id (and scrambling it, so that ids look like Telegram's) is what
    lets a file be found again without a table of all files.
    """

    channel_number: int
    message_id: int
    is_photo: bool
    is_preview: bool = False
    index: int = 1
    """Which of the message's files."""
    edition: int = 0
    """How often the message was edited to hold another file."""

    def file_id(self) -> int:
        packed = (self.edition << 54) | ((self.index - 1) << 46)
        packed |= (self.channel_number << 34) | (self.message_id << 2)
        packed |= (self.is_photo << 1) | self.is_preview
        return packed * _ID_FACTOR % _ID_MODULUS

    @classmethod
    def of(cls, file_id: int) -> FilePlace | None:
        """None for an id that this stand-in never gave out (as far as the id itself tells)."""
        if not 0 < file_id < _ID_MODULUS:
            return None
        packed = file_id * _ID_FACTOR_INVERSE % _ID_MODULUS
        if packed >> 62:
            return None
        return cls(
            channel_number=(packed >> 34) & 0xFFF,
            message_id=(packed >> 2) & 0xFFFFFFFF,
            is_photo=bool(packed & 2),
            is_preview=bool(packed & 1),
            index=((packed >> 46) & 0xFF) + 1,
            edition=packed >> 54,
        )
