"""A recorded run, told again to what counts for the display, with a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

from tdl_sync.core.failures import Failure
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
from tdl_sync.core.steps import (
    Admitted,
    DoneBefore,
    DownloadBegan,
    Downloaded,
    DownloadEnded,
    Failed,
    Moved,
    Resumed,
    Seen,
    Skipped,
    Step,
    UploadBegan,
    Uploaded,
    UploadEnded,
)
from tdl_sync.options.filters import STICKER_RULE
from tdl_sync.reporting.numbers import Snapshot
from tests.fakes.progress import Shown

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.txt"))
LOOK_SECONDS = 0.5
"""As often as bars are drawn."""
STANDSTILL_SECONDS = 10.0

KINDS: dict[type[Step], str] = {
    Seen: "seen",
    Skipped: "skipped",
    Failed: "failed",
    DoneBefore: "done_before",
    Admitted: "admitted",
    DownloadBegan: "download_started",
    UploadBegan: "upload_started",
    Resumed: "resumed",
    Downloaded: "downloaded",
    Uploaded: "uploaded",
    DownloadEnded: "download_finished",
    UploadEnded: "upload_finished",
    Moved: "moved",
}
"""What a recording calls each step."""

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
    shown = Shown(_CHAT, totals, budget_bytes, clock)
    told = _Told(shown)
    for at, kind, values in steps[1:]:
        while clock.now + LOOK_SECONDS <= at:
            clock.now += LOOK_SECONDS
            still_to_come = sum(
                max(0.0, until - max(since, clock.now)) for since, until in standing_still
            )
            yield Look(clock.now, end - clock.now - still_to_come, shown.numbers.snapshot())
        told.step(kind, *values)


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class _Told:
    """As a run tells its steps."""

    def __init__(self, shown: Shown) -> None:
        self._sizes: dict[int, int] = {}
        self._shown = shown
        self._steps: dict[str, Callable[..., Step]] = {
            "seen": Seen,
            "skipped": self._skipped,
            "failed": self._failed,
            "done_before": lambda *of: DoneBefore(self._item(*of)),
            "admitted": lambda *of: Admitted(self._item(*of)),
            "download_started": lambda *of: DownloadBegan(self._item(*of)),
            "upload_started": lambda *of: UploadBegan(self._item(*of), "staged", "demo:"),
            "resumed": lambda of, there: Resumed(self._item(of), there),
            "downloaded": lambda of, more: Downloaded(self._item(of), more),
            "uploaded": lambda of, sent: Uploaded(self._item(of), sent),
            "download_finished": lambda of: DownloadEnded(self._item(of)),
            "upload_finished": lambda of: UploadEnded(self._item(of)),
            "moved": lambda of: Moved(self._item(of), 0),
        }

    def step(self, kind: str, *values: int) -> None:
        if kind in self._steps:
            self._shown.tell(self._steps[kind](*values))

    def _skipped(self, message_id: int) -> Skipped:
        """Nothing but stickers was, in these runs."""
        return Skipped(MessageKey(_CHAT.id, 0, message_id), STICKER_RULE)

    def _failed(self, message_id: int) -> Failed:
        key = MessageKey(_CHAT.id, 0, message_id)
        return Failed(Failure(key, "a reason", "a sentence", 1, for_good=False), "a.mp4")

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
