"""Text for people: sizes and times, the columns of a terminal, the length of a Telegram message.

Units are decimal: 1 GB is 10^9 bytes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

_PREFIXES = ("B", "kB", "MB", "GB", "TB", "PB")

MOST_UNITS = 4096
"""UTF-16 units in a message (``message_length_max``,
https://core.telegram.org/api/config#client-configuration)."""

_STARTS_A_LINK = re.compile(r"([@#/$:.])(?=\S)")


def human_bytes(size_bytes: float) -> str:
    """``0 B``, ``999 B``, ``1.2 MB``, ``12 MB``, ``350 GB``: two digits at least."""
    value = float(size_bytes)
    for prefix in _PREFIXES:
        # Compared as it will be rounded, so that 999,999 bytes are 1.0 MB and not 1000 kB.
        if round(value) < 1000 or prefix == _PREFIXES[-1]:
            break
        value /= 1000
    digits = 1 if prefix != "B" and round(value, 1) < 10 else 0
    return f"{value:.{digits}f} {prefix}"


def human_share(part_bytes: float, whole_bytes: float) -> str:
    """``12.4 of ~374 GB``: a part of an estimated whole, in the whole's unit unless it is too
    small for that."""
    whole = human_bytes(whole_bytes)
    unit = whole.split(" ")[1]
    part = part_bytes / 1000 ** _PREFIXES.index(unit)
    if unit == "B" or 0 < part < 0.95:
        return f"{human_bytes(part_bytes)} of ~{whole}"
    return f"{part:.{1 if 0 < part < 99.95 else 0}f} of ~{whole}"


def human_speed(bytes_per_second: float) -> str:
    return f"{human_bytes(bytes_per_second)}/s"


def human_seconds(seconds: float) -> str:
    """``0 s``, ``42 s``, ``5 min 12 s``, ``2 h 05 min``, ``3 d 4 h``."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def columns_of(text: str) -> int:
    """How wide a terminal draws it. Characters of East Asia and emoji take two columns, marks that
    are drawn over the one before and tones of skin none
    (https://www.unicode.org/reports/tr11/)."""
    if text.isascii() and text.isprintable():
        return len(text)
    from wcwidth import width  # its tables take 20 ms to load, and many a run needs none

    return width(text, control_codes="ignore")


def cut_to_columns(text: str, most_columns: int) -> str:
    """The text, or its beginning and an ellipsis, in so many columns at most. What is drawn as one
    sign stays whole."""
    if columns_of(text) <= most_columns:
        return text
    from wcwidth import iter_graphemes

    kept, left = [], most_columns - 1
    for sign in iter_graphemes(text):
        left -= columns_of(sign)
        if left < 0:
            break
        kept.append(sign)
    return "".join(kept) + "…" if most_columns > 0 else ""


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """The text with spaces after it, or before it, up to so many columns."""
    spaces = " " * (columns - columns_of(text))
    return spaces + text if right else text + spaces


def wrapped(parts: Iterable[str], most_columns: int, between: str = " ") -> list[str]:
    """The parts on as many lines as they need; a part is never broken, however long."""
    lines: list[str] = []
    for part in parts:
        if lines and columns_of(longer := lines[-1] + between + part) <= most_columns:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def utf16_units(text: str) -> int:
    """How long Telegram says that a text is
    (https://core.telegram.org/api/entities#entity-length)."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut_to_units(text: str, most_units: int) -> str:
    """The text, or its beginning and an ellipsis, in so many units at most."""
    if utf16_units(text) <= most_units:
        return text
    kept = text.encode("utf-16-le", "replace")[: 2 * (most_units - 1)]
    return kept.decode("utf-16-le", "ignore") + "…"


def inert(text: str, most_units: int) -> str:
    """The text on one line, cut, and without what Telegram would make links of by itself: names,
    tags, commands, addresses. A word joiner (U+2060), which is not seen, keeps them from it."""
    return cut_to_units(_STARTS_A_LINK.sub("\\1\N{WORD JOINER}", printable(text)), most_units)


def utc_text(moment: datetime) -> str:
    """To the second, as ISO 8601 has it, with ``Z``. ``moment`` knows its time zone."""
    # Not strftime: it leaves the zeros out in front of a year below 1000.
    utc = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return utc.isoformat(timespec="seconds") + "Z"


def ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first; what is equally frequent by its name."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def counted(counts: Mapping[str, int]) -> str:
    """Most frequent first, fit for a terminal: ``wrong size 4, larger than the disk budget 2``."""
    return ", ".join(f"{printable(name)} {count}" for name, count in ranked(counts) if count)


def printable(text: str) -> str:
    """``text`` in one line that can't drive a terminal or forge a line of a log.

    Line breaks and tabs become spaces; escapes, other control characters and broken Unicode
    become ``�``; format characters (that turn the direction, or hide) are dropped.
    """
    return "".join(_printable_character(character) for character in text)


def _printable_character(character: str) -> str:
    category = unicodedata.category(character)
    if character in "\t\n\v\f\r\x85" or category in ("Zs", "Zl", "Zp"):
        return " "
    if category == "Cf":
        return ""
    return "\N{REPLACEMENT CHARACTER}" if is_broken(character, category) else character


def is_broken(character: str, category: str) -> bool:
    """Control characters, halves of surrogate pairs, and the code points that are no character.

    Other unassigned code points stay: a newer Unicode than this Python's has given them a sense,
    and a name must not depend on the version of Python.
    """
    code = ord(character)
    return category in ("Cc", "Cs") or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
