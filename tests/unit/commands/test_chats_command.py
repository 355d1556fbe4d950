"""``chats`` lists what the account can read, each as ``-u`` takes it; nothing stops it."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.channel import CHANNEL_ID_SHIFT, Channel
from standins.telegram.world.plan import FilePlan
from standins.telegram.world.world import World
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, wanted
from tests.e2e.program import Machine
from tests.in_process import SignalWhen, run_here

HOSTILE = "日本語 📚\x1b[2J\x07\r\n\N{RIGHT-TO-LEFT OVERRIDE}gpj"


def titled(world: World, title: str) -> Channel:
    return next(chat for chat in world.channels.values() if chat.title == title)


def message_count(chat: Channel) -> int:
    return chat.page(0, 0, 0, 1, 0, 0)[1]


def listed(machine: Machine, said: str = "") -> dict[int, dict[str, Any]]:
    """What ``--json`` says, by id; ``said`` is found on standard error."""
    ended = run_here(machine, "chats", "--json")
    assert (ended.exit_status, said in ended.stderr) == (0, True), ended.stderr
    records = json.loads(ended.stdout)
    by_id = {record["id"]: record for record in records}
    assert len(by_id) == len(records)
    return by_id


def test_each_chat_is_listed_as_u_takes_it_with_its_count_and_one_not_joined_is_left_out(
    stage: Stage,
) -> None:
    world = worlds.mixed(messages=120)
    source, talk, news = world.source, titled(world, "Talk"), titled(world, "News")
    source.title = HOSTILE
    talk.archived = True
    talk.append(file=FilePlan("document", 300, "a.bin", "application/octet-stream", 2))
    news.banned = True
    titled(world, "Family").migrated_to = talk
    scene = stage(world)
    scene.telegram.faults.add(Fault("flood_wait", rpc="messages.GetHistory", seconds=1))
    found = listed(scene.machine, "counting messages waits: Telegram asks for a pause of 1 s")

    joined = {chat.chat_id: chat for chat in world.channels.values() if chat.joined}
    assert found.keys() == joined.keys()
    assert list(found)[-1] == talk.chat_id  # the archive is behind all others
    unreadable = {found[chat_id]["name"] for chat_id in found if found[chat_id]["unreadable"]}
    assert unreadable == {"News"}
    became = {record["name"]: record["became"] for record in found.values() if record["became"]}
    assert became == {"Family": talk.chat_id}
    for chat_id, chat in joined.items():
        record = found[chat_id]
        count = None if record["unreadable"] else message_count(chat)
        assert (record["name"], record["messages"]) == (chat.title, count)
        assert record["newest_message_id"] == chat.newest_id()
    spellings = {record["name"]: record["spelling"] for record in found.values()}
    assert spellings["Saved Messages"] == "me"
    assert spellings["Bob"] == "@bob_stand_in"
    assert spellings["By invitation"] == str(titled(world, "By invitation").chat_id)
    assert found[source.chat_id]["kind"] == "channel"

    # What can't be counted stops nothing, and no name drives the terminal.
    refusal = Fault("error", rpc="messages.GetHistory", text="CHAT_ADMIN_REQUIRED", after_calls=1)
    scene.telegram.faults.add(refusal)
    ended = run_here(scene.machine, "chats")
    assert (ended.exit_status, ended.stderr) == (0, "")
    heading, *rows = ended.stdout.splitlines()
    assert heading.split() == ["-u", "KIND", "MESSAGES", "USER", "NAME", "NAME"]
    assert all(line.isprintable() for line in rows)
    reasons = [line for line in rows if line.startswith("  cannot be read: ")]
    older = f"  the older part of the supergroup {talk.chat_id}, moved with it"
    assert len(rows) == len(joined) + len(reasons) + rows.count(older)
    assert rows.count(older) == 1
    assert sum("CHAT_ADMIN_REQUIRED" in line for line in reasons) == 1
    at = heading.rindex("NAME")
    assert any(line[at:].startswith("日本語 📚") for line in rows), ended.stdout
    assert "Strangers" not in ended.stdout

    # An archived chat's id is as good as any other's.
    assert_moved(run_here(scene.machine, "-u", found[talk.chat_id]["spelling"]), 1)
    assert_on_remote(scene.machine, (talk, wanted(talk)))


def test_hundreds_of_chats_are_all_listed_once(stage: Stage) -> None:
    world = worlds.files(sizes=[])
    for number in range(230):
        chat_id = -(CHANNEL_ID_SHIFT + 1_500_000_000 + number)
        chat = world.add(chat_id=chat_id, kind="channel", title=f"Channel {number}")
        chat.archived = number % 2 == 0
        for _ in range(number % 3 + 1):
            chat.append("x", date=1_600_000_000 + number // 2)
    machine = stage(world).machine
    found = listed(machine)
    joined = [chat for chat in world.channels.values() if chat.joined and chat.newest_id()]
    assert found.keys() == {chat.chat_id for chat in joined}
    assert all(found[chat.chat_id]["messages"] == message_count(chat) for chat in joined)


@pytest.mark.parametrize("call", ["messages.GetHistory", "messages.GetDialogs"])
def test_ctrl_c_ends_it_at_once_whether_it_lists_or_counts(stage: Stage, call: str) -> None:
    scene = stage(worlds.files(sizes=[10]))
    scene.telegram.faults.add(Fault("no_answer", rpc=call, times=None))
    ctrl_c = SignalWhen(lambda: scene.telegram.statistics.counts().calls.get(call, 0) > 0)
    ended = run_here(scene.machine, "chats", signal_when=ctrl_c)
    assert (ended.exit_status, ended.stderr) == (128 + signal.SIGINT, "")
