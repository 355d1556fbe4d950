"""A part of a chat (``--shard``) that is followed."""

from __future__ import annotations

from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_on_remote, remote_files, wanted
from tests.e2e.follow.conftest import Stay
from tests.e2e.shards.test_shards import world_with

PLAN = FilePlan("document", 300, "new.bin", "text/plain", 2)


def test_of_what_comes_its_own_messages_are_moved_and_the_others_left_to_their_parts(
    stage: Stage, stay: Stay
) -> None:
    scene = stage(world_with((1, 1001, 2998)))
    source, machine = scene.world.source, scene.machine
    staying = stay(scene, "--shard", "2/2")
    staying.until(lambda: len(remote_files(machine)) == 1)
    new = [source.append(file=PLAN) for _ in range(4)]
    assert new == [2999, 3000, 3001, 3002]
    staying.until(lambda: len(remote_files(machine)) == 3)
    assert staying.ended().errors == ()
    assert_on_remote(machine, (source, wanted(source, [1001, 3001, 3002])))
