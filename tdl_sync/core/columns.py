"""Text measured in the columns that a terminal shows it in."""

from __future__ import annotations

import unicodedata


def columns_of(text: str) -> int:
    """Characters of East Asia and emoji take two, what is drawn over the one before takes none
    (https://www.unicode.org/reports/tr11/)."""
    return sum(map(_columns_of_one, text))


def _columns_of_one(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, most_columns: int) -> str:
    """The text, or its beginning and an ellipsis, in so many columns at most."""
    if columns_of(text) <= most_columns:
        return text
    kept, left = [], most_columns - 1
    for character in text:
        left -= _columns_of_one(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept) + "…" if most_columns > 0 else ""


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """The text with spaces after it, or before it, up to so many columns."""
    spaces = " " * (columns - columns_of(text))
    return spaces + text if right else text + spaces


def wrapped(text: str, most_columns: int) -> list[str]:
    """The words on as many lines as they need; a word is never broken, however long."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and columns_of(longer) > most_columns:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
