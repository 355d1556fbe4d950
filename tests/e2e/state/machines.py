"""Further machines, and what two runs make of one chat."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from standins.telegram.server import StandIn
from tests.e2e.program import PROGRAM, Machine, Running

OTHER_HOST = "another-host"


def on_another_host() -> list[str]:
    """A command that runs the program under another host name; Linux, and only who may do that."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        pytest.skip("a process can have a host name of its own on Linux only")
    if subprocess.run(["unshare", "--uts", "true"], capture_output=True).returncode != 0:
        pytest.skip("this account may not give a process another host name")
    rename = f'echo {OTHER_HOST} > /proc/sys/kernel/hostname && exec "$@"'
    return ["unshare", "--uts", "sh", "-c", rename, "sh", sys.executable, str(PROGRAM)]


def another(directory: Path, telegram: StandIn, first: Machine) -> Machine:
    """A machine with a session and directories of its own that shares the first one's remote."""
    return Machine(directory, telegram, first.remote_directory)


def is_downloading(machine: Machine) -> bool:
    return any(machine.staging_directory.glob("*.part"))


def begun(running: Running, machine: Machine) -> Running:
    """The same once its first part file is there."""
    running.wait_until(lambda: is_downloading(machine))
    return running
