"""The trouble of one chat is that chat's alone: the others go on, and its own is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from standins.telegram.world.world import World
from tdl_sync.run import sync
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_on_remote, wanted
from tests.e2e.program import SOURCE
from tests.in_process import run_here

NEWS = "@stand_in_news"


def news_of(world: World) -> Channel:
    """Another chat, with two files of its own."""
    news = next(c for c in world.channels.values() if c.username == "stand_in_news")
    for number in range(2):
        news.append(file=FilePlan("document", 300 + number, f"{number}.bin", "text/plain", 2))
    return news


@pytest.mark.parametrize(
    ("call", "code", "text", "exit_status"),
    [
        # Whatever names the chat, at the start:
        (None, 403, "CHANNEL_PUBLIC_GROUP_NA", 2),
        (None, 406, "CHANNEL_PRIVATE", 2),
        (None, 400, "FROZEN_PARTICIPANT_MISSING", 2),
        ("contacts.ResolveUsername", 400, "NOT_THOUGHT_OF_YET", 2),
        ("messages.GetHistory", 500, "HISTORY_GET_FAILED", 75),
    ],
)
def test_a_chat_that_is_refused_at_the_start_keeps_no_other_from_its_files(
    call: str | None, code: int, text: str, exit_status: int, stage: Stage
) -> None:
    """Come back later (75) is said only where that helps."""
    scene = stage(worlds.files(sizes=[1000, 2000]))
    source, news = scene.world.source, news_of(scene.world)
    fault = Fault("error", rpc=call, times=None, code=code, text=text)
    if call == "contacts.ResolveUsername":
        scene.telegram.faults.add(replace(fault, username=source.username))
    else:
        scene.telegram.faults.add(replace(fault, chat_id=source.chat_id))
    ended = run_here(scene.machine, "-u", SOURCE, "-u", NEWS)
    assert (ended.exit_status, ended.numbers()["done"]) == (exit_status, 2), ended.stderr
    assert text in ended.said
    assert repr(SOURCE) in ended.said
    assert_on_remote(scene.machine, (news, wanted(news)))
    scene.telegram.faults.clear()
    assert run_here(scene.machine, "-u", SOURCE, "-u", NEWS).exit_status == 0
    assert_on_remote(scene.machine, (source, wanted(source)), (news, wanted(news)))


def test_a_chat_that_is_refused_in_mid_history_keeps_what_it_moved_and_no_other_back(
    stage: Stage,
) -> None:
    """A file's own bytes may be what is refused first: that is no failure of the file."""
    scene = stage(worlds.files(sizes=[100] * 150))
    source, news = scene.world.source, news_of(scene.world)
    refused = Fault(
        "error", chat_id=source.chat_id, times=None, code=403, text="CHANNEL_PUBLIC_GROUP_NA"
    )
    scene.telegram.faults.add(
        *(
            replace(refused, rpc=rpc, after_calls=calls)
            for rpc, calls in (
                ("upload.GetFile", 40),
                ("messages.GetHistory", 2),
                ("channels.GetMessages", 0),
            )
        )
    )
    ended = run_here(scene.machine, "-u", SOURCE, "-u", NEWS)
    assert ended.exit_status == 2, ended.stderr
    assert "CHANNEL_PUBLIC_GROUP_NA" in ended.said
    assert ended.numbers()["failed"] == 0
    assert ended.numbers()["done"] >= 40
    scene.telegram.faults.clear()
    assert run_here(scene.machine, "-u", SOURCE, "-u", NEWS).exit_status == 0
    assert_on_remote(scene.machine, (source, wanted(source)), (news, wanted(news)))


@pytest.mark.parametrize("pages_before", [0, 2], ids=["at the start", "in mid-history"])
def test_a_chat_whose_reading_is_to_pause_for_long_lets_the_others_go_first(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, pages_before: int
) -> None:
    monkeypatch.setattr(sync, "GIVES_WAY_SECONDS", 1.0)
    scene = stage(worlds.files(sizes=[100] * 250))
    source, news = scene.world.source, news_of(scene.world)
    pause = Fault(
        "flood_wait",
        rpc="messages.GetHistory",
        chat_id=source.chat_id,
        seconds=4,
        after_calls=pages_before,
    )
    scene.telegram.faults.add(pause)
    ended = run_here(scene.machine, "-u", SOURCE, "-u", NEWS)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert scene.telegram.faults.strikes() == [(pause, 1)]
    (said,) = (line for line in ended.log if "the other chats come first" in line)
    told = [line for line in ended.log if line == said or line.startswith("moved ")]
    assert told.index(said) < len(told) - 2
    assert {"moved 4_0.bin (300 B)", "moved 5_1.bin (301 B)"} <= set(
        told[told.index(said) + 1 : told.index(said) + 3]
    )
    assert_on_remote(scene.machine, (source, wanted(source)), (news, wanted(news)))


def test_what_serves_the_display_alone_holds_up_no_file(stage: Stage) -> None:
    """A server may lack the counters; a flood wait on them, on the samples behind an estimate or on
    a pin would last for hours."""
    scene = stage(worlds.files(sizes=[1000, 2000]))
    source, news = scene.world.source, news_of(scene.world)
    counters = "messages.GetSearchCounters"
    scene.telegram.faults.add(
        Fault("error", rpc=counters, chat_id=source.chat_id, times=None, text="METHOD_INVALID"),
        Fault("flood_wait", rpc=counters, chat_id=news.chat_id, times=None, seconds=39_600),
        Fault("flood_wait", rpc="messages.UpdatePinnedMessage", times=None, seconds=39_600),
    )
    ended = run_here(scene.machine, "-u", SOURCE, "-u", NEWS)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert "METHOD_INVALID" in ended.stderr
    assert_on_remote(scene.machine, (source, wanted(source)), (news, wanted(news)))
