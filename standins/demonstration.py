"""The demo: the stand-in, the real program, and the check, in a checkout or as it is installed.

The stand-in for Telegram runs as a process of its own and is talked to over the real protocol;
the remote is a local directory behind the real rclone. All that is made lies in one temporary
directory, which is gone afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol

from .telegram.inject.standin_public_key import FINGERPRINT
from .telegram.world import worlds
from .telegram.world.channel import ItemKey, WorldItem
from .telegram.world.world import World

# 291 files with 309 MB in all; without the file of a terabyte that this world has for tests.
WORLD_PARAMETERS: dict[str, Any] = {
    "seed": 7,
    "messages": 366,
    "mean_size_bytes": 1_000_000,
    "too_large_bytes": None,
}
BUDGET_BYTES = 50_000_000
# Lines slow enough to watch and quick enough not to bore. Telegram's is the faster one, so that
# the staging directory fills up and downloads have to wait for room.
SHAPING = {"round_trip_seconds": 0.02, "total_bytes_per_second": 20_000_000}
RCLONE_VARIABLES = {
    "RCLONE_BWLIMIT_FILE": "4M",  # for each upload
    "RCLONE_DISABLE": "Move",  # else a local remote would just rename, and nothing be sent
}
SAMPLE_SECONDS = 0.02
READ_BYTES = 1024 * 1024
STOP_SECONDS = 10.0
COMMAND_COLUMNS = 70

STAND_INS = __package__ or "standins"
"""What this package is called: another name in a checkout than where it is installed."""
IS_INSTALLED = "." in STAND_INS
IS_UNPACKED = getattr(sys, "frozen", False)
"""Or a program to unpack and run (``scripts/build_executable.py``), which is its own Python."""
CHECKOUT = Path(__file__).resolve().parent.parent
INSTALLED_COMMAND = "tdl-sync"


class DemoFailed(Exception):
    """The demo can't go on. ``str()`` is one line."""


@dataclass(frozen=True)
class Places:
    """Where the demo keeps its things, all below one temporary directory."""

    root: Path

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def drive(self) -> Path:
        """The directory that plays the remote."""
        return self.root / "drive"

    @property
    def rclone_config(self) -> Path:
        return self.root / "rclone.conf"

    @property
    def working_directory(self) -> Path:
        """Of the processes: Python finds the modules of a checkout there. Installed ones it finds
        anyway, and what lies where the user is must not come before them."""
        return self.root if IS_INSTALLED else CHECKOUT

    @property
    def stand_in_log(self) -> Path:
        return self.root / "stand-in.log"


def make_world() -> World:
    """The world that the stand-in serves, too: both compute it from the same seed."""
    return worlds.mixed(**_parameters())


def _parameters() -> dict[str, Any]:
    """A program to unpack and run trusts nobody but Telegram's own data centres, and a key is made
    with each but the one of the session: there all files lie in that one."""
    return {**WORLD_PARAMETERS, "foreign_files": not IS_UNPACKED or _trusts_stand_in()}


def _trusts_stand_in() -> bool:
    from pyrogram.crypto import rsa

    return FINGERPRINT in rsa.server_public_keys


class HoldsItems(Protocol):
    """A chat, or a part of one."""

    def items(self) -> Iterator[WorldItem]: ...


def expected_items(*chats: HoldsItems) -> dict[ItemKey, WorldItem]:
    """What is to be moved of them; stickers stay behind, as everywhere."""
    items = (item for chat in chats for item in chat.items())
    return {item.key: item for item in items if item.kind != "sticker"}


@contextmanager
def temporary_places() -> Iterator[Places]:
    places = Places(Path(tempfile.mkdtemp(prefix="tdl_sync-demo-")))
    try:
        places.drive.mkdir()
        places.rclone_config.write_text(
            f"[demo]\ntype = alias\nremote = {places.drive.as_posix()}\n", "utf-8"
        )
        yield places
    finally:
        shutil.rmtree(places.root, ignore_errors=True)


@contextmanager
def running_stand_in(places: Places) -> Iterator[dict[str, str]]:
    """Start the stand-in; gives the variables that point the program at it."""
    command = [sys.executable, "-m", f"{STAND_INS}.telegram", "--world", "mixed"]
    command += ["--parameters", json.dumps(_parameters())]
    with places.stand_in_log.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=places.working_directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            # Out of the terminal's reach: at Ctrl-C the program needs it to save its state.
            start_new_session=True,
        )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        greeting = process.stdout.readline()
        if not greeting:
            last_words = places.stand_in_log.read_text("utf-8", "replace").strip()
            raise DemoFailed(f"the stand-in did not start: {last_words[-2000:]}")
        process.stdin.write(json.dumps({"shaping": SHAPING}) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if json.loads(answer or "null") != {"shaping": None}:
            raise DemoFailed(f"the stand-in can't be slowed down: {answer.strip()!r}")
        yield json.loads(greeting)["environment"]
    finally:
        stop(process)


def stop(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """End one process of ours, by its id, and wait for it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class DiskWatch:
    """Looks at what lies in a directory, often, and remembers the most that it saw."""

    def __init__(self, directory: Path) -> None:
        self.most_bytes = 0
        self._directory = directory
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="disk watch", daemon=True)

    def __enter__(self) -> DiskWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.most_bytes = max(self.most_bytes, bytes_below(self._directory))


def bytes_below(directory: Path) -> int:
    """The sizes of all files below; a file that vanishes meanwhile counts as none."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue
    return total


def run_program(places: Places, stand_in_variables: Mapping[str, str]) -> int:
    """The real program on this terminal; its exit status."""
    # Settings of one's own for the program or for rclone must not leak into the demo.
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TDL_SYNC_", "RCLONE_"))
    }
    own["TDL_SYNC_CONFIG"] = os.devnull
    command = ["-u", worlds.SOURCE_USERNAME]
    command += ["--max-disk", f"{BUDGET_BYTES // 1_000_000}M", "--remote", "demo:channels"]
    command += ["--staging", str(places.staging), "--data-dir", str(places.root / "data")]
    command += ["--rclone-config", str(places.rclone_config)]
    print(shown(command, places), flush=True)
    program = ["-m", "tdl_sync"] if IS_INSTALLED else [str(CHECKOUT / "tdl_sync.py")]
    process = subprocess.Popen(
        [sys.executable, *program, *command],
        cwd=places.working_directory,
        env={**own, **RCLONE_VARIABLES, **stand_in_variables},
    )
    guard = _guarding(process.pid, places)
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # It got the same signal, saves its state and ends.
    finally:
        stop(process)
        guard.kill()
        guard.wait()


def _guarding(process_id: int, places: Places) -> subprocess.Popen[bytes]:
    """Of whoever kills the demo nothing is left behind: neither its run nor its directory."""
    return subprocess.Popen(
        [sys.executable, "-m", f"{STAND_INS}.guard", str(process_id), str(places.root)],
        cwd=places.working_directory,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def shown(options_of_run: list[str], places: Places) -> str:
    """As one types it, on lines that no terminal breaks."""
    program = [INSTALLED_COMMAND] if IS_INSTALLED else ["python", "tdl_sync.py"]
    words = [*program, *options_of_run]
    line = " ".join(words).replace(str(places.root), "$DEMO")
    first, *options = line.split(" --")
    lines = [f"$ {first}"]
    for option in options:
        if len(lines[-1]) + len(option) > COMMAND_COLUMNS:
            lines.append("   ")
        lines[-1] += f" --{option}"
    return " \\\n".join(lines)


def differences(
    chats: Sequence[HoldsItems], drive: Path, may_be_there: Collection[ItemKey] = ()
) -> list[str]:
    """Everything in which the remote is not what the chats hold; empty when all is well."""
    expected = expected_items(*chats)
    found: dict[ItemKey | None, list[Path]] = defaultdict(list)
    for folder, _, names in os.walk(drive):
        for name in names:
            path = Path(folder, name)
            found[key_on_remote(path.parent.name, name)].append(path)
    problems = [
        f"unexpected: {path.parent.name}/{path.name}"
        for key, paths in found.items()
        if key not in expected and key not in may_be_there
        for path in paths
    ]
    for key, item in expected.items():
        problems += _differences_of_one(item, found.get(key, []))
    return problems


def key_on_remote(folder: str, name: str) -> ItemKey | None:
    """Which file has this name in this folder; ``None`` if it is none that a run moves."""
    chat_id = re.search(r"\[(-?\d+)\]$", folder)
    number = re.match(r"(\d+(?:\.\d+)?)_", name)
    return ItemKey.of(int(chat_id[1]), number[1]) if chat_id and number else None


def _differences_of_one(item: WorldItem, paths: list[Path]) -> list[str]:
    if len(paths) != 1:
        return [f"{item.key}: {len(paths)} files instead of 1"]
    path = paths[0]
    problems = []
    if path.stat().st_size != item.file.size_bytes:
        size = path.stat().st_size
        problems.append(f"{item.key}: {size} bytes, not {item.file.size_bytes}")
    elif sha256_of(path) != item.file.sha256():
        problems.append(f"{item.key}: other bytes than Telegram has")
    if int(path.stat().st_mtime) != int(item.date.timestamp()):
        problems.append(f"{item.key}: not the message's date")
    return problems


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def own_command() -> str:
    """What to type for a channel of one's own, as it works on this machine."""
    if IS_INSTALLED:
        return f"{_installed_command()} -u <channel> --max-disk 50"
    python = Path(sys.executable)
    if python.is_relative_to(CHECKOUT):
        python = python.relative_to(CHECKOUT)
    return f"{python} tdl_sync.py -u <channel> --max-disk 50"


def _installed_command() -> str:
    """By its name where the shell finds it, else as it was called just now."""
    called = Path(sys.argv[0])
    if called.stem != INSTALLED_COMMAND:
        return f"{sys.executable} -m tdl_sync"
    if IS_UNPACKED:
        return sys.executable
    return INSTALLED_COMMAND if shutil.which(INSTALLED_COMMAND) else str(called)


def first_steps() -> str:
    """What comes before a channel of one's own."""
    if IS_INSTALLED:
        return f"after `{_installed_command()} login` and `rclone config`"
    return "after the five steps in README.md"


def demonstrate() -> int:
    world = make_world()
    items = expected_items(world.source)
    total_mb = sum(item.file.size_bytes for item in items.values()) / 1_000_000
    print(
        f"A stand-in for Telegram serves a channel with {len(items)} files, {total_mb:.0f} MB.\n"
        f"The program moves them through {BUDGET_BYTES // 1_000_000} MB of disk "
        "to a directory that plays Drive.\n",
        flush=True,
    )
    with temporary_places() as places:
        with running_stand_in(places) as variables, DiskWatch(places.staging) as watch:
            status = run_program(places, variables)
        if status != 0:
            print(f"\nThe program ended with exit status {status}; nothing was checked.")
            return status
        print("\nComparing every file with what the stand-in holds ...", flush=True)
        problems = differences([world.source], places.drive)
        if watch.most_bytes > BUDGET_BYTES:
            problems.append(f"{watch.most_bytes} bytes lay on the disk at once")
    if problems:
        print("\n".join([*problems[:20], f"FAILED: {len(problems)} differences"]))
        return 1
    print(
        f"All {len(items)} files are there once, each with the right SHA-256, name and date.\n"
        f"The staging directory never held more than {watch.most_bytes / 1_000_000:.1f} MB "
        f"(looked at every {SAMPLE_SECONDS * 1000:.0f} ms).\n\n"
        f"For your own channel, {first_steps()}:\n\n"
        f"    {own_command()}\n"
    )
    return 0


def _end(signal_number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signal_number)


def main() -> int:
    for name in {"SIGTERM", "SIGHUP"} & set(signal.Signals.__members__):
        signal.signal(signal.Signals[name], _end)
    try:
        return demonstrate()
    except DemoFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
