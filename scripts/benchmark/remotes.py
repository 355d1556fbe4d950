"""Whole runs to one kind of remote after the other: this program beside an earlier state of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.benchmark.frame import (
    MEGABYTE,
    NOW,
    Case,
    Plan,
    Row,
    StandInProcess,
    files_of,
    median,
    say,
    telegram,
)
from scripts.benchmark.moves import (
    MakeRemote,
    Moved,
    drive_remote,
    figures,
    local_remote,
    move_chat,
    s3_remote,
    webdav_remote,
)
from standins.demonstration import WORLD_PARAMETERS, expected_items
from standins.telegram.world import worlds

WORKERS = (3, 8)
SMALL_FILES = 200
SMALL_BYTES = 100_000
SMALL_SECONDS = 4.0
LARGE_FILES = 3
AS_FAST = 0.95
"""Two measurements of one thing differ by so much."""


@dataclass(frozen=True)
class Runs:
    """Of this program, and of the earlier state of it if there is one, in turn."""

    mine: Sequence[Moved]
    theirs: Sequence[Moved]

    def before_against_now(self, of: Callable[[Moved], float]) -> float:
        """The median of the turns."""
        turns = zip(self.mine, self.theirs, strict=True)
        return median([of(before) / of(now) for now, before in turns])

    def __str__(self) -> str:
        before = f"; before {figures(self.theirs)}" if self.theirs else ""
        return figures(self.mine) + before


def drive(plan: Plan) -> list[Row]:
    return _demonstration(plan, "Drive", drive_remote)


def webdav(plan: Plan) -> list[Row]:
    return _demonstration(plan, "WebDAV", webdav_remote)


def s3(plan: Plan) -> list[Row]:
    return _demonstration(plan, "S3", s3_remote)


def _demonstration(plan: Plan, to: str, make: MakeRemote) -> list[Row]:
    """The channel of the demo."""
    messages = plan.choose(WORLD_PARAMETERS["messages"], 60)
    parameters: dict[str, Any] = {**WORLD_PARAMETERS, "messages": messages}
    files = len(expected_items(worlds.mixed(**parameters).source))
    rows = []
    with telegram("mixed", parameters) as chat:
        for workers in WORKERS:
            what = f"{files} files of a channel to {to}, {workers} uploads at once"
            runs = _move(plan, what, chat, make, files, "--workers", str(workers))
            rows.append(Row(what, "", _compared(runs), None, str(runs)))
    return rows


def _compared(runs: Runs) -> str:
    if not runs.theirs:
        return ""
    faster = runs.before_against_now(lambda moved: moved.moving_seconds)
    cpu = 1 / runs.before_against_now(lambda moved: moved.cpu_seconds)
    return f"{faster:.2f} times as fast as before with {cpu:.2f} times the CPU"


def _move(
    plan: Plan, what: str, chat: StandInProcess, make: MakeRemote, files: int, *arguments: str
) -> Runs:
    mine: list[Moved] = []
    theirs: list[Moved] = []
    for checkout in plan.in_turn():
        with make() as remote:
            moved = move_chat(checkout, chat, remote, files, *arguments)
        say(f"{checkout.name}, {what}: {figures([moved])}")
        (mine if checkout is NOW else theirs).append(moved)
    return Runs(mine, theirs)


def small_files(plan: Plan) -> list[Row]:
    what = f"{SMALL_FILES} files of 100 KB to a directory, the whole command"
    with telegram("files", files_of([SMALL_BYTES] * SMALL_FILES)) as chat:
        runs = _move(plan, what, chat, local_remote, SMALL_FILES)
    seconds = median([each.seconds for each in runs.mine])
    met = seconds <= SMALL_SECONDS
    return [Row(what, f"at most {SMALL_SECONDS:g} s", f"{seconds:.2f} s", met, str(runs))]


def large_files(plan: Plan) -> list[Row]:
    size_bytes = plan.choose(200, 50) * MEGABYTE
    rows = []
    with telegram("files", files_of([size_bytes] * LARGE_FILES)) as chat:
        for to, make in (("Drive", drive_remote), ("a directory", local_remote)):
            what = f"{LARGE_FILES} files of {size_bytes // MEGABYTE} MB to {to}"
            runs = _move(plan, what, chat, make, LARGE_FILES)
            if runs.theirs:
                faster = runs.before_against_now(lambda moved: moved.moving_seconds)
                result, met = f"{faster:.2f} times as fast", faster >= AS_FAST
                rows.append(Row(what, "as fast as before", result, met, str(runs)))
            else:
                rows.append(Row(what, "", "", None, str(runs)))
    return rows


CASES = (
    Case("remotes", "drive", drive),
    Case("remotes", "webdav", webdav),
    Case("remotes", "s3", s3),
    Case("remotes", "small", small_files),
    Case("remotes", "large", large_files),
)
