"""A run asks Telegram no more than it has to, and what can be asked at once is."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from standins.telegram.calls.call_handling import HandledCall, Outcome
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tdl_sync.core.model import RemoteFile
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.remote.handoff import RcloneHandOff
from tests.e2e.conftest import Stage
from tests.e2e.program import SOURCE
from tests.in_process import run_here
from tests.waiting import PATIENCE_SECONDS, until

IN_A_ROW = (
    "help.GetConfig",  # with which the library opens its connection
    "channels.GetChannels",  # whether the chat still bears its name
    "messages.SendMessage",  # the claim
    "messages.Search",  # claims and states: two searches and the history at once
    "messages.GetMessages",  # the claim is still there
    "messages.EditMessage",  # the state message
    "messages.DeleteMessages",  # the claim, which that has replaced
)
"""What a run with nothing new waits for, one after the other."""

MOST_IN_A_ROW = 7

CONNECTIONS = 3

BESIDE = Counter(
    {
        "help.GetConfig": 1,  # addresses for files
        "users.GetUsers": 1,  # whose account it is, and whether its session still counts
        "messages.GetHistory": 2,  # the newest message, beside the claim; Saved Messages'
        "messages.Search": 3,  # the other search there, and two samples of the chat's files
        "messages.GetSearchCounters": 2,  # for the balance, and for the display
    }
)
"""What it asks for beside that. Of what serves the display some may come too late to be asked."""


def test_a_run_with_nothing_new_asks_for_so_much_and_no_more(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    assert run_here(scene.machine, "-u", SOURCE).numbers()["done"] == 2
    before = Counter(scene.telegram.statistics.counts().calls)
    ended = run_here(scene.machine, "-u", SOURCE)
    assert (ended.exit_status, ended.numbers()["seen"]) == (0, 0), ended.stderr
    asked = Counter(scene.telegram.statistics.counts().calls)
    asked.subtract(before)
    most = Counter(IN_A_ROW) + BESIDE
    assert {name: count for name, count in asked.items() if count > most[name]} == {}
    missing = Counter(IN_A_ROW) - asked
    assert not missing, "it is not asked for any more: take it off the list"
    assert len(IN_A_ROW) <= MOST_IN_A_ROW


def test_what_telegram_counts_is_asked_for_while_the_last_file_is_on_its_way(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The display and the balance ask for it; none of the two waits for the end of all uploads."""
    scene = stage(worlds.files(sizes=[1000]))
    counts, move = scene.telegram.statistics.counts, RcloneHandOff.move

    def held_back(hand_off: RcloneHandOff, *arguments: Any) -> RemoteFile:
        until(lambda: counts().calls.get("messages.GetSearchCounters", 0) >= 2)
        return move(hand_off, *arguments)

    monkeypatch.setattr(RcloneHandOff, "move", held_back)
    assert run_here(scene.machine, "-u", SOURCE).numbers()["done"] == 1


def test_that_the_chat_is_still_ours_is_looked_for_while_the_last_file_is_being_uploaded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that after it nothing is asked but to edit the state."""
    scene = stage(worlds.files(sizes=[1000]))
    counts, outcome, move = (
        scene.telegram.statistics.counts,
        HandledCall.outcome,
        RcloneHandOff.move,
    )
    asked_before: Counter[str] = Counter()

    async def held_back_until_the_first_save(call: HandledCall) -> Outcome:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while call.name == "upload.GetFile" and time.monotonic() < deadline:
            if "messages.DeleteMessages" in counts().calls:  # the claim, which that has replaced
                break
            await asyncio.sleep(0.01)
        return await outcome(call)

    def held_back(hand_off: RcloneHandOff, *arguments: Any) -> RemoteFile:
        until(lambda: counts().calls.get("messages.GetMessages", 0) >= 2)  # the claim, and it
        moved = move(hand_off, *arguments)
        asked_before.update(counts().calls)
        return moved

    monkeypatch.setattr(HandledCall, "outcome", held_back_until_the_first_save)
    monkeypatch.setattr(RcloneHandOff, "move", held_back)
    assert run_here(scene.machine, "-u", SOURCE).numbers()["done"] == 1
    after = Counter(counts().calls) - asked_before
    assert set(after) <= {"messages.EditMessage", "messages.GetMessages"}
    assert after["messages.EditMessage"] == 1


def test_the_first_page_is_asked_for_beside_the_claim_and_connections_are_opened_for_its_files(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is not asked for again."""
    scene = stage(worlds.files(sizes=[20 * PART_BYTES]))
    counts, outcome = scene.telegram.statistics.counts, HandledCall.outcome
    ready_when_claimed = list[bool]()

    def is_ready() -> bool:
        asked = counts()
        return asked.calls.get("messages.GetHistory", 0) >= 2 and asked.connections > CONNECTIONS

    async def held_back(call: HandledCall) -> Outcome:
        if call.name == "messages.SendMessage":
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not is_ready() and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            ready_when_claimed.append(is_ready())
        return await outcome(call)

    monkeypatch.setattr(HandledCall, "outcome", held_back)
    ended = run_here(scene.machine, "-u", SOURCE, "--connections", str(CONNECTIONS))
    assert ended.numbers()["done"] == 1
    assert ready_when_claimed[0]
    assert counts().calls["messages.GetHistory"] == 3  # Saved Messages' as well
    assert counts().connections == 1 + CONNECTIONS


def test_a_first_connection_for_files_is_opened_beside_the_first_page(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes two round trips, and the chat is claimed in less after the page."""
    scene = stage(worlds.files(sizes=[1000]))
    counts, outcome = scene.telegram.statistics.counts, HandledCall.outcome
    opened_beside = list[bool]()

    async def held_back(call: HandledCall) -> Outcome:
        if call.name == "messages.GetHistory":
            deadline = time.monotonic() + PATIENCE_SECONDS
            while counts().connections < 2 and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            opened_beside.append(counts().connections >= 2)
        return await outcome(call)

    monkeypatch.setattr(HandledCall, "outcome", held_back)
    assert run_here(scene.machine, "-u", SOURCE).numbers()["done"] == 1
    assert opened_beside[0]
    assert counts().connections == 2


def test_in_a_chat_that_was_read_before_the_page_of_what_is_new_is_asked_for_once(
    stage: Stage,
) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    assert run_here(scene.machine, "-u", SOURCE).numbers()["done"] == 1
    scene.world.source.append(file=FilePlan("document", 300, "new.bin", "text/plain", 2))
    before = scene.telegram.statistics.counts().calls["messages.GetHistory"]
    assert run_here(scene.machine, "-u", SOURCE).numbers()["done"] == 1
    asked = scene.telegram.statistics.counts().calls["messages.GetHistory"] - before
    assert asked == 3  # the newest message, the page, and Saved Messages'


def test_the_chat_is_asked_for_before_it_is_known_whether_the_session_counts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session says itself whose it is; nothing is claimed before Telegram has said so, too."""
    scene = stage(worlds.files(sizes=[1000]))
    counts, outcome = scene.telegram.statistics.counts, HandledCall.outcome
    asked_when_answered = list[dict[str, int]]()

    async def held_back(call: HandledCall) -> Outcome:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while call.name == "users.GetUsers" and time.monotonic() < deadline:
            if "contacts.ResolveUsername" in counts().calls:
                await asyncio.sleep(0.5)  # a claim would come in this time
                asked_when_answered.append(counts().calls)
                break
            await asyncio.sleep(0.01)
        return await outcome(call)

    monkeypatch.setattr(HandledCall, "outcome", held_back)
    assert run_here(scene.machine, "-u", SOURCE).numbers()["done"] == 1
    (asked,) = asked_when_answered
    assert "messages.SendMessage" not in asked


def test_a_session_that_has_ended_is_told_as_such_also_where_the_chat_is_asked_for_first(
    stage: Stage,
) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    scene.telegram.faults.add(Fault("session_revoked", rpc="users.GetUsers", times=None))
    scene.telegram.faults.add(
        Fault("error", rpc="contacts.ResolveUsername", text="USERNAME_NOT_OCCUPIED", code=400)
    )
    ended = run_here(scene.machine, "-u", SOURCE)
    assert (ended.exit_status, ended.said) == (
        4,
        "tdl_sync: Telegram: it does not accept this session any more (SESSION_REVOKED). "
        "Please log in again: tdl_sync.py login\n",
    )
