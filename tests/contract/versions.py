"""The rclones that contracts are held with: today's and the oldest that the program takes."""

from __future__ import annotations

import os
import shutil
import subprocess

from scripts import reaper
from tests.contract.old_rclone import old_rclone


def rclone_named(version: str) -> str:
    """The ``current`` one or the ``oldest``. Skips where that is not to be had."""
    if version == "oldest":
        return old_rclone()
    found = shutil.which("rclone")
    assert found is not None
    return found


def printed_by(executable: str, *command: str) -> str:
    """What it prints, without any variable of its own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
    return subprocess.run(
        [executable, *command],
        env={**own, **reaper.mark()},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
