"""Killed with signal 9 at random moments, the program still moves each file once.

A short version of ``scripts/torture.py``, which says how the moments are chosen and what is
compared.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from scripts.drive_campaign import (
    DriveFigures,
    DrivePlan,
    Strike,
    Trouble,
    run_drive_campaign,
)
from scripts.folders_campaign import (
    NOTHING_SHOWN,
    FoldersFigures,
    FoldersPlan,
    run_folders_campaign,
)
from scripts.kill_campaign import Figures, Killing, Met, Plan, run_campaign
from scripts.kill_snapshot import Step
from scripts.rclone_campaign import (
    Blow,
    Destination,
    RcloneFigures,
    RclonePlan,
    run_rclone_campaign,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def campaign(plan: Plan, directory: Path) -> Figures:
    figures = Figures()
    run_campaign(plan, directory, figures, print)
    assert figures.problems == []
    assert figures.kills >= plan.kills
    return figures


def test_on_one_machine_a_dozen_kills_cost_nothing_that_was_complete(tmp_path: Path) -> None:
    to_meet = frozenset({Step.SOME_PARTS, Step.UPLOADING})
    plan = Plan(
        kills=12, wipe=False, seed=3, messages=80, longest_work_seconds=0.8, to_meet=to_meet
    )
    figures = campaign(plan, tmp_path)
    assert figures.steps[Step.SOME_PARTS] > 0
    assert figures.steps[Step.UPLOADING] > 0


def test_with_the_disk_lost_at_six_kills_the_remote_and_the_state_message_suffice(
    tmp_path: Path,
) -> None:
    campaign(Plan(kills=6, wipe=True, seed=4, messages=40, longest_work_seconds=1.2), tmp_path)


def test_a_campaign_in_which_no_kill_met_an_upload_has_failed() -> None:
    """It has shown nothing of uploads, and whoever reads its last line would believe it had."""
    figures = Figures()
    figures.conclude()
    assert figures.problems == []
    figures.killed(Killing.PROGRAM, {Step.STAGED, Step.SOME_PARTS})
    figures.killed(Killing.EVERYTHING, set())
    assert figures.met == {Met.DOWNLOAD: 1, Met.SOMETHING_ELSE: 1}
    figures.conclude()
    assert figures.problems == ["none of 2 kills met an upload"]
    figures = Figures()
    figures.killed(Killing.PROGRAM, {Step.UPLOADING, Step.MARKED})
    figures.conclude()
    assert figures.problems == []


@pytest.mark.parametrize(
    ("blow", "destination", "blows"),
    [(Blow.KILL, Destination.LOCAL, 3), (Blow.STOP, Destination.DRIVE, 1)],
)
def test_an_rclone_that_dies_or_hangs_in_mid_run_costs_no_file_and_doubles_none(
    blow: Blow, destination: Destination, blows: int, tmp_path: Path
) -> None:
    plan = RclonePlan(blows, (blow,), seed=1, messages=40, destinations=(destination,))
    figures = RcloneFigures()
    run_rclone_campaign(plan, tmp_path, figures, print)
    assert figures.problems == []
    assert figures.dealt(destination) == blows
    assert figures.uploads_met[destination, blow] > 0


def test_a_drive_that_is_late_and_loses_and_flips_gets_each_file_once_whatever_strikes(
    tmp_path: Path,
) -> None:
    """A roll-back of the disk and a sleep beyond the lease are among what strikes."""
    figures = DriveFigures()
    run_drive_campaign(DrivePlan(kills=6, seed=5, messages=150), tmp_path, figures, print)
    assert figures.problems == []
    assert figures.kills == 6
    assert all(figures.strikes[strike] for strike in Strike)


def test_a_campaign_in_which_a_fault_never_came_about_has_failed() -> None:
    figures = DriveFigures()
    for strike in (Strike.ROLLED_BACK, Strike.PROGRAM):
        figures.struck(strike, {Step.UPLOADING}, wrong_copies=False)
    figures.troubles.update((Trouble.LAG, Trouble.ANSWER_LOST, Trouble.NOT_REMOVED))
    figures.conclude()
    assert figures.problems == [
        "never: files of which a byte was flipped on the way",
        "never: sleeps beyond the lease",
    ]
    figures = DriveFigures(troubles=Counter(Trouble))
    figures.struck(Strike.EVERYTHING, {Step.STAGED}, wrong_copies=False)
    figures.conclude()
    assert figures.problems == ["none of 1 kills met an upload"]


def test_blows_that_met_no_upload_have_shown_nothing_either() -> None:
    figures = RcloneFigures()
    figures.others_met[Destination.LOCAL, Blow.STOP] += 2
    figures.uploads_met[Destination.DRIVE, Blow.KILL] += 1
    figures.conclude()
    assert figures.problems == ["none of 2 blows on a directory met an upload"]


def test_machines_that_start_at_once_on_a_fresh_drive_put_all_files_into_one_folder(
    tmp_path: Path,
) -> None:
    """Each sees some of the folders that the others have just made, and others not. (On a busy
    machine they may be so far apart that none makes what another has made: then once more.)"""
    for seed in range(2, 7):
        figures = FoldersFigures()
        plan = FoldersPlan(
            rounds=1, seed=seed, within_seconds=(0.1,), most_lag_seconds=0.75, wait_seconds=3.5
        )
        directory = tmp_path / str(seed)
        directory.mkdir()
        run_folders_campaign(plan, directory, figures, print)
        if figures.problems != [NOTHING_SHOWN]:
            break
    assert figures.problems == []
    assert figures.files == 12
