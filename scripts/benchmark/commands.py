"""The whole command, as a person waits for it: from its start to its end, with all that it uses.

    python3 scripts/bench.py commands

The files go to a directory on another file system, where there is one in memory, so that rclone
copies each. *On the wire* is from the first part that Telegram is asked for to its last answer to
such a call. CPU for a further MB is what the command takes more for four files than for one.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.benchmark.downloads import LARGE_BYTES, SMALL_BYTES
from scripts.benchmark.frame import (
    MEGABYTE,
    ROUND_TRIP_SECONDS,
    BenchFailed,
    Case,
    Plan,
    Row,
    files_of,
    median,
    say,
)
from scripts.benchmark.side_by_side import CAPPED
from scripts.benchmark.start import Place, Timeline, to_directory

IN_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Command:
    """One chat that is moved whole, each time into a directory of its own."""

    name: str
    what: str
    sizes: tuple[int, ...]
    shaping: Mapping[str, float] = field(default_factory=dict)
    limits: tuple[Mapping[str, Any], ...] = ()

    def rows(self, plan: Plan) -> list[Row]:
        runs = self.measured(plan)
        seconds, wire = (median([of(each) for each in runs]) for of in (_seconds, _on_the_wire))
        cpu = median([1000 * each.cpu_seconds / self.megabytes for each in runs])
        figures = f"{wire:.2f} s on the wire, {seconds - wire:.2f} s beside; {cpu:.0f} ms CPU a MB"
        return [Row(f"whole command: {self.what}", "", f"{seconds:.2f} s", None, figures)]

    def measured(self, plan: Plan) -> list[Timeline]:
        runs = []
        with to_directory(files_of(self.sizes)) as place, _elsewhere() as remotes:
            place.chat.ask("shaping", {"round_trip_seconds": ROUND_TRIP_SECONDS, **self.shaping})
            for number in range(plan.runs + 1):
                place.chat.ask("limits", list(self.limits))
                run = _moved(place, remotes / str(number), len(self.sizes), sum(self.sizes))
                if number:  # the first one finds no bytecode, and nothing in the system's memory
                    say(f"{self.what}: {run.seconds:.2f} s, {_on_the_wire(run):.2f} on the wire")
                    runs.append(run)
        return runs

    @property
    def megabytes(self) -> float:
        return sum(self.sizes) / MEGABYTE


@contextmanager
def _elsewhere() -> Iterator[Path]:
    """A directory for remotes, on another file system than the staging directory if it may be."""
    parent = IN_MEMORY if IN_MEMORY.is_dir() else None
    directory = Path(tempfile.mkdtemp(prefix="tdl_sync-bench-", dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _moved(place: Place, remote: Path, files: int, size_bytes: int) -> Timeline:
    run = place.run(remote=str(remote))
    there = [path.stat().st_size for path in remote.rglob("*") if path.is_file()]
    if (len(there), sum(there)) != (files, size_bytes):
        raise BenchFailed(f"{len(there)} files with {sum(there)} bytes arrived:\n{run.said}")
    shutil.rmtree(remote)
    return run


def _seconds(run: Timeline) -> float:
    return run.seconds


def _on_the_wire(run: Timeline) -> float:
    parts = run.of("Telegram", "upload.GetFile")
    return max(each.ended for each in parts) - min(each.began for each in parts)


def further_megabyte(plan: Plan) -> list[Row]:
    """By whole commands, so that nothing of what starts and ends with them counts."""
    one, four = (Command("", f"{n} for CPU", (LARGE_BYTES,) * n) for n in (1, 4))
    cpu = [_cpu(each.measured(plan)) for each in (one, four)]
    milliseconds = 1000 * (cpu[1] - cpu[0]) / (four.megabytes - one.megabytes)
    figures = f"{cpu[0]:.2f} s for 64 MB, {cpu[1]:.2f} s for 256 MB, with rclone's"
    aim = "at most 6.5 ms, the hand-off beside"
    return [
        Row("whole command: CPU for a further MB", aim, f"{milliseconds:.1f} ms", None, figures)
    ]


def _cpu(runs: Sequence[Timeline]) -> float:
    return median([each.cpu_seconds for each in runs])


ONE = (LARGE_BYTES,)
FOUR = ONE * 4
COMMANDS = (
    Command("capped", "one 64 MB, 4 MB/s a connection", ONE, CAPPED),
    Command("free", "one 64 MB, no cap", ONE),
    Command("four", "four 64 MB, no cap", FOUR),
    Command("total", "four 64 MB, 20 MB/s in all", FOUR, {"total_bytes_per_second": 20e6}),
    Command("small", "200 of 100 KB", (SMALL_BYTES,) * 200),
    Command(
        "limited",
        "one 64 MB, 4 MB/s a connection, 40 requests in 5 s",
        ONE,
        CAPPED,
        ({"requests": 40, "seconds": 5},),
    ),
)

CASES = (
    *(Case("commands", f"command-{each.name}", each.rows) for each in COMMANDS),
    Case("commands", "command-cpu", further_megabyte),
)
