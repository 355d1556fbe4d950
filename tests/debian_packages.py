"""Programs out of Debian's packages, unpacked beside this Python: no root is needed for that."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

DIRECTORY = Path(sys.prefix) / "debian-packages"


def unpacked(name: str, *packages: str) -> Path:
    """The root of a tree that holds these packages; fetched once and kept under ``name``.

    Skips where there are none of Debian's tools.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip(f"NOT TESTED: {name} is taken from Debian's packages, by apt-get and dpkg")
    kept = DIRECTORY / name
    if not kept.exists():
        DIRECTORY.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=DIRECTORY) as scratch:
            tree = Path(scratch, "tree")
            tree.mkdir()
            _download(packages, Path(scratch))
            for package in Path(scratch).glob("*.deb"):
                _run(["dpkg", "-x", str(package), str(tree)], scratch)
            keep(tree, kept)
    return kept


def keep(made: Path, kept: Path) -> None:
    """Put in place at once what is whole, so that what was broken off counts as nothing.

    Another process of the tests that has made the same meanwhile is as good.
    """
    try:
        made.rename(kept)
    except OSError:
        if not kept.exists():
            raise


def _download(packages: tuple[str, ...], into: Path) -> None:
    """With the machine's lists of packages, or own ones where those are missing or old."""
    command = ["apt-get", "download", *packages]
    if subprocess.run(command, cwd=into, capture_output=True).returncode == 0:
        return
    for name in ("lists/partial", "cache/archives/partial"):
        (into / name).mkdir(parents=True)
    options = ["-o", f"Dir::State::Lists={into}/lists", "-o", f"Dir::Cache={into}/cache"]
    options += ["-o", "APT::Sandbox::User="]
    _run(["apt-get", *options, "update"], str(into))
    _run(["apt-get", *options, "download", *packages], str(into))


def _run(command: list[str], directory: str) -> None:
    run = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    assert run.returncode == 0, f"{command} ended with {run.returncode}:\n{run.stdout}{run.stderr}"
