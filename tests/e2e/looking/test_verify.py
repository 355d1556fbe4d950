"""``verify`` finds what is missing, wrong, double and unknown; ``--repair`` has it moved again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.e2e.choosing.posts import Post, put, world_of
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_on_remote, remote_files, state_texts, the_state, wanted
from tests.e2e.program import SOURCE, Ended
from tests.in_process import run_here

STICKER = 6


def run_verify(scene: Scene, *options: str) -> Ended:
    return run_here(scene.machine, "verify", "-u", SOURCE, *options)


def found(scene: Scene, *options: str) -> dict[str, Any]:
    """The one chat's object of ``--json``."""
    ended = run_verify(scene, "--json", *options)
    assert ended.stdout, ended.stderr
    (record,) = json.loads(ended.stdout)
    assert isinstance(record, dict)
    return record


def ids(records: list[dict[str, Any]]) -> list[int]:
    return [record["message_id"] for record in records]


def of_message(scene: Scene, message_id: int) -> Path:
    (path,) = [p for p in remote_files(scene.machine) if p.name.startswith(f"{message_id}_")]
    return path


def test_verify_says_what_is_there_missing_wrong_double_and_unknown_and_repair_mends_it(
    stage: Stage,
) -> None:
    scene = stage(world_of())
    machine = scene.machine
    assert_all_missing_before_the_first_run(scene)
    assert (
        run_here(machine, "-u", SOURCE, "--name", "{date:%m}/{file_name}", "--sidecar").exit_status
        == 0
    )
    run_here(machine, "-u", SOURCE, "--text")
    scene.telegram.statistics.reset()
    ended = run_verify(scene)
    assert (ended.exit_status, ended.said) == (0, ""), ended.stderr
    assert ended.stdout.splitlines()[-1] == (
        "result: status=complete there=6 missing=0 wrong=0 double=0 unknown=0 "
        "by_hash=0 by_size=6 given_up=0"
    )

    of_message(scene, 2).unlink()
    of_message(scene, 3).write_bytes(b"short")
    of_message(scene, 7).with_name("7_again.mp3").write_bytes(b"x" * 80_000)
    folder = next(path for path in machine.remote_directory.rglob("*") if path.name.endswith("]"))
    (folder / "999_gone.bin").write_bytes(b"x")
    (folder / f"{STICKER}_sticker.webp").write_bytes(b"x")
    (folder / "notes.txt").write_bytes(b"x")
    (folder / "5_backup.tar.gz.0a1b2c3d.partial").write_bytes(b"x")
    before = sorted((path, path.read_bytes()) for path in remote_files(machine))

    ended = machine.run("verify", "-u", SOURCE)
    assert ended.exit_status == 3
    assert ended.stdout.splitlines()[-1] == (
        "result: status=failed there=4 missing=1 wrong=1 double=1 unknown=3 "
        "by_hash=0 by_size=4 given_up=0"
    )
    assert ended.said == (
        "tdl_sync: 2 files missing or wrong on box:files; "
        "verify --repair has the next run move again what had been moved\n"
    )
    lines = [line.strip() for line in ended.stdout.splitlines()]
    assert "missing: 2_invoice.PDF (1.0 kB), marked as done on this machine" in lines
    wrong = "wrong: 01/3_photo_2024-01-12_12-00-00.jpg has 5 bytes, its message declares 5000"
    assert wrong in lines
    assert "double: 01/7_again.mp3, beside 01/7_song.mp3: of the same size, not compared" in lines
    assert (
        "unknown: 5_backup.tar.gz.0a1b2c3d.partial (1 B): an upload that rclone did not finish"
        in lines
    )
    assert "unknown: notes.txt (1 B): its name begins with no message's id" in lines
    assert "unknown: 999_gone.bin (1 B): the chat has no file with this message's id" in lines
    assert "not compared  1  of messages that were not asked for" in lines

    # It read nothing but listings, and changed nothing.
    assert scene.telegram.statistics.counts().file_bytes == 0
    assert sorted((path, path.read_bytes()) for path in remote_files(machine)) == before
    assert the_state(scene.world)["status"] == "complete"

    repaired = found(scene, "--repair")
    assert (ids(repaired["missing"]), ids(repaired["wrong"]), repaired["repaired"]) == ([2], [3], 2)
    state = the_state(scene.world)
    assert (state["status"], state["failed"], state["last_message_id"]) == ("stopped", "2-3", 7)
    assert state["failures"] == {"missing on the remote": 1, "wrong size on the remote": 1}
    ended = run_here(machine, "--resume")
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 2), ended.stderr
    # What was wrong is overwritten where it was, though this run has other names in mind.
    assert of_message(scene, 3).parent.name == "01"
    assert of_message(scene, 3).stat().st_size == 5000
    last = found(scene)
    assert (last["there"], last["missing"], last["wrong"], last["repaired"]) == (6, [], [], 0)
    assert scene.telegram.statistics.counts().file_bytes == 1000 + 5000


def assert_all_missing_before_the_first_run(scene: Scene) -> None:
    ended = run_verify(scene, "--repair")
    assert ended.exit_status == 3
    assert "there=0 missing=6 wrong=0" in ended.stdout.splitlines()[-1]
    assert not scene.machine.remote_directory.exists()
    # Nothing was moved yet, so nothing is to be repaired: the first run finds all by itself.
    assert "recorded" not in ended.stdout


def test_a_machine_that_lost_its_records_repairs_what_the_state_message_has_passed(
    stage: Stage,
) -> None:
    scene = stage(world_of())
    source = scene.world.source
    assert_moved_but_the_sticker(run_here(scene.machine, "-u", SOURCE))
    of_message(scene, 2).unlink()
    new_disk = ("--data-dir", str(scene.machine.directory / "new"))
    newer_disk = ("--data-dir", str(scene.machine.directory / "newer"))
    assert found(scene, *new_disk)["missing"][0]["marked_done"] is False
    assert found(scene, "--repair", *new_disk)["repaired"] == 1
    ended = run_here(scene.machine, "-u", SOURCE, *newer_disk)
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 1), ended.stderr
    assert_on_remote(scene.machine, (source, wanted(source)))


def assert_moved_but_the_sticker(ended: Ended) -> None:
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 6), ended.stderr


def test_filters_and_bounds_leave_out_what_they_name_and_call_nothing_unknown(
    stage: Stage,
) -> None:
    scene = stage(world_of())
    assert_moved_but_the_sticker(run_here(scene.machine, "-u", SOURCE))
    of_message(scene, 1).unlink()
    scene.world.source.delete([7])
    late = found(scene, "--from-id=2", "--to-id=5", "--type=photo")
    assert (late["there"], late["missing"], late["unknown"]) == (2, [], [])
    assert (late["skipped"], late["not_compared"]) == ({"type": 2}, 3)
    whole = found(scene)
    assert (ids(whole["missing"]), whole["there"]) == ([1], 4)
    assert [record["path"] for record in whole["unknown"]] == ["7_song.mp3"]
    # Another run may be at work: its files would seem to be missing.
    put(scene.world.source, [Post("document", 6_000_000, "late.bin", day=9)])
    running = scene.machine.start("-u", SOURCE, "--rclone-arg=--bwlimit-file=100k")
    running.wait_until(
        lambda: any('"status":"running"' in text for text in state_texts(scene.world).values())
    )
    held = run_verify(scene, "--repair")
    assert held.exit_status == 5
    assert "another run" in held.said
    assert held.stdout.splitlines()[-1].startswith("result: status=error there=0 missing=0 ")
    running.kill()


def test_several_chats_a_topic_and_the_comments_each_have_their_own_verdict(stage: Stage) -> None:
    """A topic's files lie in the forum's folder, beside those of others, which are not unknown."""
    world = worlds.files(sizes=[1000])
    forum = next(c for c in world.channels.values() if c.username == "stand_in_talk")
    world.source.discussion = forum
    topic = forum.append("A topic", kind="service")
    plans = [FilePlan("document", 300 + n, f"{n}.bin", "text/plain", 2) for n in range(2)]
    in_topic, elsewhere = forum.append(file=plans[0], topic_id=topic), forum.append(file=plans[1])
    scene = stage(world)
    assert run_here(scene.machine, "-u", SOURCE, "--comments").exit_status == 0
    of_message(scene, elsewhere).unlink()
    ended = run_here(scene.machine, "verify", "-u", SOURCE, "--comments", "--json")
    posts, comments = json.loads(ended.stdout)
    assert (posts["chat"]["id"], posts["there"], posts["missing"]) == (world.source.chat_id, 1, [])
    assert (comments["chat"]["id"], comments["there"]) == (forum.chat_id, 1)
    assert ids(comments["missing"]) == [elsewhere]

    repaired = run_here(scene.machine, "verify", "-u", SOURCE, "--comments", "--repair")
    assert (repaired.exit_status, "missing=1" in repaired.stdout) == (3, True)
    assert run_here(scene.machine, "--resume", "-u", SOURCE, "--comments").exit_status == 0
    of_message(scene, in_topic).unlink()
    ended = run_here(scene.machine, "verify", "-u", "@stand_in_talk", "--topic", str(topic))
    assert "there=0 missing=1 wrong=0 double=0 unknown=0" in ended.stdout.splitlines()[-1]
    assert "not compared  1" in ended.stdout
    ended = run_here(scene.machine, "verify", "-u", "@nobody_has_this", "-u", SOURCE)
    assert (ended.exit_status, ended.said.count("\n")) == (2, 1)
    assert ended.stdout.splitlines()[-1].startswith("result: status=error there=1 ")


def test_a_file_larger_than_the_budget_is_given_up_and_told_how_it_is_moved(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 400_000]))
    ended = run_here(scene.machine, "-u", SOURCE, "--max-disk=100k")
    assert ended.exit_status == 0, ended.stderr
    ended = run_verify(scene)
    assert (ended.exit_status, "--repair" in ended.said) == (3, False), ended.stderr
    assert ended.said == (
        "tdl_sync: not on box:files: 1 file larger than the disk budget (a run with a --max-disk "
        "above 400 kB moves them)\n"
    )
    lines = [line.strip() for line in ended.stdout.splitlines()]
    assert "given up: 2_file-2.bin (400 kB): larger than the disk budget" in lines
    assert lines[-1].startswith("result: status=failed there=1 missing=0 wrong=0 ")
    assert lines[-1].endswith(" given_up=1")
    assert run_here(scene.machine, "-u", SOURCE, "--max-disk=1M").exit_status == 0
    assert run_verify(scene).exit_status == 0
