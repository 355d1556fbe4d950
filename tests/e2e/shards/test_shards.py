"""Parts of a chat (``--shard K/N``) that runs move for themselves, into one folder."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyrogram import raw

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from standins.telegram.world.world import World
from tdl_sync.core.shards import parse_shard
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_on_remote, remote_files, state_texts, wanted
from tests.e2e.program import SOURCE, Ended, Machine
from tests.e2e.state.machines import another, begun
from tests.in_process import run_here

IDS = (1, 999, 1000, 1001, 1500, 2000, 2001, 2500, 3001, 3300, 4001, 5001)
"""Of the messages that are left, at the edges of blocks and in between."""


def world_with(ids: Iterable[int] = IDS, **more: Any) -> World:
    """Each of these messages holds a file; all between them were deleted."""
    ids = sorted(ids)
    world = worlds.files(sizes=[100], times=ids[-1], **more)
    world.source.delete(set(range(1, ids[-1])) - set(ids))
    return world


def held(channel: Channel, *shards: str) -> list[int]:
    """The messages with files that belong to these parts."""
    parts = [parse_shard(each) for each in shards]
    return [
        item.message_id
        for item in wanted(channel)
        if any(part.holds(item.message_id) for part in parts)
    ]


def run(machine: Machine, *options: str) -> Ended:
    return run_here(machine, "-u", SOURCE, *options)


def assert_done(ended: Ended, files: int, *, seen: int | None = None) -> None:
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert ended.numbers()["seen"] == ended.numbers()["done"] == (files if seen is None else seen)


def statuses(machine: Machine) -> list[dict[str, Any]]:
    ended = run_here(machine, "status", "--json")
    assert (ended.exit_status, ended.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found


def rows(machine: Machine) -> list[int]:
    (path,) = machine.remote_directory.rglob("catalogue.sqlite")
    connection = sqlite3.connect(path)
    found = [message_id for (message_id,) in connection.execute("SELECT message_id FROM files")]
    connection.close()
    return sorted(found)


def test_parts_that_run_one_after_the_other_move_each_file_once_and_leave_nothing_to_do(
    stage: Stage, tmp_path: Path
) -> None:
    """On two machines; what becomes of another N, of no parts, of status and of verify then."""
    scene = stage(world_with())
    source, first = scene.world.source, scene.machine
    source.withheld = frozenset({1500})
    second = another(tmp_path / "second", scene.telegram, first)
    moved: list[str] = []
    for shard, machine in (("1/4", first), ("3/4", first), ("4/4", second), ("2/4", second)):
        moved.append(shard)
        ended = run(machine, "--shard", shard)
        assert_done(ended, len(held(source, shard)))
        assert f"only part {shard} of 'Stand-in: all kinds' is moved (--shard)" in ended.log
        assert_on_remote(first, (source, wanted(source, held(source, *moved))))
        if shard == "4/4":
            told = run_here(first, "status").stdout
            assert "  of it   in 4 parts (--shard)\n" in told
            assert "  unknown no state is saved of part 2 of 4\n" in told
            assert f"  moved   {len(held(source, *moved))} files, " in told
            assert not any(each["balance"] for each in statuses(first))
    assert len(state_texts(scene.world)) == 4
    # No run of a part could tell whether all was seen: together they can.
    found = statuses(first)
    assert [each["shard"] for each in found] == ["1/4", "2/4", "3/4", "4/4"]
    assert sum(each["files_moved"] for each in found) == len(IDS) - 1
    assert {each["activity"] for each in found} == {"complete"}
    balance = {
        "unseen": 1,
        "fewer": [{"kind": "document", "counted": len(IDS), "seen": len(IDS) - 1}],
        "not_compared": [],
    }
    assert [each["balance"] for each in found] == [balance] * 4
    # What came since is no shortfall.
    source.append(file=FilePlan("document", 300, "new.bin", "text/plain", 2))
    told = run_here(first, "status").stdout
    assert "  balance Telegram counts 13 documents here, 12 were seen\n" in told

    scene.telegram.statistics.reset()
    assert_done(run(first, "--shard", "1/2"), len(held(source, "1/2")))
    assert_done(run(second, "--shard", "4/6"), len(held(source, "4/6")))
    new_bytes = scene.telegram.statistics.counts().file_bytes
    ended = run(first)
    assert_done(ended, len(IDS))
    assert scene.telegram.statistics.counts().file_bytes - new_bytes <= 300
    assert "explain" not in ended.stderr
    assert_on_remote(first, (source, wanted(source)))
    # Without --shard verify and the dry run look at the whole, and with it at that part.
    for options, files in (((), len(IDS)), (("--shard", "2/4"), len(held(source, "2/4")))):
        verified = run_here(second, "verify", "-u", SOURCE, *options)
        assert (verified.exit_status, verified.result["there"]) == (0, str(files))
        assert verified.result["unknown"] == "0"
        looked = run(second, "--dry-run", "--restart", *options)
        assert_done(looked, files)

    # Of another account's runs nothing is seen but the files.
    scene.world.saved_messages.delete(state_texts(scene.world))
    third = another(tmp_path / "third", scene.telegram, first)
    ended = run(third, "--shard", "1/2")
    assert "explain" not in ended.stderr, "those of the others are expected there"
    ended = run(third)
    assert_done(ended, len(IDS))
    left = len(IDS) - len(held(source, "1/2"))
    assert (
        f"warning: 'Stand-in: all kinds': its folder on box:files shows files of {left} messages "
        "that no done-mark here and no state in this account's Saved Messages explain."
    ) in ended.stderr


def test_parts_that_cannot_overlap_run_side_by_side_and_what_overlaps_is_refused(
    stage: Stage, tmp_path: Path
) -> None:
    """On one machine, with one data directory, each with a session and a staging directory; from
    another machine, too. Who has it is told."""
    scene = stage(world_with())
    source, machine = scene.world.source, scene.machine
    scene.telegram.faults.add(Fault("flood_wait", rpc="upload.GetFile", seconds=2, times=None))
    twin = Machine(tmp_path / "twin", scene.telegram, machine.remote_directory)
    twin.variables["TDL_SYNC_DATA_DIR"] = str(machine.data_directory)
    elsewhere = another(tmp_path / "elsewhere", scene.telegram, machine)
    one = begun(machine.start("-u", SOURCE, "--shard", "1/2"), machine)
    other = begun(twin.start("-u", SOURCE, "--shard", "2/2"), twin)
    third = Machine(tmp_path / "third", scene.telegram, machine.remote_directory)
    third.variables["TDL_SYNC_DATA_DIR"] = str(machine.data_directory)
    for options, part, pid in (
        (("--shard", "3/4"), "part 1/2 of ", one.process.pid),
        (("--shard", "2/2"), "part 2/2 of ", other.process.pid),
        ((), "part 1/2 of ", one.process.pid),
    ):
        refused = run(third, *options)
        assert (refused.exit_status, refused.result["status"]) == (5, "error")
        assert refused.said == (
            f"tdl_sync: another run (process {pid}) on this machine moves {part}"
            "'Stand-in: all kinds' to the same remote; wait for it or end it\n"
        )
    refused = run(elsewhere, "--shard", "3/4")
    assert refused.exit_status == 5
    assert re.search(
        r"another run moves part 1/2 of 'Stand-in: all kinds' to the same remote, which has "
        rf"messages in common with part 3/4: process {one.process.pid} on '.*', begun at ",
        refused.said,
    )
    found = {each["shard"]: (each["activity"], each["pid"]) for each in statuses(elsewhere)}
    assert found.keys() <= {"1/2", "2/2"}
    scene.telegram.faults.clear()
    for running, shard in ((one, "1/2"), (other, "2/2")):
        assert_done(running.wait(), len(held(source, shard)))
    assert_on_remote(machine, (source, wanted(source)))
    scene.telegram.statistics.reset()
    assert_done(run(machine), len(IDS))
    assert scene.telegram.statistics.counts().file_bytes == 0


def test_the_text_and_the_catalogue_are_those_of_the_first_part(stage: Stage) -> None:
    """And whole: of all texts, and with a row for what the other parts have moved."""
    scene = stage(world_with((1, 1001, 1500, 2998)))
    source, machine = scene.world.source, scene.machine
    texts = [source.append(f"text {number}") for number in range(2)]
    both = ("--text", "--catalogue")
    assert_done(run(machine, "--shard", "2/2", *both), 2)
    names = {path.name for path in remote_files(machine)}
    assert names == {"1001_file-1001.bin", "1500_file-1500.bin"}
    assert_done(run(machine, "--shard", "1/2", *both), 2)
    (lines,) = machine.remote_directory.rglob("messages.jsonl")
    assert [json.loads(line)["message_id"] for line in lines.read_text().splitlines()] == texts
    assert rows(machine) == [1, 1001, 1500, 2998]
    # What another part moves afterwards comes with the next run of the first one, though an
    # earlier one has been there before it.
    assert source.append(file=FilePlan("document", 300, "n.bin", "text/plain", 2)) == 3001
    for shard, files in (("1/2", 0), ("2/2", 1), ("1/2", 0)):
        assert rows(machine) == [1, 1001, 1500, 2998]
        assert_done(run(machine, "--shard", shard, *both), files)
    assert rows(machine) == [1, 1001, 1500, 2998, 3001]


def test_the_older_part_and_the_comments_are_parted_as_well(stage: Stage) -> None:
    world = world_with((1, 1001), kind="supergroup")
    source = world.source
    older = worlds.add_older_part(world, sizes=[100, 200])
    channel = next(c for c in world.channels.values() if c.username == "stand_in_news")
    talk = next(c for c in world.channels.values() if c.username == "stand_in_talk")
    channel.discussion = talk
    from_channel = raw.types.MessageFwdHeader(date=1, from_id=channel.peer, channel_post=1)
    plan = FilePlan("document", 300, "c.bin", "text/plain", 2)
    talk.append(file=plan, forward=from_channel, sender=channel.peer)
    comments = [talk.append(file=plan)]
    while talk.newest_id() < 1000:
        talk.append("talk")
    comments.append(talk.append(file=plan))
    scene = stage(world)
    machine = scene.machine
    everything = ("-u", SOURCE, "-u", "@stand_in_news", "--comments")
    moved: list[str] = []
    for shard in ("2/2", "1/2"):
        moved.append(shard)
        ended = run_here(machine, *everything, "--shard", shard)
        assert ended.exit_status == 2, "the supergroup has no comments, which is said"
        chats = [
            (chat, wanted(chat, set(held(chat, *moved)) & ids))
            for chat, ids in (
                (source, set(held(source, "1/1"))),
                (older, set(held(older, "1/1"))),
                (channel, set(held(channel, "1/1"))),
                (talk, set(comments)),
            )
        ]
        assert_on_remote(machine, *chats)


def test_what_verify_finds_on_another_machine_is_moved_again_by_the_one_that_had_moved_it(
    stage: Stage, tmp_path: Path
) -> None:
    """A part's own run, whose marks say that it is there."""
    scene = stage(world_with((1, 1001)))
    source, first = scene.world.source, scene.machine
    looking = another(tmp_path / "second", scene.telegram, first)
    for shard in ("1/2", "2/2"):
        assert_done(run(first, "--shard", shard), 1)
    (lost,) = first.remote_directory.rglob("1001_*")
    lost.unlink()
    assert run_here(looking, "verify", "-u", SOURCE, "--repair").exit_status == 3
    assert_done(run(first, "--shard", "2/2"), 1)
    assert_on_remote(first, (source, wanted(source)))
