"""What the stand-in counts while it runs. Thread-safe."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from ..calls_noted import CallsNoted, NotedCall
from ..flow import Flow


@dataclass(frozen=True)
class Counts:
    """Everything that was counted so far."""

    calls: dict[str, int]
    """By name: files.list, files.get, files.download, files.create (without content),
    files.update, files.delete, files.emptyTrash, upload.multipart, upload.start, upload.chunk,
    upload.finish (the last chunk), upload.query, about.get, drives.list, drives.get,
    token.refresh, token.service_account."""
    errors: dict[str, int]
    """Answered errors, by status and reason: `403 rateLimitExceeded`."""
    connections: int
    refused_hosts: dict[str, int]
    """Attempts to reach any other host than Google's."""
    received_bytes: int
    """Content that arrived in uploads, whatever became of it."""
    sent_bytes: int
    most_calls_at_once: int
    most_uploads_at_once: int
    """The most requests with content that were being received at one moment."""
    lists_behind: int
    """Answers of files.list that left out what was there and too young to be listed."""

    @property
    def api_calls(self) -> int:
        """All but those to the token endpoint."""
        return sum(count for name, count in self.calls.items() if not name.startswith("token."))

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "api_calls": self.api_calls}


_WITH_CONTENT = ("upload.multipart", "upload.chunk", "upload.finish")


class Statistics:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight: Counter[str] = Counter()
        self._noted = CallsNoted()
        self.reset()

    def reset(self) -> None:
        """Start counting afresh; what is in flight stays counted."""
        with self._lock:
            self._calls: Counter[str] = Counter()
            self._errors: Counter[str] = Counter()
            self._refused_hosts: Counter[str] = Counter()
            self._connections = 0
            self._received_bytes = 0
            self._sent_bytes = 0
            self._most_calls = 0
            self._most_uploads = 0
            self._lists_behind = 0
            self._flow = Flow()

    def connected(self) -> None:
        with self._lock:
            self._connections += 1

    def host_refused(self, host: str) -> None:
        with self._lock:
            self._refused_hosts[host] += 1

    def call_began(self, name: str) -> None:
        with self._lock:
            self._calls[name] += 1
            self._in_flight[name] += 1
            self._noted.began(name)
            uploads = sum(self._in_flight[upload] for upload in _WITH_CONTENT)
            self._most_calls = max(self._most_calls, sum(self._in_flight.values()))
            self._most_uploads = max(self._most_uploads, uploads)

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

    def received(self, count_bytes: int) -> None:
        with self._lock:
            self._received_bytes += count_bytes
            self._flow.add(count_bytes)

    def sent(self, count_bytes: int) -> None:
        with self._lock:
            self._sent_bytes += count_bytes

    def listed_behind(self) -> None:
        with self._lock:
            self._lists_behind += 1

    def flow(self) -> dict[int, int]:
        """When content arrived in uploads, as ``Flow.steps``."""
        with self._lock:
            return self._flow.steps()

    @property
    def received_bytes(self) -> int:
        with self._lock:
            return self._received_bytes

    def counts(self) -> Counts:
        with self._lock:
            return Counts(
                calls=dict(self._calls),
                errors=dict(self._errors),
                connections=self._connections,
                refused_hosts=dict(self._refused_hosts),
                received_bytes=self._received_bytes,
                sent_bytes=self._sent_bytes,
                most_calls_at_once=self._most_calls,
                most_uploads_at_once=self._most_uploads,
                lists_behind=self._lists_behind,
            )
