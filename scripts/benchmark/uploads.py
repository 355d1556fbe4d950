"""Small files to Drive at 150 ms a call: whole runs of the program beside rclone's own ways."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.frame import (
    NOW,
    Case,
    Checkout,
    Measured,
    Plan,
    Row,
    files_of,
    median,
    run_child,
    say,
    telegram,
)
from scripts.benchmark.moves import Moved, drive_remote, figures, move_chat

FILE_BYTES = 100_000
FOLDER = "folder"
MOST_CALLS = 3.1
"""Three for a file, and what ends the start and is said once."""


@dataclass(frozen=True)
class Way:
    """One of ``upload_ways``, with so many files at once."""

    name: str
    workers: int

    def __str__(self) -> str:
        return f"{self.name} with {self.workers}"


@dataclass(frozen=True)
class Ours:
    """A state of the program, with so many uploads at once."""

    checkout: Checkout
    workers: int

    def __str__(self) -> str:
        return f"tdl_sync {self.checkout.name} with {self.workers}"


PLAIN_WAYS = (
    Way("moveto", 3),
    Way("moveto", 8),
    Way("move", 8),
    Way("quick-move", 8),
    Way("rcd", 8),
)


def small_files(plan: Plan) -> list[Row]:
    """The program gets its files from Telegram meanwhile, so that its CPU is for both sides."""
    files = plan.choose(120, 48)
    found: dict[Way | Ours, list[Moved]] = defaultdict(list)
    with telegram("files", files_of([FILE_BYTES] * files)) as chat:
        for _ in range(plan.runs):
            for ours in (Ours(each, workers) for workers in (3, 8) for each in plan.checkouts):
                with drive_remote() as remote:
                    moved = move_chat(
                        ours.checkout, chat, remote, files, "--workers", str(ours.workers)
                    )
                say(f"{ours}: {figures([moved])}")
                found[ours].append(moved)
            for way in PLAIN_WAYS:
                found[way].append(_plain(way, files))
                say(f"{way}: {figures(found[way][-1:])}")
    now = Ours(NOW, 8)
    return [
        *(
            row
            for workers in (3, 8)
            for checkout in plan.checkouts
            for row in _against_moveto(found, Ours(checkout, workers), Way("moveto", workers))
        ),
        _ceiling(found, now, Way("move", 8), "one rclone move of all"),
        _ceiling(found, now, Way("quick-move", 8), "the same, its pacer at 10 ms"),
        _ceiling(found, now, Way("rcd", 8), "one rclone rcd, its pacer at 10 ms"),
    ]


def _plain(way: Way, files: int) -> Moved:
    sizes = [FILE_BYTES] * files
    with drive_remote() as remote:
        assert remote.calls_so_far is not None
        source = prepare_upload(sizes, remote.environment, remote.machine, remote.path)
        before = remote.calls_so_far()
        measured = upload(way, sizes, remote.environment, source, remote.path)
        calls = remote.calls_so_far() - before
    return Moved(files, sum(sizes), measured.seconds, 0.0, measured.cpu_seconds, calls)


def prepare_upload(
    sizes: Sequence[int], environment: Mapping[str, str], machine: Path, remote: str
) -> Path:
    """Make files of these sizes, in a directory below ``machine``, and the folder for them.

    Parallel moves into a folder that is not there would make several of it.
    """
    source = machine / "source"
    source.mkdir()
    for number, size_bytes in enumerate(sizes):
        (source / f"{number}.bin").write_bytes(os.urandom(size_bytes))
    subprocess.run(
        ["rclone", "mkdir", f"{remote}/{FOLDER}"], env={**os.environ, **environment}, check=True
    )
    return source


def upload(
    way: Way, sizes: Sequence[int], environment: Mapping[str, str], source: Path, remote: str
) -> Measured:
    """Move what was prepared."""
    return run_child(
        "upload_ways",
        environment,
        sum(sizes),
        way.name,
        str(way.workers),
        str(source),
        remote,
        FOLDER,
    )


def _against_moveto(
    found: Mapping[Way | Ours, Sequence[Moved]], ours: Ours, plain: Way
) -> list[Row]:
    ratios = [
        mine.files_per_second / theirs.files_per_second
        for mine, theirs in zip(found[ours], found[plain], strict=True)
    ]
    calls = median([each.calls_per_file for each in found[ours]])
    case = f"{found[ours][0].files} files of 100 KB, 150 ms a call, {ours}"
    return [
        Row(
            case,
            "1.3 times plain rclone moveto",
            f"{median(ratios):.2f} times",
            median(ratios) >= 1.3,
            f"{figures(found[ours])} against {figures(found[plain])}",
        ),
        Row(case, "3 calls for a file", f"{calls:.2f} calls", calls <= MOST_CALLS),
    ]


def _ceiling(found: Mapping[Way | Ours, Sequence[Moved]], ours: Ours, way: Way, what: str) -> Row:
    ratios = [
        theirs.files_per_second / mine.files_per_second
        for mine, theirs in zip(found[ours], found[way], strict=True)
    ]
    return Row(
        f"{found[way][0].files} files of 100 KB, 150 ms a call, {what}",
        "",
        f"{median(ratios):.2f} times ours",
        None,
        figures(found[way]),
    )


CASES = (Case("uploads", "small-files", small_files),)
