"""What the commands say that only look, on the killed machine."""

from __future__ import annotations

import re

from tests.e2e.program import SOURCE, Machine
from tests.in_process import run_here
from tests.kept.killed import KilledMachine

_AGE = re.compile(r"\([^()]* ago\)")


def looks(killed: KilledMachine, machine: Machine) -> dict[str, str]:
    """By the names of the files in ``looks``; without how long ago something was."""
    command_lines = {
        "status": ["status"],
        "status-json": ["status", "--json"],
        "verify": ["verify", "-u", SOURCE],
        "verify-json": ["verify", "-u", SOURCE, "--json"],
        "dry-run": [*killed.arguments, "--dry-run"],
    }
    return {
        name: _AGE.sub("(long ago)", run_here(machine, *arguments).stdout)
        for name, arguments in command_lines.items()
    }
