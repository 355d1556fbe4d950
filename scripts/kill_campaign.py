"""Kills the real program at random moments and checks that nothing is lost, doubled or redone.

The stand-in for Telegram runs in this process, so that it counts every part it serves; the
program and rclone are processes of their own, and nothing in them knows of this. What a kill hit
is read from outside: the staging directory, the journals, the marks database, the remote.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import psutil

from scripts.campaign_runs import (
    DOWNLOADS,
    LOCAL_REMOTE,
    MARK,
    MEAN_FILE_BYTES,
    POLL_SECONDS,
    RUN_SECONDS,
    SHAPING,
    SIGN_OF_LIFE_SECONDS,
    THIS_PROGRAM,
    last_words,
    lives_for,
    make_local_remote,
    run_environment,
    start_run,
)
from scripts.kill_snapshot import PART_BYTES, Part, Snapshot, Step, look
from scripts.rclones import rclones_below, rclones_marked, uploaded_by
from standins.demonstration import Places, differences, expected_items
from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from standins.telegram.world.channel import ItemKey, WorldItem
from standins.telegram.world.world import World

ASKED_FOR_AT_ONCE_BYTES = DOWNLOADS * (16 + 8) * PART_BYTES
"""At most so much is asked for and not written: 16 parts of each large file, and 8 small files
for each download."""

LONGEST_START_SECONDS = 2.5
LONGEST_LAST_PART_SECONDS = 0.15
"""From the sending of a file's last byte to its new name, on a machine that is not idle."""

MOST_AHEAD = 12

_DOWNLOADED = {Step.RESERVED, Step.SOME_PARTS, Step.ALL_PARTS}


class Met(str, Enum):
    """What was under way when a kill came; it may be several."""

    UPLOAD = "an upload"
    DOWNLOAD = "a download"
    SOMETHING_ELSE = "neither"


class Killing(str, Enum):
    """What dies. The next run starts at once; where an rclone lives on it has to wait for it."""

    PROGRAM = "the program alone"
    PROGRAM_THEN_PATIENCE = "the program alone, the next run comes when its rclones have ended"
    EVERYTHING = "the program and its rclones"
    MACHINE = "everything, and the disk is wiped"


@dataclass(frozen=True)
class Plan:
    """How often to kill, and how. ``longest_work_seconds`` is what a run gets at most. By chance
    the kills may not have met one of the steps ``to_meet`` yet; then there are more, up to three
    times as many."""

    kills: int
    wipe: bool
    seed: int
    messages: int = 366
    longest_work_seconds: float = 2.5
    to_meet: frozenset[Step] = frozenset({Step.UPLOADING})
    program: tuple[str, ...] = THIS_PROGRAM


@dataclass
class Figures:
    """What came out. ``problems`` is empty when every promise held."""

    kills: int = 0
    channels: int = 0
    files: int = 0
    channel_bytes: int = 0
    served_bytes: int = 0
    lost_bytes: int = 0
    most_lost_bytes: int = 0
    partial_uploads_left: int = 0
    kinds: Counter[Killing] = field(default_factory=Counter)
    steps: Counter[Step] = field(default_factory=Counter)
    met: Counter[Met] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def killed(self, killing: Killing, steps: set[Step]) -> None:
        """Count a kill that caught files in these steps."""
        self.kills += 1
        self.kinds[killing] += 1
        self.steps.update(steps or {Step.NOTHING})
        met = {Met.UPLOAD} if Step.UPLOADING in steps else set()
        met |= {Met.DOWNLOAD} if steps & _DOWNLOADED else set()
        self.met.update(met or {Met.SOMETHING_ELSE})

    def lack(self, plan: Plan) -> bool:
        """Whether there are to be more kills."""
        met_all = all(self.steps[step] for step in plan.to_meet)
        return self.kills < plan.kills or (not met_all and self.kills < 3 * plan.kills)

    def conclude(self) -> None:
        """A campaign that is over has shown nothing of uploads if none was ever killed."""
        if self.kills and not self.met[Met.UPLOAD]:
            self.problems.append(f"none of {self.kills} kills met an upload")


def run_campaign(plan: Plan, root: Path, figures: Figures, tell: Callable[[str], None]) -> None:
    """Move channel after channel until so many kills are done, and the last one is complete."""
    dice = random.Random(plan.seed)
    while figures.lack(plan) and not figures.problems:
        number = figures.channels + 1
        world = worlds.mixed(
            seed=plan.seed + number,
            messages=plan.messages,
            mean_size_bytes=MEAN_FILE_BYTES[number % len(MEAN_FILE_BYTES)],
            too_large_bytes=None,
        )
        places = Places(root / f"channel-{number}")
        with StandIn(world, SHAPING) as telegram:
            _Channel(plan, figures, dice, world, telegram, places, tell).move()
            figures.problems += [f"unknown call {name}" for name in telegram.unknown_rpcs]
        shutil.rmtree(places.root)
        tell(f"channel {number} is complete")
    figures.conclude()


class _Channel:
    """One channel, from the first start until it is complete."""

    def __init__(
        self,
        plan: Plan,
        figures: Figures,
        dice: random.Random,
        world: World,
        telegram: StandIn,
        places: Places,
        tell: Callable[[str], None],
    ) -> None:
        self._tell = tell
        self._plan = plan
        self._figures = figures
        self._dice = dice
        self._world = world
        self._telegram = telegram
        self._places = places
        self._items = expected_items(world.source)
        remote = make_local_remote(places, dice)
        self._environment = run_environment({**telegram.environment(), **remote})
        self._served: Counter[Part] = Counter()
        self._complete: set[Part] = set()
        self._marked: set[ItemKey] = set()
        self._lost_bytes = 0

    def move(self) -> None:
        while not self._figures.problems:
            process = self._start()
            try:
                if self._figures.lack(self._plan) and self._reaches_its_moment(process):
                    self._kill(process)
                else:
                    self._check_end(process)
                    return
            finally:
                process.kill()
                process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        return start_run(self._places, LOCAL_REMOTE, self._environment, self._plan.program)

    def _reaches_its_moment(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for a random moment; false if the program ended before."""
        roll = self._dice.random()
        if roll < 0.15:
            return lives_for(process, self._dice.uniform(0, LONGEST_START_SECONDS))
        if roll < 0.4 and (item := self._not_served_yet()) is not None:
            return self._sees_it_served(process, item)
        began = time.monotonic()
        before = self._signs_of_work()
        deadline = began + SIGN_OF_LIFE_SECONDS
        while self._signs_of_work() == before and time.monotonic() < deadline:
            if not lives_for(process, POLL_SECONDS):
                return False
        # On a busy machine everything takes longer; a run that never ends a file proves nothing.
        start_seconds = time.monotonic() - began
        longest_seconds = max(self._plan.longest_work_seconds, 1.5 * start_seconds)
        return lives_for(process, self._dice.uniform(0, longest_seconds))

    def _not_served_yet(self) -> WorldItem | None:
        """One of the next files of which nothing was asked for so far."""
        served_bytes = self._telegram.statistics.served_bytes
        fresh = [item for item in self._items.values() if not served_bytes(item.file.file_id)]
        following = [item for item in fresh if item.file.size_bytes > 0][:MOST_AHEAD]
        return self._dice.choice(following) if following else None

    def _sees_it_served(self, process: subprocess.Popen[bytes], item: WorldItem) -> bool:
        """A moment right after a file's last byte went out: the steps that follow are short."""
        served_bytes = self._telegram.statistics.served_bytes
        deadline = time.monotonic() + SIGN_OF_LIFE_SECONDS
        while served_bytes(item.file.file_id) < item.file.size_bytes:
            if time.monotonic() > deadline or not lives_for(process, POLL_SECONDS):
                return process.poll() is None
        return lives_for(process, self._dice.uniform(0, LONGEST_LAST_PART_SECONDS))

    def _signs_of_work(self) -> tuple[int, frozenset[str]]:
        """The bytes served and the files staged: what a start writes to try the disk is none."""
        staging = self._places.staging
        names = os.listdir(staging) if staging.exists() else []
        staged = frozenset(name for name in names if name.endswith((".part", ".staged")))
        return self._telegram.statistics.served_bytes(None), staged

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        killing = Killing.MACHINE if self._plan.wipe else self._dice.choice(_ON_THIS_MACHINE)
        rclones = rclones_below(process.pid)
        # Before the kill: the program's end may be that of its rclone, too.
        staging = self._places.staging
        uploading = {name for rclone in rclones for name in uploaded_by(rclone, staging)}
        process.kill()
        if killing in (Killing.EVERYTHING, Killing.MACHINE):
            for rclone in [*rclones, *self._rclones()]:
                _kill_one(rclone)
        process.wait()
        self._wait_for_telegram()
        if killing is not Killing.PROGRAM:
            self._wait_for_rclones()
        snapshot = look(self._places, self._items, self._marked, uploading)
        self._book(killing, snapshot)
        if self._plan.wipe:
            shutil.rmtree(self._places.staging, ignore_errors=True)
            shutil.rmtree(self._places.root / "data", ignore_errors=True)

    def _wait_for_telegram(self) -> None:
        """What the program had asked for before it died is still answered, and counted."""
        deadline = time.monotonic() + SIGN_OF_LIFE_SECONDS
        while self._telegram.statistics.counts().open_connections and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _book(self, killing: Killing, snapshot: Snapshot) -> None:
        figures = self._figures
        figures.killed(killing, set(snapshot.steps.values()))
        safe = snapshot.on_remote if self._plan.wipe else snapshot.complete
        lost_bytes = self._compare_with_served(safe)
        allowed_bytes = ASKED_FOR_AT_ONCE_BYTES
        allowed_bytes += snapshot.lying_bytes if self._plan.wipe else 0
        if lost_bytes > allowed_bytes:
            figures.problems.append(
                f"kill {figures.kills} lost {lost_bytes} bytes, expected {allowed_bytes} at most"
            )
        figures.lost_bytes += lost_bytes
        figures.most_lost_bytes = max(figures.most_lost_bytes, lost_bytes)
        self._lost_bytes += lost_bytes
        self._tell(
            f"kill {figures.kills} of {self._plan.kills}: {len(snapshot.on_remote)} parts are on "
            f"the remote, {lost_bytes} bytes lost"
        )
        self._marked = set() if self._plan.wipe else snapshot.marked
        self._complete = safe

    def _compare_with_served(self, safe: set[Part]) -> int:
        """The bytes of this run that have to be served again. Nothing that was safe at the last
        kill may have been served in this run."""
        lost_bytes = 0
        served: Counter[Part] = Counter()
        for (file_id, offset, length), times in self._telegram.statistics.counts().parts.items():
            part = Part(file_id, offset)
            served[part] = times
            more = times - self._served[part]
            if more and part in self._complete:
                self._figures.problems.append(f"{part} was safe and was served again")
            if part not in safe:
                lost_bytes += more * length
        self._served = served
        return lost_bytes

    def _check_end(self, process: subprocess.Popen[bytes]) -> None:
        """The program ends by itself: the channel has to be complete, and served but once."""
        figures = self._figures
        try:
            status = process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if status != 0:
            said = last_words(self._places)
            figures.problems.append(f"a run ended with exit status {status}:\n{said}")
            return
        snapshot = look(self._places, self._items, self._marked, set())
        self._compare_with_served(snapshot.complete)
        for path in self._places.drive.rglob("*.partial"):
            # rclone's own, in a local directory; on Drive a killed upload leaves nothing.
            figures.partial_uploads_left += 1
            path.unlink()
        figures.problems += differences([self._world.source], self._places.drive)
        left = [name for name in os.listdir(self._places.staging) if name != ".lock"]
        figures.problems += [f"left in the staging directory: {name}" for name in left]
        channel_bytes = sum(item.file.size_bytes for item in self._items.values())
        served_bytes = self._telegram.statistics.served_bytes(None)
        if served_bytes > channel_bytes + self._lost_bytes:
            figures.problems.append(
                f"{served_bytes} bytes were served, expected {channel_bytes} and "
                f"{self._lost_bytes} lost by kills"
            )
        figures.channels += 1
        figures.files += len(self._items)
        figures.channel_bytes += channel_bytes
        figures.served_bytes += served_bytes

    def _rclones(self) -> list[psutil.Process]:
        """Those that this channel's runs have started and that live, also without their run."""
        return rclones_marked(MARK, self._environment[MARK])

    def _wait_for_rclones(self) -> None:
        deadline = time.monotonic() + SIGN_OF_LIFE_SECONDS
        while self._rclones() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


_ON_THIS_MACHINE = (Killing.PROGRAM, Killing.PROGRAM_THEN_PATIENCE, Killing.EVERYTHING)


def _kill_one(process: psutil.Process) -> None:
    try:
        process.kill()
        process.wait(SIGN_OF_LIFE_SECONDS)
    except psutil.NoSuchProcess:
        return
