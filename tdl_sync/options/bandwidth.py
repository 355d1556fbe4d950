"""How fast each leg may be (``--bwlimit``), at which time of the week, in rclone's own spelling.

https://rclone.org/docs/#bwlimit-bwtimetable
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

KIB = 1024
_DAY_MINUTES = 24 * 60
_POWERS = {letter: KIB**power for power, letter in enumerate("bkmgtpe")}
_RATE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:([bkmgtpe])|([kmgtpe])ib?)?")
_TIME = re.compile(r"(?:(?P<day>[a-z]+)-)?(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})", re.IGNORECASE)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EXPECTED = (
    "a rate as rclone has it, such as 10M, 8M:off (up:down), or a timetable such as "
    '"08:00,512k 19:00,off" or "Mon-08:00,512k Sat-00:00,off"'
)
_NO_LIMIT_BYTES_PER_SECOND = 2**60
"""What is faster than anything, and more than some versions of rclone can count."""

_LEAST_BYTES_PER_SECOND = KIB
"""Less is a slip of the pen: `10B` for `10M`."""


@dataclass(frozen=True)
class Rates:
    """The most that each leg may carry, in bytes a second; ``None`` is no limit."""

    up: int | None = None
    down: int | None = None


@dataclass(frozen=True)
class Bandwidth:
    """The rates that begin at each minute of the week, which begins on Monday at 00:00 of this
    machine's time; before the first of a week the last of the week before counts on."""

    slots: tuple[tuple[int, Rates], ...]

    def at(self, moment: datetime) -> Rates:
        """What holds at this local time."""
        if not self.slots:
            return Rates()
        minute = moment.weekday() * _DAY_MINUTES + moment.hour * 60 + moment.minute
        return self.slots[bisect_right(self.slots, minute, key=lambda slot: slot[0]) - 1][1]

    @property
    def is_set(self) -> bool:
        return bool(self.slots)


UNLIMITED = Bandwidth(())


def parse_bandwidth(text: str) -> Bandwidth:
    """Raises ``ValueError`` with what is expected."""
    stripped = text.strip()
    if " " not in stripped and "," not in stripped:
        return Bandwidth(((0, _rates(stripped)),))
    slots: dict[int, Rates] = {}
    for token in re.split("[ ;]+", stripped.strip(" ;")):
        when, comma, rates = token.partition(",")
        time = _TIME.fullmatch(when)
        if not comma or time is None:
            raise ValueError(_EXPECTED)
        hour, minute = int(time["hour"]), int(time["minute"])
        if hour > 23 or minute > 59:
            raise ValueError(_EXPECTED)
        for day in _days(time["day"]):
            slots[day * _DAY_MINUTES + hour * 60 + minute] = _rates(rates)
    return Bandwidth(tuple(sorted(slots.items())))


def _days(name: str | None) -> range:
    """Without a name every day; rclone takes whole names and their first three letters."""
    if name is None:
        return range(7)
    for number, day in enumerate(_DAYS):
        if name.lower() in (day, day[:3]):
            return range(number, number + 1)
    raise ValueError(_EXPECTED)


def _rates(text: str) -> Rates:
    up, colon, down = text.partition(":")
    return Rates(_rate(up), _rate(down if colon else up))


def _rate(text: str) -> int | None:
    """A bare number is KiB, and all letters are powers of 1024, as rclone has it."""
    if text.lower() in ("off", "0"):
        return None
    match = _RATE.fullmatch(text.lower())
    if match is None:
        raise ValueError(_EXPECTED)
    rate = int(Decimal(match[1]) * _POWERS[match[2] or match[3] or "k"])
    if rate == 0 or rate >= _NO_LIMIT_BYTES_PER_SECOND:
        return None
    if rate < _LEAST_BYTES_PER_SECOND:
        raise ValueError("rates of 1k (1,024 bytes a second) and more, or off")
    return rate
