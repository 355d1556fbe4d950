"""The stand-in's public RSA key. Standard library only: also imported by `sitecustomize`."""

from __future__ import annotations

import sys
from hashlib import sha1
from typing import Any

MODULUS = int(
    "D05E8D4A71FB759D17D58F6B4378421F1F694D702CD29C49DAE3B083BDA6AE81"
    "5B62EE92446F61CB8B94CC4FFD36F37089A5FF590F7957FA16D083ECFA2423AF"
    "F1A2AA4F04FFF489B258E798D6AB4A2FDACDE530E89932A211284B32B58EAAF3"
    "E8635467A73B11CB19DBA8B20C42FC0C91F56E4E8BA5BEFF70FE18042236EAFD"
    "39E3590CE97A4C1D3EB1F01ABC4CADCA639145CB3802D63439914BE2E0D4BB95"
    "384E9795C67383129C21FE6D9CC06EA1B2D209A9937B97A7585F2CFFA9262CC6"
    "DF307FDD84924BA976924AD719B58AD58F2524B392DA7D84C70846542042E6CB"
    "9301A22A50F52E9FADD631E83AD8497549F2873BD1128F3E4A47324E9ECCCAF7",
    16,
)
EXPONENT = 65537


def _tl_bytes(number: int) -> bytes:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    head = bytes([len(data)]) if len(data) < 254 else b"\xfe" + len(data).to_bytes(3, "little")
    return head + data + bytes(-(len(head) + len(data)) % 4)


FINGERPRINT = int.from_bytes(
    sha1(_tl_bytes(MODULUS) + _tl_bytes(EXPONENT)).digest()[-8:], "little", signed=True
)
"""https://core.telegram.org/mtproto/auth_key#presenting-proof-of-work-server-authentication"""


def add_to(rsa: Any) -> None:
    """Make a loaded `pyrogram.crypto.rsa` trust the stand-in."""
    rsa.server_public_keys[FINGERPRINT] = rsa.PublicKey(MODULUS, EXPONENT)


def trust_in_this_process() -> None:
    """For tests that run a client in their own process. Imports pyrogram."""
    from pyrogram.crypto import rsa

    add_to(rsa)


if __name__ == "__main__":
    sys.stdout.write(f"{FINGERPRINT}\n")
