"""The numbers that a progress display shows: what has become of the files is in the run's account,
and what moves at the moment is measured here, by the steps of the files.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from tdl_sync.core.model import NOTHING, Amount, Chat, ChatTotals, MediaItem, MessageKey
from tdl_sync.core.naming import file_name
from tdl_sync.core.reports import RunReport
from tdl_sync.core.steps import (
    Admitted,
    Direction,
    DiskUsed,
    DownloadBegan,
    Downloaded,
    DownloadEnded,
    Failed,
    Moved,
    Resumed,
    Skipped,
    Step,
    UploadBegan,
    Uploaded,
    UploadEnded,
)
from tdl_sync.core.text import printable
from tdl_sync.options.filters import STICKER_RULE
from tdl_sync.reporting.forecast import Forecast, Leg, Movement, seconds_left

_SPEED_WINDOW_SECONDS = 20.0
_OPEN_WAIT_SECONDS = 30.0
"""How long a wait without a known end is shown after it was last told."""


@dataclass(frozen=True)
class Transfer:
    """One file in flight. ``name`` is fit for a terminal."""

    direction: Direction
    name: str
    done_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class _OnItsWay:
    """One file from its admission to its mark."""

    size_bytes: int
    staged_bytes: int = 0
    sent_bytes: int = 0
    was_found: bool = False
    """An earlier run has downloaded it."""

    @property
    def is_staged(self) -> bool:
        return self.staged_bytes >= self.size_bytes


class _Flights:
    """All that are on their way, and their sums: they may be a thousand, and change often."""

    def __init__(self) -> None:
        self._by_key: dict[MessageKey, _OnItsWay] = {}
        self.staged = self.size_bytes = self.staged_bytes = self.sent_bytes = 0

    def __len__(self) -> int:
        return len(self._by_key)

    def of(self, item: MediaItem) -> _OnItsWay:
        """As it is; as it begins, where nothing was told of it before."""
        return self._by_key.get(item.key) or _OnItsWay(item.size_bytes)

    def put(self, key: MessageKey, flight: _OnItsWay) -> None:
        self.end(key)
        self._by_key[key] = flight
        self._add(flight, 1)

    def end(self, key: MessageKey) -> None:
        flight = self._by_key.pop(key, None)
        if flight is not None:
            self._add(flight, -1)

    def _add(self, flight: _OnItsWay, times: int) -> None:
        self.staged += times * flight.is_staged
        self.size_bytes += times * flight.size_bytes
        self.staged_bytes += times * flight.staged_bytes
        self.sent_bytes += times * flight.sent_bytes


@dataclass(frozen=True)
class Waiting:
    """What waits, why, and until when (aware, if known). The texts are fit for a terminal."""

    what: str
    why: str
    until: datetime | None


@dataclass(frozen=True)
class Snapshot:
    """All numbers at one moment. Speeds are bytes a second; sums are of this run's chat.

    ``total_files`` is Telegram's counter, an upper bound, less what was left out so far, and
    ``total_bytes`` an estimate.
    ``remaining_seconds`` is None as long as nothing can be said. ``staged_files`` are downloaded
    and wait for their upload; ``still_seconds`` is how long nothing has moved though something
    should, 0 while it moves.
    """

    title: str
    total_files: int
    total_bytes: int
    budget_bytes: int
    seen: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    done_bytes: int = 0
    disk_bytes: int = 0
    download_speed: float = 0.0
    upload_speed: float = 0.0
    remaining_seconds: float | None = None
    staged_files: int = 0
    still_seconds: float = 0.0
    transfers: tuple[Transfer, ...] = ()
    waiting: Waiting | None = None
    counted_by_telegram: bool = True
    idle: str = ""
    """Why nothing is moved at the moment; empty while something is."""

    chat_id: int = 0
    username: str | None = None
    downloaded_bytes: int = 0
    uploaded_bytes: int = 0
    """Of both legs, what has really come through since the chat was begun."""

    before: Amount = NOTHING
    """What earlier runs have moved and this one does not come to; no other number has it."""

    @property
    def finished(self) -> int:
        return self.before.files + self.done + self.failed

    @property
    def there_bytes(self) -> int:
        return self.before.bytes + self.done_bytes

    @property
    def sent_bytes(self) -> int:
        """What is on the remote, and what of the files that are on their way there was sent."""
        return self.there_bytes + sum(
            transfer.done_bytes for transfer in self.transfers if transfer.direction is Direction.UP
        )


class SpeedMeter:
    """Bytes a second, averaged over the last ``window_seconds``. Not safe for threads."""

    def __init__(self, window_seconds: float, clock: Callable[[], float]) -> None:
        self._window_seconds = window_seconds
        self._clock = clock
        self._started = clock()
        self._buckets: deque[tuple[int, int]] = deque()
        self.total_bytes = 0

    def add(self, transferred_bytes: int) -> None:
        """One bucket a second, so that many small steps take no memory."""
        self.total_bytes += transferred_bytes
        second = int(self._clock())
        if self._buckets and self._buckets[-1][0] == second:
            transferred_bytes += self._buckets.pop()[1]
        self._buckets.append((second, transferred_bytes))
        self._forget_old()

    def bytes_per_second(self) -> float:
        self._forget_old()
        elapsed = min(self._clock() - self._started, self._window_seconds)
        return sum(transferred for _, transferred in self._buckets) / max(elapsed, 1.0)

    def _forget_old(self) -> None:
        oldest = self._clock() - self._window_seconds
        while self._buckets and self._buckets[0][0] < oldest:
            self._buckets.popleft()


class ProgressNumbers:
    """Of one chat. All methods may be called from any thread and take no time."""

    def __init__(
        self,
        chat: Chat,
        totals: ChatTotals,
        budget_bytes: int,
        account: Callable[[], RunReport],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``account`` says what has become of the files so far."""
        self._lock = threading.Lock()
        self._account = account
        self._clock = clock
        self._totals = totals
        self._wait_over_at = 0.0
        self._transfers: dict[tuple[Direction, MessageKey], Transfer] = {}
        self._download_meter = SpeedMeter(_SPEED_WINDOW_SECONDS, clock)
        self._upload_meter = SpeedMeter(_SPEED_WINDOW_SECONDS, clock)
        self._movement = Movement(clock)
        self._legs = {direction: Leg(self._movement) for direction in Direction}
        self._through = Leg(self._movement)
        self._forecast = Forecast(clock)
        self._flights = _Flights()
        self._shown = Snapshot(
            title=printable(chat.title) or str(chat.id),
            total_files=totals.files,
            total_bytes=totals.estimated_bytes,
            budget_bytes=budget_bytes,
            counted_by_telegram=totals.files > 0,
            chat_id=chat.id,
            username=chat.username,
            before=totals.before,
        )

    def snapshot(self) -> Snapshot:
        account = self._account()
        with self._lock:
            is_waiting = self._clock() < self._wait_over_at
            still_seconds = self._movement.still_seconds(told_to_wait=is_waiting)
            before = self._totals.before
            return replace(
                self._shown,
                # Messages may have come, or a counter may lag: never "5 of 4".
                total_files=max(
                    self._totals.files - _counted_skips(account),
                    before.files + account.seen - account.skipped,
                ),
                total_bytes=self._total_bytes(account),
                seen=account.seen,
                done=account.done,
                skipped=account.skipped,
                failed=account.failed,
                done_bytes=account.done_bytes,
                download_speed=self._download_meter.bytes_per_second(),
                upload_speed=self._upload_meter.bytes_per_second(),
                downloaded_bytes=self._download_meter.total_bytes,
                uploaded_bytes=self._upload_meter.total_bytes,
                remaining_seconds=self._remaining_seconds(account, still_seconds > 0),
                staged_files=self._waiting_for_upload(),
                still_seconds=still_seconds,
                transfers=tuple(self._transfers.values()),
                waiting=self._shown.waiting if is_waiting else None,
            )

    def counted(self, totals: ChatTotals) -> None:
        with self._lock:
            self._totals = totals
            self._shown = replace(self._shown, counted_by_telegram=totals.files > 0)

    def waiting(self, waiting: Waiting) -> None:
        seconds = _OPEN_WAIT_SECONDS
        if waiting.until is not None:
            seconds = (waiting.until - datetime.now(timezone.utc)).total_seconds()
        with self._lock:
            self._wait_over_at = self._clock() + seconds
            self._shown = replace(self._shown, waiting=waiting)

    def idle(self, why: str) -> None:
        with self._lock:
            self._shown = replace(self._shown, idle=why)

    def told(self, step: Step) -> None:
        with self._lock:
            match step:
                case DiskUsed(used_bytes):
                    self._shown = replace(self._shown, disk_bytes=used_bytes)
                case Admitted(item):
                    self._flights.put(item.key, self._flights.of(item))
                case DownloadBegan(item) | UploadBegan(item):
                    self._transfer_began(step.direction, item)
                case Resumed(item, bytes_there):  # they count for the file, and not for the speed
                    self._add_to_download(item, bytes_there)
                case Downloaded(item, more_bytes):
                    self._downloaded(item, more_bytes)
                case Uploaded(item, total_bytes):
                    self._uploaded(item, total_bytes)
                case DownloadEnded(item) | UploadEnded(item):
                    self._transfers.pop((step.direction, item.key), None)
                case Moved(item):  # also what of it nobody has told of: of a small file, all
                    self._sent(item, item.size_bytes)
                    self._flights.end(item.key)
                case Skipped() | Failed():
                    self._end(step.key)
                case _:
                    return
            self._tell_legs()

    # --- with the lock held --------------------------------------------------------------------

    def _transfer_began(self, direction: Direction, item: MediaItem) -> None:
        name = printable(file_name(item))
        self._transfers[direction, item.key] = Transfer(direction, name, 0, item.size_bytes)
        flight = self._flights.of(item)
        if direction is Direction.UP:  # it lies there whole, whoever has downloaded it
            flight = _OnItsWay(
                item.size_bytes,
                staged_bytes=item.size_bytes,
                was_found=flight.was_found or flight.staged_bytes == 0,
            )
        self._flights.put(item.key, flight)

    def _downloaded(self, item: MediaItem, more_bytes: int) -> None:
        self._download_meter.add(more_bytes)
        self._legs[Direction.DOWN].moved(more_bytes)
        self._through.moved(more_bytes / 2)
        self._add_to_download(item, more_bytes)

    def _add_to_download(self, item: MediaItem, more_bytes: int) -> None:
        transfer = self._transfers.get((Direction.DOWN, item.key))
        if transfer is not None:
            self._transfers[Direction.DOWN, item.key] = replace(
                transfer, done_bytes=transfer.done_bytes + more_bytes
            )
        flight = self._flights.of(item)
        staged_bytes = min(item.size_bytes, flight.staged_bytes + more_bytes)
        self._flights.put(item.key, replace(flight, staged_bytes=staged_bytes))

    def _uploaded(self, item: MediaItem, total_bytes: int) -> None:
        transfer = self._transfers.get((Direction.UP, item.key))
        if transfer is not None and total_bytes >= transfer.done_bytes:
            self._transfers[Direction.UP, item.key] = replace(transfer, done_bytes=total_bytes)
            self._sent(item, total_bytes)

    def _end(self, key: MessageKey) -> None:
        self._flights.end(key)
        for direction in Direction:
            self._transfers.pop((direction, key), None)

    def _sent(self, item: MediaItem, total_bytes: int) -> None:
        flight = self._flights.of(item)
        more_bytes = max(0, total_bytes - flight.sent_bytes)
        self._upload_meter.add(more_bytes)
        self._legs[Direction.UP].moved(more_bytes)
        self._through.moved(more_bytes if flight.was_found else more_bytes / 2)
        self._flights.put(item.key, replace(flight, sent_bytes=total_bytes))

    def _tell_legs(self) -> None:
        flights = self._flights
        self._movement.has_work(len(flights) > 0)
        self._legs[Direction.DOWN].counts(len(flights) > flights.staged)
        self._legs[Direction.UP].counts(flights.staged > 0)
        self._through.counts(len(flights) > 0)

    def _waiting_for_upload(self) -> int:
        uploading = sum(direction is Direction.UP for direction, _ in self._transfers)
        return max(0, self._flights.staged - uploading)

    def _unseen_bytes(self, account: RunReport) -> float:
        """Of files that the chat's listing has not come to. As many of them are wanted as of those
        that were seen: the rest is skipped.

        How large they are, Telegram's sample says as far as it has come about in the chat (of a
        small one it is all), and what was seen besides.
        """
        totals, flights = self._totals, self._flights
        wanted = account.done + account.failed + len(flights)
        counted_skips = _counted_skips(account)
        unseen = totals.files - totals.before.files - wanted - counted_skips
        if unseen <= 0:
            return 0.0
        share_wanted = (wanted + 1) / (wanted + counted_skips + 1)
        known_files = account.done + len(flights)
        known_bytes = account.done_bytes + flights.size_bytes
        sampled = min(max(totals.sampled_files, 1), totals.files)
        sampled_bytes = sampled * totals.estimated_bytes / totals.files
        typical_mean = (sampled_bytes + known_bytes) / (sampled + known_files)
        others_bytes = totals.estimated_bytes - totals.before.bytes - known_bytes / share_wanted
        others_mean = max(0.0, others_bytes / unseen)
        covered = sampled / totals.files
        return unseen * share_wanted * (covered * others_mean + (1 - covered) * typical_mean)

    def _total_bytes(self, account: RunReport) -> int:
        """Telegram's estimate, until what was seen says otherwise."""
        on_remote_bytes = self._totals.before.bytes + account.done_bytes
        if self._totals.estimated_bytes <= 0 or not account.seen:
            return max(self._totals.estimated_bytes, on_remote_bytes)
        return int(on_remote_bytes + self._flights.size_bytes + self._unseen_bytes(account))

    def _remaining_seconds(self, account: RunReport, stands_still: bool) -> float | None:
        raw = None
        if not self._shown.idle and self._totals.files > 0:
            flights = self._flights
            left_bytes = self._unseen_bytes(account) + flights.size_bytes
            raw = seconds_left(
                to_download=left_bytes - flights.staged_bytes,
                staged=flights.staged_bytes - flights.sent_bytes,
                down=self._legs[Direction.DOWN].bytes_per_second(),
                up=self._legs[Direction.UP].bytes_per_second(),
                through=self._through.bytes_per_second(),
            )
        return self._forecast.seconds(raw, stands_still=stands_still)


def _counted_skips(account: RunReport) -> int:
    """What was left out of that which Telegram counts: its counters know all but stickers."""
    return account.skipped - account.skipped_by_rule.get(STICKER_RULE, 0)
