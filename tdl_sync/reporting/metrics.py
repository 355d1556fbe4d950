"""The run's figures for Prometheus (``--metrics``): counted as they are told, and told in its text
format (https://prometheus.io/docs/instrumenting/exposition_formats/).

Everybody may read them, so nothing of a chat is in them but its id.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from prometheus_client import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tdl_sync.core.model import MessageKey
from tdl_sync.core.program import VERSION
from tdl_sync.core.reports import Outcome
from tdl_sync.core.steps import (
    Direction,
    DiskUsed,
    DoneBefore,
    Downloaded,
    Failed,
    Moved,
    Seen,
    Skipped,
    Staged,
    Step,
    UploadBegan,
    Uploaded,
)

RUNNING = "running"
STATUSES = (RUNNING, *(outcome.value for outcome in Outcome))

_OPEN_WAIT_SECONDS = 30.0
"""For how long a wait without a known end counts each time that it is told."""

_MOVED, _THERE, _SKIPPED, _FAILED = "moved", "there", "skipped", "failed"


@dataclass(frozen=True)
class Family:
    """Figures of one name. Each has the shard as its last label."""

    name: str
    about: str
    labels: tuple[str, ...] = ()
    grows: bool = False


def _counter(name: str, about: str, *labels: str) -> Family:
    return Family(f"tdl_sync_{name}_total", about, labels, grows=True)


def _gauge(name: str, about: str, *labels: str) -> Family:
    return Family(f"tdl_sync_{name}", about, labels)


BUILD = _gauge("build_info", "Which version of tdl_sync this is.", "version")
BEGAN = _gauge("run_start_timestamp_seconds", "When the run began, in seconds since 1970.")
WRITTEN = _gauge("written_timestamp_seconds", "When these figures were written.")
STATUS = _gauge("run_status", "1 for how the run is now, or how it has ended.", "status")
LEASE = _gauge("lease_held", "1 while the chat is certain to be this run's.", "chat")
BUDGET = _gauge("staging_budget_bytes", "How much may lie in the staging directory.")
USED = _gauge("staging_used_bytes", "How much of the staging budget is used.")
SEEN = _counter("files_seen", "Files that were found in the chat's history.", "chat")
FILES = _counter("files", "Files by what has become of them.", "chat", "result")
FILE_BYTES = _counter("file_bytes", "The sizes of files that are on the remote.", "chat", "result")
LEG_FILES = _counter("transferred_files", "Files that came through a leg whole.", "chat", "leg")
LEG_BYTES = _counter("transferred_bytes", "Bytes that came through a leg.", "chat", "leg")
FAILURES = _counter("failures", "Files that failed, by reason.", "chat", "reason")
WAITS = _counter("waits", "Waits by what had to wait.", "what")
WAIT_SECONDS = _counter("wait_seconds", "How long the waits were told to last.", "what")

FAMILIES = (
    BUILD,
    BEGAN,
    WRITTEN,
    STATUS,
    LEASE,
    BUDGET,
    USED,
    SEEN,
    FILES,
    FILE_BYTES,
    LEG_FILES,
    LEG_BYTES,
    FAILURES,
    WAITS,
    WAIT_SECONDS,
)


class Waits:
    """What waits, and until when: many requests meet the same pause, which counts once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._over_at: dict[str, float] = {}

    def more(self, what: str, seconds: float) -> tuple[int, float]:
        """How many waits begin by one of so many seconds from now on, and how long it makes them
        all together."""
        now = self._clock()
        begins_at = max(now, self._over_at.get(what, now))
        is_new = self._over_at.get(what, now) <= now
        self._over_at[what] = max(begins_at, now + seconds)
        return int(is_new), self._over_at[what] - begins_at


class Figures:
    """``reporter.Counting``. All methods may be called from any thread."""

    def __init__(self, shard: str, clock: Callable[[], float] = time.monotonic) -> None:
        """``shard`` is the part of each chat that this run moves."""
        self._shard = shard
        self._lock = threading.Lock()
        self._waits = Waits(clock)
        self._sent_bytes: dict[MessageKey, int] = {}
        self._values: defaultdict[Family, dict[tuple[str, ...], float]] = defaultdict(dict)
        self._set(BUILD, 1, VERSION)
        self._set(BEGAN, time.time())
        self.status(RUNNING)

    def text(self) -> bytes:
        with self._lock:
            self._set(WRITTEN, time.time())
            return generate_latest(_Told(self._shard, self._values))

    def status(self, now: str) -> None:
        """One of ``STATUSES``."""
        with self._lock:
            for status in STATUSES:
                self._set(STATUS, status == now, status)

    def held(self, chat_id: int, *, is_ours: bool) -> None:
        with self._lock:
            self._set(LEASE, is_ours, str(chat_id))

    def started(self, chat_id: int, budget_bytes: int) -> None:
        """All is there with 0 first, so that the first one that is counted shows as an increase."""
        chat = str(chat_id)
        with self._lock:
            self._set(BUDGET, budget_bytes)
            self._add(SEEN, 0, chat)
            for result in (_MOVED, _THERE, _SKIPPED, _FAILED):
                self._add(FILES, 0, chat, result)
            for result in (_MOVED, _THERE):
                self._add(FILE_BYTES, 0, chat, result)
            for leg in Direction:
                self._add(LEG_FILES, 0, chat, leg.value)
                self._add(LEG_BYTES, 0, chat, leg.value)

    def told(self, chat_id: int, step: Step) -> None:
        with self._lock:
            if isinstance(step, DiskUsed):
                self._set(USED, step.used_bytes)
            self._count_file(str(chat_id), step)
            self._count_leg(str(chat_id), step)

    def waiting(self, what: str, until: datetime | None) -> None:
        seconds = _OPEN_WAIT_SECONDS
        if until is not None:
            seconds = max(0.0, (until - datetime.now(timezone.utc)).total_seconds())
        with self._lock:
            new, more_seconds = self._waits.more(what, seconds)
            self._add(WAITS, new, what)
            self._add(WAIT_SECONDS, more_seconds, what)

    # --- with the lock held --------------------------------------------------------------------

    def _set(self, family: Family, value: float, *labels: str) -> None:
        self._values[family][labels] = float(value)

    def _add(self, family: Family, value: float, *labels: str) -> None:
        values = self._values[family]
        values[labels] = values.get(labels, 0.0) + value

    def _count_file(self, chat: str, step: Step) -> None:
        """What has become of it."""
        match step:
            case Seen(files):
                self._add(SEEN, files, chat)
            case DoneBefore(item):
                self._add(FILES, 1, chat, _THERE)
                self._add(FILE_BYTES, item.size_bytes, chat, _THERE)
            case Skipped():
                self._add(FILES, 1, chat, _SKIPPED)
            case Failed(failure):
                self._add(FILES, 1, chat, _FAILED)
                self._add(FAILURES, 1, chat, failure.reason)
            case Moved(item):
                self._add(FILES, 1, chat, _MOVED)
                self._add(FILE_BYTES, item.size_bytes, chat, _MOVED)

    def _count_leg(self, chat: str, step: Step) -> None:
        """What came through."""
        match step:
            case Downloaded(_, more_bytes):
                self._add(LEG_BYTES, more_bytes, chat, Direction.DOWN.value)
            case Staged():
                self._add(LEG_FILES, 1, chat, Direction.DOWN.value)
            case UploadBegan(item):
                self._sent_bytes[item.key] = 0
            case Uploaded(item, total_bytes):
                self._sent(chat, item.key, total_bytes)
            case Moved(item):  # also what of it nobody has told of: of a small file, all
                self._sent(chat, item.key, item.size_bytes)
                del self._sent_bytes[item.key]
                self._add(LEG_FILES, 1, chat, Direction.UP.value)
            case Failed():
                self._sent_bytes.pop(step.key, None)

    def _sent(self, chat: str, key: MessageKey, total_bytes: int) -> None:
        """``total_bytes`` are those of this attempt; rclone may tell of fewer than before."""
        before = self._sent_bytes.get(key, 0)
        self._sent_bytes[key] = max(before, total_bytes)
        self._add(LEG_BYTES, self._sent_bytes[key] - before, chat, Direction.UP.value)


class _Told(Collector):
    """The figures as the library writes them down."""

    def __init__(
        self, shard: str, values: Mapping[Family, Mapping[tuple[str, ...], float]]
    ) -> None:
        self._shard = shard
        self._values = values

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            labels = (*family.labels, "shard")
            kind = CounterMetricFamily if family.grows else GaugeMetricFamily
            made = kind(family.name, family.about, labels=labels)
            for values, value in sorted(self._values.get(family, {}).items()):
                made.add_metric((*values, self._shard), value)
            if made.samples:
                yield made
