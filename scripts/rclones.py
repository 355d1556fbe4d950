"""The rclones that a program has started, seen from outside: which there are, what they upload.

An rclone is known by the name of its executable alone, and what it works on by the files that it
has open: what it is told, and over what, is the program's own business.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

_RCLONE = "rclone"
_STAGED = ".staged"


def rclones_below(process_id: int) -> list[psutil.Process]:
    """Those that this process has started, itself or through others, and that live."""
    try:
        children = psutil.Process(process_id).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if _is_rclone(child)]


def rclones_marked(variable: str, value: str) -> list[psutil.Process]:
    """Those with this in their environment, whatever became of who started them."""
    return [process for process in psutil.process_iter() if _is_marked(process, variable, value)]


def uploaded_by(rclone: psutil.Process, staging: Path) -> set[str]:
    """The names of the staged files that it has open."""
    try:
        opened = [Path(file.path) for file in rclone.open_files()]
    except (psutil.Error, OSError):
        return set()  # it has ended meanwhile
    # The system knows no links on the way to a file.
    below = Path(os.path.realpath(staging))
    return {path.name for path in opened if path.suffix == _STAGED and below in path.parents}


def uploads_below(process_id: int, staging: Path) -> dict[psutil.Process, set[str]]:
    """The rclones below this process that have staged files open now, and the files' names."""
    found = {rclone: uploaded_by(rclone, staging) for rclone in rclones_below(process_id)}
    return {rclone: names for rclone, names in found.items() if names}


def _is_rclone(process: psutil.Process) -> bool:
    try:
        # Between fork and exec a child still has its parent's name.
        name: str = process.name()
        return name.startswith(_RCLONE) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _is_marked(process: psutil.Process, variable: str, value: str) -> bool:
    if not _is_rclone(process):
        return False
    try:
        found: str | None = process.environ().get(variable)
    except (psutil.Error, OSError):
        return False
    return found == value
