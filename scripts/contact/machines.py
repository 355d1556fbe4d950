"""Machines that the program runs on: homes of their own here, with one account and remote."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import psutil

from tdl_sync.cli import main as cli

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS = 1800.0
SIGNALLED = 128
"""An exit status above it says that a signal has ended a run, as shells have it."""

_OWN = re.compile(r"TDL_SYNC_")
_KEPT = ("TDL_SYNC_API_ID", "TDL_SYNC_API_HASH", "TDL_SYNC_PROXY")


@dataclass(frozen=True)
class Remote:
    """``folder`` is below what the user named, and was made for this."""

    folder: str
    rclone: str
    config: str | None

    def ask(self, *words: str) -> str:
        """What rclone prints. Raises ``CalledProcessError``."""
        command = [self.rclone, *words, "--ask-password=false"]
        if self.config is not None:
            command += ["--config", self.config]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
        return done.stdout.decode(errors="replace")

    def hashes(self) -> dict[str, list[str]]:
        """Of the files below the folder, as they come when they are read (SHA-256), by the
        number of the message that their names begin with."""
        found: dict[str, list[str]] = {}
        for line in self.ask("hashsum", "sha256", "--download", self.folder).splitlines():
            digest, _, path = line.partition("  ")
            number = re.match(r"(\d+)(?:\.\d+)?_", path.rpartition("/")[2])
            found.setdefault(number[1] if number else path, []).append(digest)
        return {number: sorted(digests) for number, digests in found.items()}

    def remove(self) -> None:
        """The folder and all that is in it, if it was ever made."""
        with contextlib.suppress(subprocess.CalledProcessError, OSError):
            self.ask("purge", self.folder)


@dataclass(frozen=True)
class Ended:
    """How a run has ended: the figures of its last line, and its exit status."""

    exit_status: int
    figures: Mapping[str, str]

    def number(self, name: str) -> int:
        return int(self.figures.get(name, 0))

    @property
    def is_complete(self) -> bool:
        return self.exit_status == 0 and self.figures.get("status") == "complete"


@contextlib.contextmanager
def suspended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """It does nothing in this block, and lives."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(process.pid).suspend()
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(process.pid).resume()


class Machine:
    """A home of its own. What it prints is kept in files there, and shown to nobody."""

    def __init__(self, directory: Path, session: str, remote: Remote, chat: str) -> None:
        directory.mkdir(mode=0o700, parents=True)
        self.directory = directory
        self._chat = chat
        self._outputs = 0
        # Two of them in one place would be one machine: locks are per account and home.
        self._environment = {
            **{n: v for n, v in os.environ.items() if not _OWN.match(n) or n in _KEPT},
            "HOME": str(directory),
            "TDL_SYNC_CONFIG": os.devnull,
            "TDL_SYNC_SESSION_STRING": session,
            "TDL_SYNC_REMOTE": remote.folder,
            "TDL_SYNC_RCLONE": remote.rclone,
            "TDL_SYNC_DATA_DIR": str(directory / "data"),
            "TDL_SYNC_STAGING": str(directory / "staging"),
        }
        config = remote.config or os.environ.get("RCLONE_CONFIG") or _default_config()
        self._environment["TDL_SYNC_RCLONE_CONFIG"] = config

    def run(self, *words: str) -> Ended:
        """In this process, so that what is asked can be recorded.

        Raises ``KeyboardInterrupt`` for a run that a signal has ended: while it is at work signals
        are its own, and whoever sent one means all that is tried here.
        """
        out, err = io.StringIO(), io.StringIO()
        before, mask = os.getcwd(), os.umask(0o022)
        try:
            with (
                mock.patch.dict(os.environ, self._environment, clear=True),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                os.chdir(self.directory)
                status = cli.main(self._command(words))
        finally:
            os.chdir(before)
            os.umask(mask)
        self._keep(out.getvalue(), err.getvalue())
        if status > SIGNALLED:
            raise KeyboardInterrupt
        return _ended(status, out.getvalue())

    @contextlib.contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """As a process, to be killed or to run beside another. At the end of this block it is
        killed if it runs: where it is left early, nobody waits for the run."""
        process = self._start(words)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
                process.wait()

    def _start(self, words: tuple[str, ...]) -> subprocess.Popen[bytes]:
        self._outputs += 1
        outputs = [self.directory / f"{self._outputs}.{kind}" for kind in ("out", "err")]
        with outputs[0].open("wb") as out, outputs[1].open("wb") as err:
            return subprocess.Popen(
                [sys.executable, "-m", "tdl_sync", *self._command(words)],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def ended(self, process: subprocess.Popen[bytes]) -> Ended:
        status = process.wait(RUN_SECONDS)
        return _ended(status, (self.directory / f"{self._outputs}.out").read_text())

    def killed_when(self, condition: Callable[[], bool], *words: str) -> bool:
        """Start a run and kill it as if the machine had lost its power, as soon as that is so;
        whether the kill came before its end."""
        with self.started(*words) as process:
            while process.poll() is None and not condition():
                time.sleep(0.01)
            was_running = process.poll() is None
        return was_running

    @property
    def staged_files(self) -> int:
        """Complete and partial downloads that lie there."""
        there = (self.directory / "staging").rglob("*")
        return sum(1 for each in there if each.suffix in (".part", ".staged"))

    def _command(self, words: tuple[str, ...]) -> list[str]:
        command = words[:1] if words[:1] == ("verify",) else ()
        return [*command, "-u", self._chat, *words[len(command) :]]

    def _keep(self, out: str, err: str) -> None:
        self._outputs += 1
        for kind, text in (("out", out), ("err", err)):
            path = self.directory / f"{self._outputs}.{kind}"
            path.write_text(text, encoding="utf-8", errors="replace")


def _default_config() -> str:
    """Where rclone looks: the homes made here are not the user's."""
    return str(Path.home() / ".config" / "rclone" / "rclone.conf")


def _ended(status: int, printed: str) -> Ended:
    last = (printed.splitlines() or [""])[-1]
    words = [word.partition("=") for word in last.split()]
    return Ended(status, {name: value for name, sign, value in words if sign})
