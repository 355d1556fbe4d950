"""Telegram's data centres and their addresses, as the clients know them."""

from __future__ import annotations

from pyrogram import raw
from pyrogram.storage.sqlite_storage import PROD, TEST

PORT = 443
IPV6_HOME = {2: "2001:67c:4e8:f002::a"}

ADDRESSES: dict[int, str] = dict(PROD)
"""Data centre id -> the address that `help.getConfig` names."""

_DATA_CENTRE_OF_ADDRESS: dict[str, int] = {
    **{address: dc_id for dc_id, address in TEST.items()},
    **{address: dc_id for dc_id, address in IPV6_HOME.items()},
    **{address: dc_id for dc_id, address in ADDRESSES.items()},
    "149.154.167.50": 2,
    "149.154.175.50": 1,
    "149.154.167.92": 4,
    "91.108.56.165": 5,
}


def data_centre_of_address(address: str) -> int | None:
    """The data centre that a client means by `address`; None for any other host."""
    return _DATA_CENTRE_OF_ADDRESS.get(address)


def dc_options() -> list[raw.types.DcOption]:
    """What `help.getConfig` tells a client: one plain address for each data centre."""
    return [
        raw.types.DcOption(id=dc_id, ip_address=address, port=PORT, static=True)
        for dc_id, address in sorted(ADDRESSES.items())
    ]
