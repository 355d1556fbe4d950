"""``adopt``: what tdl and telegram_media_downloader have moved is taken for done where it lies, and
the next run moves the rest, on this machine and on any other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from standins.telegram.world.channel import Channel, WorldItem
from standins.telegram.world.plan import FilePlan
from tdl_sync.core.failures import WRONG_SIZE
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.state.exclusive import ChatLock
from tdl_sync.state.run_identity import this_run
from tests.e2e.choosing.posts import Post, world_of
from tests.e2e.choosing.test_catalogue import catalogue_of, rows_in
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import remote_files, the_state
from tests.e2e.program import SOURCE, Ended, Machine
from tests.in_process import run_here

POSTS = (
    Post("video", 30_000, "Beach.mp4"),
    Post("document", 1_000, "invoice.PDF"),
    Post("photo", 5_000, None),
    Post("document", 2_500, "notes: a/b?.txt"),
    Post("audio", 80_000, "song.mp3"),
    Post("video", 9_000, "clip.mp4"),
    Post("video", 9_000, "clip.mp4"),
    Post("document", 700, "gone.zip"),
)
"""Messages 1 to 8. The sixth and the seventh have one name and one size."""


def items_of(channel: Channel) -> dict[int, WorldItem]:
    return {item.message_id: item for item in channel.items()}


def bare_id(channel: Channel) -> int:
    return -channel.chat_id - 10**12


def lay(directory: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)


def scene_with_old_files(stage: Stage) -> tuple[Scene, Path]:
    """Beside the remote's folder lies what tdl has moved of messages 1 to 3, and what else a folder
    of downloads has."""
    scene = stage(world_of(POSTS))
    old = scene.machine.remote_directory / "old"
    channel = scene.world.source
    content = {number: b"".join(item.file.chunks()) for number, item in items_of(channel).items()}
    tdl = f"tdl/{bare_id(channel)}"
    lay(
        old,
        {
            f"{tdl}_1_Beach.mp4": content[1],
            f"{tdl}_2_invoice.PDF": content[2],
            f"{tdl}_3_5368709120.jpg": content[3],
            f"{tdl}_5_song.mp3.tmp": content[5],
            f"{tdl}_8_gone.zip": content[8][:-1],
            "tdl/4711_4_other-chat.txt": content[4],
            "plain/notes_ a_b_.txt": content[4],
            "plain/clip.mp4": content[6],
            "plain/\x1b[2J\n$(touch x).mp4": b"hostile",
        },
    )
    return scene, old


def adopt(machine: Machine, *options: str) -> Ended:
    return run_here(machine, "adopt", "-u", SOURCE, "--from", "box:old", *options)


def everything_in(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def record_of(scene: Scene, machine: Machine | None = None) -> dict[str, Any]:
    (record,) = json.loads(
        run_here(machine or scene.machine, "verify", "-u", SOURCE, "--json").stdout
    )
    assert isinstance(record, dict)
    return record


def test_what_lies_there_is_taken_for_done_and_only_the_rest_is_moved(
    stage: Stage, tmp_path: Path
) -> None:
    scene, old = scene_with_old_files(stage)
    machine = scene.machine
    before = everything_in(machine.remote_directory)

    dry = adopt(machine, "--dry-run")
    assert dry.exit_status == 0, dry.stderr
    assert everything_in(machine.remote_directory) == before
    assert not machine.data_directory.joinpath("marks").exists()

    ended = adopt(machine)
    assert ended.exit_status == 0, ended.stderr
    bare = bare_id(scene.world.source)
    by_ids = "by ids of chat and message in its name, and size"
    lines = ended.stdout.splitlines()
    assert lines[:9] == dry.stdout.splitlines()[:9]
    assert lines[0] == (
        "done  plain/notes_ a_b_.txt (2.5 kB): message 4, by file name, which one file has here "
        "and one in the chat, and size"
    )
    assert lines[1] == f"done  tdl/{bare}_1_Beach.mp4 (30 kB): message 1, {by_ids}"
    left = [line for line in lines if line.startswith("left  ")]
    assert set(left) == {
        "left  plain/clip.mp4 (9.0 kB): several messages hold different files of its name and "
        "size: 6, 7",
        "left  plain/␛[2J␊$(touch x).mp4 (7 B): no message of the chat fits",
        "left  tdl/4711_4_other-chat.txt (2.5 kB): no message of the chat fits",
        f"left  tdl/{bare}_5_song.mp3.tmp (80 kB): may be unfinished, by the end of its name",
        f"left  tdl/{bare}_8_gone.zip (699 B): its size differs: message 8 declares 700 bytes",
    }
    assert len(left) == 5
    assert lines[-1] == "result: status=complete taken=4 left=5 bytes=38500"
    after = everything_in(machine.remote_directory)
    assert {path: after[path] for path in before} == before
    assert (the_state(scene.world)["status"], the_state(scene.world)["done_above"]) == (
        "stopped",
        "1-4",
    )

    scene.telegram.statistics.reset()
    ended = run_here(machine, "--resume")
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 8), ended.stderr
    assert scene.telegram.statistics.counts().file_bytes == 80_000 + 2 * 9_000 + 700
    assert everything_in(old) == {
        path.removeprefix("old/"): content for path, content in before.items()
    }
    found = record_of(scene)
    assert (found["there"], found["adopted"], found["missing"], found["unknown"]) == (8, 4, [], [])

    assert_another_machine_knows(scene, tmp_path)
    assert_again_nothing_is_taken(machine)


def assert_another_machine_knows(scene: Scene, tmp_path: Path) -> None:
    """One that has neither marks nor a state."""
    saved = scene.world.saved_messages
    other = Machine(tmp_path / "other", scene.telegram, scene.machine.remote_directory)
    found = record_of(scene, other)
    assert (found["there"], found["adopted"], found["missing"]) == (8, 4, [])
    assert_its_catalogue_is_whole(
        Machine(tmp_path / "third", scene.telegram, other.remote_directory)
    )
    for number in range(1, saved.newest_id() + 1):
        saved.delete([number])
    scene.telegram.statistics.reset()
    dry = run_here(other, "-u", SOURCE, "--dry-run")
    assert "8" in dry.stdout, dry.stdout
    ended = run_here(other, "-u", SOURCE)
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 8), ended.stderr
    assert scene.telegram.statistics.counts().file_bytes == 0


def assert_its_catalogue_is_whole(machine: Machine) -> None:
    """By the state and the record, since it has no marks."""
    ended = run_here(machine, "-u", SOURCE, "--catalogue")
    assert ended.exit_status == 0, ended.stderr
    rows = rows_in(catalogue_of(machine))
    assert [row["message_id"] for row in rows] == list(range(1, 9))
    whole = [row["path"] for row in rows if row["path"].startswith("box:old/")]
    assert len(whole) == 4


def assert_again_nothing_is_taken(machine: Machine) -> None:
    ended = adopt(machine)
    assert ended.stdout.splitlines()[-1].startswith("result: status=complete taken=0 left=9 ")


def test_what_was_adopted_is_never_touched_whatever_becomes_of_its_messages(
    stage: Stage, tmp_path: Path
) -> None:
    """One gets another file, one is missing by now, and one has changed: a run with
    --replaced=over, and verify --repair --yes, have the right ones beside them."""
    scene, old = scene_with_old_files(stage)
    machine, channel = scene.machine, scene.world.source
    with a_run_at_work(scene):
        held = adopt(machine)
        assert (held.exit_status, held.stdout) == (5, ""), held.stderr
    assert not (machine.remote_directory / "files").exists()

    assert adopt(machine).exit_status == 0
    assert run_here(machine, "-u", SOURCE, "--dedupe").exit_status == 0
    old_of = {number: next(old.rglob(f"tdl/*_{number}_*")) for number in (1, 2, 3)}
    channel.replace_file(1, FilePlan("video", 31_000, "Beach.mp4", "video/mp4", 2))
    old_of[2].unlink()
    old_of[3].write_bytes(b"changed")
    before = everything_in(old)

    found = record_of(scene)
    assert [each["message_id"] for each in found["missing"]] == [2]
    assert [
        (each["message_id"], each["why"], each["message_edited"]) for each in found["wrong"]
    ] == [
        (1, WRONG_SIZE, True),
        (3, WRONG_SIZE, False),
    ]
    assert_a_machine_without_marks_believes_none_of_them(scene, tmp_path)

    run_here(machine, "verify", "-u", SOURCE, "--repair", "--yes")
    ended = run_here(machine, "-u", SOURCE, "--replaced=over")
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 8), ended.stderr
    assert everything_in(old) == before
    own = {path.name for path in remote_files(machine) if old not in path.parents}
    assert {"1_Beach.mp4", "2_invoice.PDF"} < own
    found = record_of(scene)
    assert (found["there"], found["missing"], found["wrong"], found["double"]) == (8, [], [], [])
    assert found["adopted"] == 1


def assert_a_machine_without_marks_believes_none_of_them(scene: Scene, tmp_path: Path) -> None:
    other = Machine(tmp_path / "without-marks", scene.telegram, scene.machine.remote_directory)
    dry = run_here(other, "-u", SOURCE, "--restart", "--dry-run", "--json")
    fates = [json.loads(line) for line in dry.stdout.splitlines()]
    moved = [each["message_id"] for each in fates if each["would"] == "move"]
    assert moved == [1, 2, 3]


def test_what_was_adopted_is_taken_back_and_moved_wherever_the_next_run_is(
    stage: Stage, tmp_path: Path
) -> None:
    """Everything is read already when it is taken back, and one machine has marks of it."""
    scene, old = scene_with_old_files(stage)
    machine = scene.machine
    nothing = run_here(machine, "adopt", "-u", SOURCE, "--undo")
    assert nothing.stdout.splitlines()[-1] == "result: status=complete taken_back=0 bytes=0"
    assert adopt(machine).exit_status == 0
    assert run_here(machine, "-u", SOURCE).exit_status == 0
    assert "adopted 4 files, 38 kB, where another program has put them" in told_by_status(machine)
    other = Machine(tmp_path / "other", scene.telegram, machine.remote_directory)
    assert run_here(other, "-u", SOURCE, "--restart").numbers()["done"] == 8
    before = everything_in(machine.remote_directory)

    dry = run_here(machine, "adopt", "-u", SOURCE, "--undo", "--dry-run")
    elsewhere = run_here(machine, "adopt", "-u", SOURCE, "--undo", "--from", "box:older")
    assert elsewhere.stdout.splitlines()[-1] == "result: status=complete taken_back=0 bytes=0"
    assert everything_in(machine.remote_directory) == before
    ended = run_here(machine, "adopt", "-u", SOURCE, "--undo", "--from", "box:old/")
    assert ended.exit_status == 0, ended.stderr
    assert [each for each in ended.stdout.splitlines() if each.startswith("back  ")] == [
        each for each in dry.stdout.splitlines() if each.startswith("back  ")
    ]
    assert "back  box:old/plain/notes_ a_b_.txt (2.5 kB): message 4" in ended.stdout.splitlines()
    assert ended.stdout.splitlines()[-1] == "result: status=complete taken_back=4 bytes=38500"
    after = everything_in(machine.remote_directory)
    assert {path: content for path, content in after.items() if path in before} == {
        path: after[path] if "adopted-" in path else content for path, content in before.items()
    }
    status = told_by_status(machine)
    assert "adopted " not in status
    assert "4: adoption taken back 4" in status

    again = adopt(other)  # it has marks of them, which count no more
    assert again.stdout.splitlines()[-1].startswith("result: status=complete taken=4 left=5 ")
    ended = run_here(machine, "adopt", "-u", SOURCE, "--undo", "--json")
    assert [each["message_id"] for each in json.loads(ended.stdout)] == [1, 2, 3, 4]
    third = Machine(tmp_path / "third", scene.telegram, machine.remote_directory)
    dry = run_here(third, "-u", SOURCE, "--dry-run", "--json")
    would = {each["message_id"]: each["would"] for each in map(json.loads, dry.stdout.splitlines())}
    assert [number for number, fate in would.items() if fate == "move"] == [1, 2, 3, 4]
    scene.telegram.statistics.reset()
    ended = run_here(other, "-u", SOURCE)
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 4), ended.stderr
    assert scene.telegram.statistics.counts().file_bytes == 38_500
    found = record_of(scene)
    assert (found["there"], found["missing"], found["wrong"]) == (8, [], [])
    assert "adopted" not in found
    assert everything_in(old) == {
        path.removeprefix("old/"): content
        for path, content in before.items()
        if path.startswith("old/")
    }


def told_by_status(machine: Machine) -> str:
    return " ".join(run_here(machine, "status").stdout.split())


@contextmanager
def a_run_at_work(scene: Scene) -> Iterator[None]:
    machine, chat_id = scene.machine, scene.world.source.chat_id
    remote = machine.variables["TDL_SYNC_REMOTE"]
    key = scope_key(Scope(remote, chat_id))
    locks = machine.data_directory / "locks"
    lock = ChatLock.acquire(locks, key, this_run(300), "a chat")
    try:
        yield
    finally:
        lock.release()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["adopt", "-u", SOURCE], "adopt needs the chat and where its files lie"),
        (["adopt", "--from", "box:old"], "adopt needs the chat and where its files lie"),
        (["adopt", "-u", SOURCE, "-u", "me", "--from", "box:old"], "one chat at a time"),
        (["adopt", "-u", SOURCE, "--from", "box:nowhere"], "there are no files in 'box:nowhere'"),
        (
            ["adopt", "-u", SOURCE, "--from", "box:old", "--template", "{file_name}"],
            "--template: expected a template as tdl has it",
        ),
        (["-u", SOURCE, "--from", "box:old"], "--from belongs to the command adopt"),
        (["adopt", "--undo"], "adopt needs the chat"),
        (["adopt", "-u", SOURCE, "--undo", "--type", "video"], "--type and --undo exclude each"),
    ],
)
def test_what_makes_no_sense_is_a_line(module_scene: Scene, words: list[str], said: str) -> None:
    ended = run_here(module_scene.machine, *words)
    assert ended.exit_status == 2
    assert said in ended.stderr


@pytest.fixture(scope="module")
def module_scene(module_stage: Stage) -> Scene:
    scene = module_stage(world_of(POSTS[:1]))
    scene.machine.remote_directory.mkdir()
    return scene


def test_a_second_adoption_adds_to_the_first_and_a_place_that_is_not_known_ends_the_run(
    stage: Stage, tmp_path: Path
) -> None:
    """Another machine without the name of the place must not move it all again."""
    scene, old = scene_with_old_files(stage)
    machine, channel = scene.machine, scene.world.source
    config = machine.rclone_config
    config.write_text(config.read_text() + f"[theirs]\ntype = alias\nremote = {old}-more\n")
    content = {number: b"".join(item.file.chunks()) for number, item in items_of(channel).items()}
    lay(old.with_name("old-more"), {"5 - song.mp3": content[5]})
    assert adopt(machine).exit_status == 0
    ended = run_here(machine, "adopt", "-u", SOURCE, "--from", "theirs:")
    assert "done  5 - song.mp3 (80 kB): message 5, by message id and file name" in ended.stdout

    other = Machine(tmp_path / "other", scene.telegram, machine.remote_directory)
    ended = run_here(other, "-u", SOURCE)
    assert (ended.exit_status, ended.numbers()["done"]) == (2, 0), ended.stderr
    assert "theirs" in ended.said
    other.rclone_config.write_text(config.read_text())
    dry = run_here(other, "-u", SOURCE, "--dry-run", "--json")
    would = [json.loads(line)["would"] for line in dry.stdout.splitlines()]
    assert would == ["there"] * 5 + ["move"] * 3


def test_of_a_part_no_other_is_adopted_and_its_state_says_which_part_it_is(stage: Stage) -> None:
    """All eight messages belong to the first part of two."""
    scene, _ = scene_with_old_files(stage)
    machine = scene.machine
    other = adopt(machine, "--shard", "2/2")
    assert other.stdout.splitlines()[-1].startswith("result: status=complete taken=0 left=9 ")
    assert adopt(machine, "--shard", "1/2").stdout.count("done  ") == 4
    assert (the_state(scene.world)["shard"], the_state(scene.world)["done_above"]) == ("1/2", "1-4")
    (state,) = json.loads(run_here(machine, "status", "--json").stdout)
    assert state["shard"] == "1/2"
    ended = run_here(machine, "-u", SOURCE, "--shard", "1/2", "--resume")
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 8), ended.stderr
