"""Kills or stops the rclone of a run, and not the program; nothing may be lost, wrong or doubled.

Channel after channel is moved, to a directory and to a stand-in for Drive, and in each run a few
blows are dealt to an rclone that works for it: mostly while it uploads. The program lives on, so
the run has to end by itself, with everything moved. What used up a file's attempts (or the
program's patience with its rclone) may be left to one more run, which is left alone.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

import psutil

from scripts.campaign_runs import (
    LOCAL_REMOTE,
    MARK,
    MEAN_FILE_BYTES,
    POLL_SECONDS,
    RUN_SECONDS,
    SHAPING,
    SIGN_OF_LIFE_SECONDS,
    last_words,
    lives_for,
    make_local_remote,
    run_environment,
    start_run,
)
from scripts.rclones import rclones_below, rclones_marked, uploaded_by, uploads_below
from standins.demonstration import Places, differences, expected_items, key_on_remote
from standins.drive.files.world import DriveFile
from standins.drive.server import DriveStandIn
from standins.drive.shaping import Shaping as DriveShaping
from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from standins.telegram.world.channel import ItemKey
from standins.telegram.world.world import World

DRIVE_SHAPING = DriveShaping(
    call_seconds=0.05, total_bytes_per_second=12_000_000, listing_lag_seconds=1.0
)
"""What was sent before a blow is there, and in no listing yet."""

MOST_BLOWS_A_RUN = 3
"""A program may lose patience with an rclone that dies again and again."""

LONGEST_UPLOAD_SECONDS = 0.4
LONGEST_WORK_SECONDS = 1.5
LONGEST_PAUSE_SECONDS = 12.0
MET_BY_CHANCE = 0.2
MOST_IN_VAIN = 12
"""So many channels in a row may be moved, on a busy machine, before an upload was seen."""

UNFINISHED = (3, 75)
"""How a run may end that leaves the rest to the next one: failed for now, or come back later."""


class Blow(str, Enum):
    """What happens to an rclone. The value is how ``scripts/torture.py`` calls it."""

    KILL = "kill"
    STOP = "stop"
    PAUSE = "pause"

    @property
    def what(self) -> str:
        return _WHAT[self]


_WHAT = {
    Blow.KILL: "killed",
    Blow.STOP: "stopped for good",
    Blow.PAUSE: f"stopped for up to {LONGEST_PAUSE_SECONDS:g} s",
}


class Destination(str, Enum):
    """Where a channel is moved to."""

    LOCAL = "a directory"
    DRIVE = "Drive"


@dataclass(frozen=True)
class RclonePlan:
    """``blows`` are dealt on each of the ``destinations``, of these ``kinds``."""

    blows: int
    kinds: tuple[Blow, ...]
    seed: int
    messages: int = 100
    destinations: tuple[Destination, ...] = tuple(Destination)


@dataclass
class RcloneFigures:
    """What came out. ``problems`` is empty when every promise held."""

    uploads_met: Counter[tuple[Destination, Blow]] = field(default_factory=Counter)
    others_met: Counter[tuple[Destination, Blow]] = field(default_factory=Counter)
    channels: int = 0
    files: int = 0
    second_runs: int = 0
    partial_uploads_left: int = 0
    problems: list[str] = field(default_factory=list)

    def dealt(self, destination: Destination) -> int:
        """All blows on this destination."""
        both = self.uploads_met + self.others_met
        return sum(count for (where, _), count in both.items() if where is destination)

    def conclude(self) -> None:
        """A campaign that is over has shown nothing of uploads where no blow ever met one."""
        for destination in Destination:
            dealt = self.dealt(destination)
            if dealt and not any(where is destination for where, _ in self.uploads_met):
                self.problems.append(f"none of {dealt} blows on {destination.value} met an upload")


class _Remote(Protocol):
    """Where the files go, and a look at what is there."""

    name: str

    def environment(self) -> dict[str, str]: ...

    def remove_unfinished(self) -> int:
        """rclone's own unfinished copies; how many there were."""
        ...

    def problems(self) -> list[str]:
        """In what it differs from the channel."""
        ...


class _Directory:
    name = LOCAL_REMOTE

    def __init__(self, places: Places, world: World, dice: random.Random) -> None:
        self._places = places
        self._world = world
        self._variables = make_local_remote(places, dice)

    def environment(self) -> dict[str, str]:
        return self._variables

    def remove_unfinished(self) -> int:
        unfinished = list(self._places.drive.rglob("*.partial"))
        for path in unfinished:
            path.unlink()
        return len(unfinished)

    def problems(self) -> list[str]:
        return differences([self._world.source], self._places.drive)


class _Drive:
    name = "gdrive:channels"

    def __init__(self, places: Places, world: World, drive: DriveStandIn) -> None:
        self._world = world
        self._drive = drive
        places.root.mkdir(parents=True)
        drive.rclone_config(places.root).rename(places.rclone_config)

    def environment(self) -> dict[str, str]:
        # The stand-in itself is as slow as is wanted.
        own = {"RCLONE_DRIVE_PACER_MIN_SLEEP": "1ms", "RCLONE_BWLIMIT_FILE": "off"}
        return {**self._drive.environment(), **own}

    def remove_unfinished(self) -> int:
        return 0

    def problems(self) -> list[str]:
        present = [file for file in self._drive.files("user") if not file.trashed]
        found = differences_on_drive(self._world, present)
        return found + [f"unknown request {what}" for what in self._drive.unknown_requests]


def differences_on_drive(world: World, present: list[DriveFile]) -> list[str]:
    """Everything in which a Drive is not what the chat holds; empty when all is well."""
    folders = Counter(file.path for file in present if file.is_folder)
    problems = [f"{count} folders {path!r}" for path, count in folders.items() if count > 1]
    found: defaultdict[ItemKey | None, list[DriveFile]] = defaultdict(list)
    for file in present:
        if not file.is_folder:
            found[key_on_drive(file)].append(file)
    expected = expected_items(world.source)
    problems += [
        f"unexpected: {file.path!r}"
        for key, files in found.items()
        if key not in expected
        for file in files
    ]
    for key, item in expected.items():
        files = found.get(key, [])
        if len(files) != 1:
            shown = ", ".join(
                f"{file.path} ({'right' if file.md5 == item.file.md5() else 'other bytes'}, "
                f"id {file.file_id})"
                for file in files
            )
            problems.append(f"{key}: {len(files)} files instead of 1: {shown}")
        elif files[0].md5 != item.file.md5():
            problems.append(f"{key}: other bytes than Telegram has")
    return problems


def key_on_drive(file: DriveFile) -> ItemKey | None:
    return key_on_remote(file.path.rpartition("/")[0], file.name)


def run_rclone_campaign(
    plan: RclonePlan, root: Path, figures: RcloneFigures, tell: Callable[[str], None]
) -> None:
    """Move channel after channel, to each destination by turns, until all blows are dealt."""
    dice = random.Random(plan.seed)
    in_vain = 0
    while not figures.problems:
        left = [where for where in plan.destinations if figures.dealt(where) < plan.blows]
        if not left:
            break
        number = figures.channels + 1
        world = worlds.mixed(
            seed=plan.seed + number,
            messages=plan.messages,
            mean_size_bytes=dice.choice(MEAN_FILE_BYTES),
            too_large_bytes=None,
        )
        where = left[number % len(left)]
        with _stage(root / f"channel-{number}", world, where, dice) as channel:
            blows = min(MOST_BLOWS_A_RUN, plan.blows - figures.dealt(where))
            dealt_before = figures.dealt(where)
            channel.move(figures, plan.kinds, blows, tell)
            in_vain = in_vain + 1 if figures.dealt(where) == dealt_before else 0
            if in_vain == MOST_IN_VAIN:
                figures.problems.append(f"no rclone was seen uploading to {where.value}")
        tell(f"channel {number} is complete on {where.value}")
    figures.conclude()


@contextmanager
def _stage(root: Path, world: World, where: Destination, dice: random.Random) -> Iterator[_Channel]:
    places = Places(root)
    with ExitStack() as closing:
        telegram = closing.enter_context(StandIn(world, SHAPING))
        remote: _Remote
        if where is Destination.DRIVE:
            drive = closing.enter_context(DriveStandIn(DRIVE_SHAPING))
            remote = _Drive(places, world, drive)
        else:
            remote = _Directory(places, world, dice)
        channel = _Channel(world, telegram, places, remote, where, dice)
        closing.callback(channel.clear)
        yield channel
    shutil.rmtree(root)


@dataclass(frozen=True)
class _Victim:
    """One that is stopped, and whether it has a staged file open."""

    rclone: psutil.Process
    uploads: bool


class _Channel:
    """One channel: a run with blows, and another one if that left something."""

    def __init__(
        self,
        world: World,
        telegram: StandIn,
        places: Places,
        remote: _Remote,
        where: Destination,
        dice: random.Random,
    ) -> None:
        self._world = world
        self._telegram = telegram
        self._places = places
        self._remote = remote
        self._where = where
        self._dice = dice
        self._environment = run_environment({**telegram.environment(), **remote.environment()})
        self._runs: list[subprocess.Popen[bytes]] = []

    def move(
        self,
        figures: RcloneFigures,
        kinds: tuple[Blow, ...],
        blows: int,
        tell: Callable[[str], None],
    ) -> None:
        process = self._start()
        for _ in range(blows):
            if not self._deal(process, self._dice.choice(kinds), figures, tell):
                break
        status = _ended(process)
        if status in UNFINISHED:
            figures.second_runs += 1
            tell(f"a run ended with {status}, so there is another one")
            status = _ended(self._start())
        self._check(status, figures)

    def clear(self) -> None:
        """End what a run that failed has left, stopped rclones, too."""
        for process in [*self._runs, *rclones_marked(MARK, self._environment[MARK])]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        for run in self._runs:
            run.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        process = start_run(self._places, self._remote.name, self._environment)
        self._runs.append(process)
        return process

    def _deal(
        self,
        process: subprocess.Popen[bytes],
        blow: Blow,
        figures: RcloneFigures,
        tell: Callable[[str], None],
    ) -> bool:
        """Wait for a moment, and then for an rclone; false if the program ended before."""
        if not (self._sees_an_upload(process) and self._waits(process)):
            return False
        anything = self._dice.random() < MET_BY_CHANCE
        while (victim := self._stopped(process, anything)) is None:
            if not lives_for(process, POLL_SECONDS):
                return False
        if blow is Blow.KILL:
            victim.rclone.kill()
        elif blow is Blow.PAUSE:
            seconds = self._dice.uniform(0, LONGEST_PAUSE_SECONDS)
            timer = threading.Timer(seconds, _resume, [victim.rclone])
            timer.daemon = True
            timer.start()
        met = figures.uploads_met if victim.uploads else figures.others_met
        met[self._where, blow] += 1
        at = "that uploaded" if victim.uploads else "that did something else"
        tell(f"{figures.dealt(self._where)} on {self._where.value}: {blow.what} an rclone {at}")
        return True

    def _sees_an_upload(self, process: subprocess.Popen[bytes]) -> bool:
        """The first one: before it, an rclone that dies is no rclone that can be worked with."""
        deadline = time.monotonic() + SIGN_OF_LIFE_SECONDS
        while not self._uploading(process):
            if time.monotonic() > deadline or not lives_for(process, POLL_SECONDS):
                return False
        return True

    def _waits(self, process: subprocess.Popen[bytes]) -> bool:
        return lives_for(process, self._dice.uniform(0, LONGEST_WORK_SECONDS))

    def _stopped(self, process: subprocess.Popen[bytes], anything: bool) -> _Victim | None:
        """An rclone after a part of its upload, or in ``anything`` that it may do.

        Only of one that is stopped it can be said what a blow met; others are let go again.
        """
        if anything:
            found = [each for each in rclones_below(process.pid) if not _is_stopped(each)]
        elif self._uploading(process):
            lives_for(process, self._dice.uniform(0, LONGEST_UPLOAD_SECONDS))
            found = self._uploading(process)
        else:
            return None
        if not found:
            return None
        rclone = self._dice.choice(found)
        try:
            rclone.suspend()
        except psutil.NoSuchProcess:
            return None
        uploads = bool(uploaded_by(rclone, self._places.staging))
        if _is_stopped(rclone) and (uploads or anything):
            return _Victim(rclone, uploads)
        _resume(rclone)
        return None

    def _uploading(self, process: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Not those that an earlier blow has stopped."""
        found = uploads_below(process.pid, self._places.staging)
        return [rclone for rclone in found if not _is_stopped(rclone)]

    def _check(self, status: int, figures: RcloneFigures) -> None:
        if status != 0:
            said = last_words(self._places)
            figures.problems.append(f"a run ended with exit status {status}:\n{said}")
            return
        if not _comes_true(lambda: not rclones_marked(MARK, self._environment[MARK])):
            figures.problems.append("an rclone is left running")
        items = expected_items(self._world.source)
        figures.partial_uploads_left += self._remote.remove_unfinished()
        figures.problems += self._remote.problems()
        left = [path.name for path in self._places.staging.iterdir() if path.name != ".lock"]
        figures.problems += [f"left in the staging directory: {name}" for name in left]
        served_bytes = self._telegram.statistics.served_bytes(None)
        channel_bytes = sum(item.file.size_bytes for item in items.values())
        if served_bytes > channel_bytes:
            figures.problems.append(f"{served_bytes} bytes were served of {channel_bytes}")
        figures.problems += [f"unknown call {name}" for name in self._telegram.unknown_rpcs]
        figures.channels += 1
        figures.files += len(items)


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit status; it is killed if it does not end by itself."""
    try:
        return process.wait(RUN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _is_stopped(rclone: psutil.Process) -> bool:
    try:
        return bool(rclone.status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def _resume(rclone: psutil.Process) -> None:
    try:
        rclone.resume()
    except psutil.NoSuchProcess:
        return  # nobody waited for it


def _comes_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SIGN_OF_LIFE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
