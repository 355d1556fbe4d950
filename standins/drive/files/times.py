"""Drive's times: RFC 3339 in UTC with milliseconds, as text that sorts by time."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


def now_text() -> str:
    return _as_text(datetime.now(timezone.utc))


def parse_time(text: str) -> str:
    """The same time in Drive's form; what is finer than a millisecond is cut off.

    Raises ValueError.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no time of RFC 3339")
    zone = "+00:00" if match[3] in (None, "Z") else match[3]
    microseconds = (match[2] or "").ljust(6, "0")[:6]
    return _as_text(datetime.fromisoformat(f"{match[1]}.{microseconds}{zone}"))


def _as_text(time: datetime) -> str:
    utc = time.astimezone(timezone.utc).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"
