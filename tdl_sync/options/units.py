"""Sizes and durations as people write them. A ``ValueError`` says what is expected."""

from __future__ import annotations

import re
from decimal import Decimal

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) ?(?:([kmgtp]?)(i?)(b?))", re.IGNORECASE)
_DURATION = re.compile(
    r"(?:(?P<days>[0-9.]+)d)?(?:(?P<hours>[0-9.]+)h)?"
    r"(?:(?P<minutes>[0-9.]+)m)?(?:(?P<seconds>[0-9.]+)s)?"
)
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_SECONDS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}


def parse_bytes(text: str) -> int:
    """``50`` is 50 GB (10^9 bytes each), ``500M``, ``1.5TB``, ``20GiB`` (2^30), ``4096B``."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]):
        raise ValueError("a size such as 50 (GB), 500M, 1.5T or 20GiB")
    number, letter, binary, suffix = match.groups()
    if not letter and not suffix:
        return int(Decimal(number) * 10**9)
    return int(Decimal(number) * (1024 if binary else 1000) ** _POWERS[letter.lower()])


def parse_seconds(text: str) -> float:
    """``90``, ``90s``, ``5m``, ``1h30m``, ``2d``."""
    stripped = text.strip().lower()
    expected = "a duration such as 90s, 5m or 1h30m"
    if _NUMBER.fullmatch(stripped):
        return float(stripped)
    match = _DURATION.fullmatch(stripped)
    groups = match.groupdict() if match else {}
    numbers = {unit: number for unit, number in groups.items() if number}
    if not numbers or not all(_NUMBER.fullmatch(number) for number in numbers.values()):
        raise ValueError(expected)
    return sum(float(number) * _SECONDS[unit] for unit, number in numbers.items())
