"""The server's half of the two-factor password check (https://core.telegram.org/api/srp)."""

from __future__ import annotations

import hashlib
import hmac
import os

from pyrogram import raw
from pyrogram.crypto.prime import CURRENT_DH_PRIME

_GENERATOR = 3
_NUMBER_BYTES = 256
_ITERATIONS = 100_000


def _h(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _padded(number: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big")


_P = CURRENT_DH_PRIME
_MULTIPLIER = int.from_bytes(_h(_padded(_P), _padded(_GENERATOR)), "big")


class PasswordCheck:
    """One offer of a check: made by account.getPassword, answered by auth.checkPassword."""

    def __init__(self, verifier: PasswordVerifier) -> None:
        self.srp_id = int.from_bytes(os.urandom(8), "little", signed=True)
        self._verifier = verifier
        self._secret = int.from_bytes(os.urandom(_NUMBER_BYTES), "big")
        public = _MULTIPLIER * verifier.number + pow(_GENERATOR, self._secret, _P)
        self.public = _padded(public % _P)
        """B, which the client gets."""

    def proves(self, client_public: bytes, proof: bytes) -> bool:
        """Whether the client's A and M1 show that it knows the password."""
        scrambler = int.from_bytes(_h(client_public, self.public), "big")
        base = int.from_bytes(client_public, "big") * pow(self._verifier.number, scrambler, _P)
        key = _h(_padded(pow(base, self._secret, _P)))
        mixed = bytes(a ^ b for a, b in zip(_h(_padded(_P)), _h(_padded(_GENERATOR)), strict=True))
        algorithm = self._verifier.algorithm
        expected = _h(
            mixed, _h(algorithm.salt1), _h(algorithm.salt2), client_public, self.public, key
        )
        return hmac.compare_digest(expected, proof)


class PasswordVerifier:
    """What a server keeps instead of the password. Making one takes about 0.1 s."""

    def __init__(self, password: str) -> None:
        self.algorithm = (
            raw.types.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow(
                salt1=os.urandom(8), salt2=os.urandom(16), g=_GENERATOR, p=_padded(_P)
            )
        )
        salt1, salt2 = self.algorithm.salt1, self.algorithm.salt2
        inner = _h(salt2, _h(salt1, password.encode(), salt1), salt2)
        stretched = hashlib.pbkdf2_hmac("sha512", inner, salt1, _ITERATIONS)
        secret = int.from_bytes(_h(salt2, stretched, salt2), "big")
        self.number = pow(_GENERATOR, secret, _P)


def is_valid_public(client_public: bytes) -> bool:
    number = int.from_bytes(client_public, "big")
    return len(client_public) <= _NUMBER_BYTES and 1 < number < _P - 1
