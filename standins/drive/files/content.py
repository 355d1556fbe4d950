"""What was uploaded: its hashes and size always, its bytes only when they are few."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

GRANULE_BYTES = 256 * 1024
"""Chunks of a resumable upload are multiples of this, and only whole ones survive a cut.

https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable
"""


@dataclass(frozen=True)
class Content:
    """The hashes are hexadecimal; `data` is None where the content was too large to keep."""

    size_bytes: int
    md5: str
    sha1: str
    sha256: str
    data: bytes | None = field(repr=False)


class ContentWriter:
    """Takes an upload in pieces. Not thread-safe."""

    def __init__(self, keep_bytes: int, *, flip_a_byte: bool = False) -> None:
        self._hashes = (
            hashlib.md5(usedforsecurity=False),
            hashlib.sha1(usedforsecurity=False),
            hashlib.sha256(),
        )
        self._kept: bytearray | None = bytearray()
        self._keep_bytes = keep_bytes
        self._flip_a_byte = flip_a_byte
        self._tail = bytearray()
        self._hashed_bytes = 0

    @property
    def size_bytes(self) -> int:
        return self._hashed_bytes + len(self._tail)

    def write(self, data: bytes) -> None:
        self._tail += data
        whole_bytes = len(self._tail) // GRANULE_BYTES * GRANULE_BYTES
        if whole_bytes:
            self._take(bytes(self._tail[:whole_bytes]))
            del self._tail[:whole_bytes]

    def forget_tail(self) -> None:
        """The connection broke: what does not fill a granule is lost."""
        self._tail.clear()

    def finish(self) -> Content:
        self._take(bytes(self._tail))
        self._tail.clear()
        md5, sha1, sha256 = (digest.hexdigest() for digest in self._hashes)
        kept = None if self._kept is None else bytes(self._kept)
        return Content(self._hashed_bytes, md5, sha1, sha256, kept)

    def _take(self, data: bytes) -> None:
        if self._flip_a_byte and data:
            data = bytes([data[0] ^ 1]) + data[1:]
            self._flip_a_byte = False
        for digest in self._hashes:
            digest.update(data)
        self._hashed_bytes += len(data)
        if self._hashed_bytes > self._keep_bytes:
            self._kept = None
        if self._kept is not None:
            self._kept += data
