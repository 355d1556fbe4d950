"""The rclone of the program, closed at the end; and one as a person runs it, a process a command,
to look at what the program made of a remote."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tdl_sync.options.config import RcloneSettings
from tdl_sync.remote.program import environment
from tdl_sync.remote.rclone import Rclone
from tdl_sync.remote.remote_control import RemoteControl


@dataclass(frozen=True)
class Looker:
    """``config_file`` is None for the user's own."""

    executable: str
    config_file: Path | None = None

    def run(self, command: Sequence[str], *paths: str, stdin: bytes = b"") -> bytes:
        """What it prints; a failure is one of the test."""
        config = [] if self.config_file is None else [f"--config={self.config_file}"]
        ran = subprocess.run(
            [self.executable, *config, *command, "--", *paths],
            env=environment(),
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


def looker_beside(control: RemoteControl) -> Looker:
    """With the same program and configuration."""
    return Looker(control.rclone.executable, control.rclone.config_file)


def opened_rclone(
    closing: ExitStack,
    program: str | None = None,
    config_file: Path | None = None,
    *arguments: str,
) -> Rclone:
    """One that runs until ``closing`` ends. ``program`` is None for the current one."""
    rclone = Rclone.open(RcloneSettings(program, config_file, arguments, must_be_drive=False))
    closing.callback(rclone.close)
    return rclone


def opened_control(
    closing: ExitStack,
    program: str | None = None,
    config_file: Path | None = None,
    *arguments: str,
) -> RemoteControl:
    return RemoteControl(opened_rclone(closing, program, config_file, *arguments))
