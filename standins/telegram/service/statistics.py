"""What the stand-in counts while it runs. Thread-safe."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from ...calls_noted import CONNECTION, CallsNoted, NotedCall
from ...flow import Flow


@dataclass(frozen=True)
class Counts:
    """Everything that was counted so far."""

    connections: int
    open_connections: int
    key_exchanges: int
    calls: dict[str, int]
    """By name, e.g. "upload.GetFile"."""
    calls_by_dc: dict[int, int]
    errors: dict[str, int]
    """Answered errors, by their text."""
    bytes_by_file: dict[int, int]
    """Bytes of file parts that were answered, by file id."""
    parts: dict[tuple[int, int, int], int]
    """How often each part was answered, by (file id, offset, bytes)."""
    file_bytes: int
    most_in_flight: int
    """The most calls that were being answered at one moment."""
    most_file_parts_in_flight: int
    updates: int
    """How often a client was told of a new message."""

    def as_json(self) -> dict[str, Any]:
        """The same for json.dumps; parts become objects in a list."""
        names = ("file_id", "offset", "bytes", "times")
        parts = [
            dict(zip(names, (*part, times), strict=True)) for part, times in self.parts.items()
        ]
        return {**asdict(self), "parts": parts}


class Statistics:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._in_flight: Counter[str] = Counter()
        self._noted = CallsNoted()
        self.reset()

    def reset(self) -> None:
        """Start counting afresh; what is open or in flight stays counted."""
        with self._lock:
            self._connections = 0
            self._key_exchanges = 0
            self._calls: Counter[str] = Counter()
            self._calls_by_dc: Counter[int] = Counter()
            self._errors: Counter[str] = Counter()
            self._bytes_by_file: Counter[int] = Counter()
            self._parts: Counter[tuple[int, int, int]] = Counter()
            self._most_in_flight = 0
            self._most_file_parts_in_flight = 0
            self._updates = 0
            self._flow = Flow()

    def connection_opened(self) -> int:
        """Returns the connection's number, the first being 1."""
        with self._lock:
            self._connections += 1
            self._open += 1
            self._noted.began(CONNECTION)
            return self._connections

    def connection_closed(self) -> None:
        with self._lock:
            self._open -= 1

    def key_exchanged(self) -> None:
        with self._lock:
            self._key_exchanges += 1

    def call_began(self, name: str, dc_id: int) -> None:
        with self._lock:
            self._calls[name] += 1
            self._calls_by_dc[dc_id] += 1
            self._in_flight[name] += 1
            self._noted.began(name)
            self._most_in_flight = max(self._most_in_flight, self._in_flight.total())
            self._most_file_parts_in_flight = max(
                self._most_file_parts_in_flight, self._in_flight["upload.GetFile"]
            )

    def call_ended(self, name: str) -> None:
        with self._lock:
            self._in_flight[name] -= 1
            self._noted.ended(name)

    def note_calls(self) -> None:
        """From now on, each with its times; ``noted_calls`` has them."""
        with self._lock:
            self._noted.begin()

    def noted_calls(self) -> list[NotedCall]:
        with self._lock:
            return self._noted.calls()

    def error_answered(self, text: str) -> None:
        with self._lock:
            self._errors[text] += 1

    def update_sent(self) -> None:
        with self._lock:
            self._updates += 1

    def part_served(self, file_id: int, offset: int, count_bytes: int) -> None:
        with self._lock:
            self._bytes_by_file[file_id] += count_bytes
            self._parts[file_id, offset, count_bytes] += 1
            self._flow.add(count_bytes)

    def served_bytes(self, file_id: int | None) -> int:
        with self._lock:
            if file_id is None:
                return self._bytes_by_file.total()
            return self._bytes_by_file[file_id]

    def flow(self) -> dict[int, int]:
        """When file parts were answered, as ``Flow.steps``."""
        with self._lock:
            return self._flow.steps()

    def counts(self) -> Counts:
        with self._lock:
            return Counts(
                connections=self._connections,
                open_connections=self._open,
                key_exchanges=self._key_exchanges,
                calls=dict(self._calls),
                calls_by_dc=dict(self._calls_by_dc),
                errors=dict(self._errors),
                bytes_by_file=dict(self._bytes_by_file),
                parts=dict(self._parts),
                file_bytes=self._bytes_by_file.total(),
                most_in_flight=self._most_in_flight,
                most_file_parts_in_flight=self._most_file_parts_in_flight,
                updates=self._updates,
            )
