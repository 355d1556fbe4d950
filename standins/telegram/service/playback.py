"""A record of what the real Telegram has answered, played: its times, errors and short pages.

``scripts/acceptance.py --record`` makes one; each line is a call, by its method.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIMED_OUT = (-503, "Timedout")


@dataclass(frozen=True)
class Reply:
    """``error`` is code and text, ``None`` where there was an answer; ``lacks`` how many messages a
    page was short of, for which ``asked`` were asked for."""

    took_seconds: float = 0.0
    error: tuple[int, str] | None = None
    lacks: int = 0
    asked: int | None = None

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Reply:
        took_seconds = max(0.0, float(line.get("took", 0.0)))
        name = line.get("error")
        if name is not None:
            code = line.get("code")
            if not isinstance(code, int):
                return cls(took_seconds, _TIMED_OUT)
            return cls(took_seconds, (code, str(name).replace("_X", f"_{line.get('seconds', 0)}")))
        entries, asked = line.get("entries"), line.get("asked")
        lacks = 0
        if isinstance(entries, int) and isinstance(asked, int):
            # Where all that there is fits into the page, nothing is missing.
            lacks = max(0, min(asked, int(line.get("total", entries))) - entries)
        return cls(took_seconds, None, lacks, asked)


class Playback:
    """Each reply once, in the order of its method. Thread-safe."""

    def __init__(self, lines: Iterable[Mapping[str, Any]], speed: float = 1.0) -> None:
        self.speed = speed
        self._lock = threading.Lock()
        self._replies: dict[str, deque[Reply]] = defaultdict(deque)
        for line in lines:
            self._replies[str(line.get("call"))].append(Reply.of(line))

    @classmethod
    def read(cls, record: Path, speed: float = 1.0) -> Playback:
        with record.open(encoding="ascii") as lines:
            return cls([json.loads(line) for line in lines], speed)

    def next(self, call: str) -> Reply | None:
        """``None`` where the record holds no more of this method."""
        with self._lock:
            replies = self._replies.get(call)
            return replies.popleft() if replies else None

    def left(self, call: str) -> int:
        """How many replies of this method were not played yet."""
        with self._lock:
            return len(self._replies.get(call, ()))
