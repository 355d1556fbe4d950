"""What this process has started can be told from all else on the machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from scripts import reaper

SAYS = [sys.executable, "-c", f"import os; print(os.environ.get({reaper.VARIABLE!r}))"]


def test_what_is_started_carries_the_mark_of_this_process() -> None:
    said = subprocess.run(SAYS, capture_output=True, text=True, check=True).stdout
    assert said == f"{reaper.mark()[reaper.VARIABLE]}\n"
    assert said.startswith(f"{os.getpid()}-")


def test_a_second_call_changes_nothing() -> None:
    before = reaper.mark()
    reaper.end_with_this_process()
    assert reaper.mark() == before


def test_a_test_that_starts_a_program_without_the_mark_fails() -> None:
    with pytest.raises(AssertionError, match="would outlive a test run that is killed"):
        subprocess.run(SAYS, env={"PATH": os.environ["PATH"]}, check=True)
