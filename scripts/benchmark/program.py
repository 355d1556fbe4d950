"""The program itself as a process, watched while it runs: its time, its memory, its staging."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from scripts.benchmark.frame import BenchFailed, end
from scripts.environment import ROOT

SAMPLE_SECONDS = 0.05
DISK_BLOCK_BYTES = 512
"""The unit of ``st_blocks``, whatever the disk's own."""


@dataclass(frozen=True)
class StagingSample:
    """What lay in the staging directory at one moment."""

    bytes: int
    partial_files: int
    staged_files: int


@dataclass
class Watched:
    """One run, from its start to its end."""

    seconds: float = 0.0
    start_seconds: float = 0.0
    """Of these, until the first file was seen in the staging directory."""
    peak_memory_bytes: int = 0
    peak_child_memory_bytes: int = 0
    """Of all children together."""
    staging: list[StagingSample] = field(default_factory=list)
    result: dict[str, str] = field(default_factory=dict)
    """The figures of the program's last line."""


def run_program(
    directory: Path,
    environment: Mapping[str, str],
    *arguments: str,
    most_seconds: float | None = None,
) -> Watched:
    """Run it on a machine of its own, below ``directory``; after ``most_seconds`` stop it.

    Raises ``BenchFailed`` unless it completes (or is stopped as asked for).
    """
    command = [sys.executable, str(ROOT / "tdl_sync.py"), *arguments]
    staging = directory / "staging"
    command += ["--data-dir", str(directory / "data"), "--staging", str(staging)]
    log = directory / "stderr.log"
    watched = Watched()
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
        program = psutil.Process(process.pid)
        while process.poll() is None:
            watched.seconds = time.monotonic() - began
            if most_seconds is not None and watched.seconds > most_seconds:
                end(process)
                break
            _look(program, staging, watched)
            time.sleep(SAMPLE_SECONDS)
    finally:
        end(process)
    assert process.stdout is not None
    lines = process.stdout.read().splitlines() or [""]
    watched.result = dict(word.split("=", 1) for word in lines[-1].split() if "=" in word)
    if watched.result.get("status") not in (
        "complete",
        None if most_seconds is None else "stopped",
    ):
        raise BenchFailed(f"{command!r}: {lines[-1]}\n{log.read_text()[-3000:]}")
    return watched


def _look(program: psutil.Process, staging: Path, watched: Watched) -> None:
    try:
        watched.peak_memory_bytes = max(watched.peak_memory_bytes, program.memory_info().rss)
        watched.peak_child_memory_bytes = max(
            watched.peak_child_memory_bytes, sum(map(_memory_of, program.children()))
        )
    except psutil.NoSuchProcess:
        return
    if staging.is_dir():
        sample = _sample(staging)
        watched.staging.append(sample)
        if watched.start_seconds == 0 and sample.partial_files + sample.staged_files:
            watched.start_seconds = watched.seconds


def _memory_of(child: psutil.Process) -> int:
    try:
        used_bytes: int = child.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
    return used_bytes


def _sample(staging: Path) -> StagingSample:
    total_bytes, suffixes = 0, []
    for name in os.listdir(staging):
        try:
            total_bytes += (staging / name).stat().st_blocks * DISK_BLOCK_BYTES
        except FileNotFoundError:
            continue
        suffixes.append(Path(name).suffix)
    return StagingSample(total_bytes, suffixes.count(".part"), suffixes.count(".staged"))
