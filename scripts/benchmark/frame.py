"""What a case of the benchmark is, and what it may use: stand-ins and children, all processes."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.environment import ROOT

STOP_SECONDS = 10.0
MEGABYTE = 1_000_000
ROUND_TRIP_SECONDS = 0.08


class BenchFailed(Exception):
    """A measurement can't be made. ``str()`` says why."""


@dataclass(frozen=True)
class Row:
    """One line of the table. ``met`` is None where there is no aim, only a figure."""

    case: str
    aim: str
    result: str
    met: bool | None
    details: str = ""


@dataclass(frozen=True)
class Checkout:
    """A state of the program: the directory that its ``tdl_sync.py`` lies in."""

    name: str
    directory: Path


NOW = Checkout("now", ROOT)


@dataclass(frozen=True)
class Plan:
    """How thoroughly to measure: each thing ``runs`` times; smaller and less where ``quick``.

    ``before`` is the directory of an earlier state of the program, which this one is compared with.
    """

    runs: int
    quick: bool
    before: Path | None = None

    def choose(self, thorough: int, quick: int) -> int:
        return quick if self.quick else thorough

    @property
    def checkouts(self) -> tuple[Checkout, ...]:
        """What is measured where whole runs are compared: this program comes last."""
        return (NOW,) if self.before is None else (Checkout("before", self.before), NOW)

    def in_turn(self) -> Iterator[Checkout]:
        """Each as often as there are runs; who goes first alternates, lest the order count."""
        for run in range(self.runs):
            yield from self.checkouts[:: -1 if run % 2 else 1]


@dataclass(frozen=True)
class Case:
    """A measurement that gives rows. ``name`` is how ``--only`` finds it."""

    group: str
    name: str
    measure: Callable[[Plan], list[Row]]


@dataclass(frozen=True)
class Measured:
    """What a child says of its transfer, without its start."""

    seconds: float
    bytes: int
    cpu_seconds: float
    peak_memory_bytes: int

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.seconds:.2f} s, {self.bytes_per_second / MEGABYTE:.2f} MB/s, "
            f"{self.cpu_seconds * 1000 / (self.bytes / MEGABYTE):.1f} ms CPU/MB, "
            f"{self.peak_memory_bytes / MEGABYTE:.0f} MB"
        )


def say(line: str) -> None:
    """What was just measured, while the rest goes on."""
    print(f"  {line}", file=sys.stderr, flush=True)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def median_seconds(measured: Sequence[Measured]) -> float:
    return median([each.seconds for each in measured])


# --- processes ---------------------------------------------------------------------------------


class StandInProcess:
    """A running stand-in. ``ask`` gives it one command of its ``COMMANDS``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.greeting: dict[str, Any] = self._read()

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.greeting["environment"])

    def ask(self, command: str, value: Any = True) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({command: value}) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        if "error" in answer:
            raise BenchFailed(f"the stand-in refuses {command}: {answer['error']}")
        return answer[command]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed(f"a stand-in ended with status {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def stand_in(module: str, *arguments: str) -> Iterator[StandInProcess]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for us, who stop it
    )
    try:
        yield StandInProcess(process)
    finally:
        end(process)


@contextmanager
def telegram(
    world: str, parameters: Mapping[str, Any], **shaping: float
) -> Iterator[StandInProcess]:
    """Telegram with a chat of this world, a round trip of 80 ms and what ``shaping`` says."""
    with stand_in(
        "standins.telegram", "--world", world, "--parameters", json.dumps(parameters)
    ) as process:
        process.ask("shaping", {"round_trip_seconds": ROUND_TRIP_SECONDS, **shaping})
        yield process


def files_of(sizes: Sequence[int], **parameters: Any) -> dict[str, Any]:
    """The parameters of the world ``files``."""
    return {"sizes": list(sizes), **parameters}


@contextmanager
def temporary_directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tdl_sync-bench-") as directory:
        yield Path(directory)


def end(process: subprocess.Popen[Any]) -> None:
    """End one process of ours, by its id, and wait for it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_child(
    module: str, environment: Mapping[str, str], *arguments: str
) -> subprocess.Popen[str]:
    """A way to transfer, as a process of its own; ``result_of`` waits for its figures."""
    return subprocess.Popen(
        [sys.executable, "-m", f"scripts.benchmark.{module}", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result_of(
    child: subprocess.Popen[str], expected_bytes: int | None, longest_seconds: float | None = None
) -> Measured:
    """Wait for a child's end. Raises ``BenchFailed`` unless it moved so many bytes (in time)."""
    try:
        stdout, stderr = child.communicate(timeout=longest_seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise BenchFailed(f"{child.args!r} has not ended in {longest_seconds:.0f} s") from None
    if child.returncode != 0:
        raise BenchFailed(
            f"{child.args!r} ended with status {child.returncode}: {(stderr or '')[-3000:]}"
        )
    measured = Measured(**json.loads(stdout.splitlines()[-1]))
    if expected_bytes is not None and measured.bytes != expected_bytes:
        raise BenchFailed(
            f"{child.args!r} moved {measured.bytes} bytes instead of {expected_bytes}"
        )
    return measured


def run_child(
    module: str, environment: Mapping[str, str], expected_bytes: int | None, *arguments: str
) -> Measured:
    return result_of(start_child(module, environment, *arguments), expected_bytes)
