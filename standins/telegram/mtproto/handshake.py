"""How a client and a data centre agree on a new auth key (https://core.telegram.org/mtproto/auth_key).

The stand-in's private key is public knowledge: it protects nothing but tests.
"""

from __future__ import annotations

import os
import struct
import time
from dataclasses import dataclass
from hashlib import sha1
from io import BytesIO

from pyrogram import raw
from pyrogram.crypto import aes
from pyrogram.crypto.prime import CURRENT_DH_PRIME
from pyrogram.raw.core import TLObject

from ..inject.standin_public_key import FINGERPRINT, MODULUS
from .wire import TlObject

_PRIVATE_EXPONENT = int(
    "2A53DABDD1B3B42BAA48CEAE8A7126756E0B15190171F31FA9A0711E01EB972D"
    "5DE415F48E8455C8645D60B7AB077BA253C3EDC028BD8C9A9801D99ACD218442"
    "5C829FB8179AEB1101B2BFB133826E3A946718F4BB7B4B66D2B76DB72A5C85EB"
    "B03C654BFD13A9C4A9470ED8C456E31EA693C5C99CE2998F0864057AE97C6075"
    "9C29643E124F58F1E49A989066282306B4130E5CDE9E4A6444126A3D82F59470"
    "D116AC720B3F7669D6E35AC5248C9DA2B16A4EB19392571AB7F9C81159A941B3"
    "BF537CB8C4355132C76A844F4EF47FBAD3420A02E29D4407DFE64E112E656DC1"
    "3C6C34EA91B200F5041ABD4C241F9A5D2B63DAC8CC82D3900A7F303231B45B69",
    16,
)
_P, _Q = 1229739323, 1402015859
_GENERATOR = 3


class HandshakeError(Exception):
    """The client's step does not fit the protocol; Telegram closes such a connection."""


@dataclass(frozen=True)
class NewKey:
    """What the exchange led to: the key, and the salt that both sides start with."""

    key: bytes
    salt: int


def unencrypted(packet: bytes) -> TlObject:
    """The object in a packet that carries no auth key."""
    return _read(packet[20:])


def as_unencrypted(answer: TlObject) -> bytes:
    msg_id = (int(time.time() * 2**32) & ~3) | 1
    body = answer.write()
    return bytes(8) + struct.pack("<qi", msg_id, len(body)) + body


class Handshake:
    """One key exchange on one connection: three steps, in order. Computes for tens of ms."""

    def __init__(self) -> None:
        self.new_key: NewKey | None = None
        self._nonce = 0
        self._server_nonce = int.from_bytes(os.urandom(16), "little", signed=True)
        self._new_nonce = b""
        self._secret = int.from_bytes(os.urandom(256), "big")

    def answer(self, request: TlObject) -> TlObject:
        """The answer to one step; `new_key` is set after the last. Raises HandshakeError."""
        match request:
            case raw.functions.ReqPq() | raw.functions.ReqPqMulti():
                return self._present_key(request.nonce)
            case raw.functions.ReqDHParams():
                return self._send_parameters(request)
            case raw.functions.SetClientDHParams():
                return self._agree(request)
            case _:
                raise HandshakeError(f"{request.QUALNAME} without an auth key")

    def _present_key(self, nonce: int) -> TlObject:
        self._nonce = nonce
        return raw.types.ResPQ(
            nonce=nonce,
            server_nonce=self._server_nonce,
            pq=(_P * _Q).to_bytes(8, "big"),
            server_public_key_fingerprints=[FINGERPRINT],
        )

    def _send_parameters(self, request: raw.functions.ReqDHParams) -> TlObject:
        self._check_nonces(request.nonce, request.server_nonce)
        if request.public_key_fingerprint != FINGERPRINT:
            raise HandshakeError(f"RSA fingerprint {request.public_key_fingerprint}")
        encrypted = int.from_bytes(request.encrypted_data, "big")
        decrypted = pow(encrypted, _PRIVATE_EXPONENT, MODULUS).to_bytes(256, "big")[1:]
        inner = _read(decrypted[20:])
        if not isinstance(inner, (raw.types.PQInnerData, raw.types.PQInnerDataDc)):
            raise HandshakeError(f"{inner.QUALNAME} instead of p_q_inner_data")
        self._check_nonces(inner.nonce, inner.server_nonce)
        if sha1(inner.write()).digest() != decrypted[:20]:
            raise HandshakeError("wrong SHA1 of p_q_inner_data")
        if {int.from_bytes(inner.p, "big"), int.from_bytes(inner.q, "big")} != {_P, _Q}:
            raise HandshakeError("wrong p and q")
        self._new_nonce = inner.new_nonce.to_bytes(32, "little", signed=True)
        data = raw.types.ServerDHInnerData(
            nonce=self._nonce,
            server_nonce=self._server_nonce,
            g=_GENERATOR,
            dh_prime=CURRENT_DH_PRIME.to_bytes(256, "big"),
            g_a=pow(_GENERATOR, self._secret, CURRENT_DH_PRIME).to_bytes(256, "big"),
            server_time=int(time.time()),
        ).write()
        padded = sha1(data).digest() + data + os.urandom(-(20 + len(data)) % 16)
        return raw.types.ServerDHParamsOk(
            nonce=self._nonce,
            server_nonce=self._server_nonce,
            encrypted_answer=aes.ige256_encrypt(padded, *self._temporary_key()),
        )

    def _agree(self, request: raw.functions.SetClientDHParams) -> TlObject:
        self._check_nonces(request.nonce, request.server_nonce)
        decrypted = aes.ige256_decrypt(request.encrypted_data, *self._temporary_key())
        inner = _read(decrypted[20:])
        if not isinstance(inner, raw.types.ClientDHInnerData):
            raise HandshakeError(f"{inner.QUALNAME} instead of client_DH_inner_data")
        self._check_nonces(inner.nonce, inner.server_nonce)
        g_b = int.from_bytes(inner.g_b, "big")
        key = pow(g_b, self._secret, CURRENT_DH_PRIME).to_bytes(256, "big")
        server_nonce = self._server_nonce.to_bytes(16, "little", signed=True)
        salt = bytes(a ^ b for a, b in zip(self._new_nonce[:8], server_nonce[:8], strict=True))
        self.new_key = NewKey(key, int.from_bytes(salt, "little", signed=True))
        proof = sha1(self._new_nonce + b"\x01" + sha1(key).digest()[:8]).digest()[4:]
        return raw.types.DhGenOk(
            nonce=self._nonce,
            server_nonce=self._server_nonce,
            new_nonce_hash1=int.from_bytes(proof, "little", signed=True),
        )

    def _check_nonces(self, nonce: int, server_nonce: int) -> None:
        if (nonce, server_nonce) != (self._nonce, self._server_nonce):
            raise HandshakeError("wrong nonce")

    def _temporary_key(self) -> tuple[bytes, bytes]:
        server_nonce = self._server_nonce.to_bytes(16, "little", signed=True)
        new_nonce = self._new_nonce
        key = sha1(new_nonce + server_nonce).digest() + sha1(server_nonce + new_nonce).digest()[:12]
        iv = sha1(server_nonce + new_nonce).digest()[12:] + sha1(new_nonce + new_nonce).digest()
        return key, iv + new_nonce[:4]


def _read(data: bytes) -> TlObject:
    try:
        result: TlObject = TLObject.read(BytesIO(data))
    except (KeyError, ValueError) as error:
        raise HandshakeError(f"unreadable: {error}") from error
    return result
