"""What encrypts and decrypts: decided here, and nowhere else.

All that comes from Telegram is AES-256 in IGE mode, half of what a download costs of the processor.
cryptg does it in a third of tgcrypto's time where the processor has instructions for AES. It has no
wheels for musl, nor for every Python on every machine, so it is an extra (``tdl-sync[fast]``), and
tgcrypto does it elsewhere. CTR, which cryptg has not, is for obfuscated connections, and ours are
none.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

Data = bytes | bytearray | memoryview
Cipher = Callable[[Data, Data, Data], bytes]
"""Of data, key (32 bytes) and initialization vector (32 bytes)."""

BLOCK_BYTES = 16


@dataclass(frozen=True)
class Ciphers:
    """Both raise ``ValueError`` for what can't be right."""

    module: str
    encrypt: Cipher
    decrypt: Cipher


def fastest() -> Ciphers | None:
    """``None`` where nothing is faster than what the library takes by itself."""
    try:
        import cryptg
    except ImportError:  # not installed, or made for another machine
        return None
    return Ciphers("cryptg", _checked(cryptg.encrypt_ige), _checked(cryptg.decrypt_ige))


def in_use() -> str | None:
    """The name of the module that a run will decrypt with; ``None`` where that would take ages."""
    found = fastest()
    if found is not None:
        return found.module
    return "tgcrypto" if importlib.util.find_spec("tgcrypto") is not None else None


def _checked(cipher: Callable[[bytes, bytes, bytes], bytes]) -> Cipher:
    """On a length that is wrong cryptg panics, with what is no ``Exception`` and would end the
    thread; a packet that was damaged on its way has such a length."""

    def checked(data: Data, key: Data, iv: Data) -> bytes:
        if not data or len(data) % BLOCK_BYTES:
            raise ValueError("the size of the data must be a multiple of 16 bytes")
        return cipher(bytes(data), bytes(key), bytes(iv))  # of what are bytes nothing is copied

    return checked
