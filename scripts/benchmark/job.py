"""The whole job, from Telegram to Drive: against its slower leg, and against today's script."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from scripts.benchmark.frame import (
    MEGABYTE,
    NOW,
    ROUND_TRIP_SECONDS,
    Case,
    Measured,
    Plan,
    Row,
    StandInProcess,
    files_of,
    median,
    median_seconds,
    run_child,
    say,
    stand_in,
    telegram,
    temporary_directory,
)
from scripts.benchmark.program import StagingLook, run_program
from scripts.benchmark.uploads import Way, prepare_upload, upload
from standins.flow import STEP_SECONDS
from tdl_sync.core.ports import PART_BYTES

LINE_BYTES_PER_SECOND = 10 * MEGABYTE
SLOW_LINE_BYTES_PER_SECOND = 4 * MEGABYTE
BUDGET_BYTES = 60 * MEGABYTE
LIMIT_TEXT = "5M"
LIMIT_BYTES_PER_SECOND = 5 * 1024 * 1024
LIMITED_FILE_BYTES = 6 * MEGABYTE
EDGE_STEPS = 60
WINDOW_STEPS = 100
UPLOAD_ALONE = Way("rcd", 3)
"""One rclone that is told of each file, three at once as the program does by default."""


def mixed_sizes(rounds: int) -> list[int]:
    """As a channel has them: a few large files carry most bytes, most files are small."""
    one_round = [8_000_000] * 5 + [3_000_000] * 8 + [1_200_000] * 12 + [150_000] * 20
    sizes = one_round * rounds
    random.Random(5).shuffle(sizes)
    return sizes


@dataclass(frozen=True)
class Place:
    """Telegram, Drive, and a directory for what runs between them."""

    telegram: StandInProcess
    drive: StandInProcess
    directory: Path
    numbers: Iterator[int]

    @property
    def environment(self) -> dict[str, str]:
        return {**self.telegram.environment, **self.drive.environment}

    @property
    def chat(self) -> str:
        return str(self.telegram.greeting["username"])

    def new_remote(self) -> str:
        return f"gdrive:run-{next(self.numbers)}"

    def used_remote(self) -> str:
        """One in which another chat's folder is already: in a fresh one a run that begins within a
        minute of another one's end, as here, first waits until it is certain which folder all
        machines take, which is no part of the job."""
        remote = self.new_remote()
        environment = {**os.environ, **self.environment}
        command = ["rclone", "mkdir", f"{remote}/Another chat [-1001]"]
        subprocess.run(command, env=environment, check=True)
        return remote

    def new_machine(self) -> Path:
        machine = self.directory / f"machine-{next(self.numbers)}"
        machine.mkdir()
        return machine

    def shape_telegram(self, bytes_per_second: float | None) -> None:
        shaping = {"round_trip_seconds": ROUND_TRIP_SECONDS}
        if bytes_per_second is not None:
            shaping["total_bytes_per_second"] = bytes_per_second
        self.telegram.ask("shaping", shaping)


@dataclass(frozen=True)
class Watched:
    """One run of the program, and what was seen on its disk."""

    seconds: float
    staging: StagingLook


@contextmanager
def place(sizes: list[int], drive_bytes_per_second: float) -> Iterator[Place]:
    with ExitStack() as stack:
        drive = stack.enter_context(stand_in("standins.drive"))
        drive.ask(
            "shaping",
            {
                "call_seconds": ROUND_TRIP_SECONDS,
                "connect_seconds": ROUND_TRIP_SECONDS,
                "total_bytes_per_second": drive_bytes_per_second,
            },
        )
        yield Place(
            stack.enter_context(telegram("files", files_of(sizes))),
            drive,
            stack.enter_context(temporary_directory()),
            count(1),
        )


def whole_job(plan: Plan) -> list[Row]:
    sizes = mixed_sizes(1)
    ours: list[Watched] = []
    downloads, uploads, script = [], [], []
    with place(sizes, LINE_BYTES_PER_SECOND) as where:
        for _ in range(plan.runs):
            where.shape_telegram(None)
            uploads.append(_upload_alone(where, sizes))
            where.shape_telegram(LINE_BYTES_PER_SECOND)
            downloads.append(_child(where, sizes, "our_way", "download"))
            ours.append(_program(where, "--remote", where.used_remote()))
            script.append(_child(where, sizes, "peers", "script", where.new_remote()))
    legs = {
        "download": median_seconds(downloads),
        "upload": median_seconds(uploads),
    }
    slower = max(legs, key=lambda leg: legs[leg])
    mine, theirs = median([each.seconds for each in ours]), median_seconds(script)
    moving = median([each.seconds - each.staging.start_seconds for each in ours])
    case = f"whole job, {len(sizes)} files of mixed sizes, 10 MB/s both ways"
    both = ", ".join(f"{leg} alone {seconds:.1f} s" for leg, seconds in legs.items())
    return [
        Row(
            case,
            "at most 1.1 times the slower leg",
            f"{moving / legs[slower]:.2f} times",
            moving <= 1.1 * legs[slower],
            f"{moving:.1f} s from the first download to the end of the program, "
            f"{mine:.1f} s with its start; {both}",
        ),
        Row(
            case,
            "2.5 times today's script",
            f"{theirs / mine:.2f} times",
            theirs >= 2.5 * mine,
            f"{mine:.1f} s with start and end against {theirs:.1f} s without",
        ),
    ]


def budget_in_use(plan: Plan) -> list[Row]:
    """From the first staged file to the end of the last download, as the disk shows it."""
    sizes = mixed_sizes(2)
    shares = []
    with place(sizes, SLOW_LINE_BYTES_PER_SECOND) as where:
        for _ in range(plan.runs):
            watched = _program(
                where, "--remote", where.used_remote(), "--max-disk", f"{BUDGET_BYTES}B"
            )
            shares.append(_share_of_budget(watched))
    return [
        Row(
            f"budget in use, {sum(sizes) // MEGABYTE} MB through {BUDGET_BYTES // MEGABYTE} MB, "
            "upload the slower leg",
            "at least 80 % on average",
            f"{median(shares):.0%}",
            median(shares) >= 0.8,
            f"{watched.seconds:.0f} s",
        )
    ]


def _share_of_budget(watched: Watched) -> float:
    samples = watched.staging.samples
    first = next(i for i, sample in enumerate(samples) if sample.staged_files)
    last = max(i for i, sample in enumerate(samples) if sample.partial_files)
    busy = samples[first : last + 1]
    return sum(sample.bytes for sample in busy) / len(busy) / BUDGET_BYTES


def limited(plan: Plan) -> list[Row]:
    """``--bwlimit`` as Telegram and Drive see it, by their own clocks."""
    sizes = [LIMITED_FILE_BYTES] * plan.choose(48, 24)
    rows = []
    with place(sizes, LINE_BYTES_PER_SECOND * 10) as where:
        _program(where, "--remote", where.used_remote(), "--bwlimit", LIMIT_TEXT)
        for leg, stand_in_ in (("downloads", where.telegram), ("uploads", where.drive)):
            flow = {int(step): int(count) for step, count in stand_in_.ask("flow").items()}
            used, part_share, extra_bytes = _used(flow)
            rows.append(
                Row(
                    f"--bwlimit={LIMIT_TEXT}, {leg}",
                    "95 to 100 % of it and one part, and at most 4 MiB above it in any 10 s",
                    f"{used:.1%}",
                    0.95 <= used <= 1 + part_share and extra_bytes <= 4 * 1024 * 1024,
                    f"{extra_bytes / 1024 / 1024:+.1f} MiB in the fullest 10 s, "
                    f"{sum(flow.values()) / MEGABYTE:.0f} MB",
                )
            )
            say(f"{leg}: {rows[-1].result}, {rows[-1].details}")
    return rows


def _used(flow: dict[int, int]) -> tuple[float, float, float]:
    """The share of the limit that was used between the first and the last seconds, the share of one
    part, which may come just before the end of them, and how much more than the limit the fullest
    ten seconds held (``standins.flow`` has tenths of a second)."""
    first, last = min(flow) + EDGE_STEPS, max(flow) - EDGE_STEPS
    between = sum(count for step, count in flow.items() if first <= step < last)
    fullest = max(
        sum(count for step, count in flow.items() if begin <= step < begin + WINDOW_STEPS)
        for begin in flow
    )
    step_bytes = LIMIT_BYTES_PER_SECOND * STEP_SECONDS
    allowed_bytes = step_bytes * (last - first)
    extra_bytes = fullest - step_bytes * WINDOW_STEPS
    return between / allowed_bytes, PART_BYTES / allowed_bytes, extra_bytes


def _child(where: Place, sizes: list[int], module: str, name: str, *arguments: str) -> Measured:
    measured = run_child(module, where.environment, sum(sizes), name, where.chat, *arguments)
    say(f"{name}: {measured}")
    return measured


def _upload_alone(where: Place, sizes: list[int]) -> Measured:
    remote = where.new_remote()
    environment = where.drive.environment
    source = prepare_upload(sizes, environment, where.new_machine(), remote)
    measured = upload(UPLOAD_ALONE, sizes, environment, source, remote)
    say(f"upload: {measured}")
    return measured


def _program(where: Place, *arguments: str) -> Watched:
    machine = where.new_machine()
    staging = StagingLook(machine)
    finished = run_program(
        NOW, machine, where.environment, "-u", f"@{where.chat}", *arguments, looks=[staging]
    )
    watched = Watched(finished.seconds, staging)
    say(f"tdl_sync: {watched.seconds:.2f} s, the start {staging.start_seconds:.2f} s of them")
    return watched


CASES = (
    Case("job", "whole-job", whole_job),
    Case("job", "budget", budget_in_use),
    Case("job", "bwlimit", limited),
)
