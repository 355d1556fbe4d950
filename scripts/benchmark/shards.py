"""One channel by four runs side by side, each with a line and accounts of its own, against one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from scripts.benchmark.frame import (
    MEGABYTE,
    BenchFailed,
    Case,
    Plan,
    Row,
    StandInProcess,
    end,
    files_of,
    median,
    say,
    telegram,
    temporary_directory,
)
from scripts.environment import ROOT

SHARDS = 4
LINE_BYTES_PER_SECOND = 3 * MEGABYTE
FILE_BYTES = 3 * MEGABYTE
BLOCKS = 12
"""Of a thousand messages: as many for each shard."""
MOST_SHARE = 0.3


def shards_against_one(plan: Plan) -> list[Row]:
    files = BLOCKS * plan.choose(20, 10)
    parameters = files_of([FILE_BYTES] * files, apart=BLOCKS * 1000 // files)
    line = {"total_bytes_per_second": float(LINE_BYTES_PER_SECOND)}
    alone, side_by_side = [], []
    with ExitStack() as stack:
        accounts = [
            stack.enter_context(telegram("files", parameters, **line)) for _ in range(SHARDS)
        ]
        for _ in range(plan.runs):
            alone.append(_moved(accounts[:1], files))
            say(f"one run: {alone[-1]:.1f} s")
            side_by_side.append(_moved(accounts, files))
            say(f"{SHARDS} shards: {side_by_side[-1]:.1f} s")
    share = median(side_by_side) / median(alone)
    return [
        Row(
            f"{files} files of {FILE_BYTES / MEGABYTE:g} MB by {SHARDS} shards, each with accounts "
            "of its own at 3 MB/s both ways",
            f"at most {MOST_SHARE:g} times the time of one run",
            f"{share:.2f} times",
            share <= MOST_SHARE,
            f"{median(side_by_side):.1f} s against {median(alone):.1f} s, with start and end",
        )
    ]


def _moved(accounts: list[StandInProcess], files: int) -> float:
    """Seconds from the start of all runs to the end of the last one. Raises ``BenchFailed``."""
    with temporary_directory() as directory, ExitStack() as stack:
        began = time.monotonic()
        runs = []
        for number, account in enumerate(accounts, start=1):
            shard = ["--shard", f"{number}/{len(accounts)}"] if len(accounts) > 1 else []
            process = _start(directory, directory / f"machine-{number}", account, *shard)
            stack.callback(end, process)
            runs.append(process)
        results = [_result(process, directory) for process in runs]
        seconds = time.monotonic() - began
        done = sum(int(result["done"]) for result in results)
        there = sum(path.is_file() for path in (directory / "remote").rglob("*"))
        if (done, there) != (files, files):
            raise BenchFailed(f"{done} files were moved and {there} are there, of {files}")
        return seconds


def _start(
    directory: Path, machine: Path, account: StandInProcess, *arguments: str
) -> subprocess.Popen[str]:
    machine.mkdir()
    config = directory / "rclone.conf"
    config.touch()
    with (machine / "stderr.log").open("wb") as stderr:
        return subprocess.Popen(
            [
                sys.executable,
                str(ROOT / "tdl_sync.py"),
                "-u",
                f"@{account.greeting['username']}",
                f"--remote={directory / 'remote'}",
                f"--data-dir={machine / 'data'}",
                f"--staging={machine / 'staging'}",
                f"--rclone-arg=--bwlimit={LINE_BYTES_PER_SECOND // 1024}k",
                *arguments,
            ],
            env={
                **os.environ,
                **account.environment,
                "RCLONE_CONFIG": str(config),
                # Else a directory of this machine would get its files by a renaming.
                "RCLONE_DISABLE": "Move,Copy",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )


def _result(process: subprocess.Popen[str], directory: Path) -> dict[str, str]:
    stdout, _ = process.communicate()
    last = (stdout.splitlines() or [""])[-1]
    result = dict(word.split("=", 1) for word in last.split() if "=" in word)
    if result.get("status") != "complete":
        logs = "".join(path.read_text()[-1500:] for path in directory.glob("*/stderr.log"))
        raise BenchFailed(f"{process.args!r}: {last}\n{logs}")
    return result


CASES = (Case("shards", "shards", shards_against_one),)
