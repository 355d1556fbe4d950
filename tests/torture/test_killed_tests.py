"""Tests that are killed with signal 9 leave no program behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.program import PATIENCE_SECONDS, ROOT
from tests.torture import starts_programs
from tests.waiting import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.mark.parametrize(
    ("workers", "killed"), [(0, "the only process"), (1, "the first process"), (1, "the worker")]
)
def test_what_tests_have_started_ends_with_them(workers: int, killed: str, tmp_path: Path) -> None:
    told_in = tmp_path / "started.json"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", str(workers)]
    command += ["--max-worker-restart=0", f"--basetemp={tmp_path / 'inner'}"]
    with (tmp_path / "output").open("wb") as output:
        tests = subprocess.Popen(
            [*command, starts_programs.__file__],
            cwd=ROOT,
            env={**os.environ, starts_programs.TOLD_IN: str(told_in)},
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: told_in.exists() or tests.poll() is not None, PATIENCE_SECONDS)
        assert tests.poll() is None, (tmp_path / "output").read_text()
        started = [psutil.Process(number) for number in json.loads(told_in.read_text())]
        assert any(process.name().startswith("rclone") for process in started)
        (started[0] if killed == "the worker" else tests).kill()
        tests.wait(PATIENCE_SECONDS)
        _, alive = psutil.wait_procs(started, PATIENCE_SECONDS)
        assert alive == []
    finally:
        tests.kill()
        tests.wait()
