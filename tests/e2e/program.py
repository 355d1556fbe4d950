"""The program as its users run it: a process of its own, the real rclone, its own directories."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts import reaper
from scripts.rclones import uploads_below
from standins.telegram.server import StandIn

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tdl_sync.py"
RCLONE = shutil.which("rclone") or str(Path(sys.executable).parent / "rclone")
"""The one that runs use."""

SOURCE = "@stand_in_source"
REMOTE = "box:files"
PATIENCE_SECONDS = 300.0
WHOLE_SCHEMA = "TESTS_IMPORT_THE_WHOLE_SCHEMA"
"""Set for the tests, all types of Telegram's schema are imported at the start, here and in what is
started: ``tdl_sync/telegram/session/schema_on_demand.py`` is left out."""
NOTHING_DONE = "result: status=error seen=0 done=0 skipped=0 failed=0 bytes=0\n"

_STAMPED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (.*)")

Variables = Mapping[str, str | None]
"""What of the environment is different; ``None`` takes a variable away."""


@dataclass(frozen=True)
class Ended:
    """What a run has left behind for whoever started it."""

    exit_status: int
    stdout: str
    stderr: str
    peak_memory_bytes: int

    @property
    def log(self) -> list[str]:
        """The lines that carry a time, without it."""
        found = [_STAMPED.fullmatch(line) for line in self.stderr.splitlines()]
        return [match[1] for match in found if match]

    @property
    def said(self) -> str:
        """Standard error without the log: what is said about an error, and nothing else."""
        return "".join(
            line for line in self.stderr.splitlines(True) if not _STAMPED.fullmatch(line.rstrip())
        )

    @property
    def result(self) -> dict[str, str]:
        """The figures of the last line on standard output."""
        words = self.stdout.splitlines()[-1].removeprefix("result: ").split()
        return dict(word.split("=", 1) for word in words)

    def numbers(self) -> dict[str, int]:
        return {name: int(text) for name, text in self.result.items() if name != "status"}


class Running:
    """A run that was started; ``wait`` for it, or ``kill`` it."""

    def __init__(self, process: subprocess.Popen[bytes], stdout: Path, stderr: Path) -> None:
        self.process = process
        self._stdout = stdout
        self._stderr = stderr

    @property
    def stderr(self) -> str:
        """What it has said so far, of which the last letter may be half there."""
        return self._stderr.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Until standard error holds ``text``."""
        self.wait_until(lambda: text in self.stderr)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Until it is true; a failure if the run ends before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert self.process.poll() is None, f"ended too early:\n{self.stderr}"
            assert time.monotonic() < deadline, f"never came true:\n{self.stderr}"
            time.sleep(0.005)

    def children(self) -> list[psutil.Process]:
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def uploads(self, staging: Path) -> set[int]:
        """The messages whose staged files an rclone of its has open now."""
        names = set().union(*uploads_below(self.process.pid, staging).values())
        return {int(Path(name).stem.rpartition("_")[2].partition(".")[0]) for name in names}

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """As a machine that vanishes: no chance to clean up."""
        self.process.kill()
        self.process.wait()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> Ended:
        deadline = time.monotonic() + seconds
        while True:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"did not end within {seconds} s:\n{self.stderr[-5000:]}")
            time.sleep(0.005)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return Ended(
            self.process.returncode,
            self._stdout.read_text(),
            self.stderr,
            usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        )


class Machine:
    """A computer that never ran the program: nothing but rclone's configuration is on it.

    ``box:`` is an rclone remote that keeps its files in ``remote_directory``. The program is
    started in ``working_directory``, and told by variables where everything is; the command line
    of a test is what the test is about.
    """

    def __init__(self, directory: Path, telegram: StandIn, remote_directory: Path | None = None):
        self.directory = directory
        self.working_directory = directory / "work"
        self.data_directory = directory / "data"
        self.staging_directory = directory / "staging"
        self.remote_directory = remote_directory or directory / "remote"
        self.rclone_config = directory / "rclone.conf"
        self._outputs = directory / "outputs"
        for needed in (directory / "home", self.working_directory, self._outputs):
            needed.mkdir(parents=True)
        self.rclone_config.write_text(f"[box]\ntype = alias\nremote = {self.remote_directory}\n")
        self.rclone_config.chmod(0o600)
        kept = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", WHOLE_SCHEMA)
        self.variables = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            **reaper.mark(),
            "HOME": str(directory / "home"),
            # Else a local remote would just rename, and nothing would be sent.
            "RCLONE_DISABLE": "Move,Copy",
            "TDL_SYNC_REMOTE": REMOTE,
            "TDL_SYNC_DATA_DIR": str(self.data_directory),
            "TDL_SYNC_STAGING": str(self.staging_directory),
            "TDL_SYNC_RCLONE_CONFIG": str(self.rclone_config),
            **telegram.environment(),
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(PROGRAM), *arguments]

    def environment(self, changed: Variables | None = None) -> dict[str, str]:
        variables: dict[str, str | None] = {**self.variables, **(changed or {})}
        return {name: value for name, value in variables.items() if value is not None}

    def run(self, *arguments: str, variables: Variables | None = None) -> Ended:
        """From start to end; never on a terminal."""
        return self.start(*arguments, variables=variables).wait()

    def start(
        self,
        *arguments: str,
        variables: Variables | None = None,
        command: list[str] | None = None,
    ) -> Running:
        """``command`` instead of this Python and the program."""
        number = len(list(self._outputs.iterdir())) // 2
        stdout, stderr = self._outputs / f"{number}.out", self._outputs / f"{number}.err"
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = subprocess.Popen(
                [*command, *arguments] if command else self.command(*arguments),
                cwd=self.working_directory,
                env=self.environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                # Signals of the test's own terminal are not for it.
                start_new_session=True,
            )
        return Running(process, stdout, stderr)
