"""How many requests Telegram takes before it asks for a pause, as its clients are seen to meet it.

What clients that download files report of ``upload.getFile``:

- Requests are counted, not bytes: small files meet the limit after as many requests as large ones
  (tdl: "exactly 30 files"), and what is asked for in pieces sooner.
- Whatever is asked for during a pause is refused as well, and is told what is left of it: waits of
  7 s, 7 s, 6 s, 6 s within a second (Telethon). The answers to what was taken before still come.
- A long stream is paced: once a burst is used up there are short waits, of 1 or 2 s (Telethon),
  each told in whole seconds although less would do.
- Accounts without Premium are told FLOOD_PREMIUM_WAIT instead, and both kinds may come at once, of
  5, 10 and 70 s (grammers).
- More connections get more, each until it is told to wait (TelegramFileManager). The official
  library lets each request wait that was refused, and no other (TDLib).
- Which limit it was is not said: one of the account, of a connection or of a data centre.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

LimitScope = Literal["account", "data_centre", "connection"]
LimitShape = Literal[
    "window",  # so many within `seconds` of the first, then none until these are over
    "bucket",  # a burst of so many, which is filled up again within `seconds`, one by one
    "burst",  # so many, however slowly they come, then none for `seconds`
]


@dataclass(frozen=True)
class RequestLimit:
    """Calls of ``rpc`` are refused where more than ``requests`` come within ``seconds``."""

    requests: int
    seconds: float
    scope: LimitScope = "account"
    shape: LimitShape = "window"
    kind: Literal["flood_wait", "flood_premium_wait"] = "flood_wait"
    rpc: str = "upload.GetFile"
    connection: int | None = None
    """Only on this one; any if None."""
    dc_id: int | None = None

    def __post_init__(self) -> None:
        if self.scope not in get_args(LimitScope) or self.shape not in get_args(LimitShape):
            raise ValueError(f"a limit of {self.scope!r}, of the shape {self.shape!r}")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RequestLimit:
        """ValueError names what is not a field of a limit."""
        unknown = set(value) - {known.name for known in fields(cls)}
        if unknown:
            raise ValueError(f"a limit has no {', '.join(sorted(unknown))}")
        return cls(**value)


@dataclass(frozen=True)
class LimitCounts:
    """What one limit has done so far."""

    taken: int
    refused: int
    pauses: int
    """How often it began to refuse."""


class ArmedLimit:
    """One limit, and what it has counted for each that it is of. Not thread-safe."""

    def __init__(self, limit: RequestLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._counted: dict[Hashable, _Counted] = {}
        self._taken = self._refused = self._pauses = 0

    def counts(self) -> LimitCounts:
        return LimitCounts(self._taken, self._refused, self._pauses)

    def seconds_to_wait(self, rpc: str, dc_id: int, connection: int) -> int | None:
        """Count a call: None if it is taken, else how long a client is told to wait."""
        limit = self.limit
        if rpc != limit.rpc or limit.dc_id not in (None, dc_id):
            return None
        if limit.connection not in (None, connection):
            return None
        of = {"account": 0, "data_centre": dc_id, "connection": connection}[limit.scope]
        now = self._clock()
        counted = self._counted.setdefault(of, _Counted(now))
        if limit.shape == "burst":
            if counted.requests >= limit.requests and 0 < counted.refuses_until <= now:
                counted.requests, counted.refuses_until = 0, -math.inf
            left_seconds = limit.seconds
        elif limit.shape == "window":
            if now - counted.since >= limit.seconds:
                counted.since, counted.requests = now, 0
            left_seconds = counted.since + limit.seconds - now
        else:
            rate = limit.requests / limit.seconds
            counted.requests = max(0.0, counted.requests - (now - counted.since) * rate)
            counted.since = now
            left_seconds = (counted.requests + 1 - limit.requests) / rate
        if now < counted.refuses_until or counted.requests + 1 > limit.requests:
            self._refused += 1
            if now >= counted.refuses_until:
                self._pauses += 1
                # What it told first holds: all who ask meanwhile are told what is left of it.
                counted.refuses_until = now + max(1, math.ceil(left_seconds))
            return max(1, math.ceil(counted.refuses_until - now))
        counted.requests += 1
        self._taken += 1
        return None


@dataclass
class _Counted:
    since: float
    requests: float = 0.0
    refuses_until: float = -math.inf
