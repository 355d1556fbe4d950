"""A message was edited to hold another file after the one that it held was moved."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from standins.drive.faults import Fault
from standins.telegram.service.faults import Fault as TelegramFault
from standins.telegram.world.plan import FilePlan
from tests.e2e.choosing.posts import Post, world_of
from tests.e2e.conftest import DriveScene, Scene, SetScene, Stage
from tests.e2e.drive.test_outcomes_unknown import kill_both
from tests.e2e.expectations import assert_on_remote, remote_files, wanted
from tests.e2e.program import SOURCE
from tests.e2e.state.machines import another
from tests.in_process import run_here

SIZE = 4000
NEW_OF_ONE_NAME = FilePlan("document", SIZE, "report.pdf", "application/pdf", 2)
NEW_PHOTO = FilePlan("photo", SIZE, None, "image/jpeg", 2)


def moved_and_replaced(stage: Stage) -> tuple[Scene, set[str]]:
    """1 has a new file of the same name and size, 2 of another kind, 3 has none. And the hashes of
    what was moved."""
    posts = [Post("document", SIZE, name) for name in ("report.pdf", "song.bin", "kept.bin")]
    scene = stage(world_of(posts))
    assert run_here(scene.machine, "-u", SOURCE).exit_status == 0
    before = hashes(scene)
    scene.world.source.replace_file(1, NEW_OF_ONE_NAME)
    scene.world.source.replace_file(2, NEW_PHOTO)
    return scene, before


def hashes(scene: Scene) -> set[str]:
    return {digest(path) for path in remote_files(scene.machine)}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def new_hashes(scene: Scene) -> set[str]:
    return {item.file.sha256() for item in wanted(scene.world.source)}


def test_a_run_without_the_option_does_not_look_and_one_with_it_moves_the_new_beside_the_old(
    stage: Stage,
) -> None:
    scene, before = moved_and_replaced(stage)
    assert run_here(scene.machine, "-u", SOURCE, "--restart").numbers()["done"] == 3
    assert hashes(scene) == before

    ended = run_here(scene.machine, "-u", SOURCE, "--replaced=beside")
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert hashes(scene) == before | new_hashes(scene)
    assert len(remote_files(scene.machine)) == 5
    names = sorted(path.name for path in remote_files(scene.machine))
    assert names[0].startswith("1_report 20")
    assert names[1] == "1_report.pdf"

    moved_bytes = scene.telegram.statistics.counts().file_bytes
    again = run_here(scene.machine, "-u", SOURCE, "--replaced=beside")
    assert again.numbers()["done"] == 3
    assert "more than one file" not in again.stderr
    assert scene.telegram.statistics.counts().file_bytes == moved_bytes


def test_over_the_old_one_there_is_the_new_one_alone(stage: Stage) -> None:
    scene, _ = moved_and_replaced(stage)
    ended = run_here(scene.machine, "-u", SOURCE, "--replaced=over")
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
    checked = run_here(scene.machine, "verify", "-u", SOURCE)
    assert checked.exit_status == 0, checked.stdout


@pytest.mark.parametrize("way", ["beside", "over"])
def test_verify_sees_it_and_repairs_it_only_where_it_is_asked_to(stage: Stage, way: str) -> None:
    scene, before = moved_and_replaced(stage)
    looked = run_here(scene.machine, "verify", "-u", SOURCE, "--json")
    assert looked.exit_status == 3
    (verdict,) = json.loads(looked.stdout)
    assert {each["message_id"]: each["why"] for each in verdict["wrong"]} == {
        1: "replaced in its message",
        2: "replaced in its message",
    }
    assert all(each["message_edited"] for each in verdict["wrong"])

    run_here(scene.machine, "verify", "-u", SOURCE, "--repair")
    assert run_here(scene.machine, "-u", SOURCE).numbers()["done"] == 0
    assert hashes(scene) == before

    run_here(scene.machine, "verify", "-u", SOURCE, "--repair", f"--replaced={way}")
    if way == "over":
        assert run_here(scene.machine, "-u", SOURCE, "--replaced=over").exit_status == 0
        assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
    else:
        ended = run_here(scene.machine, "-u", SOURCE)
        assert (ended.numbers()["done"], ended.numbers()["failed"]) == (2, 0)
        assert hashes(scene) == before | new_hashes(scene)
    assert run_here(scene.machine, "verify", "-u", SOURCE).exit_status == 0


def test_the_only_copy_of_a_message_that_is_out_of_view_does_not_give_way(stage: Stage) -> None:
    """Its copy was passed over by a run with --dedupe, and this one is for smaller ids alone."""
    scene = stage(world_of([Post("document", SIZE, "report.pdf")]))
    source, machine = scene.world.source, scene.machine
    source.append("again", file_of=(source, 1))
    assert run_here(machine, "-u", SOURCE, "--dedupe").numbers()["done"] == 1
    (only,) = remote_files(machine)
    content = only.read_bytes()
    source.replace_file(1, NEW_OF_ONE_NAME)
    ended = run_here(machine, "-u", SOURCE, "--replaced=over", "--to-id=1")
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 1), ended.stderr
    assert "1_report.pdf stays beside the new file" in ended.stderr
    assert only.read_bytes() == content
    assert len(remote_files(machine)) == 2


def test_a_run_that_is_killed_while_it_removes_the_old_one_leaves_that_to_the_next(
    scene: SetScene,
) -> None:
    """On Drive, which does not answer to the removal. The next run is not told of it again."""
    on = scene(world_of([Post("document", SIZE, "report.pdf")]))
    assert on.run().numbers()["done"] == 1
    on.world.source.replace_file(1, NEW_PHOTO)
    at_start = removals(on)
    (item,) = wanted(on.world.source)
    on.telegram.faults.add(TelegramFault("no_answer", file_id=item.file.file_id, times=None))
    running = on.start("--replaced=over")
    running.wait_until(lambda: removals(on) == 2 * at_start)  # of what was put there as a trial
    on.drive.faults.add(Fault("stall", call="files.update", times=None))
    on.telegram.faults.clear()
    running.wait_until(lambda: removals(on) > 2 * at_start)
    kill_both(running)
    on.drive.faults.clear()
    assert len([each for each in on.present() if not each.is_folder]) == 2
    ended = on.run()
    assert ended.exit_status == 0, ended.stderr
    on.assert_all_there()


def removals(on: DriveScene) -> int:
    """Calls that put something into the bin."""
    return on.drive.statistics.counts().calls.get("files.update", 0)


def test_what_another_machine_has_put_over_it_is_right_to_this_one(
    stage: Stage, tmp_path: Path
) -> None:
    """Its own mark is of the file of before, and says nothing of the one that is there now. (Of one
    name and one size, on a remote that lists no hashes, nobody can tell them apart.)"""
    posts = [Post("document", SIZE, name) for name in ("report.pdf", "song.bin")]
    scene = stage(world_of(posts))
    other = another(tmp_path / "other", scene.telegram, scene.machine)
    for machine in (scene.machine, other):
        assert run_here(machine, "-u", SOURCE, "--restart").exit_status == 0
    scene.world.source.replace_file(1, replace(NEW_OF_ONE_NAME, size_bytes=SIZE + 1))
    scene.world.source.replace_file(2, NEW_PHOTO)
    assert run_here(other, "-u", SOURCE, "--replaced=over").exit_status == 0
    for machine in (other, scene.machine):
        checked = run_here(machine, "verify", "-u", SOURCE, "--repair")
        assert checked.exit_status == 0, checked.stdout
        assert (checked.result["there"], checked.result["double"]) == ("2", "0")
    assert run_here(scene.machine, "-u", SOURCE, "--replaced=over").exit_status == 0
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
