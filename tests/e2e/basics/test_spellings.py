"""Every way to name a chat and a beginning does what the help says.

How each spelling of a chat is understood is in ``tests/unit/telegram/messages/test_chats.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from standins.telegram.world.world import World
from tests.e2e.conftest import Stage
from tests.e2e.expectations import (
    assert_moved,
    assert_on_remote,
    folders,
    state_texts,
    the_state,
    wanted,
)
from tests.e2e.program import SOURCE, Machine
from tests.in_process import run_here

SIZES = (1000, 2_500_000, 0, 40_000, 5)


def chat_with_invite(world: World) -> Channel:
    return next(c for c in world.channels.values() if c.invite_hash == worlds.INVITE_JOINED)


def chat_of_kind(world: World, kind: str) -> Channel:
    return next(c for c in world.channels.values() if c.kind == kind)


def post(channel: Channel, name: str = "note.txt", size_bytes: int = 1234) -> int:
    return channel.append(file=FilePlan("document", size_bytes, name, "text/plain", 2))


@pytest.fixture(scope="module")
def telegram() -> Iterator[StandIn]:
    """One account with a file in each of its chats."""
    world = worlds.files(sizes=SIZES)
    for channel in world.channels.values():
        if channel is not world.source and channel.kind != "user":
            post(channel)
    with StandIn(world) as standin:
        yield standin
        assert standin.unknown_rpcs == []


@pytest.fixture
def machine(telegram: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A fresh one, of which Saved Messages know nothing either."""
    telegram.world.saved_messages.delete(state_texts(telegram.world))
    return Machine(tmp_path_factory.mktemp("machine"), telegram)


def test_chats_of_every_kind_move_in_one_run_and_a_bad_one_stops_no_other(
    telegram: StandIn, machine: Machine
) -> None:
    world = telegram.world
    invited, saved = chat_with_invite(world), world.saved_messages
    group, supergroup = (chat_of_kind(world, kind) for kind in ("group", "supergroup"))
    saved_before = wanted(saved)
    ended = run_here(
        machine,
        *("-u", SOURCE, "-u", "@nobody_is_here", "-u", f"https://t.me/+{worlds.INVITE_JOINED}"),
        *("-u", "me", "-u", str(group.chat_id), "-u", "t.me/STAND_IN_TALK"),
    )
    assert_on_remote(
        machine,
        (saved, saved_before),
        *((chat, wanted(chat)) for chat in (world.source, invited, group, supergroup)),
    )
    assert ended.exit_status == 2
    assert ended.said.startswith("tdl_sync: cannot read the chat '@nobody_is_here': nobody has ")
    assert (ended.said.count("\n"), ended.result["status"]) == (1, "error")
    count = len(SIZES) + 4
    assert ended.numbers() == {
        "seen": count,
        "done": count,
        "skipped": 0,
        "failed": 0,
        "bytes": sum(SIZES) + 4 * 1234,
    }


@pytest.mark.parametrize(
    "spelling", ["https://t.me/stand_in_source/4", "https://t.me/c/{raw_id}/4"]
)
def test_a_link_to_a_message_moves_what_is_there_from_that_message_on(
    telegram: StandIn, machine: Machine, spelling: str
) -> None:
    source = telegram.world.source
    assert_moved(run_here(machine, "-u", spelling.format(raw_id=source.raw_id)), 2)
    assert_on_remote(machine, (source, wanted(source, [4, 5])))


def test_a_link_to_a_message_says_that_it_means_all_from_there_on(
    telegram: StandIn, machine: Machine
) -> None:
    """And how to have that one alone; who says from where to where is told nothing."""
    link = "https://t.me/stand_in_source/4?single"
    said = f"{link}: from message 4 on (only that one: --to-id 4)"
    ended = run_here(machine, "-u", link, "--dry-run")
    assert (ended.exit_status, said in ended.stderr) == (0, True), ended.stderr
    ended = run_here(machine, "-u", link, "--to-id", "4")
    assert_moved(ended, 1)
    assert said not in ended.stderr
    assert_on_remote(machine, (telegram.world.source, wanted(telegram.world.source, [4])))
    ended = run_here(machine, "verify", "-u", link)
    assert (ended.exit_status, said in ended.stderr) == (3, True), ended.stderr


def test_whatever_chats_lists_is_moved_by_what_it_prints(stage: Stage) -> None:
    """Direct messages to channels, people and bots without a name that serves, a number that is
    no chat's beside them."""
    world = worlds.files(sizes=[])
    worlds.add_every_kind_of_dialog(world)
    chats = [chat for chat in world.channels.values() if chat.joined and not chat.banned]
    for chat in chats:
        post(chat)
    expected = [(chat, wanted(chat)) for chat in chats]
    scene = stage(world)
    found = json.loads(run_here(scene.machine, "chats", "--json").stdout)
    spellings = [each["spelling"] for each in found if each["unreadable"] is None]
    assert len(spellings) == len(chats)
    ended = run_here(scene.machine, *(word for each in spellings for word in ("-u", each)))
    assert_moved(ended, len(chats))
    assert_on_remote(scene.machine, *expected)


def test_every_option_can_be_a_variable_and_the_command_line_wins(
    telegram: StandIn, machine: Machine
) -> None:
    source = telegram.world.source
    ended = run_here(
        machine,
        "--resume-from=2",
        variables={
            "TDL_SYNC_URL": f"{SOURCE} me",
            "TDL_SYNC_MAX_DISK": "3M",
            "TDL_SYNC_DOWNLOADS": "1",
            "TDL_SYNC_RESUME_FROM": "4",
        },
    )
    assert (ended.exit_status, ended.said) == (
        2,
        "tdl_sync: --resume-from is a message id of one chat, and 2 chats are given; "
        "run them one by one\n",
    )
    ended = run_here(
        machine,
        "--resume-from=3",
        variables={"TDL_SYNC_URL": SOURCE, "TDL_SYNC_MAX_DISK": "3M", "TDL_SYNC_RESUME_FROM": "4"},
    )
    assert_moved(ended, 3)
    assert ended.log[0].startswith("checking ")
    way = ended.log[1]
    assert way == f"connecting to Telegram through {telegram.environment()['TDL_SYNC_PROXY']} …"
    assert ended.log[2].startswith("staging at most 3.0 MB ")
    assert_on_remote(machine, (source, wanted(source, [3, 4, 5])))


def test_all_places_can_be_given_on_the_command_line(telegram: StandIn, machine: Machine) -> None:
    invited = chat_with_invite(telegram.world)
    data, staging = machine.directory / "other data", machine.directory / "other staging"
    proxy = machine.variables["TDL_SYNC_PROXY"]
    ended = run_here(
        machine,
        *("sync", "--url", f"https://t.me/+{worlds.INVITE_JOINED}", "--max-disk", "20MiB"),
        *("--remote", "box:files", "--workers", "2", "--downloads", "2", "--connections", "2"),
        *("--save-interval", "1m", "--grace", "1s", "--data-dir", str(data)),
        *("--staging", str(staging), "--rclone-config", str(machine.rclone_config)),
        *("--rclone-arg", "--bwlimit=100M", "--rclone-arg=--checkers=2", "--proxy", proxy),
        variables={name: None for name in machine.variables if name.endswith(("_DIR", "_PROXY"))}
        | {"TDL_SYNC_STAGING": None, "TDL_SYNC_REMOTE": None, "TDL_SYNC_RCLONE_CONFIG": None},
    )
    assert_moved(ended, 1)
    assert_on_remote(machine, (invited, wanted(invited)))
    assert (data / "marks").is_dir()
    assert staging.is_dir()
    assert not machine.data_directory.exists()


# --- where a run begins -------------------------------------------------------------------------


def test_resume_goes_on_after_the_last_run_in_a_folder_that_keeps_its_name(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    source = scene.world.source
    assert_moved(run_here(scene.machine, "-u", SOURCE), 2)
    first = folders(scene.machine)
    source.title = "It has another name now"
    post(source)
    scene.telegram.statistics.reset()
    assert_moved(run_here(scene.machine, "--resume", "-u", SOURCE), 1)
    assert scene.telegram.statistics.counts().file_bytes == 1234
    assert folders(scene.machine) == first == [f"Stand-in_ all kinds [{source.chat_id}]"]
    assert the_state(scene.world)["last_message_id"] == 3
    assert the_state(scene.world)["channel_name"] == source.title


def test_resume_alone_goes_on_with_every_unfinished_chat(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 900_000, 2000]))
    machine, source = scene.machine, scene.world.source
    invited = chat_with_invite(scene.world)
    post(invited)
    assert_moved(run_here(machine, "-u", f"https://t.me/+{worlds.INVITE_JOINED}"), 1)
    running = machine.start("-u", SOURCE, "--workers=1", "--rclone-arg=--bwlimit-file=100k")
    running.wait_for("moved 1_file-1.bin")
    claimed = " claim\n"
    running.wait_until(lambda: claimed not in "".join(state_texts(scene.world).values()))
    running.kill()
    post(invited)
    ended = run_here(machine, "--resume")
    # The other chat's state says complete: its new file is for a run that names the chat.
    assert (ended.exit_status, ended.said) == (0, "")
    moved_before = wanted(invited)[:1]
    assert_on_remote(machine, (source, wanted(source)), (invited, moved_before))
    assert run_here(machine, "--resume").stdout == (
        "result: status=complete seen=0 done=0 skipped=0 failed=0 bytes=0\n"
    )


def test_restart_looks_at_everything_again_and_moves_nothing_twice(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=SIZES))
    assert_moved(run_here(scene.machine, "-u", SOURCE), len(SIZES))
    scene.telegram.statistics.reset()
    ended = run_here(scene.machine, "-u", SOURCE, "--restart")
    assert_moved(ended, len(SIZES))
    assert ended.numbers()["bytes"] == scene.telegram.statistics.counts().file_bytes == 0
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_retry_failed_moves_what_failed_for_good_and_nothing_else(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 400_000]))
    machine, source = scene.machine, scene.world.source
    ended = run_here(machine, "-u", SOURCE, "--max-disk=100k")
    assert ended.exit_status == 0
    assert_on_remote(machine, (source, wanted(source, [1])))
    post(source)
    ended = run_here(machine, "-u", SOURCE, "--retry-failed")
    assert_moved(ended, 1)
    assert_on_remote(machine, (source, wanted(source, [1, 2])))
    assert "failed" not in the_state(scene.world) or not the_state(scene.world)["failed"]
    assert the_state(scene.world)["status"] == "complete"  # as it was before


def test_another_machine_goes_on_from_the_state_message(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    source = scene.world.source
    assert_moved(run_here(scene.machine, "-u", SOURCE), 2)
    post(source)
    second = Machine(
        tmp_path_factory.mktemp("second"), scene.telegram, scene.machine.remote_directory
    )
    scene.telegram.statistics.reset()
    assert_moved(run_here(second, "-u", SOURCE, "--resume"), 1)
    assert scene.telegram.statistics.counts().file_bytes == 1234
    assert_on_remote(second, (source, wanted(source)))
    state = the_state(scene.world)
    assert (state["total_uploaded"], state["total_size_gb"]) == (3, (1000 + 2000 + 1234) / 10**9)
