"""The recipe for Slurm on a Slurm that really runs (``scripts/slurm_test.py`` also kills a node),
and what becomes of each end of the program."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts import reaper
from standins.telegram.world import worlds
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_on_remote, wanted
from tests.e2e.program import PATIENCE_SECONDS
from tests.recipes.hosts import needed_to_stop_seconds, recipe
from tests.recipes.slurm import PACKAGES, Submitted, missing, slurm
from tests.waiting import until


def test_four_shards_on_two_nodes_move_a_chat_and_one_with_work_left_begins_again(
    stage: Stage,
) -> None:
    if missing():
        pytest.skip(f"NOT TESTED: Slurm (Debian's {', '.join(PACKAGES)}) lacks {missing()}")
    scene = stage(worlds.sparse(messages=4000, media_every=250))
    source = scene.world.source
    # Of its first start: an end with work left.
    once = '[ "$SLURM_ARRAY_TASK_ID.${SLURM_RESTART_COUNT:-0}" != 1.0 ] || TDL_SYNC_LIMIT=1'
    with slurm() as cluster:
        submitted = Submitted.set_up(
            cluster, scene.machine, scene.telegram, "PAUSE_SECONDS=0", once
        )
        submitted.wait(PATIENCE_SECONDS)
        told = submitted.told()
        assert {state for state, _ in cluster.jobs().values()} == {"COMPLETED"}, told
        assert {node for _, node in cluster.jobs().values()} == {"node-a", "node-b"}, told
        assert submitted.results() == {"complete": 4, "more": 1}, told
    assert_on_remote(scene.machine, (source, wanted(source)))
    # What was on a node's disk went with the shard.
    assert list(scene.machine.directory.glob("node-*/tdl-sync-*/*")) == []


# --- each end, with the program and Slurm's command played ----------------------------------------


@dataclass(frozen=True)
class Node:
    """Where the recipe's script runs. What it calls notes that in ``called``."""

    directory: Path

    @property
    def called(self) -> list[str]:
        path = self.directory / "called"
        return path.read_text().splitlines() if path.exists() else []

    def put(self, name: str, script: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def start(self, program: str, restarts: int | None = None) -> subprocess.Popen[str]:
        note = f'echo "${{0##*/}} $*" >>"{self.directory}/called"'
        self.put("home/.local/bin/tdl-sync", f"{note}\n{program}")
        for name in ("sleep", "scontrol"):
            self.put(f"bin/{name}", note)
        session = self.directory / "home" / ".config" / "tdl-sync" / "sessions" / "2"
        session.parent.mkdir(parents=True, exist_ok=True)
        if not session.exists():
            session.touch(0o600)
        (session.parent.parent / "settings.env").touch()
        text = recipe("slurm.sh").replace("/tmp/tdl-sync", f"{self.directory}/disk/tdl-sync")
        variables = {
            "HOME": str(self.directory / "home"),
            "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
            "SLURM_ARRAY_TASK_ID": "2",
            "SLURM_JOB_ID": "77",
            **({} if restarts is None else {"SLURM_RESTART_COUNT": str(restarts)}),
            **reaper.mark(),
        }
        return subprocess.Popen(
            ["/bin/bash", "-c", text],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, program: str, restarts: int | None = None) -> tuple[int, list[str]]:
        """The status, and what was called after the program."""
        process = self.start(program, restarts)
        process.communicate()
        return process.returncode, self.called[1:]


def ending(status: int, word: str) -> str:
    return f'echo "result: status={word} seen=1"; exit {status}'


AGAIN = ["sleep 300", "scontrol requeue 77"]


@pytest.mark.parametrize(
    ("program", "restarts", "status", "calls"),
    [
        (ending(0, "complete"), None, 0, []),
        (ending(0, "more"), None, 75, AGAIN),
        (ending(0, "more"), 19, 75, AGAIN),
        (ending(0, "more"), 20, 75, []),
        (ending(5, "error"), 1, 5, AGAIN),
        (ending(75, "quota"), None, 75, AGAIN),
        (ending(75, "quota"), 20, 75, []),
        (ending(3, "failed"), None, 3, []),
        (ending(2, "error"), None, 2, []),
        (ending(4, "error"), None, 4, []),
    ],
)
def test_a_shard_requeues_itself_where_it_can_go_on_later_and_twenty_times_at_most(
    tmp_path: Path, program: str, restarts: int | None, status: int, calls: list[str]
) -> None:
    node = Node(tmp_path)
    assert node.run(program, restarts) == (status, calls)
    (call,) = node.called[:1]
    assert call.startswith("tdl-sync --shard 2/4 --data-dir ")
    (place,) = (tmp_path / "disk").glob("tdl-sync-*")
    is_complete = (status, calls) == (0, [])
    assert [path.name for path in place.iterdir()] == ([] if is_complete else ["2"])


def test_a_signal_reaches_the_program_which_ends_well_and_is_not_requeued(tmp_path: Path) -> None:
    node = Node(tmp_path)
    stopping = "trap 'echo \"result: status=stopped\"; exit 143' TERM"
    waiting = f'{stopping}\necho waits >>"{tmp_path}/called"\nwhile :; do /bin/sleep 0.05; done'
    process = node.start(waiting)
    until(lambda: "waits" in node.called)
    process.send_signal(signal.SIGTERM)
    stdout, _ = process.communicate()
    assert (process.returncode, stdout) == (143, "result: status=stopped\n")
    assert node.called[2:] == []


def test_a_session_that_others_may_read_is_refused(tmp_path: Path) -> None:
    session = tmp_path / "home" / ".config" / "tdl-sync" / "sessions" / "2"
    session.parent.mkdir(parents=True)
    session.touch(0o600)
    session.chmod(0o640)
    assert Node(tmp_path).run(ending(0, "complete")) == (2, [])
    assert Node(tmp_path).called == []


def test_what_the_script_asks_of_slurm_is_what_the_program_needs() -> None:
    lines = [line.split() for line in recipe("slurm.sh").splitlines()]
    asked = {words[1] for words in lines if words[:1] == ["#SBATCH"]}
    assert {"--array=1-4", "--requeue", "--open-mode=append", "--export=NONE"} <= asked
    (notice,) = [each for each in asked if each.startswith("--signal=")]
    before_the_end = int(notice.removeprefix("--signal=B:TERM@"))
    assert before_the_end > 2 * needed_to_stop_seconds()
    assert "\nshards=4 " in recipe("slurm.sh")
    # --time is 24 hours; what is left then has to show as status=more before.
    assert "--time=24:00:00" in asked
    assert "${MAX_RUNTIME:-23h30m}" in recipe("slurm.sh")


@pytest.mark.parametrize("planted", ["link", "open to others"])
def test_a_place_on_the_node_that_others_could_have_made_is_not_used(
    tmp_path: Path, planted: str
) -> None:
    """Else what they put there, links, say what is written over."""
    node = Node(tmp_path)
    own = tmp_path / "disk" / f"tdl-sync-{getpass.getuser()}"
    own.parent.mkdir()
    elsewhere = own if planted == "open to others" else tmp_path / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    if planted == "link":
        own.symlink_to(elsewhere)
    process = node.start("echo called")
    _, said = process.communicate()
    assert process.returncode == 2
    assert "another user may have made it" in said
    assert node.called == []
