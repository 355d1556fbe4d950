"""A chat's text messages are one file on the remote, which grows and outlives its machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyrogram import raw

from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from tests.e2e.choosing.posts import POSTS, world_of
from tests.e2e.conftest import Stage
from tests.e2e.expectations import remote_files, wanted
from tests.e2e.program import SOURCE, Machine
from tests.in_process import run_here


def archive(machine: Machine) -> list[dict[str, Any]]:
    (path,) = (path for path in remote_files(machine) if path.name == "messages.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def texts_of(channel: Channel) -> dict[int, str]:
    files = {item.message_id for item in channel.items()}
    messages = (channel.message(n) for n in range(1, channel.newest_id() + 1))
    return {
        message.id: message.message
        for message in messages
        if isinstance(message, raw.types.Message) and message.message and message.id not in files
    }


def test_all_texts_are_kept_and_files_are_not_among_them(stage: Stage) -> None:
    scene = stage(worlds.mixed(messages=260, too_large_bytes=None, mean_size_bytes=300))
    source = scene.world.source
    ended = run_here(scene.machine, "-u", SOURCE, "--text", "--type=photo")
    assert ended.exit_status == 0, ended.stderr
    kept = archive(scene.machine)
    assert {line["message_id"]: line["text"] for line in kept} == texts_of(source)
    assert [line["message_id"] for line in kept] == sorted(texts_of(source))
    link = next(line for line in kept if "https://" in line["text"])
    assert (link["version"], link["entities"][0]["kind"]) == (1, "url")
    photos = sum(item.kind == "photo" for item in wanted(source))
    assert len(remote_files(scene.machine)) == photos + 1


def test_new_texts_are_added_on_this_machine_and_on_another(stage: Stage, tmp_path: Path) -> None:
    world = world_of(POSTS)
    source = world.source
    source.append("first\nwith a second line")
    scene = stage(world)
    assert run_here(scene.machine, "-u", SOURCE, "--text").exit_status == 0
    source.append("second")
    assert run_here(scene.machine, "-u", SOURCE, "--text").exit_status == 0
    assert [line["text"] for line in archive(scene.machine)] == [
        "first\nwith a second line",
        "second",
    ]
    source.append("third")
    other = Machine(tmp_path / "other", scene.telegram, scene.machine.remote_directory)
    assert run_here(other, "-u", SOURCE, "--text").exit_status == 0
    assert [line["text"] for line in archive(other)][1:] == ["second", "third"]
    # The first machine knows nothing of the third; a kill has cut its last line besides.
    (local,) = (scene.machine.data_directory / "texts").iterdir()
    assert local.stat().st_mode & 0o777 == 0o600
    local.write_bytes(local.read_bytes() + b'{"version": 1, "mess')
    source.append("fourth")
    assert run_here(scene.machine, "-u", SOURCE, "--text").exit_status == 0
    assert [line["text"] for line in archive(scene.machine)][1:] == ["second", "third", "fourth"]


def test_without_the_option_there_is_no_such_file(stage: Stage) -> None:
    world = world_of(POSTS[:1])
    world.source.append("a text")
    scene = stage(world)
    assert run_here(scene.machine, "-u", SOURCE).exit_status == 0
    assert [path.name for path in remote_files(scene.machine)] == ["1_Beach.mp4"]
