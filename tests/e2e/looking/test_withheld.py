"""Telegram leaves out of its pages what may not be shown to an account. All that it shows is moved
all the same; that it counts more is told wherever one looks, and changes nothing else."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from pyrogram import raw

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from standins.telegram.world.world import World
from tdl_sync.core.balance import Balance
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.run import books, chat_session
from tdl_sync.state.run_state import RunState, RunStatus
from tdl_sync.state.state_message import encode
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, the_state, wanted
from tests.e2e.program import REMOTE, SOURCE, Ended, Machine
from tests.in_process import SignalWhen, run_here
from tests.unit.state.test_state_message import PLAIN

MESSAGES = 381
TEXT, VIDEO = 60, 57
UNSEEN = "Telegram counts 20 videos here, 19 were seen"


def posted() -> World:
    """381 messages, the last is one of 20 videos."""
    world = worlds.files(sizes=[])
    for number in range(1, MESSAGES + 1):
        is_file = (number % 19 == 0 and number < MESSAGES - 1) or number == MESSAGES
        file = FilePlan("video", 100 + number, f"{number}.mp4", "video/mp4", 2)
        world.source.append("" if is_file else "talk", file=file if is_file else None)
    return world


def run(scene: Scene, *options: str, machine: Machine | None = None) -> Ended:
    return run_here(machine or scene.machine, "-u", SOURCE, *options)


def told_of(scene: Scene) -> dict[str, Any]:
    (record,) = json.loads(run_here(scene.machine, "status", "--json").stdout)
    assert isinstance(record, dict)
    return record


def test_a_text_that_is_left_out_of_a_page_hides_no_file(stage: Stage) -> None:
    """Up, down, and to who only looks."""
    scene = stage(posted())
    source = scene.world.source
    source.withheld = frozenset({TEXT})
    ended = run(scene)
    assert_moved(ended, 20)
    assert "unseen" not in ended.stdout
    assert_on_remote(scene.machine, (source, wanted(source)))
    state = the_state(scene.world)
    assert (state["last_message_id"], state["reader"]) == (MESSAGES, 2)
    assert state["seen"] == {"video": 20}
    verified = run_here(scene.machine, "verify", "-u", SOURCE)
    assert (verified.exit_status, verified.result["there"]) == (0, "20")

    second = stage(scene.world)
    assert_moved(run(second, "--desc", "--restart"), 20)


@pytest.mark.parametrize("withheld", [VIDEO, MESSAGES])
def test_a_file_that_is_counted_and_not_shown_is_told_of_everywhere(
    withheld: int, stage: Stage
) -> None:
    """Over two runs, of which the first sees a part, and whatever is posted meanwhile."""
    scene = stage(posted())
    source = scene.world.source
    source.withheld = frozenset({withheld})
    first = run(scene, "--limit", "7")
    assert "unseen" not in first.stdout
    # Nor is the whole chat's count shown as what a part of it comes to.
    assert "messages.GetSearchCounters" not in scene.telegram.statistics.counts().calls
    ended = run(scene)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete")
    assert ended.result["unseen"] == "1"
    assert any(line.endswith(f"warning: 'Stand-in: all kinds': {UNSEEN}") for line in ended.log)
    assert_on_remote(scene.machine, (source, wanted(source)))

    shown = run_here(scene.machine, "status")
    assert UNSEEN in shown.stdout
    fewer = [{"kind": "video", "counted": 20, "seen": 19}]
    told = told_of(scene)
    assert told["balance"] == {"unseen": 1, "fewer": fewer, "not_compared": []}
    # Nothing is left to read, whatever the list of chats says of the newest.
    assert told["last_message_id"] == told["newest_message_id"]
    verified = run_here(scene.machine, "verify", "-u", SOURCE)
    assert (verified.exit_status, verified.result["unseen"]) == (0, "1")
    assert UNSEEN in verified.stdout

    # It is shown after all: what lies behind the watermark is found from the start.
    source.withheld = frozenset()
    again = run(scene, "--restart")
    assert (again.numbers()["done"], "unseen" in again.stdout) == (20, False)
    assert told_of(scene)["balance"] == {"unseen": 0, "fewer": [], "not_compared": []}


def test_counts_that_are_inexact_or_missing_or_refused_are_said_as_not_compared(
    stage: Stage,
) -> None:
    scene = stage(posted())
    source = scene.world.source
    source.withheld = frozenset({VIDEO})
    source.inexact_counters = frozenset({raw.types.InputMessagesFilterVideo})
    source.uncounted = frozenset({raw.types.InputMessagesFilterGif})
    ended = run(scene)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete")
    assert (ended.result["uncompared"], "unseen" in ended.stdout) == ("1", False)
    line = "not compared with Telegram's count, inexact or missing: videos, animations"
    assert line in ended.stderr
    assert told_of(scene)["balance"]["not_compared"] == ["video", "animation"]


def test_a_chat_that_an_earlier_version_has_read_is_listed_once_more_from_the_start(
    stage: Stage,
) -> None:
    """It had taken the first page for the last: its watermark is behind files that nobody moved."""
    scene = stage(posted())
    source = scene.world.source
    source.withheld = frozenset({TEXT})
    scope = Scope(REMOTE, source.chat_id)
    of_earlier: RunState = replace(
        PLAIN,
        scope_key=scope_key(scope),
        channel_id=source.chat_id,
        channel_name=source.title,
        last_message_id=MESSAGES,
        status=RunStatus.COMPLETE,
        remote=REMOTE,
        folder=f"Stand-in [{source.chat_id}]",
        done_above_ids=(),
        failed_ids=(),
        failed_files=(),
        waiting_ids=(),
        failures_by_reason={},
        lower_bound=0,
        reader=1,
        seen=None,
        balance=None,
    )
    saved = scene.world.saved_messages
    saved.pin(saved.append(encode(of_earlier)), on=True)
    ended = run(scene, "--limit", "3")
    assert "it is listed once more from the start on" in ended.stderr
    ended = run(scene)
    assert "it is listed once more" not in ended.stderr
    assert (ended.exit_status, ended.result["status"]) == (0, "complete")
    assert_on_remote(scene.machine, (source, wanted(source)))
    assert (the_state(scene.world)["version"], the_state(scene.world)["reader"]) == (1, 2)
    assert run(scene).numbers()["seen"] == 0


NO_COUNTS = Fault("no_answer", rpc="messages.GetSearchCounters", times=None)


def test_a_stop_while_the_counts_are_waited_for_saves_that_the_run_was_stopped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked for while the last files are on their way; this is after those."""
    scene = stage(posted())
    scene.telegram.faults.add(NO_COUNTS)
    waited_for = threading.Event()

    def waits(*arguments: Any) -> Balance:
        waited_for.set()
        return books.balanced_in_time(*arguments)

    monkeypatch.setattr(chat_session, "balanced_in_time", waits)
    balancing = SignalWhen(waited_for.is_set)
    ended = run_here(scene.machine, "-u", SOURCE, signal_when=balancing)
    assert (ended.exit_status, ended.result["status"]) == (130, "stopped"), ended.stderr
    assert ended.numbers()["done"] == 20
    assert (the_state(scene.world)["status"], the_state(scene.world)["last_message_id"]) == (
        "stopped",
        MESSAGES,
    )


def test_nobody_waits_long_for_counts_that_telegram_does_not_give(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "BALANCE_SECONDS", 0.5)
    scene = stage(posted())
    scene.telegram.faults.add(NO_COUNTS)
    for ended in (run(scene), run_here(scene.machine, "verify", "-u", SOURCE)):
        assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
        assert ended.result["uncompared"] == "1"
    assert "not compared with Telegram's count, inexact or missing: " in ended.stdout
