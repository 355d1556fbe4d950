"""A group that became a supergroup: its older files are moved with it, as a chat of its own."""

from __future__ import annotations

import json

import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, state_texts, wanted
from tests.e2e.program import SOURCE
from tests.in_process import run_here

OLDER_BYTES = (100, 200, 300)
NEWER_BYTES = (1000,) * 30


@pytest.fixture
def scene(stage: Stage) -> Scene:
    """Ids of the two parts overlap."""
    world = worlds.files(sizes=NEWER_BYTES, kind="supergroup")
    older = worlds.add_older_part(world, sizes=OLDER_BYTES)
    assert max(item.message_id for item in older.items()) <= world.source.newest_id()
    return stage(world)


def test_all_commands_agree_that_the_older_part_belongs_to_it(scene: Scene) -> None:
    """A folder and a state of its own; told by the dry run, moved, found by verify and status."""
    machine, source = scene.machine, scene.world.source
    older = scene.world.older_part_of(source)
    assert older is not None
    both = ((source, wanted(source)), (older, wanted(older)))
    dry = run_here(machine, "-u", SOURCE, "--dry-run")
    assert dry.exit_status == 0, dry.stderr
    assert older.title in dry.stdout
    assert dry.numbers()["seen"] == 33
    assert_moved(run_here(machine, "-u", SOURCE), 33)
    assert_on_remote(machine, *both)
    assert len(state_texts(scene.world)) == 2
    # What is moved is not asked for again, by any name of either.
    for spelling in (SOURCE, str(older.chat_id), str(source.chat_id)):
        scene.telegram.statistics.reset()
        ended = run_here(machine, "-u", spelling, "--resume")
        assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
        assert scene.telegram.statistics.counts().file_bytes == 0
    found = run_here(machine, "verify", "-u", SOURCE, "--json")
    assert found.exit_status == 0, found.stderr
    ids = [each["chat"]["id"] for each in json.loads(found.stdout)]
    assert ids == [source.chat_id, older.chat_id]
    for spelling in (SOURCE, str(source.chat_id)):
        told = run_here(machine, "status", "-u", spelling, "--json")
        assert told.exit_status == 0, told.stderr
        told_ids = {each["chat_id"] for each in json.loads(told.stdout)}
        assert told_ids == {source.chat_id, older.chat_id}


def test_the_old_id_names_the_older_part_alone(scene: Scene) -> None:
    machine, source = scene.machine, scene.world.source
    older = scene.world.older_part_of(source)
    assert older is not None
    ended = run_here(machine, "-u", str(older.chat_id))
    assert_moved(ended, 3)
    assert f"has become a supergroup, whose own part is {source.chat_id}" in ended.stderr
    assert_on_remote(machine, (older, wanted(older)))
    # The other part is moved by its own name, and nothing is moved twice whoever names both.
    assert_moved(run_here(machine, "-u", str(older.chat_id), "-u", SOURCE), 30)
    assert_on_remote(machine, (source, wanted(source)), (older, wanted(older)))


def test_message_ids_are_those_of_the_newer_part(scene: Scene) -> None:
    """So the older part, which lies before all of them, is left out, and that is said."""
    older = scene.world.older_part_of(scene.world.source)
    assert older is not None
    ended = run_here(scene.machine, "-u", f"https://t.me/{SOURCE[1:]}/28")
    assert_moved(ended, 3)
    assert f"-u {older.chat_id} is that part" in ended.stderr


def test_resume_demands_no_state_of_a_part_that_an_earlier_version_has_not_moved(
    scene: Scene,
) -> None:
    machine, source = scene.machine, scene.world.source
    older = scene.world.older_part_of(source)
    assert older is not None
    older.migrated_to = None
    assert_moved(run_here(machine, "-u", SOURCE), 30)
    older.migrated_to = source
    assert_moved(run_here(machine, "-u", SOURCE, "--resume"), 3)
    assert_on_remote(machine, (source, wanted(source)), (older, wanted(older)))


def test_an_account_that_joined_later_has_no_older_part(scene: Scene) -> None:
    """Which is no error, in no command."""
    machine, source = scene.machine, scene.world.source
    older = scene.world.older_part_of(source)
    assert older is not None
    older.joined = False
    ended = run_here(machine, "-u", SOURCE)
    assert_moved(ended, 30)
    assert "no older part of" in ended.stderr
    assert ended.said == ""
    for command in (("verify",), ("status",), ("--dry-run",)):
        assert run_here(machine, *command, "-u", SOURCE).exit_status == 0
    assert_on_remote(machine, (source, wanted(source)))


def test_where_it_can_not_be_told_for_the_moment_the_rest_is_moved_and_it_is_looked_for_later(
    scene: Scene,
) -> None:
    machine, source = scene.machine, scene.world.source
    older = scene.world.older_part_of(source)
    assert older is not None
    scene.telegram.faults.add(
        Fault("internal_error", rpc="channels.GetFullChannel", times=None),
    )
    ended = run_here(machine, "-u", SOURCE)
    assert (ended.exit_status, ended.numbers()["done"]) == (75, 30), ended.stderr
    scene.telegram.faults.clear()
    assert_moved(run_here(machine, "-u", SOURCE), 3)
    assert_on_remote(machine, (source, wanted(source)), (older, wanted(older)))


def test_a_file_that_comes_into_the_newer_part_is_never_taken_for_one_of_the_older(
    scene: Scene,
) -> None:
    """Message 13 of one is not message 13 of the other."""
    machine, source = scene.machine, scene.world.source
    older = scene.world.older_part_of(source)
    assert older is not None
    assert_moved(run_here(machine, "-u", SOURCE), 33)
    source.append(file=FilePlan("document", 100, "older-1.bin", "application/octet-stream", 2))
    assert_moved(run_here(machine, "-u", SOURCE), 1)
    assert_on_remote(machine, (source, wanted(source)), (older, wanted(older)))
