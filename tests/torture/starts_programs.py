"""A test that is not run with the others: it starts programs, tells which, and never ends.

``test_killed_tests.py`` runs it to kill it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import psutil

from standins.telegram.world import worlds
from tests.e2e.conftest import set_stage
from tests.e2e.program import ROOT, SOURCE

TOLD_IN = "STARTED_PROGRAMS_TOLD_IN"


def test_programs_are_started(tmp_path: Path) -> None:
    with ExitStack() as stack:
        stand_in = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "standins.drive"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        assert stand_in.stdout is not None
        stand_in.stdout.readline()
        machine = set_stage(stack, tmp_path)(worlds.files(sizes=[4_000_000])).machine
        slowly = {"RCLONE_BWLIMIT_FILE": "10k", "RCLONE_DISABLE": "Move"}
        running = machine.start("-u", SOURCE, variables=slowly)
        staging = machine.staging_directory
        running.wait_until(lambda: running.uploads(staging) == {1})
        ids = [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]
        told_in = Path(os.environ[TOLD_IN])
        told_in.with_suffix(".part").write_text(json.dumps(ids))
        told_in.with_suffix(".part").rename(told_in)
        threading.Event().wait()
