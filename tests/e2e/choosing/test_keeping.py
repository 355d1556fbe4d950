"""Names, folders and sidecars are as the user asked, and nothing is moved twice for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pyrogram import raw

from standins.telegram.service.faults import Fault
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from tests.e2e.choosing.posts import POSTS, Post, put, world_of
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, remote_files, wanted
from tests.e2e.program import REMOTE, SOURCE, Machine
from tests.in_process import run_here


def below_chat_folder(machine: Machine) -> dict[str, Path]:
    """What is on the remote by its path below the one chat's folder."""
    files = remote_files(machine)
    (root,) = {machine.remote_directory / "files" / _chat_folder(machine, path) for path in files}
    return {path.relative_to(root).as_posix(): path for path in files}


def _chat_folder(machine: Machine, path: Path) -> str:
    assert REMOTE == "box:files"
    return path.relative_to(machine.remote_directory / "files").parts[0]


def assert_content(found: dict[str, Path], names: Iterable[str], channel: Channel) -> None:
    for name in names:
        item = channel.item(int(name.rpartition("/")[2].partition("_")[0]))
        assert item is not None
        assert hashlib.sha256(found[name].read_bytes()).hexdigest() == item.file.sha256()


def test_a_template_names_files_and_makes_folders_and_values_make_none(stage: Stage) -> None:
    posts = [
        Post("video", 30_000, "Beach.mp4", "a/../../b\nc", day=1),
        Post("document", 1_000, "../../out.PDF", "{message_id} {chat.id}", day=2),
        Post("photo", 5_000, None, day=40),
    ]
    scene = stage(world_of(posts))
    ended = run_here(
        scene.machine, "-u", SOURCE, "--name", "{date:%Y-%m}/{type}/{stem} ({caption:.9}).{ext}"
    )
    assert_moved(ended, 3)
    found = below_chat_folder(scene.machine)
    assert set(found) == {
        "2024-01/video/1_Beach (a_.._.._b).mp4",
        "2024-01/document/2_.._.._out ({message_).PDF",
        "2024-02/photo/3_photo_2024-02-18_12-00-00 ().jpg",
    }
    assert_content(found, found, scene.world.source)


def test_a_lost_machine_finds_what_is_done_in_every_folder(stage: Stage, tmp_path: Path) -> None:
    scene = stage(world_of())
    template = "--name={type}/{message_id}_{file_name}"
    assert run_here(scene.machine, "-u", SOURCE, template).exit_status == 0
    before = set(below_chat_folder(scene.machine))
    assert "document/5_backup.tar.gz" in before
    scene.world.saved_messages.delete(range(1, scene.world.saved_messages.newest_id() + 1))
    other = Machine(tmp_path / "other", scene.telegram, scene.machine.remote_directory)
    scene.telegram.statistics.reset()
    ended = run_here(other, "-u", SOURCE)
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 6), ended.stderr
    assert scene.telegram.statistics.counts().file_bytes == 0
    assert set(below_chat_folder(other)) == before


def test_many_files_at_once_into_folders_that_are_not_there_yet(stage: Stage) -> None:
    posts = [Post("document", 500 + n, f"{n}.bin", day=n // 4 + 1) for n in range(12)]
    scene = stage(world_of(posts))
    ended = run_here(
        scene.machine, "-u", SOURCE, "--workers=8", "--name={date:%d}/{chat}/{file_name}"
    )
    assert_moved(ended, 12)
    names = {
        f"{10 + n // 4}/{scene.world.source.title.replace(':', '_')}/{n + 1}_{n}.bin"
        for n in range(12)
    }
    assert set(below_chat_folder(scene.machine)) == names


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{filename}", "expected a template with the fields {message_id}, {file_name}, {stem}"),
        ("{chat.id}", "expected a template with the fields"),
        ("../{stem}", "expected a template whose folders are names"),
        ("{stem", "expected a template with fields in braces"),
    ],
)
def test_a_template_that_is_none_is_refused_with_the_right_fields(
    stage: Stage, template: str, words: str
) -> None:
    scene = stage(world_of([]))
    ended = run_here(scene.machine, "-u", SOURCE, "--name", template)
    assert ended.exit_status == 2
    assert words in ended.said


# --- sidecars -----------------------------------------------------------------------------------


def sidecars(machine: Machine) -> dict[str, dict[str, Any]]:
    return {
        path: json.loads(file.read_text("utf-8"))
        for path, file in below_chat_folder(machine).items()
        if path.endswith(".json") and "_" not in path
    }


def test_a_sidecar_says_what_the_message_says(stage: Stage) -> None:
    world = world_of(POSTS)
    source = world.source
    marked = source.append(
        "The beach",
        entities=[raw.types.MessageEntityTextUrl(offset=4, length=5, url="https://example.org")],
        file=FilePlan("video", 3_000, 'a "name".json', "video/mp4", 2),
    )
    scene = stage(world)
    ended = run_here(scene.machine, "-u", SOURCE, "--sidecar")
    assert ended.exit_status == 0, ended.stderr
    found = below_chat_folder(scene.machine)
    moved = [name for name in found if "_" in name]
    assert_content(found, moved, source)
    beside = sidecars(scene.machine)
    assert set(beside) == {f"{item.message_id}.json" for item in wanted(source)}
    text = beside[f"{marked}.json"]
    item = source.item(marked)
    assert item is not None
    assert text["version"] == 1
    assert text["caption"] == "The beach"
    assert text["entities"] == [
        {"kind": "text_url", "offset": 4, "length": 5, "target": "https://example.org"}
    ]
    assert text["chat"] == {
        "id": source.chat_id,
        "title": source.title,
        "kind": "channel",
        "username": source.username,
    }
    assert text["file"] == {
        "folder": "",
        "name": f"{marked}_a _name_.json",
        "original_name": 'a "name".json',
        "type": "video",
        "mime_type": "video/mp4",
        "size_bytes": 3_000,
        "sha256": item.file.sha256(),
    }
    assert beside["3.json"]["caption"] == "Greece, the harbour"
    assert beside["4.json"]["album_caption"] == "Greece, the harbour"
    assert beside["3.json"]["album_id"] == beside["4.json"]["album_id"] is not None
    assert beside["1.json"]["date"] == "2024-01-10T12:00:00Z"
    assert beside["1.json"]["album_caption"] == ""


def test_without_the_option_there_is_none_and_files_that_are_there_stay_untouched(
    stage: Stage,
) -> None:
    scene = stage(world_of([Post("document", 10, "a.bin")]))
    assert_moved(run_here(scene.machine, "-u", SOURCE), 1)
    put(scene.world.source, [Post("document", 20, "b.bin", day=2)])
    assert_moved(run_here(scene.machine, "-u", SOURCE, "--sidecar", "--name={ext}/{stem}.{ext}"), 1)
    assert set(below_chat_folder(scene.machine)) == {"1_a.bin", "bin/2_b.bin", "bin/2.json"}


def test_a_kill_at_any_time_leaves_no_file_without_its_sidecar(stage: Stage) -> None:
    posts = [Post("document", 100_000 + n, f"{n}.bin", f"caption {n}", day=n) for n in range(1, 6)]
    scene = stage(world_of(posts))
    file_ids = [item.file.file_id for item in scene.world.source.items()]
    for text, first_held in (("moved 2_", 3), ("moved 3_", 4)):
        held = [Fault("no_answer", "upload.GetFile", file_id=each, times=None) for each in file_ids]
        scene.telegram.faults.replace(held[first_held - 1 :])
        running = scene.machine.start(
            "-u", SOURCE, "--sidecar", "--workers=2", "--rclone-arg=--bwlimit-file=150k"
        )
        running.wait_for(text)
        running.kill()
        found = below_chat_folder(scene.machine)
        assert all(
            f"{name.partition('_')[0]}.json" in found
            for name in found
            if "_" in name and not name.endswith(".partial")
        )
    scene.telegram.faults.clear()
    ended = run_here(scene.machine, "-u", SOURCE, "--sidecar")
    assert ended.exit_status == 0, ended.stderr
    found = below_chat_folder(scene.machine)
    assert len(found) == 2 * len(posts)
    assert_content(found, [name for name in found if "_" in name], scene.world.source)
