"""Of a demo that is killed nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from standins import guard
from tests.e2e.program import ROOT
from tests.waiting import until

PARENT = """
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(1000)"], stdout=subprocess.DEVNULL
)
command = [sys.executable, "-m", "standins.guard", str(child.pid), sys.argv[1]]
guard = subprocess.Popen(command, stdin=subprocess.PIPE)
print(child.pid, flush=True)
input()
if guard.poll() is None:
    guard.kill()
    print(guard.wait(), flush=True)
"""


@pytest.mark.parametrize("ends", ["killed", "done"])
def test_it_acts_only_when_its_parent_is_gone(ends: str, tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    (directory / "staging").mkdir(parents=True)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        if ends == "killed":
            parent.kill()
            until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
            until(lambda: not directory.exists())
        else:
            parent.communicate("\n")
            assert child.is_running()
            assert directory.exists()
            child.kill()


def test_a_process_that_has_ended_before_is_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    ended.wait()
    with open(tmp_path / "empty", "w+") as empty:
        monkeypatch.setattr(sys, "stdin", empty)
        guard.main(ended.pid, str(tmp_path / "nothing"))


def test_until_its_input_ends_nothing_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "demo"
    directory.mkdir()
    seen = []

    class Input:
        def read(self) -> bytes:
            seen.append((child.poll(), directory.exists()))
            return b""

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Input()))
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]) as child:
        guard.main(child.pid, str(directory))
    assert seen == [(None, True)]
    assert not directory.exists()
