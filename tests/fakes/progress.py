"""A progress listener that remembers what it was told."""

from __future__ import annotations

import threading
from datetime import datetime

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import Chat, ChatTotals, MediaItem, MessageKey
from tdl_sync.core.reports import RunReport


class RecordingProgress:
    """``ports.ProgressListener`` for tests. ``calls`` are (method, arguments), in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[tuple[str, tuple[object, ...]]] = []

    def calls(self, method: str) -> list[tuple[object, ...]]:
        """The arguments of all calls of this method so far."""
        with self._lock:
            return [arguments for name, arguments in self._calls if name == method]

    def order(self, message_id: int) -> list[str]:
        """The methods that were called with this message's item, key or failure."""
        with self._lock:
            calls = list(self._calls)
        return [name for name, arguments in calls if _message_id(arguments) == message_id]

    def _record(self, method: str, *arguments: object) -> None:
        with self._lock:
            self._calls.append((method, arguments))

    def started(self, chat: Chat, totals: ChatTotals, budget_bytes: int) -> None:
        self._record("started", chat, totals, budget_bytes)

    def counted(self, chat: Chat, totals: ChatTotals) -> None:
        self._record("counted", chat, totals)

    def seen(self, items: int) -> None:
        self._record("seen", items)

    def done_before(self, item: MediaItem) -> None:
        self._record("done_before", item)

    def skipped(self, key: MessageKey, rule: str) -> None:
        self._record("skipped", key, rule)

    def admitted(self, item: MediaItem) -> None:
        self._record("admitted", item)

    def download_started(self, item: MediaItem) -> None:
        self._record("download_started", item)

    def resumed(self, item: MediaItem, bytes_there: int) -> None:
        self._record("resumed", item, bytes_there)

    def downloaded(self, item: MediaItem, more_bytes: int) -> None:
        self._record("downloaded", item, more_bytes)

    def download_finished(self, item: MediaItem) -> None:
        self._record("download_finished", item)

    def staged(self, item: MediaItem) -> None:
        self._record("staged", item)

    def upload_started(self, item: MediaItem, staged_name: str, remote_path: str) -> None:
        self._record("upload_started", item)

    def uploaded(self, item: MediaItem, total_bytes: int) -> None:
        self._record("uploaded", item, total_bytes)

    def upload_finished(self, item: MediaItem) -> None:
        self._record("upload_finished", item)

    def moved(self, item: MediaItem, freed_bytes: int) -> None:
        self._record("moved", item, freed_bytes)

    def given_up(self, failure: Failure, name: str) -> None:
        self._record("given_up", failure, name)

    def failed(self, failure: Failure, name: str) -> None:
        self._record("failed", failure, name)

    def tried_again(self, item: MediaItem, why: str, pause_seconds: float) -> None:
        self._record("tried_again", item, why, pause_seconds)

    def disk(self, used_bytes: int) -> None:
        self._record("disk", used_bytes)

    def waiting(self, what: str, why: str, until: datetime | None) -> None:
        self._record("waiting", what, why, until)

    def message(self, line: str) -> None:
        self._record("message", line)

    def idle(self, why: str) -> None:
        self._record("idle", why)

    def finished(self, chat: Chat, report: RunReport) -> None:
        self._record("finished", chat, report)


def _message_id(arguments: tuple[object, ...]) -> int | None:
    first = arguments[0] if arguments else None
    if isinstance(first, MediaItem | Failure):
        return first.key.message_id
    return first.message_id if isinstance(first, MessageKey) else None
