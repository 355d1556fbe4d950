"""``status`` tells what is saved of runs that work and that have died.

All else that it tells is in ``tests/unit/commands/test_status.py``.
"""

from __future__ import annotations

import json
from typing import Any

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_on_remote, state_texts, the_state, wanted
from tests.e2e.program import SOURCE, Machine
from tests.in_process import run_here

HANGING = Fault("no_answer", rpc="upload.GetFile", times=None)


def records(machine: Machine) -> list[dict[str, Any]]:
    ended = run_here(machine, "status", "--json")
    assert (ended.exit_status, ended.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found


def test_a_run_is_running_while_it_lives_and_has_died_when_it_was_killed(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 300, 20, 10**9]))
    machine, source = scene.machine, scene.world.source
    ended = run_here(machine, "-u", SOURCE, "--max-disk=100M")
    assert ended.exit_status == 0, ended.stderr
    source.append(file=FilePlan("document", 2000, "new.bin", "text/plain", 2))
    scene.telegram.faults.add(HANGING)
    running = machine.start("-u", SOURCE, "--max-disk=100M")
    running.wait_until(lambda: saved_as_running(scene))
    (record,) = records(machine)
    assert (record["activity"], record["pid"]) == ("running", running.process.pid)
    assert (record["files_moved"], record["newest_message_id"]) == (3, source.newest_id())
    assert record["failures"] == {"larger than the disk budget": 1}
    assert record["failed_message_ids"] == [4]
    ended = machine.run("status")
    assert (ended.exit_status, ended.stderr) == (0, "")
    told = ended.stdout
    assert f"  state   running: process {running.process.pid} on {record['host']}" in told
    assert "  failed  1: larger than the disk budget 1\n          message 4\n" in told

    running.kill()
    (record,) = records(machine)
    assert (record["activity"], record["pid"]) == ("died", running.process.pid)
    assert (
        f"  state   died: process {running.process.pid} on " in run_here(machine, "status").stdout
    )


def test_however_often_runs_die_all_that_they_have_moved_is_counted(stage: Stage) -> None:
    """(The first bytes of a file are not limited, so that one of 20 kB would be there at once.)"""
    scene = stage(worlds.files(sizes=[200_000] * 12))
    machine = scene.machine
    for _ in range(2):
        running = machine.start(
            "-u", SOURCE, "--workers=1", "--rclone-arg=--bwlimit-file=100k", "--save-interval=1h"
        )
        running.wait_for("moved ")
        running.kill()
    (record,) = records(machine)
    assert record["files_moved"] < 12  # as far as the state message was told
    ended = run_here(machine, "-u", SOURCE)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    (record,) = records(machine)
    assert (record["files_moved"], record["bytes_moved"]) == (12, 12 * 200_000)
    assert record["activity"] == "complete"


def test_what_failed_for_now_is_unfinished_and_resumed_without_a_chat(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 300, 10**9]))
    machine, source = scene.machine, scene.world.source
    scene.telegram.faults.add(Fault("short_part", times=None))
    ended = run_here(machine, "-u", SOURCE, "--max-disk=100M")
    assert (ended.exit_status, ended.numbers()["failed"]) == (3, 3), ended.stderr
    scene.telegram.faults.clear()
    (record,) = records(machine)
    assert (record["activity"], record["failed"]) == ("stopped", 3)
    assert the_state(scene.world)["status"] == "stopped"  # for people, and for earlier versions
    told = run_here(machine, "status").stdout
    assert ("complete" in told, "not complete" in told) == (True, True), told
    ended = run_here(machine, "--resume", "--max-disk=100M")
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 2), ended.stderr
    assert_on_remote(machine, (source, wanted(source, [1, 2])))
    # What failed for good is nothing that a run has to be called again for.
    (record,) = records(machine)
    assert (record["activity"], record["failed"]) == ("complete", 1)
    assert run_here(machine, "--resume", "--max-disk=100M").numbers()["seen"] == 0


def saved_as_running(scene: Scene) -> bool:
    return any('"status":"running"' in each for each in state_texts(scene.world).values())
