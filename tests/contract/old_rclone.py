"""The oldest rclone that the program takes, 1.60, as Debian and Ubuntu have it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import warnings
from functools import cache
from pathlib import Path

import pytest

WANTED_VERSION = "1.60."


def old_rclone() -> str:
    """The path of an rclone 1.60; it is fetched once and kept. Skips where there is none."""
    found = _find()
    if isinstance(found, str):
        return found
    reason = f"NOT TESTED with rclone {WANTED_VERSION}x: {found.reason}"
    warnings.warn(reason, stacklevel=2)
    pytest.skip(reason)


class _Unavailable:
    def __init__(self, reason: str) -> None:
        self.reason = reason


@cache
def _find() -> str | _Unavailable:
    kept = _cache_directory() / "rclone"
    if _is_wanted(kept):
        return str(kept)
    return _fetch(kept)


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tdl-sync-tests" / "rclone-1.60"


def _is_wanted(program: Path) -> bool:
    if not program.is_file():
        return False
    run = subprocess.run([str(program), "version"], capture_output=True, text=True, check=False)
    return re.match(rf"rclone v{re.escape(WANTED_VERSION)}", run.stdout) is not None


def _fetch(kept: Path) -> str | _Unavailable:
    """Take the program out of the distribution's package, without installing that."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return _Unavailable("it is taken from a Debian package, and here is no apt-get and dpkg")
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as directory:
        download = subprocess.run(
            ["apt-get", "download", "rclone"],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        packages = list(Path(directory).glob("*.deb"))
        if download.returncode != 0 or not packages:
            words = " ".join(download.stderr.split())[-300:]
            return _Unavailable(f"apt-get can't download it (apt-get update may help): {words}")
        subprocess.run(["dpkg", "-x", str(packages[0]), directory], check=True)
        program = Path(directory, "usr", "bin", "rclone")
        if not _is_wanted(program):
            return _Unavailable(f"apt-get downloads another version: {packages[0].name}")
        program.replace(kept)  # at once, so that two test runs never meet half a file
    return str(kept)
