"""The program itself as a process, watched while it runs: its time, its CPU, its memory, its disk.

Which program is the caller's choice: this one, or an earlier state of it in another directory.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from scripts.benchmark.frame import STOP_SECONDS, BenchFailed, Checkout, end, median

SAMPLE_SECONDS = 0.05
DISK_BLOCK_BYTES = 512
"""The unit of ``st_blocks``, whatever the disk's own."""

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Finished:
    """One run, from its start to its end."""

    seconds: float
    cpu_seconds: float
    """Of the program and all that it has started, also of what ended after it."""
    result: Mapping[str, str]
    """The figures of the program's last line."""


class Look(Protocol):
    """What is looked at while the program runs, again and again."""

    def look(self, program: psutil.Process, seconds: float) -> None: ...


def run_program(
    checkout: Checkout,
    machine: Path,
    environment: Mapping[str, str],
    *arguments: str,
    looks: Sequence[Look] = (),
    most_seconds: float | None = None,
) -> Finished:
    """Run it on a machine of its own, the directory ``machine``; after ``most_seconds`` stop it.

    Raises ``BenchFailed`` unless it completes (or is stopped as asked for) and takes all that it
    has started with it.
    """
    command = [sys.executable, str(checkout.directory / "tdl_sync.py"), *arguments]
    command += ["--data-dir", str(machine / "data"), "--staging", str(staging_of(machine))]
    log = machine / "stderr.log"
    _inherit_orphans()
    known = {child.pid for child in psutil.Process().children()}
    cpu_before = _cpu_seconds_of_ended_children()
    began = time.monotonic()
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    try:
        _look_until_end(process, began, looks, most_seconds)
    finally:
        end(process)
    seconds = time.monotonic() - began
    _wait_for_orphans(known)
    assert process.stdout is not None
    lines = process.stdout.read().splitlines() or [""]
    result = dict(word.split("=", 1) for word in lines[-1].split() if "=" in word)
    wanted = ("complete",) if most_seconds is None else ("complete", "stopped")
    if result.get("status") not in wanted:
        raise BenchFailed(f"{command!r}: {lines[-1]}\n{log.read_text()[-3000:]}")
    return Finished(seconds, _cpu_seconds_of_ended_children() - cpu_before, result)


def staging_of(machine: Path) -> Path:
    return machine / "staging"


def _look_until_end(
    process: subprocess.Popen[str],
    began: float,
    looks: Sequence[Look],
    most_seconds: float | None,
) -> None:
    program = psutil.Process(process.pid)
    while process.poll() is None:
        seconds = time.monotonic() - began
        if most_seconds is not None and seconds > most_seconds:
            return
        for each in looks:
            each.look(program, seconds)
        with suppress(subprocess.TimeoutExpired):
            process.wait(SAMPLE_SECONDS)


def _inherit_orphans() -> None:
    """What the program leaves behind becomes a child of this process, and is waited for."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wait_for_orphans(known: set[int]) -> None:
    """Their CPU counts once they are waited for. ``known`` are children that are no orphans."""
    deadline = time.monotonic() + STOP_SECONDS
    while orphans := [each for each in psutil.Process().children() if each.pid not in known]:
        _, alive = psutil.wait_procs(orphans, timeout=max(0.0, deadline - time.monotonic()))
        if alive:
            raise BenchFailed(f"these outlive the program: {alive}")


def _cpu_seconds_of_ended_children() -> float:
    if sys.platform == "win32":
        raise NotImplementedError
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# --- what can be looked at ---------------------------------------------------------------------


@dataclass(frozen=True)
class StagingSample:
    """What lay in the staging directory at one moment."""

    bytes: int
    partial_files: int
    staged_files: int


class StagingLook:
    """What lies in the staging directory, and when the first file was seen there.

    ``on_first`` is called at that moment.
    """

    def __init__(self, machine: Path, on_first: Callable[[], None] = lambda: None) -> None:
        self.samples: list[StagingSample] = []
        self.start_seconds = 0.0
        """From the program's start until the first file was seen; 0 if none was."""
        self._directory = staging_of(machine)
        self._on_first = on_first

    def look(self, program: psutil.Process, seconds: float) -> None:
        if not self._directory.is_dir():
            return
        sample = self._sample()
        self.samples.append(sample)
        if self.start_seconds == 0 and sample.partial_files + sample.staged_files:
            self.start_seconds = seconds
            self._on_first()

    def _sample(self) -> StagingSample:
        if sys.platform == "win32":
            raise NotImplementedError
        total_bytes, suffixes = 0, []
        for path in self._directory.iterdir():
            try:
                total_bytes += path.stat().st_blocks * DISK_BLOCK_BYTES
            except FileNotFoundError:
                continue
            suffixes.append(path.suffix)
        return StagingSample(total_bytes, suffixes.count(".part"), suffixes.count(".staged"))


@dataclass(frozen=True)
class MemorySample:
    """The memory in use at one moment.

    Of all processes together each page counts once, whoever shares it (the proportional set size,
    on Linux): three rclones have one program text. ``program_bytes`` and ``rclone_bytes`` are
    resident set sizes, as ``top`` shows them.
    """

    together_bytes: int
    program_bytes: int
    rclone_bytes: int
    """Of all that the program has started."""
    done: int
    """How many files had been moved."""


class MemoryLook:
    """The memory of the program and of all that it has started.

    ``done`` says how many files were moved so far, where that matters. ``every_seconds`` is for
    whom looking takes long.
    """

    def __init__(
        self,
        done: Callable[[], int] = lambda: 0,
        every_seconds: float = 0.0,
    ) -> None:
        self.samples: list[MemorySample] = []
        self._done = done
        self._every_seconds = every_seconds
        self._looked_seconds = 0.0

    def look(self, program: psutil.Process, seconds: float) -> None:
        if seconds - self._looked_seconds < self._every_seconds:
            return
        self._looked_seconds = seconds
        try:
            children = program.children(recursive=True)
            own = _memory_of(program)
        except psutil.NoSuchProcess:
            return
        others = [_memory_of(child) for child in children]
        self.samples.append(
            MemorySample(
                own.fair_bytes + sum(each.fair_bytes for each in others),
                own.resident_bytes,
                sum(each.resident_bytes for each in others),
                self._done(),
            )
        )

    @property
    def highest_together_bytes(self) -> int:
        return max(sample.together_bytes for sample in self.samples)

    @property
    def highest_program_bytes(self) -> int:
        return max(sample.program_bytes for sample in self.samples)

    @property
    def highest_rclone_bytes(self) -> int:
        return max(sample.rclone_bytes for sample in self.samples)

    def together_bytes_before(self, done: int, window: int) -> float:
        """The median while the last ``window`` files up to this one were moved."""
        seen = [
            sample.together_bytes for sample in self.samples if done - window <= sample.done < done
        ]
        if not seen:
            raise BenchFailed(f"nobody looked while file {done} was moved")
        return median(seen)


@dataclass(frozen=True)
class _Memory:
    resident_bytes: int
    fair_bytes: int
    """What is shared is counted for each by its share; elsewhere than on Linux, whole."""


def _memory_of(process: psutil.Process) -> _Memory:
    """Nothing for a process that has ended or that another user runs."""
    try:
        used = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return _Memory(0, 0)
    return _Memory(used.rss, getattr(used, "pss", used.rss))
