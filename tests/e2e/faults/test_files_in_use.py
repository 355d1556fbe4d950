"""What a run replaces or removes it does not have open itself: Windows would refuse that."""

from __future__ import annotations

from pathlib import Path

import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tests.e2e.conftest import Stage
from tests.e2e.program import SOURCE
from tests.files_in_use import what_is_open_stays
from tests.in_process import SignalWhen, run_here

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="asks Linux what is open"
)


def test_the_rule_of_this_test_is_that_of_windows(tmp_path: Path) -> None:
    used, new = tmp_path / "used", tmp_path / "new"
    new.write_text("")
    with what_is_open_stays(tmp_path) as refused:
        with used.open("w"):
            for act in (used.unlink, lambda: new.replace(used), lambda: used.rename(new)):
                with pytest.raises(PermissionError):
                    act()
        assert len(refused) == 3
        new.replace(used)
        used.unlink()


def test_a_run_that_is_stopped_and_one_that_ends(stage: Stage) -> None:
    """All that keeps a file of its own is asked for."""
    scene = stage(worlds.files(sizes=[1_000, 3_000_000, 2_500_000, 0]))
    machine = scene.machine
    page = machine.directory / "page.html"
    options = ["-u", SOURCE, "--sidecar", "--text", "--catalogue", f"--page={page}"]
    options += [f"--log-file={machine.directory / 'log'}", "--log-json"]
    with what_is_open_stays(machine.directory) as refused:
        scene.telegram.faults.add(
            Fault("no_answer", rpc="upload.GetFile", after_calls=4, times=None)
        )
        calls = scene.telegram.statistics.counts
        coming = SignalWhen(lambda: calls().calls.get("upload.GetFile", 0) > 5)
        assert run_here(machine, *options, signal_when=coming).exit_status == 130
        scene.telegram.faults.clear()
        ended = run_here(machine, *options)
        assert (ended.exit_status, ended.numbers()["failed"]) == (0, 0), ended.stderr
        assert run_here(machine, *options, "--restart").exit_status == 0
    assert refused == []
