"""A network that goes away costs time and nothing else, however long it takes."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from standins.shaping import Shaping
from standins.telegram.service.data_centres import MEDIA_ADDRESSES
from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, the_state, wanted
from tests.e2e.program import SOURCE, Running
from tests.in_process import run_here

MIB = 1024 * 1024
GONE = "warning: the network is gone: "
BACK = "the network is back after "
PARTS_IN_FLIGHT = 16


def cut_off(scene: Scene) -> None:
    scene.telegram.faults.network_down = True
    scene.telegram.drop_connections()


def lines_with(lines: Iterable[str], word: str) -> list[str]:
    return [line for line in lines if word in line]


def saved_states(scene: Scene) -> list[Path]:
    return list((scene.machine.data_directory / "state").glob("*.json"))


# The rest of 30 s between two attempts is real here, so both long runs go on beside each other.


@pytest.fixture(scope="module", autouse=True)
def downloading(module_stage: Stage) -> tuple[Scene, Running]:
    """A run that is cut off in the midst of a file, with others on their way up."""
    scene = module_stage(
        worlds.files(sizes=[8 * MIB, 8 * MIB, 12 * MIB, 5 * MIB]),
        Shaping(total_bytes_per_second=6 * MIB),
    )
    # rclone sends the first 4 MiB as fast as it can, the rest at this speed.
    running = scene.machine.start(
        *("-u", SOURCE, "--downloads=1", "--save-interval=30s", "--workers=1"),
        "--rclone-arg=--bwlimit-file=500k",
    )
    third = scene.world.source.item(3)
    assert third is not None
    running.wait_until(lambda: scene.telegram.statistics.served_bytes(third.file.file_id) > MIB)
    cut_off(scene)
    return scene, running


@pytest.fixture(scope="module", autouse=True)
def listing(module_stage: Stage) -> tuple[Scene, Running]:
    """A run that is cut off between two pages of the history."""
    scene = module_stage(
        worlds.sparse(messages=4000, media_every=500), Shaping(round_trip_seconds=0.1)
    )
    running = scene.machine.start("-u", SOURCE)
    running.wait_until(
        lambda: scene.telegram.statistics.counts().calls.get("messages.GetHistory", 0) > 5
    )
    cut_off(scene)
    running.wait_for(GONE)
    return scene, running


def test_a_run_waits_between_two_pages_until_the_network_is_back(
    listing: tuple[Scene, Running],
) -> None:
    scene, running = listing
    scene.telegram.faults.network_down = False
    ended = running.wait()
    assert_moved(ended, len(wanted(scene.world.source)))
    assert len(lines_with(ended.log, GONE)) == len(lines_with(ended.log, BACK)) == 1
    assert lines_with(ended.log, "saved state cannot") == []
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_uploads_go_on_while_downloads_wait_and_no_part_is_lost(
    downloading: tuple[Scene, Running],
) -> None:
    """The state goes to the local file meanwhile, and to Saved Messages again afterwards."""
    scene, running = downloading
    running.wait_for(GONE)
    running.wait_for("moved 2_file-2.bin")
    running.wait_until(lambda: saved_states(scene) != [])
    assert BACK not in running.stderr
    scene.telegram.faults.network_down = False
    ended = running.wait()
    assert_moved(ended, 4)
    assert len(lines_with(ended.log, GONE)) == len(lines_with(ended.log, BACK)) == 1
    assert lines_with(ended.log, "failed: ") == []
    times = scene.telegram.statistics.counts().parts.values()
    assert sum(times) - len(times) <= PARTS_IN_FLIGHT
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
    assert the_state(scene.world)["status"] == "complete"
    assert saved_states(scene) == []


def test_a_network_that_blocks_telegrams_addresses_for_files_costs_seconds(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[MIB + 1, 1000]))
    blocked = MEDIA_ADDRESSES[scene.world.home_dc_id]
    scene.telegram.faults.refused_addresses = frozenset({blocked})
    ended = scene.machine.run("-u", SOURCE)
    assert_moved(ended, 2)
    assert (
        len(lines_with(ended.log, f"warning: {blocked}, where Telegram has files, could not")) == 1
    )
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_a_stop_while_the_network_is_gone_saves_the_state_on_this_disk(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 50 * MIB]), Shaping(total_bytes_per_second=2 * MIB))
    running = scene.machine.start("-u", SOURCE)
    running.wait_for("moved 1_file-1.bin")
    cut_off(scene)
    running.wait_for(GONE)
    running.signal(signal.SIGINT)
    ended = running.wait()
    assert (ended.exit_status, ended.result["status"], ended.said) == (130, "stopped", "")
    assert len(saved_states(scene)) == 1
    scene.telegram.faults.network_down = False
    scene.telegram.shaping = Shaping()
    assert_moved(run_here(scene.machine, "-u", SOURCE), 1)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
