"""A thousand state messages hide nothing: not the chat's own state, and not another's lease."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tdl_sync.core.model import Scope, scope_key
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import (
    STATE_HEADER,
    assert_moved,
    assert_on_remote,
    state_texts,
    wanted,
)
from tests.e2e.program import SOURCE
from tests.e2e.state.machines import another
from tests.in_process import run_here

OTHERS = 1000
MAY_COME_TOO_LATE = 2
"""Searches for samples of the chat, which serve the display: a run that is over makes none."""


def with_others(scene: Scene) -> dict[str, Any]:
    """The chat's own state, below a thousand of other chats; what it says."""
    ((_, text),) = state_texts(scene.world).items()
    own: dict[str, Any] = json.loads(text.split("\n")[1])
    for number in range(1, OTHERS + 1):
        scope = scope_key(Scope(own["remote"], -number))
        changed = {"scope": scope, "channel_id": str(-number), "channel_name": f"Chat {number}"}
        body = json.dumps({**own, **changed, "folder": f"Chat [{-number}]"})
        saved = scene.world.saved_messages
        saved.pin(saved.append(f"{STATE_HEADER}\n{body}"), True)
    return own


def searches(scene: Scene) -> int:
    return scene.telegram.statistics.counts().calls["messages.Search"]


def test_of_a_thousand_states_the_chats_own_is_gone_on_from_and_status_shows_all(
    stage: Stage,
) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    source = scene.world.source
    assert_moved(run_here(scene.machine, "-u", SOURCE), 2)
    with_others(scene)
    source.append(file=FilePlan("document", 3000, "new.txt", "text/plain", 2))
    before = searches(scene)
    elsewhere = another(scene.machine.directory / "second", scene.telegram, scene.machine)
    assert_moved(run_here(elsewhere, "-u", SOURCE, "--resume"), 1)
    # A run reads them once, so that a thousand more are ten calls more than the first run made.
    assert abs(searches(scene) - before - (before + 10)) <= MAY_COME_TOO_LATE
    assert_on_remote(scene.machine, (source, wanted(source)))
    assert len(state_texts(scene.world)) == OTHERS + 1
    ended = run_here(scene.machine, "status", "--json")
    assert (ended.exit_status, ended.stderr) == (0, "")
    assert len(json.loads(ended.stdout)) == OTHERS + 1


def test_below_a_thousand_others_a_living_lease_still_refuses_a_second_machine(
    stage: Stage,
) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    assert_moved(run_here(scene.machine, "-u", SOURCE), 2)
    ((message_id, text),) = state_texts(scene.world).items()
    record = json.loads(text.split("\n")[1])
    record["status"] = "running"
    started = int(datetime.now(timezone.utc).timestamp())
    record["run"].update(host="another", machine="elsewhere", id="another", process_started=started)
    with_others(scene)
    scene.world.saved_messages.edit(message_id, f"{STATE_HEADER}\n{json.dumps(record)}")
    second = another(scene.machine.directory / "second", scene.telegram, scene.machine)
    ended = run_here(second, "-u", SOURCE)
    assert ended.exit_status == 5
    assert ended.said.startswith("tdl_sync: another run moves 'Stand-in: all kinds' to the same ")
    assert len(state_texts(scene.world)) == OTHERS + 1
