"""Moves small chats of every shape, kills the runs in between, and compares the books.

World after world is drawn from a seed: withheld and deleted messages, posts of several files, of
none and of what can't be had, a group that became a supergroup, counts that are inexact or missing,
files and calls that Telegram refuses. Between the kills the disk may be lost or rolled back, what
was locked may be bought, and others post and delete. Then runs go on until one is complete, and all
that a run, ``status`` and ``verify`` say is compared with the world.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import psutil

from scripts.campaign_runs import (
    BUDGET_BYTES,
    LOCAL_REMOTE,
    MARK,
    POLL_SECONDS,
    RUN_SECONDS,
    SIGN_OF_LIFE_SECONDS,
    last_words,
    lives_for,
    make_local_remote,
    run_environment,
    start_run,
)
from scripts.environment import ROOT
from scripts.kill_snapshot import Snapshot, Step, look
from scripts.rclones import rclones_below, rclones_marked, uploaded_by
from scripts.world_books import Books, Told
from standins.demonstration import Places, differences
from standins.shaping import Shaping
from standins.telegram.server import StandIn
from standins.telegram.service.faults import Fault
from standins.telegram.world.channel import Channel, ItemKey
from standins.telegram.world.generated import Generated, LeftOut, generated, post_more

WORLD_SHAPING = Shaping(round_trip_seconds=0.01, total_bytes_per_second=6_000_000)
LONGEST_START_SECONDS = 2.5
LONGEST_WORK_SECONDS = 1.5
LONGEST_STAY_SECONDS = 12.0
LONGEST_LAST_STEPS_SECONDS = 0.4
AT_THE_START = 0.2
REFUSED_FILE = 0.04
IN_REVERSE = 0.25
"""So many of the runs begin with the newest message."""

_MANNERS: tuple[tuple[str, ...], ...] = ((), ("--limit", "5"), ("--follow",))
"""Of the runs that are killed: they read all, a part, or stay with the chat."""

MOST_IN_VAIN = 2
"""So many runs in a row may leave something to the next one, though nothing disturbs them."""

FAILED_FOR_NOW = 3
MAY_END_WITH = (0, 2, FAILED_FOR_NOW, 75)
"""How a run may end of which Telegram has refused a part: nothing of it may be a bug."""


class Blow(str, Enum):
    """What a kill is. The value is how the report calls it."""

    PROGRAM = "the program alone killed"
    EVERYTHING = "the program and its rclone killed"
    ROLLED_BACK = "everything killed, and the disk rolled back to an earlier kill"
    WIPED = "everything killed, and the disk lost"


class Refusal(str, Enum):
    """What Telegram refuses beside the kills, in one run. The value is how the report calls it."""

    CHAT = "a chat, at the start or in mid-history"
    PAGES = "pages of a history, for a while"
    COUNTS = "its count of the messages"
    PARTS = "parts of files, for a while"
    STATES = "the saving of the state"


@dataclass(frozen=True)
class WorldsPlan:
    """How many worlds, and how often each is killed at most."""

    worlds: int
    seed: int
    kills: int = 3


@dataclass
class WorldsFigures:
    """What came out. ``problems`` is empty when every promise held."""

    worlds: int = 0
    kills: int = 0
    files: int = 0
    refused_files: int = 0
    bought: int = 0
    posted: int = 0
    deleted: int = 0
    messages_withheld: int = 0
    blows: Counter[Blow] = field(default_factory=Counter)
    refusals: Counter[Refusal] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    steps: Counter[Step] = field(default_factory=Counter)
    exit_statuses: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def conclude(self) -> None:
        """What was never caused, a campaign that is over has shown nothing of."""
        if not self.kills:
            self.problems.append(f"no run of {self.worlds} worlds was killed")


def run_worlds_campaign(
    plan: WorldsPlan, root: Path, figures: WorldsFigures, tell: Callable[[str], None]
) -> None:
    """World after world; a problem in one is told with its seed, and the next one is moved."""
    for number in range(plan.worlds):
        seed = plan.seed * 10_000 + number
        move_world(generated(seed), seed, plan.kills, root / f"world-{seed}", figures, tell)
    figures.conclude()


def move_world(
    drawn: Generated,
    seed: int,
    kills: int,
    root: Path,
    figures: WorldsFigures,
    tell: Callable[[str], None],
) -> None:
    """``seed`` is that of the kills and of all else that is drawn meanwhile."""
    dice = random.Random(seed)
    with StandIn(drawn.world, WORLD_SHAPING) as telegram:
        moving = _Moving(drawn, dice, telegram, Places(root), figures, tell)
        try:
            moving.move(dice.randint(1, kills) if kills else 0)
        finally:
            moving.clear()
        found = moving.problems + [f"unknown call {name}" for name in telegram.unknown_rpcs]
    figures.problems += [f"world {seed}: {problem}" for problem in found]
    figures.worlds += 1
    tell(f"world {seed} is complete" if not found else f"world {seed}: " + "; ".join(found))
    shutil.rmtree(root)


class _Moving:
    """One world, from the first start until all that can be said of it is compared."""

    def __init__(
        self,
        drawn: Generated,
        dice: random.Random,
        telegram: StandIn,
        places: Places,
        figures: WorldsFigures,
        tell: Callable[[str], None],
    ) -> None:
        self.problems: list[str] = []
        self._drawn = drawn
        self._dice = dice
        self._telegram = telegram
        self._places = places
        self._figures = figures
        self._tell = tell
        remote = make_local_remote(places, dice)
        self._environment = run_environment({**telegram.environment(), **remote})
        self._refused = self._refused_files()
        self._books = Books(drawn, self._refused)
        self._marked: set[ItemKey] = set()
        self._disk_was_lost = False
        self._kept: list[Path] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _channels(self) -> list[Channel]:
        return self._books.channels

    def move(self, kills: int) -> None:
        for _ in range(kills):
            with self._others_at_work():
                self._run_and_strike()
            if self.problems:
                return
        self._telegram.faults.replace(self._permanent_faults())
        self._run_until_complete()
        if not self.problems:
            self._compare()

    def _run_and_strike(self) -> None:
        refusals = self._change_weather()
        manner = self._dice.choices(_MANNERS, (4, 1, 1))[0]
        process = self._start(*manner)
        if self._reaches_its_moment(process, stays="--follow" in manner):
            self._strike(process)
            return
        status = self._ended(process)
        if status not in (MAY_END_WITH if refusals else (0,)):
            self._problem(f"a run ended with {status}")

    def clear(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for rclone in self._rclones():
            with suppress(psutil.NoSuchProcess):
                rclone.kill()

    # --- the world -----------------------------------------------------------------------------

    def _refused_files(self) -> dict[ItemKey, Fault]:
        """Telegram will not give them; one that is there twice is refused twice."""
        items = [item for chat in self._drawn.chats for item in chat.items()]
        chosen = {
            item.file.file_id
            for item in items
            if item.file.size_bytes and self._dice.random() < REFUSED_FILE
        }
        return {
            item.key: Fault(
                "error",
                rpc="upload.GetFile",
                file_id=item.file.file_id,
                times=None,
                text="LOCATION_INVALID",
            )
            for item in items
            if item.file.file_id in chosen and item.kind != "sticker"
        }

    def _permanent_faults(self) -> list[Fault]:
        return list({fault.file_id: fault for fault in self._refused.values()}.values())

    def _change_weather(self) -> set[Refusal]:
        """What is refused in the run that comes."""
        dice, faults = self._dice, self._permanent_faults()
        drawn = {each for each in Refusal if dice.random() < 0.2}
        for refusal in drawn:
            faults += self._faults_of(refusal)
        self._telegram.faults.replace(faults)
        self._figures.refusals.update(drawn)
        return drawn

    def _faults_of(self, refusal: Refusal) -> list[Fault]:
        dice = self._dice
        chat_id = dice.choice(self._channels).chat_id
        few = dice.randint(1, 3)
        match refusal:
            case Refusal.CHAT:
                text = dice.choice(("CHANNEL_PRIVATE", "CHANNEL_PUBLIC_GROUP_NA", "CHAT_FORBIDDEN"))
                return [
                    Fault(
                        "error",
                        chat_id=chat_id,
                        times=None,
                        code=403,
                        text=text,
                        after_calls=dice.randint(0, 8),
                    )
                ]
            case Refusal.PAGES:
                rpc = "messages.GetHistory"
                after_calls = dice.randint(0, 3)
                return dice.choice(
                    (
                        [Fault("internal_error", rpc=rpc, times=few, after_calls=after_calls)],
                        [Fault("flood_wait", rpc=rpc, seconds=1, after_calls=after_calls)],
                        [Fault("timedout", rpc=rpc, times=few, after_calls=after_calls)],
                    )
                )
            case Refusal.COUNTS:
                rpc = "messages.GetSearchCounters"
                return [Fault("error", rpc=rpc, times=None, text="METHOD_INVALID")]
            case Refusal.PARTS:
                after_calls = dice.randint(0, 10)
                return [
                    Fault("file_reference_expired", after_calls=after_calls),
                    Fault("timedout", rpc="upload.GetFile", times=few, after_calls=after_calls),
                    Fault("short_part", after_calls=dice.randint(0, 20)),
                    Fault("drop", rpc="upload.GetFile", after_calls=dice.randint(0, 20)),
                ]
            case Refusal.STATES:
                return [
                    Fault("internal_error", rpc="messages.EditMessage", times=None),
                    Fault("internal_error", rpc="messages.SendMessage", after_calls=few),
                ]

    @contextmanager
    def _others_at_work(self) -> Iterator[None]:
        """Others write, buy and delete while the run is on, or after it."""
        dice = random.Random(self._dice.getrandbits(32))
        seconds = dice.uniform(0, LONGEST_START_SECONDS + LONGEST_WORK_SECONDS)
        meanwhile = threading.Timer(seconds, self._go_on_with_the_world, (dice,))
        if dice.random() < 0.5:
            meanwhile.start()
            yield
            meanwhile.join()
        else:
            yield
            self._go_on_with_the_world(dice)

    def _go_on_with_the_world(self, dice: random.Random) -> None:
        figures, chats = self._figures, self._drawn.chats
        locked = [(chat, id_) for chat in chats for id_ in chat.locked_ids]
        if locked and dice.random() < 0.5:
            chat, message_id = dice.choice(locked)
            chat.locked_ids.remove(message_id)
            chat.channel.buy(message_id)
            figures.bought += 1
        if dice.random() < 0.5:
            pieces = dice.randint(1, 6)
            post_more(chats[0], dice, pieces)
            figures.posted += pieces
        if dice.random() < 0.3:
            chat = dice.choice(chats)
            channel = chat.channel
            ids = [message.id for message in chat.shown() if channel.items_of(message.id)]
            if channel.migrated_to is not None:  # a group without any message is none
                ids = [each for each in ids if each != channel.newest_id()]
            for message_id in dice.sample(ids, min(len(ids), 3)):
                self._books.delete(chat, message_id)
                figures.deleted += 1
        if dice.random() < 0.2:
            chats[0].channel.title += "!"

    # --- runs ----------------------------------------------------------------------------------

    def _start(self, *options: str) -> subprocess.Popen[bytes]:
        if self._dice.random() < IN_REVERSE:
            options = (*options, "--desc")
        self._process = start_run(
            self._places,
            LOCAL_REMOTE,
            self._environment,
            options=options,
            words=self._drawn.words,
        )
        return self._process

    def _ended(self, process: subprocess.Popen[bytes]) -> int:
        """Its exit status; it is killed if it does not end by itself."""
        try:
            status = process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        self._figures.exit_statuses[status] += 1
        if status in (0, FAILED_FOR_NOW):
            numbers = Told(status, last_words(self._places), "").numbers
            if numbers["seen"] != numbers["done"] + numbers["skipped"] + numbers["failed"]:
                self._problem("a run has swallowed something")
        return status

    def _run_until_complete(self) -> None:
        """Nothing disturbs these runs; what has failed for now in one before is tried again."""
        for _ in range(1 + MOST_IN_VAIN):
            status = self._ended(self._start())
            if status != FAILED_FOR_NOW:
                break
        if status != 0:
            self._problem(f"a run that nothing disturbed ended with {status}")

    def _call(self, words: Sequence[str]) -> Told:
        command, *options = words
        places = self._places
        where = {
            "TDL_SYNC_REMOTE": LOCAL_REMOTE,
            "TDL_SYNC_DATA_DIR": str(places.root / "data"),
            "TDL_SYNC_STAGING": str(places.staging),
            "TDL_SYNC_RCLONE_CONFIG": str(places.rclone_config),
            "TDL_SYNC_MAX_DISK": f"{BUDGET_BYTES}B",
        }
        program = [sys.executable, str(ROOT / "tdl_sync.py")]
        ended = subprocess.run(
            [*program, command, *self._words_for(command), *options],
            cwd=ROOT,
            env={**self._environment, **where},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=RUN_SECONDS,
        )
        return Told(ended.returncode, ended.stdout, ended.stderr)

    def _words_for(self, command: str) -> tuple[str, ...]:
        """A topic has a state of its own, and ``status`` tells all states of a chat."""
        return self._drawn.words[:2] if command == "status" else self._drawn.words

    def _compare(self) -> None:
        for path in self._places.drive.rglob("*.partial"):
            path.unlink()  # rclone's own
        books, figures = self._books, self._figures
        movable, failed = books.movable(), books.failed()
        self.problems += [
            problem
            for problem in differences(self._drawn.chats, self._places.drive, books.gone)
            if not any(problem == f"{key}: 0 files instead of 1" for key in failed)
        ]
        folders = {path.parent for path in self._places.drive.rglob("*_*") if path.is_file()}
        if len(folders) > len(self._channels):
            self.problems.append(f"folders: {sorted(folder.name for folder in folders)}")
        left = [path.name for path in self._places.staging.iterdir() if path.name != ".lock"]
        self.problems += [f"left in the staging directory: {name}" for name in left]
        self.problems += books.problems(self._call, all_moves_known=not self._disk_was_lost)
        snapshot = self._look(set())
        marked = snapshot.marked
        self.problems += [f"{key} is not marked" for key in movable.keys() - marked]
        self.problems += [f"{key} is marked" for key in marked - movable.keys() - books.gone]
        figures.files += len(movable)
        figures.refused_files += len(failed)
        for chat in self._drawn.chats:
            figures.left_out.update(chat.left_out())
            figures.kinds[chat.channel.kind] += 1
            figures.messages_withheld += len(chat.channel.withheld)

    def _problem(self, what: str) -> None:
        self.problems.append(f"{what}:\n{last_words(self._places)}")

    # --- the kill ------------------------------------------------------------------------------

    def _reaches_its_moment(self, process: subprocess.Popen[bytes], *, stays: bool) -> bool:
        """Wait for a random moment; false if the program ended before."""
        dice = self._dice
        if stays:
            return lives_for(process, dice.uniform(0, LONGEST_STAY_SECONDS))
        if dice.random() < AT_THE_START:
            return lives_for(process, dice.uniform(0, LONGEST_START_SECONDS))
        served = self._telegram.statistics.served_bytes
        left_bytes = sum(
            item.file.size_bytes
            for item in self._books.movable().values()
            if not served(item.file.file_id)
        )
        # Most of the time is spent with what comes first: listing, small files.
        until_bytes = served(None) + max(1, left_bytes * dice.random() ** 2)
        deadline = time.monotonic() + SIGN_OF_LIFE_SECONDS
        while served(None) < until_bytes and time.monotonic() < deadline:
            if not lives_for(process, POLL_SECONDS):
                return False
        return lives_for(process, dice.uniform(0, LONGEST_LAST_STEPS_SECONDS))

    def _strike(self, process: subprocess.Popen[bytes]) -> None:
        blow = self._dice.choice(tuple(Blow))
        # Before the kill: the program's end may be that of its rclone, too.
        rclones, staging = rclones_below(process.pid), self._places.staging
        uploading = {name for rclone in rclones for name in uploaded_by(rclone, staging)}
        process.kill()
        if blow is not Blow.PROGRAM:
            for rclone in [*rclones, *self._rclones()]:
                with suppress(psutil.NoSuchProcess):
                    rclone.kill()
                    rclone.wait(SIGN_OF_LIFE_SECONDS)
        process.wait()
        self._book(blow, self._look(uploading))
        self._change_disk(blow)
        self._marked = self._look(set()).marked

    def _change_disk(self, blow: Blow) -> None:
        """And keep it as it is then, for a blow that comes."""
        if blow is Blow.WIPED:
            _copy(None, self._disk())
        elif blow is Blow.ROLLED_BACK:
            _copy(self._dice.choice(self._kept) if self._kept else None, self._disk())
        self._disk_was_lost |= blow in (Blow.WIPED, Blow.ROLLED_BACK)
        if blow is not Blow.PROGRAM:  # else an rclone may be at work
            self._kept.append(self._places.root / f"kept-{len(self._kept)}")
            for directory in self._disk():
                if directory.exists():
                    shutil.copytree(directory, self._kept[-1] / directory.name)

    def _disk(self) -> tuple[Path, Path]:
        return self._places.staging, self._places.root / "data"

    def _look(self, uploading: set[str]) -> Snapshot:
        return look(self._places, self._books.movable(), self._marked, uploading)

    def _book(self, blow: Blow, snapshot: Snapshot) -> None:
        figures, hit = self._figures, Counter(snapshot.steps.values())
        figures.kills += 1
        figures.blows[blow] += 1
        figures.steps.update(set(hit) or {Step.NOTHING})
        found = "; ".join(f"{hit[step]} {step.value}" for step in Step if hit[step])
        self._tell(f"{blow.value}: {found or Step.NOTHING.value}")

    def _rclones(self) -> list[psutil.Process]:
        return rclones_marked(MARK, self._environment[MARK])


def _copy(kept: Path | None, directories: Sequence[Path]) -> None:
    """Make them what was kept of them, or nothing."""
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
        if kept is not None and (kept / directory.name).exists():
            shutil.copytree(kept / directory.name, directory)
