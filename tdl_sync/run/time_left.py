"""What can still be moved before a run must be gone (``--max-runtime``).

An item is admitted when it, and all that is on its way, can be downloaded and uploaded in time,
at the rates that this run has measured. So everything that is staged is uploaded before the end,
and nothing is begun that cannot finish.

- What fits alone, but not behind all that is on its way, waits until some of that is done.
- What does not fit into what is left is put off: the next run begins with it. Smaller ones that
  follow are still taken.
- What would not fit into a whole run fails for now, with that reason, so that it does not keep
  the next run from everything else. That needs a measured rate: as long as none is known, here or
  from the run before, such an item is tried, with nothing beside it and in a run's first half.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import psutil

from tdl_sync.core.errors import LongerThanRun
from tdl_sync.core.model import MediaItem, MessageKey
from tdl_sync.core.steps import (
    DownloadBegan,
    Failed,
    Left,
    Moved,
    Skipped,
    Staged,
    Step,
    TakenUp,
    UploadBegan,
    Uploaded,
)
from tdl_sync.core.stop import StopFlag
from tdl_sync.transfer.admission import OpenGate

CLOSING_SECONDS = 4.0
"""From the end of the last upload to the end of the process: the state is saved, all is closed."""

ASSUMED_BYTES_PER_SECOND = 1_000_000.0
"""Until something was measured: slow, so that too little is admitted rather than too much."""

MEASURED_BYTES = 1024 * 1024
"""A smaller file shows how long a call takes, not how wide the line is."""

ASSUMED_SECONDS_PER_FILE = 2.0
SAFETY = 1.25
REMEMBERED = 30
MOST_PUT_OFF = 50
"""After so many items that came too late nothing more is looked for."""

_RUNNING_SECONDS = 2.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Deadline:
    """When a run with ``--max-runtime`` must be gone (``exit_at``), and when it must have finished
    its work (``stop_at``): moments on the monotonic clock."""

    begun_at: float
    exit_at: float
    grace_seconds: float

    @classmethod
    def of_this_process(cls, max_runtime_seconds: float, grace_seconds: float) -> Deadline:
        """Counted from the start of the process, not from here."""
        age_seconds = max(0.0, time.time() - psutil.Process().create_time())
        begun_at = time.monotonic() - age_seconds
        return cls(begun_at, begun_at + max_runtime_seconds, grace_seconds)

    @property
    def stop_at(self) -> float:
        """Then running uploads get their grace, which should find none."""
        return self.exit_at - CLOSING_SECONDS - self.grace_seconds

    @property
    def working_seconds(self) -> float:
        """What the whole run has for its work."""
        return max(0.0, self.stop_at - self.begun_at)

    def seconds_left(self) -> float:
        """Until everything must be uploaded; negative afterwards."""
        return self.stop_at - time.monotonic()


@dataclass(frozen=True)
class Transfer:
    """Bytes that went one way between two moments; ``file_bytes`` is the size of the whole file."""

    began_at: float
    ended_at: float
    moved_bytes: int
    file_bytes: int

    @property
    def seconds(self) -> float:
        return max(self.ended_at - self.began_at, 0.001)


@dataclass(frozen=True)
class Rates:
    """Bytes per second: of one transfer, and of all that run at once."""

    stream: float
    total: float
    measured: bool


def rates_of(transfers: Sequence[Transfer], assumed: float) -> Rates:
    """What these transfers show; without a file that is large enough, what is assumed."""
    large = [each for each in transfers if each.file_bytes >= MEASURED_BYTES]
    if not large:
        return Rates(assumed, assumed, measured=False)
    stream = sum(each.moved_bytes for each in large) / sum(each.seconds for each in large)
    total = sum(each.moved_bytes for each in large) / _busy_seconds(large)
    return Rates(max(stream, 1.0), max(stream, total, 1.0), measured=True)


def seconds_per_file(transfers: Sequence[Transfer]) -> float:
    """What a file takes beside its bytes, as small files show."""
    small = [each.seconds for each in transfers if each.file_bytes < MEASURED_BYTES]
    return sum(small) / len(small) if small else ASSUMED_SECONDS_PER_FILE


def _busy_seconds(transfers: Iterable[Transfer]) -> float:
    """How long at least one of them ran."""
    busy, until = 0.0, float("-inf")
    for each in sorted(transfers, key=lambda one: one.began_at):
        busy += max(0.0, each.ended_at - max(until, each.began_at))
        until = max(until, each.ended_at)
    return max(busy, 0.001)


@dataclass(frozen=True)
class OnItsWay:
    """An admitted item: when it was asked for, whether it is here, what of it was uploaded."""

    size_bytes: int
    downloading_at: float | None = None
    staged: bool = False
    sending_at: float | None = None
    sent_bytes: int = 0


class TimeLeft(OpenGate):
    """All methods may be called from any thread. What it measures is what it is ``told``.

    ``seconds_left`` is the time until everything must be uploaded, ``whole_seconds`` what a run
    has of it at its beginning.
    """

    def __init__(
        self,
        seconds_left: Callable[[], float],
        whole_seconds: float,
        workers: int,
        earlier_bytes_per_second: float,
        stop: StopFlag,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``earlier_bytes_per_second`` is what the run before has measured, 0 for nothing."""
        self._seconds_left = seconds_left
        self._whole_seconds = whole_seconds
        self._workers = workers
        self._earlier = earlier_bytes_per_second
        self._stop = stop
        self._clock = clock
        self._changed = threading.Condition()
        self._on_their_way: dict[MessageKey, OnItsWay] = {}
        self._downloads: deque[Transfer] = deque(maxlen=REMEMBERED)
        self._uploads: deque[Transfer] = deque(maxlen=REMEMBERED)
        self._put_off = 0
        self._relied_on_earlier = False
        stop.wakes(self._changed)

    @property
    def upload_bytes_per_second(self) -> int:
        """For the next run: measured, or else what the run before has measured.

        The latter is doubled when items failed by it alone, so that a rate which was measured on
        a bad day is forgotten after a few runs.
        """
        with self._changed:
            rates = self._upload_rates()
            if rates.measured:
                return int(rates.total)
            return int(self._earlier * (2 if self._relied_on_earlier else 1))

    @property
    def some_put_off(self) -> bool:
        with self._changed:
            return self._put_off > 0

    @property
    def is_over(self) -> bool:
        """Whether it is useless to look for further items."""
        with self._changed:
            least = self._needed_seconds(0, alone=True)
            return self._put_off >= MOST_PUT_OFF or least > self._seconds_left()

    def admits(self, item: MediaItem) -> bool:
        """Whether it can still be moved; blocks while that depends on what is on its way.

        Raises ``LongerThanRun``, or ``Stopped``.
        """
        with self._changed:
            while True:
                self._stop.check()
                answer = self._answer(item.size_bytes)
                if answer is not None:
                    break
                self._changed.wait(_POLL_SECONDS)
            if answer:
                self._on_their_way[item.key] = OnItsWay(item.size_bytes)
            else:
                self._put_off += 1
        return answer

    def told(self, step: Step) -> None:
        with self._changed:
            match step:
                case TakenUp(item):
                    self._on_their_way[item.key] = OnItsWay(item.size_bytes, staged=True)
                case DownloadBegan(item):
                    self._update(item, downloading_at=self._clock())
                case Staged(item):
                    self._staged(item)
                case UploadBegan(item):
                    self._update(item, sending_at=self._clock(), sent_bytes=0)
                case Uploaded(item, total_bytes):
                    self._update(item, sent_bytes=total_bytes)
                case Moved() | Failed() | Skipped() | Left():
                    self._ended(step.key, moved=isinstance(step, Moved))

    # --- with the lock held --------------------------------------------------------------------

    def _staged(self, item: MediaItem) -> None:
        flight = self._on_their_way.get(item.key)
        if flight is not None and flight.downloading_at is not None:
            began_at, size_bytes = flight.downloading_at, item.size_bytes
            self._downloads.append(Transfer(began_at, self._clock(), size_bytes, size_bytes))
        self._update(item, staged=True)

    def _ended(self, key: MessageKey, *, moved: bool) -> None:
        """It is on the remote, or it is not on its way any more. (What never was, ends, too.)"""
        flight = self._on_their_way.get(key)
        if flight is None:
            return
        rates = self._upload_rates()
        if rates.measured and not moved:
            self._earlier = rates.total  # what it has shown is not forgotten with it
        del self._on_their_way[key]
        if flight.sending_at is not None and moved:
            began_at, size_bytes = flight.sending_at, flight.size_bytes
            self._uploads.append(Transfer(began_at, self._clock(), size_bytes, size_bytes))
        self._changed.notify_all()

    def _answer(self, size_bytes: int) -> bool | None:
        """``None``: it depends on what is on its way."""
        left = self._seconds_left()
        if self._needed_seconds(size_bytes, alone=False) <= left:
            return True
        alone = self._needed_seconds(size_bytes, alone=True)
        if alone <= left:
            return None
        if self._rate_is_known:
            if alone > self._whole_seconds:
                self._relied_on_earlier = not self._upload_rates().measured
                raise LongerThanRun(size_bytes, alone, self._whole_seconds)
            return False
        if left * 2 < self._whole_seconds:
            return False
        return None if self._on_their_way else True

    @property
    def _rate_is_known(self) -> bool:
        return self._earlier > 0 or self._upload_rates().measured

    def _needed_seconds(self, size_bytes: int, *, alone: bool) -> float:
        """To move a file of that size and, unless ``alone``, all that is on its way before it.

        Uploads of a few workers end at the latest after the mean load of a worker and the
        longest one (R. L. Graham, Bounds on Multiprocessing Timing Anomalies, 1969).
        """
        before = [] if alone else list(self._on_their_way.values())
        to_download = size_bytes + sum(each.size_bytes for each in before if not each.staged)
        to_upload = sum(each.size_bytes - each.sent_bytes for each in before)
        down = rates_of(self._downloads, ASSUMED_BYTES_PER_SECOND)
        up = self._upload_rates()
        rounds = len(before) // self._workers + 1
        return SAFETY * (
            rounds * seconds_per_file(self._uploads)
            + max(to_download / down.total, size_bytes / down.stream)
            + to_upload / up.total
            + size_bytes / up.stream
        )

    def _upload_rates(self) -> Rates:
        now = self._clock()
        running = [
            Transfer(each.sending_at, now, each.sent_bytes, each.size_bytes)
            for each in self._on_their_way.values()
            if each.sent_bytes > 0
            and each.sending_at is not None
            and now - each.sending_at >= _RUNNING_SECONDS
        ]
        return rates_of([*self._uploads, *running], self._earlier or ASSUMED_BYTES_PER_SECOND)

    def _update(self, item: MediaItem, **changes: float | int) -> None:
        flight = self._on_their_way.get(item.key)
        if flight is not None:
            self._on_their_way[item.key] = replace(flight, **changes)  # type: ignore[arg-type]
