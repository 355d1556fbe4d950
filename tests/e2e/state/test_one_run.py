"""One run for a chat at a time: on one machine, between machines, and for one session."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import psutil
import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import (
    assert_moved,
    assert_on_remote,
    state_texts,
    the_state,
    wanted,
)
from tests.e2e.program import SOURCE, Ended, Machine, Running
from tests.e2e.state.machines import OTHER_HOST, another, begun, is_downloading, on_another_host
from tests.in_process import run_here
from tests.waiting import until

SIZES = (1_500_000, 2_500_000)
SLOW = Fault("flood_wait", rpc="upload.GetFile", seconds=2, times=None)
ROUNDS = 3


@pytest.fixture
def slow(stage: Stage) -> Scene:
    """A chat whose files take long until ``hurry``."""
    scene = stage(worlds.files(sizes=SIZES))
    scene.telegram.faults.add(SLOW)
    return scene


def hurry(scene: Scene) -> None:
    scene.telegram.faults.clear()


def assert_refused(ended: Ended, pattern: str) -> None:
    assert ended.exit_status == 5, ended.stderr
    assert re.fullmatch(pattern, ended.said), ended.said
    assert ended.result["status"] == "error"


def test_on_one_machine_the_second_run_for_a_chat_is_refused(slow: Scene) -> None:
    first = begun(slow.machine.start("-u", SOURCE), slow.machine)
    staging = str(slow.machine.directory / "second staging")
    figures = slow.machine.directory / "tdl.prom"
    figures.write_text("of the first one")
    second = run_here(slow.machine, "-u", SOURCE, "--staging", staging, "--metrics", str(figures))
    assert figures.read_text() == "of the first one"
    assert_refused(
        second,
        rf"tdl_sync: another run \(process {first.process.pid}\) on this machine moves "
        r"'Stand-in: all kinds' to the same remote; wait for it or end it\n",
    )
    hurry(slow)
    assert_moved(first.wait(), len(SIZES))
    assert_on_remote(slow.machine, (slow.world.source, wanted(slow.world.source)))


def test_of_two_machines_that_start_at_once_exactly_one_works(slow: Scene, tmp_path: Path) -> None:
    """Several times; in every second round there is no state message to begin with."""
    host = on_another_host()
    source = slow.world.source
    for number in range(ROUNDS):
        if number % 2 == 0:
            slow.world.saved_messages.delete(state_texts(slow.world))
        slow.telegram.faults.replace([SLOW])
        here = Machine(tmp_path / f"here-{number}", slow.telegram)
        there = another(tmp_path / f"there-{number}", slow.telegram, here)
        runs = [here.start("-u", SOURCE, "--restart")]
        runs.append(there.start("-u", SOURCE, "--restart", command=host))
        loser, winner = in_order_of_end(runs)
        assert_refused(
            loser,
            r"tdl_sync: another run moves 'Stand-in: all kinds' to the same remote: process \d+ on "
            r"'[^']+', begun at .* UTC, last heard of at .* UTC; unless it goes on, it loses its "
            r"hold at .* UTC; if you know that it is dead, run with --take-over\n",
        )
        assert not (is_downloading(here) and is_downloading(there))
        hurry(slow)
        assert_moved(winner.wait(), len(SIZES))
        assert_on_remote(here, (source, wanted(source)))
        assert the_state(slow.world)["status"] == "complete"


def in_order_of_end(runs: list[Running]) -> tuple[Ended, Running]:
    """What the first to end left behind, and the one that still runs."""
    one, other = runs
    other_ended = False

    def somebody_ended() -> bool:
        nonlocal other_ended
        other_ended = _has_ended(other)
        return other_ended or _has_ended(one)

    while not somebody_ended():
        time.sleep(0.01)
    return (other.wait(), one) if other_ended else (one.wait(), other)


def _has_ended(run: Running) -> bool:
    """Without taking its status, which ``wait`` wants."""
    return bool(psutil.Process(run.process.pid).status() == psutil.STATUS_ZOMBIE)


def test_a_run_that_was_killed_on_this_machine_is_in_nobodys_way(
    slow: Scene, tmp_path: Path
) -> None:
    begun(slow.machine.start("-u", SOURCE), slow.machine).kill()
    hurry(slow)
    second = another(tmp_path / "second", slow.telegram, slow.machine)
    assert_moved(run_here(second, "-u", SOURCE), len(SIZES))
    assert_on_remote(second, (slow.world.source, wanted(slow.world.source)))
    assert len(state_texts(slow.world)) == 1


def test_a_run_that_died_on_another_machine_is_taken_over_when_the_user_says_so(
    slow: Scene, tmp_path: Path
) -> None:
    first = slow.machine.start("-u", SOURCE, command=on_another_host())
    begun(first, slow.machine)
    first.wait_until(lambda: state_is_saved(slow))
    first.kill()
    killed_at = time.time()
    hurry(slow)
    second = another(tmp_path / "second", slow.telegram, slow.machine)
    refused = run_here(second, "-u", SOURCE)
    assert_refused(
        refused, rf"tdl_sync: another run .*: process \d+ on '{OTHER_HOST}', .* --take-over\n"
    )
    # Telegram tells whole seconds: who was heard of in the second of a start may live.
    until(lambda: int(time.time()) > int(killed_at) + 1)
    assert_moved(second.run("-u", SOURCE, "--take-over"), len(SIZES))
    assert_on_remote(second, (slow.world.source, wanted(slow.world.source)))
    assert the_state(slow.world)["status"] == "complete"


def state_is_saved(scene: Scene, messages: int = 1) -> bool:
    """So many runs have put their claim into a state message."""
    texts = state_texts(scene.world).values()
    return len(texts) == messages and not any(" claim\n" in text for text in texts)


def test_where_saved_messages_take_nothing_the_files_move_and_the_user_is_told(
    stage: Stage,
) -> None:
    """One line for the claim, one for the state, which is on this disk."""
    scene = stage(worlds.files(sizes=[1000, 2000]))
    send = "messages.SendMessage"
    scene.telegram.faults.add(
        Fault("flood_wait", rpc=send, seconds=1),
        Fault("error", rpc=send, code=403, text="CHAT_WRITE_FORBIDDEN", times=None),
    )
    ended = run_here(scene.machine, "-u", SOURCE)
    assert_moved(ended, 2)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
    assert state_texts(scene.world) == {}
    (state,) = (scene.machine.data_directory / "state").glob("*.json")
    assert json.loads(state.read_text())["status"] == "complete"
    waited, claim, kept = [
        line for line in ended.log if "waits" in line or line.startswith("warning: ")
    ]
    assert waited.startswith("claiming the chat waits: Telegram asks for a pause of 1 s, until ")
    assert claim == (
        "warning: 'Stand-in: all kinds' cannot be claimed in Saved Messages (Telegram refuses "
        "(claiming the chat): CHAT_WRITE_FORBIDDEN; run again later): no other machine sees this "
        "run, so start none there for this chat and remote"
    )
    assert kept.startswith("warning: the state cannot be saved in Saved Messages (Telegram refuses")
    assert str(state) in kept


def test_a_session_that_is_used_on_two_machines_ends_the_run_and_says_why(slow: Scene) -> None:
    """Telegram ends it for both; the state is kept on this disk."""
    running = slow.machine.start("-u", SOURCE)
    running.wait_until(lambda: is_downloading(slow.machine) and state_is_saved(slow))
    twice = Fault("auth_key_duplicated", rpc="upload.GetFile", times=None)
    slow.telegram.faults.replace([twice])
    ended = running.wait()
    assert ended.exit_status == 4
    assert ended.said == (
        "tdl_sync: Telegram: this session was used on two machines at once, and Telegram has "
        "ended it (AUTH_KEY_DUPLICATED). Make one session for each machine: tdl_sync.py login\n"
    )
    (saved,) = (slow.machine.data_directory / "state").glob("*.json")
    assert json.loads(saved.read_text())["status"] == "stopped"


def test_resume_alone_keeps_each_chats_beginning_and_names_what_it_leaves_out(
    stage: Stage,
) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000, 900_000]))
    scene.telegram.faults.add(SLOW)
    machine, source = scene.machine, scene.world.source
    other = ("--remote", str(machine.directory / "other remote"))
    for number, arguments in enumerate(((SOURCE,), (SOURCE, *other)), 1):
        from_second = ("--resume-from=2",) if number == 1 else ()
        running = begun(machine.start("-u", *arguments, *from_second), machine)
        running.wait_until(lambda count=number: state_is_saved(scene, count))  # type: ignore[misc]
        running.kill()
    broken = scene.world.saved_messages.append("📊 TDL Progress\nbroken")
    hurry(scene)
    ended = run_here(machine, "--resume")
    assert (ended.exit_status, ended.said) == (0, "")
    assert ended.numbers()["done"] == 2
    assert_on_remote(machine, (source, wanted(source, [2, 3])))
    left_out = [line for line in ended.log if "not resumed: " in line]
    assert left_out[0].startswith("not resumed: 'Stand-in: all kinds' goes to another remote; ")
    assert left_out[1].startswith(f"warning: not resumed: message {broken} in Saved Messages: ")
    assert len(left_out) == 2
