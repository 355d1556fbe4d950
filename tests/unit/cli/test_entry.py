"""What the program says of itself is said at once, however it is called."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import reaper
from tdl_sync.cli.help import help_text
from tdl_sync.core.program import VERSION

ROOT = Path(__file__).resolve().parents[3]
INSTALLED = re.search(r'tdl-sync = "(\S+):(\S+)"', (ROOT / "pyproject.toml").read_text())
assert INSTALLED is not None
WAYS_IN = {
    "the script": ["tdl_sync.py"],
    "python -m": ["-m", "tdl_sync"],
    "the installed command": [
        "-c",
        "from {} import {} as main; main()".format(*INSTALLED.groups()),
    ],
}
NOT_OF_A_LIBRARY = {"sitecustomize", "usercustomize", "_distutils_hack", "org", "imported package"}
"""What Python itself looks for, and the head of the table."""
OF_OURS = {
    *("tdl_sync", "tdl_sync.__main__", "tdl_sync.cli", "tdl_sync.cli.help", "tdl_sync.cli.usage"),
    *("tdl_sync.core", "tdl_sync.core.program"),
}


def called(way: list[str], *words: str) -> tuple[str, set[str]]:
    """What it prints, and the modules that it has imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *way, *words],
        cwd=ROOT,
        env=reaper.mark(),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stderr.splitlines()
    assert all(line.startswith("import time:") for line in lines), done.stderr
    return done.stdout, {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize("way", WAYS_IN.values(), ids=WAYS_IN)
def test_help_and_version_are_there_before_anything_that_takes_time_is_imported(
    way: list[str],
) -> None:
    shown, imported = called(way, "--help")
    assert shown.splitlines()[0] == help_text(["--help"]).splitlines()[0]
    assert {name for name in imported if name.startswith("tdl_sync")} <= OF_OURS
    outside = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert outside <= {"tdl_sync", *NOT_OF_A_LIBRARY}, outside
    assert not imported & {"asyncio", "ctypes", "logging", "socket", "subprocess", "typing"}
    shown, imported = called(way, "verify", "--nonsense", "-V")
    assert shown == f"tdl_sync {VERSION}\n"
    assert {name for name in imported if name.startswith("tdl_sync")} <= OF_OURS


@pytest.mark.parametrize("way", WAYS_IN.values(), ids=WAYS_IN)
def test_all_else_is_done_by_the_whole_program(way: list[str]) -> None:
    shown, imported = called(way, "completion", "fish")
    assert "complete -c tdl_sync" in shown
    assert "tdl_sync.cli.main" in imported


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, *WAYS_IN["the script"], "--help"],
            cwd=ROOT,
            env=reaper.mark(),
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
