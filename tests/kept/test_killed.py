"""What a killed run of an earlier version had done is not done again by this one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from pyrogram import raw

from standins.telegram.world.channel import WorldItem
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import remote_files, state_texts, the_state, wanted
from tests.e2e.program import Machine
from tests.in_process import run_here
from tests.kept.killed import SAVED_AT, KilledMachine
from tests.kept.looks import looks
from tests.kept.places import VERSIONS, Kept

TOO_LARGE_BYTES = 10**9


def movable(scene: Scene) -> dict[int, WorldItem]:
    return {
        item.message_id: item
        for item in wanted(scene.world.source)
        if item.file.size_bytes < TOO_LARGE_BYTES
    }


def assert_all_right(machine: Machine, items: Iterable[WorldItem]) -> None:
    """Each file once, with its bytes and its date, and with a sidecar that knows its hash."""
    by_name = {path.name: path for path in remote_files(machine)}
    assert len(by_name) == len(remote_files(machine))
    expected = {item.message_id: item for item in items}
    names = {f"{number}_file-{number}.bin" for number in expected}
    assert by_name.keys() == names | {f"{number}.json" for number in expected}
    for number, item in expected.items():
        path = by_name[f"{number}_file-{number}.bin"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == item.file.sha256(), path
        assert path.stat().st_mtime == item.date.timestamp()
        sidecar = json.loads(by_name[f"{number}.json"].read_text("utf-8"))
        assert sidecar["file"]["sha256"] == item.file.sha256()


def served(scene: Scene) -> dict[int, list[int]]:
    """The offsets of the parts that Telegram had to give, by message."""
    items = {item.file.file_id: number for number, item in movable(scene).items()}
    offsets: dict[int, list[int]] = {}
    for (file_id, offset, _), times in scene.telegram.statistics.counts().parts.items():
        assert times == 1
        offsets.setdefault(items[file_id], []).append(offset)
    return {number: sorted(of_one) for number, of_one in offsets.items()}


def test_the_next_run_on_that_machine_asks_only_for_the_parts_that_were_not_written(
    kept: Kept, stage: Stage
) -> None:
    """Nor after somebody has looked at it, who is told the same as by the newest version."""
    killed = KilledMachine(kept)
    scene = stage(killed.world())
    source, machine = scene.world.source, scene.machine
    killed.lay_remote(machine, source)
    killed.lay_disk(machine, source)
    if kept is VERSIONS[-1]:
        assert looks(killed, machine) == kept.texts("looks")
    assert killed.moved_ids
    assert killed.staged_ids
    assert any(killed.written.values())
    ended = run_here(machine, *killed.arguments)
    # The one that is larger than the budget failed for good, the run before.
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    # What its watermark had passed is listed once more, as it may not have seen all of it.
    assert ended.numbers()["done"] == len(movable(scene))
    assert ended.numbers()["failed"] == 1
    assert_all_right(machine, movable(scene).values())
    untouched = {*killed.moved_ids, *killed.staged_ids, *killed.written}
    expected = {number: [0] for number in movable(scene) if number not in untouched}
    for number, written in killed.written.items():
        size_bytes = movable(scene)[number].file.size_bytes
        offsets = [at for at in range(0, size_bytes, 1 << 20) if at not in written]
        if size_bytes % (1 << 20) == 0:
            offsets.append(size_bytes)  # only an empty answer shows the end
        expected[number] = offsets
    assert served(scene) == expected
    assert [path.name for path in machine.staging_directory.iterdir()] == [".lock"]
    assert list((machine.data_directory / "partial").iterdir()) == []
    state = the_state(scene.world)
    assert (state["status"], state["last_message_id"]) == ("complete", source.newest_id())
    assert state["total_uploaded"] == len(movable(scene))

    scene.telegram.statistics.reset()
    again = run_here(machine, *killed.arguments)
    assert again.result["status"] == "complete"
    assert served(scene) == {}


def test_a_new_machine_goes_on_from_the_saved_state_and_the_remote(
    kept: Kept, stage: Stage
) -> None:
    """And a state that somebody forwarded to the account counts for nothing."""
    killed = KilledMachine(kept)
    world = killed.world()
    ((message_id, saved),) = state_texts(world).items()
    forwarded = saved.replace('"last_message_id":4,', '"last_message_id":14,')
    assert forwarded != saved
    origin = raw.types.MessageFwdHeader(
        date=SAVED_AT, from_id=raw.types.PeerUser(user_id=world.other_user_id)
    )
    forwarded_id = world.saved_messages.append(forwarded, date=SAVED_AT, forward=origin)
    world.saved_messages.pin(forwarded_id, on=True)
    scene = stage(world)
    killed.lay_remote(scene.machine, world.source)
    ended = run_here(scene.machine, "--resume", *killed.arguments)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert_all_right(scene.machine, movable(scene).values())
    assert served(scene).keys() == movable(scene).keys() - set(killed.moved_ids)
    # The state went on in the same message, with the time of its first run.
    own = dict(state_texts(world))
    assert own.pop(forwarded_id) == forwarded
    ((own_id, text),) = own.items()
    assert own_id == message_id
    assert json.loads(text.split("\n")[1])["started"] == json.loads(saved.split("\n")[1])["started"]
