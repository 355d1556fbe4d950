"""A takeout session is opened where it is asked for, used for reading, and ended with the run."""

from __future__ import annotations

import signal

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, wanted
from tests.e2e.program import SOURCE
from tests.in_process import run_here


def test_reading_goes_through_the_takeout_session_and_nothing_else_does(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 3_000_000]))
    assert_moved(run_here(scene.machine, "-u", SOURCE, "--takeout"), 2)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
    within = scene.telegram.takeout.calls()
    assert set(within) == {"GetHistory", "GetFile", "FinishTakeoutSession"}
    assert within["GetFile"] == scene.telegram.statistics.counts().calls["upload.GetFile"]
    assert scene.telegram.takeout.ended_with == [True]


def test_without_the_option_there_is_no_takeout_session(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    assert_moved(run_here(scene.machine, "-u", SOURCE), 1)
    assert not scene.telegram.takeout.calls()


def test_a_session_that_waits_for_consent_is_said_to(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    scene.telegram.faults.add(
        Fault("error", rpc="account.InitTakeoutSession", code=420, text="TAKEOUT_INIT_DELAY_86400")
    )
    ended = run_here(scene.machine, "-u", SOURCE, "--takeout")
    assert ended.exit_status == 75, ended.stderr
    assert "confirmed: allow it in the message that Telegram has sent" in ended.said
    assert_moved(run_here(scene.machine, "-u", SOURCE, "--takeout"), 1)


def test_a_stopped_run_ends_its_session_without_calling_it_a_success(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 1000]))
    scene.telegram.faults.add(Fault("no_answer", "upload.GetFile", after_calls=1, times=None))
    running = scene.machine.start("-u", SOURCE, "--takeout", "--grace=0s")
    running.wait_until(lambda: scene.telegram.faults.strikes()[0][1] > 0)
    running.signal(signal.SIGINT)
    assert running.wait().exit_status == 130
    assert scene.telegram.takeout.ended_with == [False]


def test_a_session_that_is_ended_elsewhere_ends_no_run(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[900_000] * 6))
    running = scene.machine.start("-u", SOURCE, "--takeout", "--downloads=1")
    running.wait_for("moved 1_")
    scene.telegram.takeout.revoke()
    assert_moved(running.wait(), 6)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
