"""A file that was posted several times is moved once, and each message can still be found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from standins.telegram.world.channel import Channel
from tests.e2e.choosing.posts import Post, put, world_of
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import (
    assert_on_remote,
    remote_files,
    state_texts,
    the_state,
    wanted,
)
from tests.e2e.program import SOURCE, Ended, Machine
from tests.in_process import run_here

POSTS = (
    Post("video", 30_000, "Beach.mp4", "Holidays in Greece", day=1),
    Post("document", 2_500_000, "backup.tar.gz", day=2),
    Post("photo", 5_000, None, day=3),
)
FIRSTS = [1, 2, 3]


def post_again(channel: Channel, *message_ids: int) -> None:
    for message_id in message_ids:
        channel.append(f"{message_id} again", file_of=(channel, message_id))


def scene_with_copies(stage: Stage) -> Scene:
    """Messages 1 to 3 hold three files, 4 to 7 hold them again."""
    world = world_of(POSTS)
    post_again(world.source, 2, 1, 3, 1)
    return stage(world)


def assert_complete(ended: Ended, done: int, duplicates: int) -> None:
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert (ended.numbers()["done"], ended.numbers()["skipped"]) == (done, duplicates)
    assert (f"duplicate {duplicates}" in ended.stderr) == (duplicates > 0)
    assert ended.said == ""


def sidecar(machine: Machine, message_id: int) -> dict[str, Any]:
    (path,) = (path for path in remote_files(machine) if path.name == f"{message_id}.json")
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record


def test_each_file_is_moved_once_now_and_in_later_runs_and_without_the_option_all_are(
    stage: Stage,
) -> None:
    scene = scene_with_copies(stage)
    source, machine = scene.world.source, scene.machine
    assert_complete(run_here(machine, "-u", SOURCE, "--dedupe"), done=3, duplicates=4)
    assert_on_remote(machine, (source, wanted(source, FIRSTS)))
    moved_bytes = sum(item.file.size_bytes for item in wanted(source, FIRSTS))
    assert scene.telegram.statistics.counts().file_bytes == moved_bytes
    assert the_state(scene.world)["last_message_id"] == 7

    (new_id,) = put(source, [Post("document", 700, "new.bin", day=9)])
    post_again(source, 2, new_id)
    assert_complete(run_here(machine, "-u", SOURCE, "--dedupe"), done=1, duplicates=2)
    assert_on_remote(machine, (source, wanted(source, [*FIRSTS, new_id])))

    # Another scope: what was passed over was never marked as done.
    assert run_here(machine, "-u", SOURCE).exit_status == 0
    assert_on_remote(machine, (source, wanted(source)))
    assert len(state_texts(scene.world)) == 2


def test_on_another_machine_only_new_files_are_moved_once_the_first_is_lost(
    stage: Stage, tmp_path: Path
) -> None:
    scene = scene_with_copies(stage)
    source = scene.world.source
    assert run_here(scene.machine, "-u", SOURCE, "--dedupe", "--sidecar").exit_status == 0
    post_again(source, 1, 3)
    (new_id,) = put(source, [Post("document", 700, "new.bin", day=9)])
    other = Machine(tmp_path / "other", scene.telegram, scene.machine.remote_directory)
    scene.telegram.statistics.reset()
    ended = run_here(other, "-u", SOURCE, "--dedupe", "--sidecar", "--resume")
    assert_complete(ended, done=1, duplicates=2)
    assert scene.telegram.statistics.counts().file_bytes == 700
    media = {path.name.partition("_")[0] for path in remote_files(other) if "_" in path.name}
    assert media == {"1", "2", "3", str(new_id)}
    also_posted = sidecar(other, 1)["also_posted"]
    assert [each["message_id"] for each in also_posted] == [5, 7, 8]
    assert also_posted[0]["caption"] == "1 again"
    assert [each["message_id"] for each in sidecar(other, 2)["also_posted"]] == [4]
    assert "also_posted" not in sidecar(other, new_id)
    assert sidecar(other, 1)["file"]["name"] == "1_Beach.mp4"


def test_a_killed_run_and_the_newest_first_move_each_file_once(stage: Stage) -> None:
    scene = scene_with_copies(stage)
    source, machine = scene.world.source, scene.machine
    running = machine.start("-u", SOURCE, "--dedupe", "--desc", "--rclone-arg=--bwlimit-file=700k")
    running.wait_for("moved ")
    running.kill()
    ended = run_here(machine, "-u", SOURCE, "--dedupe", "--desc")
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert_on_remote(machine, (source, wanted(source, [4, 6, 7])))
    assert the_state(scene.world)["last_message_id"] == 7


def test_a_first_that_a_filter_leaves_out_keeps_no_copy_from_being_moved(stage: Stage) -> None:
    scene = scene_with_copies(stage)
    source, machine = scene.world.source, scene.machine
    assert run_here(machine, "-u", SOURCE, "--dedupe", "--from-id=4", "--limit=2").exit_status == 0
    assert_on_remote(machine, (source, wanted(source, [4, 5])))
    assert_complete(
        run_here(machine, "-u", SOURCE, "--dedupe", "--from-id=4"), done=1, duplicates=1
    )
    assert_on_remote(machine, (source, wanted(source, [4, 5, 6])))


def test_a_protected_channel_is_moved_like_any_other(stage: Stage) -> None:
    scene = scene_with_copies(stage)
    source = scene.world.source
    source.protected = True
    ended = run_here(scene.machine, "-u", SOURCE)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert ended.said == ""
    assert_on_remote(scene.machine, (source, wanted(source)))
