"""What a person does to the state message: deleted it is made again, broken it is never
overwritten, and neither loses or doubles a file."""

from __future__ import annotations

from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, state_texts, the_state, wanted
from tests.e2e.program import SOURCE
from tests.in_process import run_here


def posted(scene: Scene, number: int) -> None:
    file = FilePlan("document", 1000 + number, f"new-{number}.txt", "text/plain", 2)
    scene.world.source.append(file=file)


def test_a_message_that_was_deleted_is_made_again_and_one_that_was_broken_stays(
    stage: Stage,
) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    source, saved = scene.world.source, scene.world.saved_messages
    assert_moved(run_here(scene.machine, "-u", SOURCE), 2)
    saved.delete(state_texts(scene.world))
    posted(scene, 1)
    assert_moved(run_here(scene.machine, "-u", SOURCE), 1)
    assert the_state(scene.world)["last_message_id"] == 3

    ((message_id, right),) = state_texts(scene.world).items()
    posted(scene, 2)
    for broken in (
        right.replace('"version":1', '"version":2'),
        right.replace('"last_message_id":3', '"last_message_id":99999999999'),
        right[: len(right) // 2],
    ):
        assert saved.edit(message_id, broken)
        ended = run_here(scene.machine, "-u", SOURCE)
        assert (ended.exit_status, ended.result["status"]) == (2, "error")
        assert ended.said.startswith(f"tdl_sync: message {message_id} in Saved Messages, edited ")
        assert ended.said.count("\n") == 1
        assert state_texts(scene.world) == {message_id: broken}
    assert_on_remote(scene.machine, (source, wanted(source, [1, 2, 3])))

    saved.edit(message_id, right)
    assert_moved(run_here(scene.machine, "-u", SOURCE), 1)
    assert_on_remote(scene.machine, (source, wanted(source)))
    assert the_state(scene.world)["last_message_id"] == 4
