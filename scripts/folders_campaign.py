"""Starts several runs at once, on machines and with Telegram accounts of their own, each of which
moves its part of one chat (``--shard``) to a Drive on which nothing is yet.

The stand-in's listings lag, by another time for each folder, and have no order; so each machine
sees some of the folders that the others make, and others not. In the end all files have to be in
one folder, each of them once.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from scripts.campaign_runs import RUN_SECONDS, last_words, run_environment, start_run
from scripts.rclone_campaign import differences_on_drive
from standins.demonstration import Places
from standins.drive.files.world import DriveFile
from standins.drive.server import DriveStandIn
from standins.drive.shaping import Shaping
from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from standins.telegram.world.world import World
from tdl_sync.core.shards import BLOCK_MESSAGES

REMOTE = "gdrive:channels/moved"
FILES_EACH = 3
FILE_BYTES = 2_000
BELOW = "/all/"
NAME = f"{BELOW[1:]}{{file_name}}"
"""So there is a folder below the chat's, too, which all have to make."""
CALL_SECONDS = 0.05


NOTHING_SHOWN = "no folder was ever made by more than one machine"


@dataclass(frozen=True)
class FoldersPlan:
    """How often so many machines start ``within_seconds``, each of these once in a round.

    ``wait_seconds`` is how long the program waits, where that is not its own; it is to be more than
    twice the lag by what may lie between a look and a folder that is made.
    """

    rounds: int
    seed: int
    machines: int = 4
    within_seconds: tuple[float, ...] = (0.1, 8.0, 20.0)
    most_lag_seconds: float = 6.0
    wait_seconds: float | None = None


@dataclass
class FoldersFigures:
    """What came out. ``problems`` is empty when every promise held; ``folders`` counts by how many
    there were of one path, the one with the files included."""

    starts: int = 0
    files: int = 0
    folders: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def conclude(self) -> None:
        """Where no machine ever made a folder that another had made, nothing was shown."""
        if max(self.folders, default=0) < 2:
            self.problems.append(NOTHING_SHOWN)


def run_folders_campaign(
    plan: FoldersPlan, root: Path, figures: FoldersFigures, tell: Callable[[str], None]
) -> None:
    dice = random.Random(plan.seed)
    for number in range(1, plan.rounds + 1):
        for within_seconds in plan.within_seconds:
            directory = root / f"round-{number}-{within_seconds:g}"
            folders = _start_together(plan, directory, within_seconds, dice, figures)
            shutil.rmtree(directory)
            if figures.problems:
                return
            tell(
                f"round {number}: {plan.machines} machines within {within_seconds:g} s, "
                f"folders made: {folders}"
            )
    figures.conclude()


def _start_together(
    plan: FoldersPlan,
    root: Path,
    within_seconds: float,
    dice: random.Random,
    figures: FoldersFigures,
) -> str:
    moments = [0.0, within_seconds]
    moments += [dice.uniform(0.0, within_seconds) for _ in range(plan.machines - 2)]
    with ExitStack() as closing:
        shaping = Shaping(
            call_seconds=CALL_SECONDS,
            listing_lag_seconds=plan.most_lag_seconds,
            lags_differ=True,
        )
        drive = closing.enter_context(DriveStandIn(shaping))
        machines = [
            _Machine(root / f"machine-{number}", drive, plan, closing)
            for number in range(plan.machines)
        ]
        began = time.monotonic()
        for number, moment in enumerate(sorted(moments)):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            machines[number].start(f"{number + 1}/{plan.machines}")
        for machine in machines:
            figures.problems += machine.problems()
        figures.problems += [f"unknown request {what}" for what in drive.unknown_requests]
        present = [file for file in drive.files("user") if not file.trashed]
    figures.starts += 1
    figures.files += FILES_EACH * plan.machines
    # Told by the chat's folder which chat they are of.
    files = [
        replace(file, path=file.path.replace(BELOW, "/")) for file in present if not file.is_folder
    ]
    figures.problems += differences_on_drive(_world(plan), files)
    return _look_at_folders(present, figures)


def _world(plan: FoldersPlan) -> World:
    """One of its own for each account: it holds their Saved Messages, too. Of each part's block the
    first messages are left."""
    last_id = plan.machines * BLOCK_MESSAGES
    world = worlds.files(seed=plan.seed, sizes=[FILE_BYTES], times=last_id)
    world.source.delete(
        {each for each in range(1, last_id + 1) if (each - 1) % BLOCK_MESSAGES >= FILES_EACH}
    )
    return world


def _look_at_folders(present: list[DriveFile], figures: FoldersFigures) -> str:
    used = {parent for file in present if not file.is_folder for parent in file.parents}
    if len(used) != 1:
        figures.problems.append(f"the files lie in {len(used)} folders")
    made = Counter(file.path for file in present if file.is_folder)
    figures.folders.update(made.values())
    return ", ".join(str(made[path]) for path in sorted(made, key=len))


class _Machine:
    """With directories and a Telegram account of its own, which sees no lease of another's."""

    def __init__(
        self,
        root: Path,
        drive: DriveStandIn,
        plan: FoldersPlan,
        closing: ExitStack,
    ) -> None:
        self._places = Places(root)
        self._process: subprocess.Popen[bytes] | None = None
        root.mkdir(parents=True)
        drive.rclone_config(root)
        telegram = closing.enter_context(StandIn(_world(plan)))
        variables = {**telegram.environment(), **drive.environment()}
        variables |= {"RCLONE_DRIVE_PACER_MIN_SLEEP": "1ms", "RCLONE_BWLIMIT_FILE": "off"}
        self._environment = run_environment(variables)
        wait = "TESTS_FOLDER_WAIT_SECONDS"
        if plan.wait_seconds is None:
            del self._environment[wait]
        else:
            self._environment[wait] = str(plan.wait_seconds)
        closing.callback(self._end)

    def start(self, part: str) -> None:
        """It moves its part of the chat."""
        options = (f"--shard={part}", f"--name={NAME}")
        self._process = start_run(self._places, REMOTE, self._environment, options=options)

    def problems(self) -> list[str]:
        """Of its run, once that has ended."""
        assert self._process is not None
        try:
            status = self._process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            return [f"a run that did not end: {last_words(self._places)}"]
        return [f"a run ended with {status}: {last_words(self._places)}"] if status else []

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
