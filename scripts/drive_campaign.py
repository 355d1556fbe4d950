"""Kills runs that upload to a stand-in for Drive which shows late, loses answers and flips bytes;
rolls the disk back, and lets the machine sleep while another one takes the chat over.

Two machines, with directories of their own, take turns at one chat. What is killed goes on where
it lies or, after a roll-back, as it was some seconds before; a machine that sleeps wakes while
the other one is at work, and then one of the two has to give way. In the end each file has to be
on Drive once, with the right bytes, whatever came together.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path

import psutil

from scripts.campaign_runs import (
    MARK,
    POLL_SECONDS,
    RUN_SECONDS,
    SIGN_OF_LIFE_SECONDS,
    last_words,
    lives_for,
    run_environment,
    start_run,
)
from scripts.kill_snapshot import OnRemote, Snapshot, Step, look
from scripts.rclone_campaign import UNFINISHED, differences_on_drive, key_on_drive
from scripts.rclones import rclones_below, rclones_marked, uploaded_by, uploads_below
from standins.demonstration import Places, expected_items
from standins.drive.faults import Fault
from standins.drive.files.world import DriveFile
from standins.drive.server import DriveStandIn
from standins.drive.shaping import Shaping as DriveShaping
from standins.shaping import Shaping
from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from standins.telegram.world.channel import ItemKey, WorldItem
from standins.telegram.world.world import World

REMOTE = "gdrive:channels"
MOST_LAG_SECONDS = 6.0
MOST_ROLLED_BACK_SECONDS = 5.0
CALL_SECONDS = 0.1
DRIVE_BYTES_PER_SECOND = 3_000_000
TELEGRAM_SHAPING = Shaping(round_trip_seconds=0.02, total_bytes_per_second=3_000_000)
MEAN_FILE_BYTES = 150_000

SAVE_SECONDS = 2.5
LEASE_SECONDS = 3 * SAVE_SECONDS
"""Longer than listings lag, and than a busy machine keeps a run waiting: as a lease is that lasts
for 90 s at least."""

LONGEST_OVERSLEPT_SECONDS = 3.0
LONGEST_TOGETHER_SECONDS = 6.0
"""From the other machine's start until the one that slept wakes."""

WITH_A_SHORT_LEASE = f"""
import sys
import tdl_sync.state.run_identity as identity
import tdl_sync.state.state_saver as saver
identity.SHORTEST_GAP_SECONDS = saver.SHORTEST_GAP_SECONDS = {SAVE_SECONDS}
from tdl_sync.cli.main import run_program
run_program()
"""
"""The program, whose lease would last for 90 s at least."""

LONGEST_START_SECONDS = 2.5
LONGEST_WORK_SECONDS = 2.5
LONGEST_UPLOAD_SECONDS = 0.4
AT_THE_START = 0.12
AS_A_FILE_ARRIVES = 0.4
MET_BY_CHANCE = 0.15
MOST_IN_VAIN = 6
"""So many runs in a row may end and leave something to the next one."""

HELD_BY_ANOTHER = 5
_LAST_BYTES = ("upload.multipart", "upload.finish")


class Strike(str, Enum):
    """What a kill is. The value is how the report calls it."""

    PROGRAM = "the program alone killed"
    PROGRAM_THEN_PATIENCE = "the program alone killed, the next run came when its rclone had ended"
    EVERYTHING = "the program and its rclone killed"
    ROLLED_BACK = "everything killed, and both directories rolled back"
    ASLEEP = "everything asleep beyond the lease, and another machine took over"


class Trouble(str, Enum):
    """What goes wrong beside the kills. The value is how the report calls it."""

    LAG = "listings that did not show yet what was there"
    ANSWER_LOST = "answers that were lost after the work was done"
    BYTE_FLIPPED = "files of which a byte was flipped on the way"
    NOT_REMOVED = "removals that were refused"
    ROLLED_BACK = "roll-backs of both directories"
    ASLEEP = "sleeps beyond the lease"


@dataclass(frozen=True)
class DrivePlan:
    """How often to strike. ``messages`` is how long a chat is."""

    kills: int
    seed: int
    messages: int = 366


@dataclass
class DriveFigures:
    """What came out. ``problems`` is empty when every promise held."""

    kills: int = 0
    met_an_upload: int = 0
    met_a_wrong_copy: int = 0
    chats: int = 0
    files: int = 0
    strikes: Counter[Strike] = field(default_factory=Counter)
    steps: Counter[Step] = field(default_factory=Counter)
    troubles: Counter[Trouble] = field(default_factory=Counter)
    exit_statuses: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def struck(self, strike: Strike, steps: set[Step], *, wrong_copies: bool) -> None:
        """Count one that caught files in these steps."""
        self.kills += 1
        self.strikes[strike] += 1
        self.steps.update(steps or {Step.NOTHING})
        self.met_an_upload += Step.UPLOADING in steps
        self.met_a_wrong_copy += wrong_copies
        if strike is Strike.ROLLED_BACK:
            self.troubles[Trouble.ROLLED_BACK] += 1
        elif strike is Strike.ASLEEP:
            self.troubles[Trouble.ASLEEP] += 1

    def conclude(self) -> None:
        """What a campaign that is over has never caused, it has shown nothing of."""
        if not self.met_an_upload:
            self.problems.append(f"none of {self.kills} kills met an upload")
        self.problems += [f"never: {each.value}" for each in Trouble if not self.troubles[each]]


def run_drive_campaign(
    plan: DrivePlan, root: Path, figures: DriveFigures, tell: Callable[[str], None]
) -> None:
    """Move chat after chat until so many strikes are done, and the last one is complete."""
    dice = random.Random(plan.seed)
    strikes = _dealt(dice)
    while figures.kills < plan.kills and not figures.problems:
        number = figures.chats + 1
        world = worlds.mixed(
            seed=plan.seed + number,
            messages=plan.messages,
            mean_size_bytes=MEAN_FILE_BYTES,
            too_large_bytes=None,
        )
        with _stage(root / f"chat-{number}", world, plan, figures, dice, strikes, tell) as chat:
            chat.move()
        if not figures.problems:
            tell(f"chat {number} is complete")
    if not figures.problems:
        figures.conclude()


def _dealt(dice: random.Random) -> Iterator[Strike]:
    """In an order that nobody knows, and all of them before one comes again."""
    while True:
        yield from dice.sample(tuple(Strike), len(Strike))


@contextmanager
def _stage(
    root: Path,
    world: World,
    plan: DrivePlan,
    figures: DriveFigures,
    dice: random.Random,
    strikes: Iterator[Strike],
    tell: Callable[[str], None],
) -> Iterator[_Chat]:
    with ExitStack() as closing:
        telegram = closing.enter_context(StandIn(world, TELEGRAM_SHAPING))
        drive = closing.enter_context(DriveStandIn())
        machines = [_Machine(root / f"machine-{number}", telegram, drive) for number in (1, 2)]
        for machine in machines:
            closing.callback(machine.clear)
        weather = _Weather(drive, dice, figures)
        yield _Chat(world, drive, weather, machines, plan, figures, dice, strikes, tell)
        figures.problems += [f"unknown call {name}" for name in telegram.unknown_rpcs]
        figures.problems += [f"unknown request {what}" for what in drive.unknown_requests]
    shutil.rmtree(root)


class _Weather:
    """What goes wrong at Drive, drawn anew for each run."""

    def __init__(self, drive: DriveStandIn, dice: random.Random, figures: DriveFigures) -> None:
        self._drive = drive
        self._dice = dice
        self._figures = figures
        self._lists_behind = 0
        self._is_first = True

    def change(self) -> str:
        """Returns what it is to be, to be told."""
        dice = self._dice
        self.book()
        lag_seconds = dice.choice((0.0, dice.uniform(0, MOST_LAG_SECONDS), MOST_LAG_SECONDS))
        self._drive.shaping = DriveShaping(
            call_seconds=CALL_SECONDS,
            total_bytes_per_second=DRIVE_BYTES_PER_SECOND,
            listing_lag_seconds=lag_seconds,
        )
        lost = [
            Fault("answer_lost", call=call, after_calls=dice.randint(0, 8)) for call in _LAST_BYTES
        ]
        if self._is_first:
            lost.append(Fault("answer_lost", call="files.create", after_calls=dice.randint(0, 2)))
        # Not the first one, which is the file by which a run finds out whether it may write there.
        flipped = Fault("flipped_byte", after_calls=dice.randint(1, 8))
        refused = Fault(
            "error",
            call="files.update",
            times=None,
            status=403,
            reason="insufficientFilePermissions",
            message="The user does not have sufficient permissions for this file.",
        )
        may_add_only = dice.random() < 0.4
        self._drive.faults.replace([*lost, flipped, *([refused] if may_add_only else [])])
        self._is_first = False
        return f"{lag_seconds:.1f} s of lag" + (", nothing can be removed" if may_add_only else "")

    def book(self) -> None:
        """Count what has come of it so far."""
        troubles = self._figures.troubles
        for fault, struck in self._drive.faults.strikes():
            troubles[_TROUBLES[fault.kind]] += struck
        self._drive.faults.clear()
        lists_behind = self._drive.statistics.counts().lists_behind
        troubles[Trouble.LAG] += lists_behind - self._lists_behind
        self._lists_behind = lists_behind


_TROUBLES = {
    "answer_lost": Trouble.ANSWER_LOST,
    "flipped_byte": Trouble.BYTE_FLIPPED,
    "error": Trouble.NOT_REMOVED,
}


class _Machine:
    """One that has a staging and a data directory, and runs the program."""

    def __init__(self, root: Path, telegram: StandIn, drive: DriveStandIn) -> None:
        self.places = Places(root)
        self.marked: set[ItemKey] = set()
        self.process: subprocess.Popen[bytes] | None = None
        root.mkdir(parents=True)
        drive.rclone_config(root)
        # The stand-in itself is as slow as is wanted.
        pace = {"RCLONE_DRIVE_PACER_MIN_SLEEP": "1ms", "RCLONE_BWLIMIT_FILE": "off"}
        self._environment = run_environment(
            {**telegram.environment(), **drive.environment(), **pace}
        )

    def start(self) -> subprocess.Popen[bytes]:
        command = (sys.executable, "-c", WITH_A_SHORT_LEASE)
        options = (f"--save-interval={SAVE_SECONDS:g}s",)
        self.process = start_run(self.places, REMOTE, self._environment, command, options)
        return self.process

    def rclones(self) -> list[psutil.Process]:
        """Those that live, also without their run."""
        return rclones_marked(MARK, self._environment[MARK])

    def uploading(self) -> set[str]:
        """The staged files that an rclone of its has open."""
        staging = self.places.staging
        return {name for rclone in self.rclones() for name in uploaded_by(rclone, staging)}

    def kill(self, *, rclones_too: bool) -> None:
        assert self.process is not None
        rclones = rclones_below(self.process.pid)
        self.process.kill()
        if rclones_too:
            for rclone in [*rclones, *self.rclones()]:
                with suppress(psutil.NoSuchProcess):
                    rclone.kill()
                    rclone.wait(SIGN_OF_LIFE_SECONDS)
        self.process.wait()

    def wait_for_rclones(self) -> None:
        deadline = time.monotonic() + SIGN_OF_LIFE_SECONDS
        while self.rclones() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    @contextmanager
    def held_still(self, dice: random.Random) -> Iterator[None]:
        """Its program and rclones are stopped meanwhile, and go on afterwards in any order."""
        assert self.process is not None
        stopped = []
        with suppress(psutil.NoSuchProcess):
            stopped.append(psutil.Process(self.process.pid))
        stopped += rclones_below(self.process.pid)
        for each in stopped:
            with suppress(psutil.NoSuchProcess):
                each.suspend()
        for each in stopped:
            _wait_until_still(each)
        try:
            yield
        finally:
            for each in dice.sample(stopped, len(stopped)):
                with suppress(psutil.NoSuchProcess):
                    each.resume()

    def keep_disk(self, kept: Path) -> None:
        shutil.rmtree(kept, ignore_errors=True)
        for directory in self._directories():
            if directory.exists():
                shutil.copytree(directory, kept / directory.name)

    def roll_back_to(self, kept: Path) -> None:
        for directory in self._directories():
            shutil.rmtree(directory, ignore_errors=True)
            if (kept / directory.name).exists():
                shutil.copytree(kept / directory.name, directory)

    def _directories(self) -> tuple[Path, Path]:
        return self.places.staging, self.places.root / "data"

    def staged(self) -> list[str]:
        staging = self.places.staging
        return (
            [path.name for path in staging.iterdir() if path.name != ".lock"]
            if (staging.exists())
            else []
        )

    def clear(self) -> None:
        """End what a run that failed has left, what is stopped, too."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for rclone in self.rclones():
            with suppress(psutil.NoSuchProcess):
                rclone.kill()


class _Chat:
    """One chat, from the first start until it is complete."""

    def __init__(
        self,
        world: World,
        drive: DriveStandIn,
        weather: _Weather,
        machines: Sequence[_Machine],
        plan: DrivePlan,
        figures: DriveFigures,
        dice: random.Random,
        strikes: Iterator[Strike],
        tell: Callable[[str], None],
    ) -> None:
        self._world = world
        self._drive = drive
        self._weather = weather
        self._machine, self._other = machines
        self._plan = plan
        self._figures = figures
        self._dice = dice
        self._strikes = strikes
        self._tell = tell
        self._items = expected_items(world.source)

    def move(self) -> None:
        process: subprocess.Popen[bytes] | None = None
        in_vain = 0
        beside_another = False
        while not self._figures.problems:
            if process is None:
                weather = self._weather.change()
                process = self._machine.start()
                self._tell(f"a run starts on {self._machine.places.root.name}: {weather}")
            if self._figures.kills < self._plan.kills and self._reaches_its_moment(process):
                process = self._strike(process)
                beside_another = process is not None
                in_vain = 0
                continue
            status = self._ended(self._machine)
            process = None
            if status == 0:
                break
            in_vain += 1
            # Two that meet may both give way.
            allowed = (*UNFINISHED, HELD_BY_ANOTHER) if beside_another else UNFINISHED
            beside_another = False
            if status not in allowed or in_vain == MOST_IN_VAIN:
                self._problem(self._machine, f"a run ended with exit status {status}")
        if not self._figures.problems:
            self._finish()
        self._weather.book()

    def _finish(self) -> None:
        """What lies on the machine that gave way is of use no more, and in nobody's way."""
        self._weather.book()
        for machine in (self._other, self._machine):
            if machine.process is None:
                continue
            machine.start()
            status = self._ended(machine)
            if status != 0:
                self._problem(machine, f"the last run ended with exit status {status}")
                return
            machine.wait_for_rclones()
            if machine.rclones():
                self._figures.problems.append("an rclone is left running")
            self._figures.problems += [f"left staged: {name}" for name in machine.staged()]
        self._figures.problems += differences_on_drive(self._world, self._present())
        self._figures.chats += 1
        self._figures.files += len(self._items)

    def _problem(self, machine: _Machine, what: str) -> None:
        self._figures.problems.append(f"{what}:\n{last_words(machine.places)}")

    def _ended(self, machine: _Machine) -> int:
        """Its exit status; it is killed if it does not end by itself."""
        assert machine.process is not None
        try:
            status = machine.process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            machine.process.kill()
            status = machine.process.wait()
        self._figures.exit_statuses[status] += 1
        self._tell(f"a run on {machine.places.root.name} ended with {status}")
        return status

    def _present(self) -> list[DriveFile]:
        """Without the files by which a run finds out whether it may write there: of those a killed
        one may leave some."""
        files = [file for file in self._drive.files("user") if not file.trashed]
        return [file for file in files if not file.name.startswith(".")]

    # --- the moment ----------------------------------------------------------------------------

    def _reaches_its_moment(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for one; false if the program ended before."""
        dice = self._dice
        roll = dice.random()
        if roll < AT_THE_START:
            return lives_for(process, dice.uniform(0, LONGEST_START_SECONDS))
        arrived = self._arrivals()
        began = time.monotonic()
        if not self._comes(process, lambda: self._arrivals() > arrived + 1):
            return False
        # On a busy machine everything takes longer; a run that never ends a file proves nothing.
        longest_seconds = max(LONGEST_WORK_SECONDS, time.monotonic() - began)
        if not lives_for(process, dice.uniform(0, longest_seconds)):
            return False
        if roll > 1 - MET_BY_CHANCE:
            return True
        if roll < AT_THE_START + AS_A_FILE_ARRIVES:
            arrived = self._arrivals()
            return self._comes(process, lambda: self._arrivals() > arrived) and lives_for(
                process, dice.uniform(0, 2 * CALL_SECONDS)
            )
        staging = self._machine.places.staging
        uploads = partial(uploads_below, process.pid, staging)
        if not self._comes(process, lambda: bool(uploads())):
            return False
        return lives_for(process, dice.uniform(0, LONGEST_UPLOAD_SECONDS))

    def _arrivals(self) -> int:
        """How often the last bytes of a file were on their way."""
        calls = self._drive.statistics.counts().calls
        return sum(calls.get(call, 0) for call in _LAST_BYTES)

    def _comes(self, process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> bool:
        """True as well where it never comes; false if the program ends before."""
        deadline = time.monotonic() + SIGN_OF_LIFE_SECONDS
        while not condition() and time.monotonic() < deadline:
            if not lives_for(process, POLL_SECONDS):
                return False
        return True

    # --- the strike ----------------------------------------------------------------------------

    def _strike(self, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes] | None:
        """What goes on by itself afterwards, if anything does."""
        strike = next(self._strikes)
        machine = self._machine
        if strike is Strike.ASLEEP:
            return self._sleep()
        kept = machine.places.root / "kept"
        if strike is Strike.ROLLED_BACK:
            with machine.held_still(self._dice):
                machine.keep_disk(kept)
            lives_for(process, self._dice.uniform(0, MOST_ROLLED_BACK_SECONDS))
        # Before the kill: the program's end may be that of its rclone, too.
        uploading = machine.uploading()
        in_vain = (Strike.PROGRAM, Strike.PROGRAM_THEN_PATIENCE)
        machine.kill(rclones_too=strike not in in_vain)
        if strike is not Strike.PROGRAM:
            machine.wait_for_rclones()
        self._book(strike, self._look(uploading))
        if strike is Strike.ROLLED_BACK:
            machine.roll_back_to(kept)
            machine.marked = self._look(set()).marked
        return None

    def _sleep(self) -> subprocess.Popen[bytes] | None:
        """Who slept wakes at any moment of the other one's run; then one of them gives way."""
        asleep, awake = self._machine, self._other
        with asleep.held_still(self._dice):
            self._book(Strike.ASLEEP, self._look(asleep.uploading()))
            time.sleep(LEASE_SECONDS + 1 + self._dice.uniform(0, LONGEST_OVERSLEPT_SECONDS))
            if self._dice.random() < 0.5:
                self._drive.drop_connections()  # as the routers on the way do in so long a time
            other = awake.start()
            lives_for(other, self._dice.uniform(0, LONGEST_TOGETHER_SECONDS))
        deadline = time.monotonic() + RUN_SECONDS
        assert asleep.process is not None
        while time.monotonic() < deadline:
            for one, left in ((asleep, awake), (awake, asleep)):
                assert one.process is not None
                if one.process.poll() is None:
                    continue
                status = self._ended(one)
                if status not in (0, HELD_BY_ANOTHER, *UNFINISHED):
                    self._problem(one, f"beside another machine a run ended with {status}")
                self._machine, self._other = left, one
                return left.process
            time.sleep(POLL_SECONDS)
        self._problem(asleep, "two machines work on one chat")
        return None

    def _look(self, uploading: set[str]) -> Snapshot:
        machine = self._machine
        return look(machine.places, self._items, machine.marked, uploading, self._on_drive())

    def _on_drive(self) -> OnRemote:
        return on_drive(self._present(), self._items)

    def _book(self, strike: Strike, snapshot: Snapshot) -> None:
        steps = set(snapshot.steps.values())
        wrong = self._on_drive().wrong
        self._figures.struck(strike, steps, wrong_copies=bool(wrong))
        self._machine.marked = snapshot.marked
        hit = Counter(snapshot.steps.values())
        found = "; ".join(f"{hit[step]} {step.value}" for step in Step if hit[step])
        self._tell(
            f"kill {self._figures.kills} of {self._plan.kills}: {strike.value}; "
            f"{found or Step.NOTHING.value}" + (f"; {len(wrong)} wrong on Drive" if wrong else "")
        )


def on_drive(present: Sequence[DriveFile], items: dict[ItemKey, WorldItem]) -> OnRemote:
    """Which of the files are there, and which with other bytes."""
    whole: set[ItemKey] = set()
    wrong: set[ItemKey] = set()
    for file in present:
        key = None if file.is_folder else key_on_drive(file)
        if key is not None and key in items:
            (whole if file.md5 == items[key].file.md5() else wrong).add(key)
    return OnRemote(frozenset(whole), frozenset(wrong))


def _wait_until_still(process: psutil.Process) -> None:
    """Some threads of a process that is told to stop go on for a moment."""
    deadline = time.monotonic() + SIGN_OF_LIFE_SECONDS
    with suppress(psutil.NoSuchProcess):
        while time.monotonic() < deadline:
            if process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
                return
            time.sleep(POLL_SECONDS)
