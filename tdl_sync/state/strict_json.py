"""Reading JSON that anybody may have edited: each value's type and bounds are checked."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

_MOST_FILE_NAME_BYTES = 255
_YEARS = range(1970, 2500)
LAST_SECOND = int(datetime(2500, 1, 1, tzinfo=timezone.utc).timestamp()) - 1
"""Of the years that a time may be in: what is reckoned from it must be one that Python knows."""


class Unexpected(ValueError):
    """What was expected and what was found, in one line without signs that drive a terminal."""


class Fields:
    """The values of one JSON object. Each method raises ``Unexpected``, also for a missing key
    unless it is told what that stands for: earlier versions did not write it.

    Keys that nobody asks for are left alone.
    """

    def __init__(self, record: dict[str, Any]) -> None:
        self._record = record

    @classmethod
    def load(cls, json_text: str) -> Fields:
        """Parse one JSON object; NaN and infinities are no JSON."""
        try:
            value = json.loads(json_text, parse_constant=_refuse)
        except Unexpected:
            raise
        except (ValueError, RecursionError) as error:
            raise Unexpected(f"expected a JSON object, found {json_text[:40]!r}") from error
        if not isinstance(value, dict):
            raise Unexpected(f"expected a JSON object, found {json_text[:40]!r}")
        return cls(value)

    def has(self, key: str) -> bool:
        return key in self._record

    def text(self, key: str, if_missing: str | None = None) -> str:
        if if_missing is not None and key not in self._record:
            return if_missing
        value = self._value(key)
        if not isinstance(value, str):
            raise self._bad(key, "a text")
        return value

    def hexadecimal(self, key: str, digits: int) -> str:
        """Exactly so many small hexadecimal digits."""
        value = self.text(key)
        if not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
            raise self._bad(key, f"{digits} hexadecimal digits")
        return value

    def file_name(self, key: str) -> str:
        """The name of one file or folder, which leads nowhere else."""
        value = self.text(key)
        try:
            fits = 0 < len(value.encode()) <= _MOST_FILE_NAME_BYTES
        except UnicodeEncodeError:  # a lone surrogate, which no other program could write
            fits = False
        if not fits or value in (".", "..") or "/" in value or "\0" in value:
            raise self._bad(key, f"one file name of at most {_MOST_FILE_NAME_BYTES} bytes")
        return value

    def one_of(self, key: str, choices: Sequence[str]) -> str:
        value = self.text(key)
        if value not in choices:
            raise self._bad(key, f"one of {', '.join(choices)}")
        return value

    def whole(self, key: str, most: int, if_missing: int | None = None) -> int:
        """A whole number from 0 to ``most``; ``true`` is none."""
        if if_missing is not None and key not in self._record:
            return if_missing
        value = self._value(key)
        if type(value) is not int or not 0 <= value <= most:
            raise self._bad(key, f"a whole number from 0 to {most}")
        return value

    def whole_in_text(self, key: str, most: int) -> int:
        """A text that holds a whole number from ``-most`` to ``most``."""
        text = self.text(key)
        if not re.fullmatch("-?[0-9]{1,20}", text) or abs(int(text)) > most:
            raise self._bad(key, f"a whole number from -{most} to {most}, as a text")
        return int(text)

    def number(self, key: str, most: float) -> float:
        """A number from 0 to ``most``."""
        value = self._value(key)
        if type(value) not in (int, float) or not 0 <= value <= most:
            raise self._bad(key, f"a number from 0 to {most:.0f}")
        return float(value)

    def moment(self, key: str) -> datetime:
        """A UTC time, to the second."""
        try:
            moment = datetime.strptime(self.text(key), "%Y-%m-%dT%H:%M:%SZ")
        except ValueError as error:
            raise self._bad(key, "a time like 2024-01-31T12:00:00Z") from error
        if moment.year not in _YEARS:
            raise self._bad(key, f"a time of {_YEARS.start} to {_YEARS.stop - 1}")
        return moment.replace(tzinfo=timezone.utc)

    def object(self, key: str) -> Fields:
        value = self._value(key)
        if not isinstance(value, dict):
            raise self._bad(key, "an object")
        return Fields(value)

    def counts(self, most: int) -> dict[str, int]:
        """All values of this object, each a whole number from 0 to ``most``."""
        return {key: self.whole(key, most) for key in self._record}

    def _value(self, key: str) -> Any:
        if key not in self._record:
            raise Unexpected(f"expected the key {key!r}, found none")
        return self._record[key]

    def _bad(self, key: str, expected: str) -> Unexpected:
        return Unexpected(f"expected {key!r} to be {expected}, found {self._value(key)!r:.80}")


def _refuse(constant: str) -> None:
    raise Unexpected(f"expected a number, found {constant}")
