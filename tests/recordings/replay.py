"""A recorded run, told again to what counts for the display, with a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

from tdl_sync.core.model import (
    Chat,
    ChatKind,
    ChatTotals,
    FileLocation,
    LocationKind,
    MediaItem,
    MediaType,
    MessageKey,
)
from tdl_sync.reporting.numbers import Direction, ProgressNumbers, Snapshot

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.txt"))
LOOK_SECONDS = 0.5
"""As often as bars are drawn."""
STANDSTILL_SECONDS = 10.0

_CHAT = Chat(-1001, "Films", ChatKind.CHANNEL)


@dataclass(frozen=True)
class Look:
    """What the display would show at a moment, and how long the run still took in truth, but for
    what nobody can know: how long it will stand still."""

    at_seconds: float
    left_seconds: float
    snapshot: Snapshot


def looks(name: str) -> Iterator[Look]:
    """At a recorded run, from its beginning to its end. Its totals are known: what it moved."""
    lines = [line.split() for line in (HERE / f"{name}.txt").read_text("ascii").splitlines()]
    steps = [(float(at), kind, [int(value) for value in values]) for at, kind, *values in lines]
    _, _, (_, _, budget_bytes) = steps[0]
    (end,) = (at for at, kind, _ in steps if kind == "finished")
    moments = [at for at, kind, _ in steps if kind in ("downloaded", "uploaded", "moved")]
    standing_still = [
        (since, until) for since, until in pairwise(moments) if until - since > STANDSTILL_SECONDS
    ]
    clock = _Clock()
    sized = ("admitted", "done_before", "upload_started")
    sizes = {values[0]: values[1] for _, kind, values in steps if kind in sized}
    totals = ChatTotals(len(sizes), sum(sizes.values()), len(sizes))
    numbers = ProgressNumbers(_CHAT, totals, budget_bytes, clock)
    told = _Told(numbers)
    for at, kind, values in steps[1:]:
        while clock.now + LOOK_SECONDS <= at:
            clock.now += LOOK_SECONDS
            still_to_come = sum(
                max(0.0, until - max(since, clock.now)) for since, until in standing_still
            )
            yield Look(clock.now, end - clock.now - still_to_come, numbers.snapshot())
        told.steps.get(kind, _nothing)(*values)


def _nothing(*values: int) -> None:
    """What the numbers are not told of."""


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class _Told:
    """As the reporter tells the numbers."""

    def __init__(self, numbers: ProgressNumbers) -> None:
        self._sizes: dict[int, int] = {}
        self._numbers = numbers
        self.steps: dict[str, Callable[..., None]] = {
            "seen": lambda files: numbers.count(seen=files),
            "skipped": self._skipped,
            "failed": self._failed,
            "done_before": lambda *of: numbers.done_before(self._item(*of)),
            "admitted": lambda *of: numbers.admitted(self._item(*of)),
            "download_started": lambda *of: self._started(Direction.DOWN, *of),
            "upload_started": lambda *of: self._started(Direction.UP, *of),
            "resumed": lambda of, there: numbers.resumed(self._item(of), there),
            "downloaded": lambda of, more: numbers.downloaded(self._item(of), more),
            "uploaded": lambda of, sent: numbers.uploaded(self._item(of), sent),
            "download_finished": lambda of: self._finished(Direction.DOWN, of),
            "upload_finished": lambda of: self._finished(Direction.UP, of),
            "moved": lambda of: numbers.moved(self._item(of)),
        }

    def _started(self, direction: Direction, message_id: int, size_bytes: int) -> None:
        self._numbers.transfer_started(direction, self._item(message_id, size_bytes))

    def _finished(self, direction: Direction, message_id: int) -> None:
        self._numbers.transfer_finished(direction, self._item(message_id))

    def _skipped(self, message_id: int) -> None:
        """Nothing but stickers was, in these runs."""
        self._numbers.skipped(MessageKey(_CHAT.id, 0, message_id), is_counted=False)

    def _failed(self, message_id: int) -> None:
        self._numbers.failed(MessageKey(_CHAT.id, 0, message_id))

    def _item(self, message_id: int, size_bytes: int | None = None) -> MediaItem:
        if size_bytes is not None:
            self._sizes[message_id] = size_bytes
        return MediaItem(
            MessageKey(_CHAT.id, 0, message_id),
            MediaType.VIDEO,
            "a.mp4",
            "video/mp4",
            self._sizes[message_id],
            datetime(2020, 1, 1, tzinfo=timezone.utc),
            FileLocation(LocationKind.DOCUMENT, 2, 1, 1, b""),
        )
