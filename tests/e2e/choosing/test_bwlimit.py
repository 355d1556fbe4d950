"""``--bwlimit``: each leg carries no more than that, and all files come through."""

from __future__ import annotations

import shlex

from standins.telegram.world import worlds
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved
from tests.e2e.program import NOTHING_DONE, SOURCE
from tests.in_process import run_here
from tests.standins.rclone_on_drive import executable

MIB = 1024 * 1024


def test_downloads_wait_for_their_limit_and_rclone_is_told_the_uploads_one(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[3 * MIB, 3 * MIB, 2 * MIB]))
    told = scene.machine.directory / "told"
    program = scene.machine.directory / "rclone"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {shlex.quote(str(told))}\nexec {executable()} "$@"\n'
    )
    program.chmod(0o700)
    ended = run_here(
        scene.machine,
        *("-u", SOURCE, "--bwlimit", "00:00,777k:2M", f"--rclone={program}"),
        variables={"RCLONE_BWLIMIT": "1k"},
    )
    assert_moved(ended, 3)
    assert f"--bwlimit={777 * 1024 * 99 // 100}B" in told.read_text().split()
    flow = scene.telegram.statistics.flow()
    assert sum(flow.values()) == 8 * MIB
    most_in_a_second = max(
        sum(count for step, count in flow.items() if begin <= step < begin + 10) for begin in flow
    )
    assert most_in_a_second <= 6 * MIB


def test_two_limits_for_uploads_are_refused(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    ended = run_here(scene.machine, "-u", SOURCE, "--bwlimit=10M", "--rclone-arg", "--bwlimit 8M")
    assert (ended.exit_status, ended.stdout) == (2, NOTHING_DONE)
    assert "--bwlimit and --rclone-arg=--bwlimit=... exclude each other" in ended.said
