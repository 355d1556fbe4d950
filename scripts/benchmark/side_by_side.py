"""Downloads beside everybody else's that runs against the stand-in, in turn, in one run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.benchmark.downloads import LARGE_BYTES, SMALL_BYTES
from scripts.benchmark.frame import (
    MEGABYTE,
    BenchFailed,
    Case,
    Measured,
    Plan,
    Row,
    StandInProcess,
    files_of,
    median,
    median_seconds,
    result_of,
    say,
    start_child,
    telegram,
)
from scripts.benchmark.peer_environment import peer_python
from scripts.environment import ROOT
from scripts.reaper import kill_session
from standins.telegram.service.data_centres import ADDRESSES, PORT

HOME_DC_ID = 2
OURS = "tdl_sync"
LIBRARY = "download_media"
PUBLIC = ("telethon", "FastTelethonHelper", "aiofasttelethonhelper", "teleget9527")
LONGEST_SECONDS = 240.0


@dataclass(frozen=True)
class Race:
    """Files that everybody downloads, so many of them at once (ours: as it is shipped)."""

    name: str
    case: str
    sizes: tuple[int, ...]
    at_once: int = 1
    shaping: Mapping[str, float] = field(default_factory=dict)
    limits: tuple[Mapping[str, Any], ...] = ()

    def rows(self, plan: Plan) -> list[Row]:
        times: dict[str, list[Measured]] = {name: [] for name in (OURS, LIBRARY, *PUBLIC)}
        said: dict[str, str] = {}
        with telegram("files", files_of(self.sizes), **self.shaping) as place:
            for _ in range(plan.runs):
                for name, measured in times.items():
                    if name in said:
                        continue
                    place.ask("limits", list(self.limits))
                    try:
                        measured.append(self._run(place, name))
                    except BenchFailed as error:
                        said[name] = str(error)
                        say(f"{name} does not finish: {error}")
                    else:
                        say(f"{name}: {measured[-1]}")
        return [_row(self.case, {n: m for n, m in times.items() if n not in said}, said)]

    def _run(self, place: StandInProcess, name: str) -> Measured:
        chat, at_once = str(place.greeting["username"]), str(self.at_once)
        environment = place.environment
        if name == OURS:
            child = start_child("our_way", environment, "download", chat)
        elif name == LIBRARY:
            child = start_child("peers", environment, LIBRARY, chat, "--at-once", at_once)
        else:
            return self._run_public(environment, name, chat, "--at-once", at_once)
        return result_of(child, sum(self.sizes), LONGEST_SECONDS)

    def _run_public(self, environment: Mapping[str, str], way: str, *arguments: str) -> Measured:
        child = _start_public(environment, way, *arguments)
        try:
            return result_of(child, sum(self.sizes), LONGEST_SECONDS)
        finally:
            kill_session(child)  # what it has started outlives it


def _start_public(
    environment: Mapping[str, str], way: str, *arguments: str
) -> subprocess.Popen[str]:
    home = f"{ADDRESSES[HOME_DC_ID]}:{PORT}"
    return subprocess.Popen(
        [peer_python(), "-m", "scripts.benchmark.public_peers", way, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment, "BENCH_HOME_ADDRESS": home},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # What one of them logs fills any pipe; nobody reads it while it runs.
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def _row(case: str, times: Mapping[str, Sequence[Measured]], said: Mapping[str, str]) -> Row:
    seconds = {name: median_seconds(measured) for name, measured in times.items()}
    if OURS not in seconds:
        raise BenchFailed(said[OURS])
    mine = seconds.pop(OURS)
    best = min(seconds, key=lambda name: seconds[name])
    cpu = median([1000 * each.cpu_seconds / (each.bytes / MEGABYTE) for each in times[OURS]])
    figures = [f"{OURS} {mine:.2f} s ({cpu:.0f} ms of CPU a MB)"]
    figures += [f"{name} {value:.2f} s" for name, value in sorted(seconds.items())]
    figures += [f"{name} does not finish" for name in sorted(said)]
    return Row(
        case,
        "faster than any other",
        f"{seconds[best] / mine:.2f} times as fast as {best}, the next",
        mine < seconds[best],
        ", ".join(figures),
    )


CAPPED = {"connection_bytes_per_second": 4 * MEGABYTE}
RACES = (
    Race("capped", "one 64 MB file, 4 MB/s a connection", (LARGE_BYTES,), shaping=CAPPED),
    Race("free", "one 64 MB file, no cap", (LARGE_BYTES,)),
    Race("four", "four 64 MB files at once, no cap", (LARGE_BYTES,) * 4, 4),
    Race("small", "200 files of 100 KB, eight at once", (SMALL_BYTES,) * 200, 8),
    Race(
        "limited",
        "one 64 MB file, 4 MB/s a connection, 40 requests in 5 s",
        (LARGE_BYTES,),
        shaping=CAPPED,
        limits=({"requests": 40, "seconds": 5},),
    ),
)

CASES = tuple(Case("peers", f"peers-{race.name}", race.rows) for race in RACES)
