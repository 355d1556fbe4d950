"""Plain text for a Telegram message: how long it is, cut to fit, with nothing to tap in it."""

from __future__ import annotations

import re

from tdl_sync.core.naming import printable

MOST_UNITS = 4096
"""UTF-16 units in a message (``message_length_max``,
https://core.telegram.org/api/config#client-configuration)."""

_STARTS_A_LINK = re.compile(r"([@#/$:.])(?=\S)")


def utf16_units(text: str) -> int:
    """How long Telegram says that a text is
    (https://core.telegram.org/api/entities#entity-length)."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, most_units: int) -> str:
    """The text, or its beginning and an ellipsis, in so many units at most."""
    if utf16_units(text) <= most_units:
        return text
    kept = text.encode("utf-16-le", "replace")[: 2 * (most_units - 1)]
    return kept.decode("utf-16-le", "ignore") + "…"


def inert(text: str, most_units: int) -> str:
    """The text on one line, cut, and without what Telegram would make links of by itself: names,
    tags, commands, addresses. A word joiner (U+2060), which is not seen, keeps them from it."""
    return cut(_STARTS_A_LINK.sub("\\1\N{WORD JOINER}", printable(text)), most_units)
