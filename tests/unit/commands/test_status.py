"""``status`` tells how far each chat is, from what runs have saved; it changes nothing."""

from __future__ import annotations

import json
from typing import Any

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tdl_sync.commands.status import NOTHING_YET
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, state_texts, the_state
from tests.e2e.program import SOURCE, Machine
from tests.in_process import SignalWhen, run_here


def records(machine: Machine, *arguments: str) -> list[dict[str, Any]]:
    ended = run_here(machine, "status", "--json", *arguments)
    assert (ended.exit_status, ended.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found


def text(machine: Machine, *arguments: str) -> str:
    ended = run_here(machine, "status", *arguments)
    assert (ended.exit_status, ended.stderr) == (0, "")
    return ended.stdout


def test_complete_and_stopped_chats_are_told_apart_and_u_leaves_the_others_out(
    stage: Stage,
) -> None:
    scene = stage(worlds.files(sizes=[1000, 300, 20]))
    machine, source = scene.machine, scene.world.source
    talk = next(c for c in scene.world.channels.values() if c.username == "stand_in_talk")
    for number in range(3):
        talk.append(file=FilePlan("document", 300 + number, f"{number}.bin", "text/plain", 2))
    assert text(machine) == f"{NOTHING_YET}\n"
    ended = run_here(machine, "status", "-u", SOURCE, "-u", "@nobody_at_all")
    assert (ended.exit_status, ended.stdout) == (2, "")
    nobody, no_state = ended.said.splitlines()
    assert "nobody has this user name" in nobody
    assert no_state.startswith("tdl_sync: there is no saved state of 'Stand-in: all kinds' (")

    assert_moved(run_here(machine, "-u", SOURCE), 3)
    state = the_state(scene.world)
    assert (state["run_bytes"], state["total_uploaded"]) == (1320, 3)  # what speeds are made of
    assert run_here(machine, "-u", "@stand_in_talk", "--limit=1").result["status"] == "more"
    source.append("the account has left this public channel, and it goes on")
    source.joined = False
    both = {record["chat_id"]: record for record in records(machine)}
    assert both.keys() == {source.chat_id, talk.chat_id}
    moved, begun = both[source.chat_id], both[talk.chat_id]
    assert (moved["activity"], moved["files_moved"], moved["bytes_moved"]) == ("complete", 3, 1320)
    assert (moved["last_message_id"], moved["newest_message_id"]) == (3, None)
    assert (moved["failed"], moved["failed_message_ids"], moved["whole_chat"]) == (0, [], True)
    assert (begun["activity"], begun["files_moved"]) == ("stopped", 1)
    assert begun["last_message_id"] < begun["newest_message_id"] == talk.newest_id()
    for record in both.values():
        assert record["started"] <= record["saved"]
        assert record["saved_in"] == "saved messages"
        assert record["message_id"] in state_texts(scene.world)

    # By its name Telegram finds it all the same; by its id no call is needed.
    (only,) = records(machine, "-u", SOURCE)
    assert only == {**moved, "newest_message_id": 4}
    assert records(machine, "-u", str(source.chat_id)) == [moved]

    # A broken state hides no other.
    broken = scene.world.saved_messages.append("📊 TDL Progress\n{nonsense")
    ended = run_here(machine, "status", "-u", SOURCE, "-u", "@stand_in_talk")
    assert ended.exit_status == 2
    assert ended.said.startswith(f"tdl_sync: message {broken} in Saved Messages: ")
    first, second = ended.stdout.split("\n\n")
    assert first.startswith(f"Talk ({talk.chat_id})\n")
    assert "  state   stopped at " in first
    assert second.startswith(f"Stand-in: all kinds ({source.chat_id})\n")
    assert "  state   complete since " in second
    assert "  read    up to message 3 of 4 (75 %)\n" in second
    assert all(len(line) <= 80 for line in ended.stdout.splitlines())


def test_a_state_that_only_this_disk_has_is_shown(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    machine = scene.machine
    for call in ("messages.SendMessage", "messages.EditMessage"):
        refusal = Fault("error", rpc=call, text="CHAT_WRITE_FORBIDDEN", times=None)
        scene.telegram.faults.add(refusal)
    ended = run_here(machine, "-u", SOURCE)
    assert (ended.exit_status, state_texts(scene.world)) == (0, {}), ended.stderr
    (record,) = records(machine, "-u", SOURCE)
    assert (record["activity"], record["files_moved"]) == ("complete", 1)
    assert (record["saved_in"], record["message_id"]) == ("local file", None)
    told = text(machine, "-u", SOURCE)
    assert "  saved   on this disk alone, as Saved Messages could not be written\n" in told


def test_of_saved_messages_the_programs_own_ones_count_for_nothing(stage: Stage) -> None:
    """Ids are the account's: what a run writes there is newer than all that it has read."""
    scene = stage(worlds.files(sizes=[1000]))
    machine, saved = scene.machine, scene.world.saved_messages
    plan = FilePlan("document", 300, "a.bin", "text/plain", 2)
    newest = [saved.append(file=plan) for _ in range(2)][-1]
    assert_moved(run_here(machine, "-u", SOURCE), 1)
    assert_moved(run_here(machine, "-u", "me", "--notify"), 2)
    assert saved.newest_id() > newest
    for arguments in ((), ("-u", "me"), ("-u", str(scene.world.account.user_id))):
        (record,) = [each for each in records(machine, *arguments) if each["chat_id"] > 0]
        assert (record["activity"], record["newest_message_id"]) == ("complete", newest)
    assert ", the chat's newest\n" in text(machine, "-u", "me")
    newer = saved.append(file=plan)
    (record,) = records(machine, "-u", "me")
    assert (record["newest_message_id"], record["last_message_id"] < newer) == (newer, True)


def test_looking_writes_nothing_to_telegram_and_ctrl_c_ends_it_at_once(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    assert_moved(run_here(scene.machine, "-u", SOURCE), 1)
    saved = scene.world.saved_messages
    before = (state_texts(scene.world), saved.newest_id(), saved.pinned_ids())
    assert text(scene.machine, "-u", SOURCE).startswith("Stand-in: all kinds (")
    assert (state_texts(scene.world), saved.newest_id(), saved.pinned_ids()) == before

    statistics = scene.telegram.statistics
    scene.telegram.faults.add(Fault("no_answer", rpc="messages.Search", times=None))
    asked = statistics.counts().calls["messages.Search"]
    ctrl_c = SignalWhen(lambda: statistics.counts().calls["messages.Search"] > asked)
    ended = run_here(scene.machine, "status", signal_when=ctrl_c)
    assert (ended.exit_status, ended.stdout, ended.stderr) == (130, "", "")
