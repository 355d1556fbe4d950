"""Records real runs against the stand-in: ``python -m tests.recordings.record [NAME...]``.

Each takes one to two minutes, since the lines are slowed down, as in the demo.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.environment import ROOT
from scripts.reaper import end_with_this_process
from standins.demonstration import temporary_places
from standins.shaping import Shaping
from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from tdl_sync.core.model import Chat, ChatTotals
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
from tests.recordings.replay import KINDS

HERE = Path(__file__).parent
COALESCED_SECONDS = 0.25


@dataclass(frozen=True)
class Scenario:
    """How wide the lines are, in bytes a second, and what is in the chat."""

    telegram: int
    upload: str
    """rclone's ``--bwlimit``, for all uploads together."""

    messages: int
    mean_size_bytes: int
    most_disk: str = "50M"
    silence_after_seconds: float | None = None
    """From here on nothing comes from Telegram for a while."""

    stopped_after_seconds: float | None = None
    """A first run is stopped then, and the second one is recorded."""


SCENARIOS = {
    "slow-uploads": Scenario(20_000_000, "4M", 240, 1_500_000),
    "slow-downloads": Scenario(4_000_000, "40M", 200, 1_500_000),
    "large-files": Scenario(12_000_000, "5M", 40, 12_000_000, "100M"),
    "silence": Scenario(4_000_000, "20M", 200, 1_500_000, silence_after_seconds=25.0),
    "second-run": Scenario(20_000_000, "4M", 300, 1_500_000, stopped_after_seconds=30.0),
}
SILENT_SECONDS = 20.0


def record(name: str) -> None:
    scenario = SCENARIOS[name]
    world = worlds.mixed(
        seed=7,
        messages=scenario.messages,
        mean_size_bytes=scenario.mean_size_bytes,
        too_large_bytes=None,
    )
    shaping = Shaping(round_trip_seconds=0.02, total_bytes_per_second=scenario.telegram)
    with temporary_places() as places, StandIn(world, shaping) as telegram:
        own = {n: v for n, v in os.environ.items() if not n.startswith(("TDL_SYNC_", "RCLONE_"))}
        own |= {"RCLONE_BWLIMIT": scenario.upload, "RCLONE_DISABLE": "Move"}
        own |= {**telegram.environment(), "TDL_SYNC_CONFIG": os.devnull}
        command = [sys.executable, "-m", "tests.recordings.record", "--here", str(HERE / name)]
        command += ["-u", worlds.SOURCE_USERNAME, "--max-disk", scenario.most_disk]
        command += ["--remote", "demo:channels", "--staging", str(places.staging)]
        command += ["--data-dir", str(places.root / "data")]
        command += ["--rclone-config", str(places.rclone_config), "-q"]

        def started() -> subprocess.Popen[bytes]:
            return subprocess.Popen(command, cwd=ROOT, env=own)

        if scenario.stopped_after_seconds is not None:
            first = started()
            time.sleep(scenario.stopped_after_seconds)
            first.send_signal(signal.SIGINT)
            first.wait()
        process = started()
        if scenario.silence_after_seconds is not None:
            time.sleep(scenario.silence_after_seconds)
            telegram.faults.network_down = True
            telegram.drop_connections()
            time.sleep(SILENT_SECONDS)
            telegram.faults.network_down = False
        print(name, process.wait(), flush=True)


class Recorder:
    """What the program's reporter is told, with the second in which it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._began_at = time.monotonic()
        self._lines: list[str] = []
        self._pending: dict[tuple[str, int], tuple[float, int]] = {}

    def note(self, kind: str, *values: int) -> None:
        with self._lock:
            now = time.monotonic() - self._began_at
            if kind == "started":
                self._lines.clear()
                self._began_at += now
                now = 0.0
            if kind in ("downloaded", "uploaded"):
                key = (kind, values[0])
                since, amount = self._pending.get(key, (now, 0))
                amount = amount + values[1] if kind == "downloaded" else values[1]
                self._pending[key] = (since, amount)
                if now - since >= COALESCED_SECONDS:
                    self._flush(key, now)
                return
            for key in [key for key in self._pending if values and key[1] == values[0]]:
                self._flush(key, now)
            self._line(now, kind, *values)
            if kind == "finished":
                self._path.with_suffix(".txt").write_text("\n".join(self._lines) + "\n")

    def told(self, step: Step) -> None:
        match step:
            case Seen(files):
                self.note("seen", files)
            case Skipped() | Failed():
                self.note(KINDS[type(step)], step.key.message_id)
            case DoneBefore(item) | Admitted(item) | DownloadBegan(item) | UploadBegan(item):
                self.note(KINDS[type(step)], item.message_id, item.size_bytes)
            case Resumed(item, count) | Downloaded(item, count) | Uploaded(item, count):
                self.note(KINDS[type(step)], item.message_id, count)
            case DownloadEnded(item) | UploadEnded(item) | Moved(item):
                self.note(KINDS[type(step)], item.message_id)

    def _flush(self, key: tuple[str, int], now: float) -> None:
        _, amount = self._pending.pop(key)
        self._line(now, key[0], key[1], amount)

    def _line(self, now: float, kind: str, *values: int) -> None:
        self._lines.append(" ".join([f"{now:.2f}", kind, *map(str, values)]))


def record_here(path: Path, arguments: list[str]) -> int:
    """Run the program in this process."""
    from tdl_sync.cli.main import main
    from tdl_sync.reporting.reporter import Reporter

    recorder = Recorder(path)

    def watch(name: str, note: Callable[..., None]) -> None:
        original = getattr(Reporter, name)

        def noted(self: Reporter, *given: Any) -> None:
            note(*given)
            original(self, *given)

        setattr(Reporter, name, noted)

    def started(chat: Chat, totals: ChatTotals, budget_bytes: int, account: object) -> None:
        recorder.note("started", totals.files, totals.estimated_bytes, budget_bytes)

    watch("started", started)
    watch("told", recorder.told)
    watch("waiting", lambda *_: recorder.note("waiting"))
    watch("finished", lambda *_: recorder.note("finished"))
    return main(arguments)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        raise SystemExit(record_here(Path(sys.argv[2]), sys.argv[3:]))
    end_with_this_process()
    for wanted in sys.argv[1:] or SCENARIOS:
        record(wanted)
