"""Small files to Drive at 150 ms a call: the program's hand-offs beside rclone's own ways."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.frame import (
    Case,
    Measured,
    Plan,
    Row,
    StandInProcess,
    median,
    run_child,
    say,
    stand_in,
    temporary_directory,
)

CALL_SECONDS = 0.15
FILE_BYTES = 100_000
FOLDER = "folder"
MOST_CALLS = 3.1
"""Three for a file, and what looking the folder up takes once."""


@dataclass(frozen=True)
class Way:
    """One of ``upload_ways``, with so many files at once."""

    name: str
    workers: int

    def __str__(self) -> str:
        return f"{self.name} with {self.workers}"


WAYS = (
    Way("ours", 3),
    Way("moveto", 3),
    Way("ours", 8),
    Way("moveto", 8),
    Way("move", 8),
    Way("quick-move", 8),
    Way("rcd", 8),
)


@dataclass(frozen=True)
class Uploaded:
    """What one way needed for so many files."""

    files: int
    measured: Measured
    api_calls: int

    @property
    def files_per_second(self) -> float:
        return self.files / self.measured.seconds

    @property
    def calls_per_file(self) -> float:
        return self.api_calls / self.files

    @property
    def cpu_seconds_per_file(self) -> float:
        return self.measured.cpu_seconds / self.files


def small_files(plan: Plan) -> list[Row]:
    files = plan.choose(120, 48)
    found: dict[Way, list[Uploaded]] = defaultdict(list)
    with _drive() as (drive, directory):
        for run in range(plan.runs):
            for way in WAYS:
                remote = f"gdrive:run-{run}/{way.name}-{way.workers}"
                uploaded = _upload(way, files, drive, directory, remote)
                say(f"{way}: {_figures([uploaded])}")
                found[way].append(uploaded)
    return [
        *_against_moveto(found, Way("ours", 3), Way("moveto", 3)),
        *_against_moveto(found, Way("ours", 8), Way("moveto", 8)),
        _ceiling(found, Way("move", 8), "one rclone move of all"),
        _ceiling(found, Way("quick-move", 8), "the same, its pacer at 10 ms"),
        _ceiling(found, Way("rcd", 8), "one rclone rcd, its pacer at 10 ms"),
    ]


@contextmanager
def _drive() -> Iterator[tuple[StandInProcess, Path]]:
    with ExitStack() as stack:
        drive = stack.enter_context(stand_in("standins.drive"))
        drive.ask("shaping", {"call_seconds": CALL_SECONDS})
        yield drive, stack.enter_context(temporary_directory())


def _upload(way: Way, files: int, drive: StandInProcess, directory: Path, remote: str) -> Uploaded:
    source = directory / "source"
    source.mkdir(exist_ok=True)
    for number in range(files):
        (source / f"{number}.bin").write_bytes(os.urandom(FILE_BYTES))
    # Parallel moves into a folder that is not there would make several of it.
    subprocess.run(
        ["rclone", "mkdir", f"{remote}/{FOLDER}"],
        env={**os.environ, **drive.environment},
        check=True,
    )
    before = drive.ask("statistics")["api_calls"]
    measured = run_child(
        "upload_ways",
        drive.environment,
        files * FILE_BYTES,
        way.name,
        str(way.workers),
        str(source),
        remote,
        FOLDER,
    )
    return Uploaded(files, measured, drive.ask("statistics")["api_calls"] - before)


def _against_moveto(found: dict[Way, list[Uploaded]], ours: Way, plain: Way) -> list[Row]:
    ratios = [
        mine.files_per_second / theirs.files_per_second
        for mine, theirs in zip(found[ours], found[plain], strict=True)
    ]
    calls = median([each.calls_per_file for each in found[ours]])
    case = f"{found[ours][0].files} files of 100 KB, 150 ms a call, {ours.workers} uploads at once"
    return [
        Row(
            case,
            "1.3 times plain rclone moveto",
            f"{median(ratios):.2f} times",
            median(ratios) >= 1.3,
            f"{_figures(found[ours])} against {_figures(found[plain])}",
        ),
        Row(case, "3 calls for a file", f"{calls:.2f} calls", calls <= MOST_CALLS),
    ]


def _ceiling(found: dict[Way, list[Uploaded]], way: Way, what: str) -> Row:
    ours = Way("ours", way.workers)
    ratios = [
        theirs.files_per_second / mine.files_per_second
        for mine, theirs in zip(found[ours], found[way], strict=True)
    ]
    return Row(
        f"{found[way][0].files} files of 100 KB, 150 ms a call, {what}",
        "",
        f"{median(ratios):.2f} times ours",
        None,
        _figures(found[way]),
    )


def _figures(uploads: list[Uploaded]) -> str:
    return (
        f"{median([each.files_per_second for each in uploads]):.1f} files/s, "
        f"{median([each.calls_per_file for each in uploads]):.1f} calls and "
        f"{median([each.cpu_seconds_per_file for each in uploads]) * 1000:.0f} ms CPU a file"
    )


CASES = (Case("uploads", "small-files", small_files),)
