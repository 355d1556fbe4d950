"""The system may hand a process's signal to any of its threads; the run notices it all the same."""

from __future__ import annotations

import ctypes
import signal
import sys

import psutil
import pytest

from standins.telegram.world import worlds
from tests.e2e.conftest import Stage
from tests.e2e.expectations import the_state
from tests.e2e.state.test_stops import SIZES, STOP_SECONDS, assert_nothing_is_lost, uploading


@pytest.mark.skipif(
    sys.platform != "linux", reason="asks for one thread by tgkill(2), as glibc has it"
)
def test_a_signal_that_reaches_another_thread_than_the_main_one_stops_the_run(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=SIZES))
    running = uploading(scene, "--grace=1s")
    pid = running.process.pid
    others = [thread for thread in psutil.Process(pid).threads() if thread.id != pid]
    # Linux numbers the main thread as the process. The busiest of the others lives as long.
    other = max(others, key=lambda thread: thread.user_time + thread.system_time).id
    assert ctypes.CDLL(None).tgkill(pid, other, int(signal.SIGTERM)) == 0
    ended = running.wait(STOP_SECONDS)
    assert (ended.exit_status, ended.result["status"]) == (143, "stopped"), ended.stderr
    assert the_state(scene.world)["status"] == "stopped"
    assert_nothing_is_lost(scene)
