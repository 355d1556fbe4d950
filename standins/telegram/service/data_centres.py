"""Telegram's data centres and their addresses, as the clients know them."""

from __future__ import annotations

from typing import Any

from pyrogram import raw
from pyrogram.storage.sqlite_storage import PROD, TEST

PORT = 443
IPV6_HOME = {2: "2001:67c:4e8:f002::a"}

ADDRESSES: dict[int, str] = dict(PROD)
"""Data centre id -> the address that `help.getConfig` names for everything."""

MEDIA_ADDRESSES = {2: "149.154.167.151", 4: "149.154.164.250"}
"""Those that it names for files alone, as the clients have seen: not every data centre has one."""

OBFUSCATED_ADDRESS = "149.154.167.222"
"""Takes nothing but obfuscated connections with a secret, so a plain one is refused there."""

_DATA_CENTRE_OF_ADDRESS: dict[str, int] = {
    **{address: dc_id for dc_id, address in TEST.items()},
    **{address: dc_id for dc_id, address in IPV6_HOME.items()},
    **{address: dc_id for dc_id, address in ADDRESSES.items()},
    **{address: dc_id for dc_id, address in MEDIA_ADDRESSES.items()},
    "149.154.167.50": 2,
    "149.154.175.50": 1,
    "149.154.167.92": 4,
    "91.108.56.165": 5,
}


def data_centre_of_address(address: str) -> int | None:
    """The data centre that a client means by `address`; None for any other host."""
    return _DATA_CENTRE_OF_ADDRESS.get(address)


def dc_options() -> list[raw.types.DcOption]:
    """What `help.getConfig` tells a client: for each data centre the plain address first, which
    clients take that look at nothing else, and what is for files alone or for some clients behind
    it."""
    options = []
    for dc_id, address in sorted(ADDRESSES.items()):
        options.append(_option(dc_id, address, static=True))
        if dc_id in MEDIA_ADDRESSES:
            options.append(_option(dc_id, MEDIA_ADDRESSES[dc_id], media_only=True))
        if dc_id in IPV6_HOME:
            options.append(_option(dc_id, IPV6_HOME[dc_id], ipv6=True))
            obfuscated = {"tcpo_only": True, "secret": b"\xdd" * 17}
            options.append(_option(dc_id, OBFUSCATED_ADDRESS, media_only=True, **obfuscated))
    return options


def _option(dc_id: int, address: str, **kind: Any) -> raw.types.DcOption:
    return raw.types.DcOption(id=dc_id, ip_address=address, port=PORT, **kind)
