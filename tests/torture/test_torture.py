"""Killed with signal 9 at random moments, the program still moves each file once.

A short version of ``scripts/torture.py``, which says how the moments are chosen and what is
compared.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts.kill_campaign import Figures, Plan, run_campaign
from scripts.kill_snapshot import Step

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def campaign(plan: Plan, directory: Path) -> Figures:
    figures = Figures()
    run_campaign(plan, directory, figures, print)
    assert figures.problems == []
    assert figures.kills == plan.kills
    return figures


def test_on_one_machine_twenty_kills_cost_nothing_that_was_complete(tmp_path: Path) -> None:
    figures = campaign(
        Plan(kills=20, wipe=False, seed=3, messages=120, longest_work_seconds=0.8), tmp_path
    )
    assert figures.steps[Step.SOME_PARTS] > 0
    assert figures.steps[Step.UPLOADING] > 0


def test_with_the_disk_lost_at_ten_kills_the_remote_and_the_state_message_suffice(
    tmp_path: Path,
) -> None:
    campaign(Plan(kills=10, wipe=True, seed=4, messages=60, longest_work_seconds=1.2), tmp_path)
