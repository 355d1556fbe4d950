"""What a chat's size costs: the same things at ten thousand, a hundred thousand, a million.

Nothing may cost more than n log n in all, so one of a million may cost half as much again as one of
ten thousand. CPU is told where it is what counts: another load of the machine does not change it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.benchmark.frame import (
    MEGABYTE,
    NOW,
    BenchFailed,
    Case,
    Plan,
    Row,
    files_of,
    say,
    start_child,
    telegram,
    temporary_directory,
)
from scripts.benchmark.memory import SHORT_WAY, SMALL_BYTES
from scripts.benchmark.moves import local_remote, move_chat
from scripts.benchmark.plot import Point, Series
from scripts.benchmark.program import MemoryLook, run_program

AIM = "no worse than n log n"
MOST_GROWTH = 1.5
"""log(1,000,000) / log(10,000): what one may cost more where all cost n log n."""

HISTORY_FILES = 200
LISTED_FILES = 1

SERIES: list[Series] = []
"""What was measured in this run, for the plot."""


@dataclass(frozen=True)
class Cost:
    """What ``n`` of them took."""

    n: int
    seconds: float
    memory_bytes: int
    details: str = ""


def sizes(plan: Plan) -> tuple[int, ...]:
    return (1_000, 10_000, 100_000) if plan.quick else (10_000, 100_000, 1_000_000)


def _rows(what: str, each: str, costs: Sequence[Cost]) -> list[Row]:
    """What a further one costs among the most, against among the fewest: no start is in either."""
    first, middle, last = costs
    growth = _further(middle, last) / _further(first, middle)
    SERIES.append(Series(what, [Point(cost.n, cost.seconds * 1e6) for cost in costs]))
    figures = "; ".join(
        f"{cost.n:,}: {cost.seconds:.1f} s of CPU, {cost.memory_bytes / MEGABYTE:.0f} MB"
        f"{cost.details}"
        for cost in costs
    )
    return [
        Row(
            f"{what}, {first.n:,} to {last.n:,}",
            AIM,
            f"{_further(middle, last):.0f} µs a further {each}, {growth:.2f} times",
            growth <= MOST_GROWTH,
            figures,
        )
    ]


def _further(few: Cost, many: Cost) -> float:
    return (many.seconds - few.seconds) * 1e6 / (many.n - few.n)


def history(plan: Plan) -> list[Row]:
    """A run over a chat of so many messages, of which some hundred hold a file."""
    return _rows("reading a history", "message", [_history(n) for n in sizes(plan)])


def _history(messages: int) -> Cost:
    memory = MemoryLook(every_seconds=0.5)
    world = {"messages": messages, "media_every": max(1, messages // HISTORY_FILES)}
    with telegram("sparse", world) as place, temporary_directory() as directory:
        place.ask("shaping", SHORT_WAY)
        finished = run_program(
            NOW,
            directory,
            {**place.environment, "RCLONE_CONFIG": ""},
            "-u",
            f"@{place.greeting['username']}",
            "--remote",
            str(directory / "remote"),
            looks=[memory],
        )
    say(f"{messages:,} messages: {finished.seconds:.1f} s, {finished.cpu_seconds:.1f} s of CPU")
    details = f", {finished.seconds:.0f} s"
    return Cost(messages, finished.cpu_seconds, memory.highest_program_bytes, details)


WHAT = {
    "open": "opening the records",
    "look": "a thousand look-ups",
    "write": "writing a mark",
    "save": "making the state message",
}


def marks(plan: Plan) -> list[Row]:
    """What the records on this machine cost when so many files are done."""
    grown = {n: _grown(n, plan.runs) for n in sizes(plan)}
    return [_flat_row(what, {n: each[what] for n, each in grown.items()}) for what in WHAT]


def _grown(n: int, runs: int) -> dict[str, float]:
    child = start_child("grown", {}, str(n), "--runs", str(3 * runs))
    stdout, stderr = child.communicate()
    if child.returncode != 0:
        raise BenchFailed(f"{child.args!r}: {stderr[-3000:]}")
    seconds: dict[str, float] = json.loads(stdout)
    say(f"{n:,} marks: {seconds}")
    return seconds


def _flat_row(what: str, seconds: Mapping[int, float]) -> Row:
    """What is not to grow at all, but for the depth of an index."""
    least, most = min(seconds), max(seconds)
    growth = seconds[most] / seconds[least]
    SERIES.append(Series(WHAT[what], [Point(n, each * 1e6) for n, each in seconds.items()]))
    return Row(
        f"{WHAT[what]}, {least:,} to {most:,} marks",
        "no more than log n",
        f"{growth:.2f} times",
        growth <= MOST_GROWTH,
        "; ".join(f"{n:,}: {each * 1000:.2f} ms of CPU" for n, each in seconds.items()),
    )


class FilesLook:
    """When how many files were there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._looked_seconds = 0.0
        self.seen: list[tuple[float, int]] = []

    def look(self, program: psutil.Process, seconds: float) -> None:
        if seconds - self._looked_seconds < 1.0:
            return
        self._looked_seconds = seconds
        files = sum(len(names) for _, _, names in os.walk(self._directory))
        self.seen.append((seconds, files))

    def seconds_of(self, first: int, last: int) -> float:
        """From the moment when ``first`` were there to that when ``last`` were."""
        return self._when(last) - self._when(first)

    def _when(self, files: int) -> float:
        for seconds, there in self.seen:
            if there >= files:
                return seconds
        return self.seen[-1][0]


def tiny_files(plan: Plan) -> list[Row]:
    """The last fifth of many tiny files against the second (the first has the start in it)."""
    files = plan.choose(50_000, 5_000)
    fifth = files // 5
    memory = MemoryLook(every_seconds=1.0)
    world = files_of([SMALL_BYTES], times=files)
    with telegram("files", world) as chat, local_remote() as remote:
        chat.ask("shaping", SHORT_WAY)
        look = FilesLook(Path(remote.path))
        moved = move_chat(NOW, chat, remote, files, looks=[look, memory])
    rates = [fifth / look.seconds_of(n * fifth, (n + 1) * fifth) for n in range(1, 5)]
    told = ", ".join(f"{rate:.0f}" for rate in rates)
    say(f"{files:,} tiny files: {moved.files_per_second:.0f} files/s; by fifths {told}")
    return [
        Row(
            f"{files:,} tiny files",
            "the last as fast as the first",
            f"{moved.files_per_second:.0f} files/s",
            rates[-1] >= rates[0] / MOST_GROWTH,
            f"files/s by fifths from the second on: {told}; highest "
            f"{memory.highest_program_bytes / MEGABYTE:.0f} MB, its rclone "
            f"{memory.highest_rclone_bytes / MEGABYTE:.0f} MB",
        )
    ]


def listing(plan: Plan) -> list[Row]:
    """A new machine finds so many files in the chat's folder."""
    return _rows("a remote's listing", "file", [_listing(n) for n in sizes(plan)])


def _listing(there: int) -> Cost:
    memory = MemoryLook(every_seconds=0.2)
    with telegram("files", files_of([SMALL_BYTES])) as chat, local_remote() as remote:
        folder = Path(remote.path, f"There already [{chat.greeting['chat_id']}]")
        folder.mkdir(parents=True)
        for message_id in range(1001, 1001 + there):
            (folder / f"{message_id}_a file of some name.bin").touch()
        moved = move_chat(NOW, chat, remote, LISTED_FILES, looks=[memory])
    rclone = memory.highest_rclone_bytes / MEGABYTE
    say(f"{there:,} files there: {moved.seconds:.1f} s, {moved.cpu_seconds:.1f} s of CPU")
    details = f" (rclone {rclone:.0f} MB), {moved.seconds:.0f} s"
    return Cost(there, moved.cpu_seconds, memory.highest_program_bytes, details)


CASES = (
    Case("scale", "scale-history", history),
    Case("scale", "scale-marks", marks),
    Case("scale", "scale-files", tiny_files),
    Case("scale", "scale-listing", listing),
)
