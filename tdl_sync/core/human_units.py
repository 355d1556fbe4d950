"""Sizes, speeds and times as people read them. Decimal units: 1 GB is 10^9 bytes."""

from __future__ import annotations

_PREFIXES = ("B", "kB", "MB", "GB", "TB", "PB")


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
