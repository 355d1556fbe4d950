"""What a run takes before its first byte and after its last one: where each tenth of a second goes.

    python3 scripts/bench.py start

A run with nothing new, also where much is there already, and one with five small files; to Drive
and to a directory. Everything is seen from outside: when lines come on standard error, when the
stand-ins were asked what, and when the process had ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from scripts.benchmark.frame import (
    NOW,
    ROUND_TRIP_SECONDS,
    BenchFailed,
    Case,
    Plan,
    Row,
    StandInProcess,
    files_of,
    median,
    say,
    stand_in,
    telegram,
    temporary_directory,
)
from scripts.benchmark.moves import CALL_SECONDS
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus
from tdl_sync.state.state_message import encode

MOST_NOTHING_NEW_SECONDS = 2.0
MOST_FIVE_FILES_SECONDS = 4.0
MOST_ABOUT_ITSELF_SECONDS = 0.1
MOST_BESIDE_THE_WIRE_SECONDS = 1.5
SMALL_FILES = 5
SMALL_BYTES = 100_000
TINY_BYTES = 1_000
STATE_MESSAGES = 100

_SAME_MOMENT_SECONDS = 0.005
"""What was asked so long after an answer was asked because of it, or could have been."""

WORTH_TELLING_SECONDS = 1.0

NO_WAY = {"round_trip_seconds": 0.0}


@dataclass(frozen=True)
class Event:
    """Something that began (and ended), in seconds from the start of the process."""

    where: str
    what: str
    began: float
    ended: float


@dataclass(frozen=True)
class Timeline:
    """One run of the program. ``events`` are in the order in which they began."""

    seconds: float
    cpu_seconds: float
    first_line_at: float
    events: tuple[Event, ...]
    said: str = ""

    def of(self, where: str, *names: str) -> list[Event]:
        """All that there was, or what is called so."""
        found = [each for each in self.events if each.where == where]
        return [each for each in found if not names or each.what in names]

    def in_a_row(self, where: str) -> list[Event]:
        """The longest row of calls of which each began after the one before was answered."""
        calls = [each for each in self.of(where) if each.ended > each.began]
        rows: list[list[Event]] = []
        for call in calls:
            before = [row for row in rows if row[-1].ended <= call.began + _SAME_MOMENT_SECONDS]
            rows.append([*max(before, key=len, default=[]), call])
        return max(rows, key=len, default=[])

    def longest_silence_seconds(self, where: str) -> float:
        """In which nothing was asked there, between what was: the program, or a wait that is
        meant."""
        ended, longest = 0.0, 0.0
        for each in self.of(where):
            if ended:
                longest = max(longest, each.began - ended)
            ended = max(ended, each.began, each.ended)
        return longest

    def marks(self) -> dict[str, float]:
        """When what had happened."""
        found = {"first line: interpreter, imports": self.first_line_at}
        asked = {name: self.of("Telegram", name) for name in _TELEGRAM}
        answered = [each for each in self.of("Telegram") if each.ended > each.began]

        def note(
            name: str, at: Sequence[float], choose: Callable[[Sequence[float]], float]
        ) -> None:
            if at:
                found[name] = choose(at)

        def began(name: str) -> list[float]:
            return [each.began for each in asked[name]]

        def ended(name: str) -> list[float]:
            return [each.ended for each in asked[name]]

        note("Telegram: connected", began("connection"), min)
        note("Telegram: session open", ended("help.GetConfig"), min)
        note("Telegram: account known", ended("users.GetUsers"), min)
        note(
            "Telegram: chat known",
            ended("channels.GetChannels") or ended("contacts.ResolveUsername"),
            min,
        )
        note("Telegram: claim sent", ended("messages.SendMessage"), min)
        note("Telegram: claims and states read", ended("messages.Search"), min)
        drive = self.of("Drive")
        note("Drive: rclone asks first", [each.began for each in drive], min)
        uploads = self.of("Drive", "upload.finish")
        note("Drive: has taken the proof", [each.ended for each in uploads[:1]], min)
        removed = self.of("Drive", "files.update", "files.delete")
        note("Drive: proof is removed", [each.ended for each in removed], min)
        note("first part asked for", began("upload.GetFile"), min)
        note("last part is there", ended("upload.GetFile"), max)
        note("Drive: last file is there", [each.ended for each in uploads[1:]], max)
        note("Drive: last answer", [each.ended for each in drive], max)
        note("Telegram: state saved", ended("messages.EditMessage"), max)
        note("Telegram: last answer", [each.ended for each in answered], max)
        found["process has ended"] = self.seconds
        return found

    def lines(self) -> Iterator[str]:
        """The whole of it, to look at."""
        yield f"{self.first_line_at:7.3f}         first line"
        for each in self.events:
            lasted = max(0.0, each.ended - each.began)
            yield f"{each.began:7.3f} {lasted:6.3f}  {each.where} {each.what}"
        yield f"{self.seconds:7.3f}         end, {self.cpu_seconds:.2f} s of CPU"


_TELEGRAM = (
    "connection",
    "help.GetConfig",
    "users.GetUsers",
    "channels.GetChannels",
    "contacts.ResolveUsername",
    "messages.SendMessage",
    "messages.Search",
    "messages.EditMessage",
    "upload.GetFile",
)


@dataclass
class Place:
    """A machine, its remote and the stand-ins. ``drive`` is None for a directory."""

    chat: StandInProcess
    drive: StandInProcess | None
    machine: Path
    remote: str

    def noted(self) -> Iterator[tuple[str, StandInProcess]]:
        yield "Telegram", self.chat
        if self.drive is not None:
            yield "Drive", self.drive

    def quick(self) -> None:
        """As near as it gets, for what is not measured."""
        self.chat.ask("shaping", NO_WAY)
        if self.drive is not None:
            self.drive.ask("shaping", {"call_seconds": 0.0})

    def far(self) -> None:
        self.chat.ask("shaping", {"round_trip_seconds": ROUND_TRIP_SECONDS})
        if self.drive is not None:
            self.drive.ask("shaping", {"call_seconds": CALL_SECONDS})

    def run(self, *arguments: str, remote: str | None = None) -> Timeline:
        environment = dict(self.chat.environment)
        if self.drive is not None:
            environment |= self.drive.environment
        else:
            environment["RCLONE_CONFIG"] = ""
        for _, process in self.noted():
            process.ask("note_calls")
        timeline = watched(
            [
                *("-u", f"@{self.chat.greeting['username']}", "--remote", remote or self.remote),
                *("--data-dir", str(self.machine / "data")),
                *("--staging", str(self.machine / "staging"), *arguments),
            ],
            environment,
        )
        return timeline(
            [
                (where, name, began, ended)
                for where, process in self.noted()
                for name, began, ended in process.ask("noted_calls")
            ]
        )


def watched(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> Callable[[Sequence[tuple[str, str, float, float]]], Timeline]:
    """Run the program; what gives the timeline, once it is told of the calls, by the clock."""
    if sys.platform == "win32":
        raise NotImplementedError
    command = [sys.executable, str(NOW.directory / "tdl_sync.py"), *arguments]
    lines: list[tuple[float, str]] = []
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    stderr = process.stderr
    assert stderr is not None

    def read() -> None:
        lines.extend((time.monotonic(), line) for line in stderr)

    reading = threading.Thread(target=read)
    reading.start()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    reading.join()
    said = "".join(line for _, line in lines)
    if process.returncode != 0:
        raise BenchFailed(f"{command!r} ended with {process.returncode}:\n{said[-3000:]}")
    first_line_at = lines[0][0] - began if lines else seconds

    def timeline(calls: Sequence[tuple[str, str, float, float]]) -> Timeline:
        events = [
            Event(where, name, at - began, max(0.0, until - began))
            for where, name, at, until in calls
        ]
        events.sort(key=lambda each: each.began)
        cpu_seconds = used.ru_utime + used.ru_stime
        return Timeline(seconds, cpu_seconds, first_line_at, tuple(events), said)

    return timeline


@contextmanager
def to_drive(world: Mapping[str, object]) -> Iterator[Place]:
    with (
        telegram("files", world) as chat,
        stand_in("standins.drive") as drive,
        temporary_directory() as machine,
    ):
        yield Place(chat, drive, machine, f"gdrive:{machine.name}")


@contextmanager
def to_directory(world: Mapping[str, object]) -> Iterator[Place]:
    with telegram("files", world) as chat, ExitStack() as closing:
        machine = closing.enter_context(temporary_directory())
        yield Place(chat, None, machine, str(machine / "remote"))


# --- the table of all timelines ----------------------------------------------------------------

TIMELINES: dict[str, list[Timeline]] = {}
"""By what was measured; ``table`` makes one of them."""


def table() -> str:
    """When what had happened, the medians of the runs of each case, in seconds; then how many calls
    were waited for in a row."""
    names = list(TIMELINES)
    medians = {name: _medians([each.marks() for each in TIMELINES[name]]) for name in names}
    marks = sorted(
        {mark for each in medians.values() for mark in each},
        key=lambda mark: median([each[mark] for each in medians.values() if mark in each]),
    )
    rows = [
        (mark, *(f"{medians[n][mark]:.2f}" if mark in medians[n] else "" for n in names))
        for mark in marks
    ]
    for where in ("Telegram", "Drive"):
        counts = [
            str(int(median([len(each.in_a_row(where)) for each in TIMELINES[name]])) or "")
            for name in names
        ]
        rows.append((f"calls to {where} in a row, at most", *counts))
    cpu = (f"{median([each.cpu_seconds for each in TIMELINES[n]]):.2f}" for n in names)
    rows.append(("CPU, with rclone's", *cpu))
    lines = [("seconds from the start", *names), ("---",) * (len(names) + 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _medians(marks: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = [name for name in marks[-1] if all(name in each for each in marks)]
    return {name: median([each[name] for each in marks]) for name in names}


def _row(what: str, runs: Sequence[Timeline], most_seconds: float, *, beside_wire: bool) -> Row:
    TIMELINES[what] = list(runs)
    seconds = median([each.seconds for each in runs])
    middle = min(runs, key=lambda each: abs(each.seconds - seconds))
    for line in middle.lines():
        say(line)
    cpu = median([each.cpu_seconds for each in runs])
    trips = len(middle.in_a_row("Telegram"))
    details = f"{cpu:.2f} s of CPU, at most {trips} calls to Telegram in a row"
    if beside_wire:
        wire = (trips + 2) * ROUND_TRIP_SECONDS  # the proxy's answer and the library's ping, too
        details += f"; {seconds:.2f} s with the wire's {wire:.2f} s"
        seconds -= wire
    return Row(
        what,
        f"at most {most_seconds:g} s{' beside the wire' if beside_wire else ''}",
        f"{seconds:.2f} s",
        seconds <= most_seconds,
        details,
    )


# --- cases -------------------------------------------------------------------------------------


def about_itself(plan: Plan) -> list[Row]:
    rows = []
    for option in ("--version", "--help"):
        runs = [watched([option], {})([]) for _ in range(2 * plan.runs + 1)]
        seconds = median([each.seconds for each in runs])
        cpu = median([each.cpu_seconds for each in runs])
        met = seconds <= MOST_ABOUT_ITSELF_SECONDS
        aim = f"at most {MOST_ABOUT_ITSELF_SECONDS:g} s"
        rows.append(Row(option, aim, f"{seconds:.2f} s", met, f"{cpu:.2f} s of CPU"))
    return rows


def _small_files() -> Mapping[str, object]:
    return files_of([SMALL_BYTES] * SMALL_FILES)


def nothing_new_drive(plan: Plan) -> list[Row]:
    with to_drive(_small_files()) as place:
        return [_nothing_new(plan, place, "nothing new, Drive", MOST_NOTHING_NEW_SECONDS)]


def nothing_new_directory(plan: Plan) -> list[Row]:
    most = MOST_BESIDE_THE_WIRE_SECONDS
    with to_directory(_small_files()) as place:
        return [_nothing_new(plan, place, "nothing new, directory", most)]


def nothing_new_much(plan: Plan) -> list[Row]:
    there = plan.choose(10_000, 1_000)
    with to_drive(files_of([TINY_BYTES], times=there)) as place:
        saved_id = place.chat.ask("saved_messages_id")
        for number in range(STATE_MESSAGES):
            place.chat.ask("append", {"chat_id": saved_id, "text": _state_of_another(number)})
        what = f"nothing new, {there:,} files on Drive, {STATE_MESSAGES} states"
        return [_nothing_new(plan, place, what, MOST_NOTHING_NEW_SECONDS)]


def _nothing_new(plan: Plan, place: Place, what: str, most_seconds: float) -> Row:
    place.quick()
    place.run("--workers", "8")
    place.far()
    place.run()
    runs = [place.run() for _ in range(plan.runs)]
    if any("nothing new" not in each.said for each in runs):
        raise BenchFailed(f"something was new:\n{runs[-1].said}")
    return _row(what, runs, most_seconds, beside_wire=place.drive is None)


def _state_of_another(number: int) -> str:
    """A chat that was moved before, by this account."""
    chat_id, remote = -1001000000000 - number, "gdrive:elsewhere"
    moment = datetime.now(timezone.utc)
    return encode(
        RunState(
            scope_key=scope_key(Scope(remote, chat_id)),
            channel_id=chat_id,
            channel_name=f"A chat with the number {number}",
            last_message_id=1000 + number,
            total_downloaded=number,
            total_uploaded=number,
            total_size_bytes=number * SMALL_BYTES,
            timestamp=moment,
            status=RunStatus.COMPLETE,
            remote=remote,
            folder=f"A chat with the number {number} [{chat_id}]",
            started=moment,
            done_above_ids=(),
            failed_ids=(),
            failures_by_reason={},
            run=RunIdentity("another", 1, f"{number}", "1", 1, 300),
        )
    )


def five_files_drive(plan: Plan) -> list[Row]:
    """Into a folder that is there and holds another chat's, and which has none of this chat."""
    what = f"{SMALL_FILES} files into a chat's fresh folder, Drive"

    def use(place: Place) -> None:
        place.quick()
        place.run("--limit", "1", remote=f"{place.remote}/other")

    runs = _first_runs(plan, to_drive, use)
    return [_five(what, runs, MOST_FIVE_FILES_SECONDS, beside_wire=False)]


def five_files_fresh_drive(plan: Plan) -> list[Row]:
    """On which nothing is there."""
    what = f"{SMALL_FILES} files onto a fresh Drive"
    runs = _first_runs(plan, to_drive)
    return [_five(what, runs, MOST_FIVE_FILES_SECONDS, beside_wire=False)]


def five_files_directory(plan: Plan) -> list[Row]:
    what = f"{SMALL_FILES} files into a fresh folder, directory"
    runs = _first_runs(plan, to_directory)
    return [_five(what, runs, MOST_BESIDE_THE_WIRE_SECONDS, beside_wire=True)]


def _first_runs(
    plan: Plan,
    to: Callable[[Mapping[str, object]], AbstractContextManager[Place]],
    prepare: Callable[[Place], None] = lambda place: None,
) -> list[Timeline]:
    """Of five small files, each to a place of its own that was made ready."""
    runs = []
    for _ in range(plan.runs):
        with to(_small_files()) as place:
            prepare(place)
            place.far()
            runs.append(place.run())
    return runs


def _five(what: str, runs: Sequence[Timeline], most: float, *, beside_wire: bool) -> Row:
    row = _row(what, runs, most, beside_wire=beside_wire)
    waits = [each.longest_silence_seconds("Drive") for each in runs]
    if median(waits) < WORTH_TELLING_SECONDS:
        return row
    without = median([each.seconds - wait for each, wait in zip(runs, waits, strict=True)])
    meant = "until it is certain which folder all machines take"
    return replace(
        row, details=f"{row.details}; {without:.2f} s without the {median(waits):.1f} s {meant}"
    )


CASES = (
    Case("start", "start-version", about_itself),
    Case("start", "start-directory", nothing_new_directory),
    Case("start", "start-drive", nothing_new_drive),
    Case("start", "start-much", nothing_new_much),
    Case("start", "start-five-directory", five_files_directory),
    Case("start", "start-five-drive", five_files_drive),
    Case("start", "start-five-fresh", five_files_fresh_drive),
)
