"""What goes wrong while files move is waited for, tried again or reported, and never success."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from standins.shaping import Shaping
from standins.telegram.service.faults import Fault
from standins.telegram.service.limits import RequestLimit
from standins.telegram.world import worlds
from standins.telegram.world.content import FileRecord
from standins.telegram.world.world import World
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import (
    assert_moved,
    assert_on_remote,
    remote_files,
    the_state,
    wanted,
)
from tests.e2e.program import SOURCE, Ended, Running
from tests.in_process import run_here

MIB = 1024 * 1024
SIZES = (1000, 3 * MIB + 5, 70_000)


def serve_other_sizes(
    monkeypatch: pytest.MonkeyPatch, world: World, sizes: Mapping[int, int]
) -> None:
    """Let Telegram send so many bytes for these messages, whatever it declares."""
    ids = {item.file.file_id: item.message_id for item in world.source.items()}
    honest = world.file

    def file(kind: str, file_id: int, thumb_size: str = "") -> FileRecord | None:
        record = honest(kind, file_id, thumb_size)
        size_bytes = sizes.get(ids.get(file_id, 0))
        if record is None or size_bytes is None:
            return record
        return FileRecord(file_id, record.access_hash, record.dc_id, size_bytes, record.seed)

    monkeypatch.setattr(world, "file", file)


def file_id(scene: Scene, message_id: int) -> int:
    item = scene.world.source.item(message_id)
    assert item is not None
    return item.file.file_id


def assert_failed_for_now(ended: Ended, done: int, failures: Mapping[int, str]) -> None:
    """These messages' files are reported with these words, three times over: when it happens, in
    the summary, and in the result line; and the rest is done."""
    assert (ended.exit_status, ended.said) == (3, "")
    assert ended.result["status"] == "failed"
    figures = ended.numbers()
    assert (figures["seen"], figures["done"]) == (done + len(failures), done)
    assert figures["failed"] == len(failures)
    at_once = {line for line in ended.log if line.startswith("failed: ")}
    assert at_once == {
        f"failed: {message_id} {message_id}_file-{message_id}.bin: {words}"
        for message_id, words in failures.items()
    }
    table = ended.log[ended.log.index("  failed items:") + 1 :]
    assert set(table) == {
        f"    {message_id}  {message_id}_file-{message_id}.bin: {words}"
        for message_id, words in failures.items()
    }


def assert_all_is_mended_by_the_next_run(scene: Scene, failed: int) -> None:
    ended = run_here(scene.machine, "-u", SOURCE)
    assert_moved(ended, failed)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
    assert the_state(scene.world)["status"] == "complete"


# --- bytes that are not what was declared -------------------------------------------------------


def test_a_short_part_is_a_failure_and_nothing_of_the_file_is_moved(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=SIZES))
    second = file_id(scene, 2)
    scene.telegram.faults.add(
        Fault("short_part", file_id=second, after_bytes=MIB, keep_bytes=500, times=None)
    )
    ended = run_here(scene.machine, "-u", SOURCE, "--downloads=1")
    found = re.search(r"Telegram declared 3145733 bytes and sent (\d+);", ended.stderr)
    assert found is not None
    assert int(found[1]) < 3 * MIB + 5
    words = f"Telegram declared 3145733 bytes and sent {found[1]}; the next run tries again"
    assert_failed_for_now(ended, 2, {2: words})
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source, [1, 3])))
    state = the_state(scene.world)
    assert (state["failed"], state["failures"]) == ("2", {"wrong size": 1})
    scene.telegram.faults.clear()
    assert_all_is_mended_by_the_next_run(scene, 1)


def test_an_empty_answer_for_a_file_that_is_not_empty_is_a_failure(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=SIZES))
    for message_id in (1, 3):
        scene.telegram.faults.add(
            Fault("empty_part", file_id=file_id(scene, message_id), times=None)
        )
    assert_failed_for_now(
        run_here(scene.machine, "-u", SOURCE),
        1,
        {
            1: "Telegram declared 1000 bytes and sent 0; the next run tries again",
            3: "Telegram declared 70000 bytes and sent 0; the next run tries again",
        },
    )
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source, [2])))
    scene.telegram.faults.clear()
    assert_all_is_mended_by_the_next_run(scene, 2)


def test_more_bytes_than_declared_are_a_failure_also_for_an_empty_file(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may end in mid-part, with a part, or be declared empty: there is always one more."""
    scene = stage(worlds.files(sizes=[1000, 2 * MIB, 0, 5]))
    with monkeypatch.context() as patch:
        serve_other_sizes(patch, scene.world, {1: 1500, 2: 2 * MIB + 7, 3: 11})
        assert_failed_for_now(
            run_here(scene.machine, "-u", SOURCE),
            1,
            {
                1: "Telegram declared 1000 bytes and sent 1500; the next run tries again",
                2: "Telegram declared 2097152 bytes and sent 2097159; the next run tries again",
                3: "Telegram declared 0 bytes and sent 11; the next run tries again",
            },
        )
    assert [path.name for path in remote_files(scene.machine)] == ["4_file-4.bin"]
    assert_all_is_mended_by_the_next_run(scene, 3)


# --- waits and refusals of Telegram -------------------------------------------------------------


@pytest.mark.parametrize(
    "faults",
    [
        {
            "reading the": Fault("flood_wait", "messages.GetHistory", after_calls=2, seconds=2),
            "downloading": Fault("flood_wait", "upload.GetFile", after_calls=1, seconds=2),
            "saving the state": Fault("flood_wait", "messages.EditMessage", seconds=2),
        },
    ],
    ids=["of each kind of call"],
)
def test_a_flood_wait_is_waited_for_and_said_once(stage: Stage, faults: dict[str, Fault]) -> None:
    scene = stage(worlds.files(sizes=SIZES))
    scene.telegram.faults.add(*faults.values())
    ended = run_here(scene.machine, "-u", SOURCE)
    assert_moved(ended, 3)
    lines = [line for line in ended.log if "waits" in line]
    assert len(lines) == len(faults)
    pause = r"waits: Telegram asks for a pause of 2 s, until \d\d:\d\d:\d\d"
    for what in faults:
        assert len([line for line in lines if re.fullmatch(rf"{what}.* {pause}", line)]) == 1
    assert scene.telegram.faults.strikes() == [(fault, fault.times) for fault in faults.values()]
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_a_limit_of_requests_costs_its_pauses_and_each_is_said_once(stage: Stage) -> None:
    """An account without Premium: no request is taken twice, and few are refused."""
    scene = stage(worlds.files(sizes=[20 * MIB + 1, *[5000] * 12]))
    limit = RequestLimit(16, 1, shape="burst", kind="flood_premium_wait")
    scene.telegram.faults.limit(limit)
    ended = run_here(scene.machine, "-u", SOURCE)
    assert_moved(ended, 13)
    (counts,) = scene.telegram.faults.limited()
    under_way = scene.telegram.statistics.counts().most_file_parts_in_flight
    assert counts.taken == 21 + 12
    assert 0 < counts.refused <= under_way * counts.pauses
    said = [line for line in ended.log if "Telegram asks for a pause of 1 s" in line]
    assert 0 < len(said) <= counts.pauses


def test_troubles_that_pass_are_not_even_mentioned(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[*SIZES, 2 * MIB, 5000]))
    faults = (
        Fault("timedout", rpc="upload.GetFile", times=2),
        Fault("internal_error", rpc="upload.GetFile", after_calls=2),
        Fault("timedout", rpc="messages.GetHistory"),
        Fault("internal_error", rpc="messages.Search"),
        Fault("drop", rpc="upload.GetFile", after_calls=3, times=2),
        Fault("drop", rpc="messages.GetSearchCounters"),
    )
    scene.telegram.faults.add(*faults)
    ended = run_here(scene.machine, "-u", SOURCE)
    assert_moved(ended, 5)
    assert scene.telegram.faults.strikes() == [(fault, fault.times) for fault in faults]
    assert not [line for line in ended.log if "fail" in line and "failed  " not in line]
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_a_file_reference_that_expires_in_mid_file_costs_no_part_that_was_written(
    stage: Stage,
) -> None:
    scene = stage(worlds.files(sizes=[12 * MIB]))
    scene.telegram.faults.add(Fault("file_reference_expired", after_bytes=4 * MIB, times=1))
    scene.telegram.faults.add(Fault("file_reference_expired", after_bytes=9 * MIB, times=1))
    ended = run_here(scene.machine, "-u", SOURCE)
    assert_moved(ended, 1)
    counts = scene.telegram.statistics.counts()
    assert counts.errors["FILE_REFERENCE_EXPIRED"] >= 2
    assert set(counts.parts.values()) == {1}
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_a_message_that_is_deleted_while_its_file_waits_is_skipped(stage: Stage) -> None:
    slow = Shaping(total_bytes_per_second=MIB / 4)
    scene = stage(worlds.files(sizes=[1000, 6 * MIB, 6 * MIB]), slow)
    running = scene.machine.start("-u", SOURCE, "--downloads=1")
    running.wait_for("moved 1_file-1.bin")
    scene.world.source.delete([3])
    scene.world.file_reference_epoch += 1
    scene.telegram.shaping = Shaping()
    ended = running.wait()
    assert (ended.exit_status, ended.result["status"], ended.said) == (0, "complete", "")
    assert ended.numbers() == {
        "seen": 3,
        "done": 2,
        "skipped": 1,
        "failed": 0,
        "bytes": 1000 + 6 * MIB,
    }
    assert "skipped 1 deleted 1" in (" ".join(line.split()) for line in ended.log)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source, [1, 2])))


def test_what_telegram_refuses_is_named_and_not_asked_for_again(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=SIZES))
    scene.telegram.faults.add(
        Fault(
            "error",
            rpc="upload.GetFile",
            file_id=file_id(scene, 3),
            times=None,
            text="FILE_ID_INVALID",
        )
    )
    ended = run_here(scene.machine, "-u", SOURCE)
    assert (ended.exit_status, ended.result["status"], ended.said) == (0, "complete", "")
    line = "3_file-3.bin: Telegram refuses the file: FILE_ID_INVALID; --retry-failed asks again"
    assert f"failed: 3 {line}" in ended.log
    assert f"    3  {line}" in ended.log
    assert ended.numbers()["failed"] == 1
    scene.telegram.statistics.reset()
    assert run_here(scene.machine, "-u", SOURCE).exit_status == 0
    assert scene.telegram.statistics.counts().calls.get("upload.GetFile", 0) == 0
    scene.telegram.faults.clear()
    assert_moved(run_here(scene.machine, "-u", SOURCE, "--retry-failed"), 1)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


# --- what ends a run in its midst ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (
            "auth_key_unregistered",
            "Telegram: it does not accept this session any more (AUTH_KEY_UNREGISTERED). "
            "Please log in again: tdl_sync.py login",
        ),
        (
            "auth_key_duplicated",
            "Telegram: this session was used on two machines at once, and Telegram has ended it "
            "(AUTH_KEY_DUPLICATED). Make one session for each machine: tdl_sync.py login",
        ),
        (
            "session_revoked",
            "Telegram: it does not accept this session any more (SESSION_REVOKED). "
            "Please log in again: tdl_sync.py login",
        ),
    ],
)
def test_a_session_that_ends_in_mid_run_ends_the_run_and_loses_nothing(
    stage: Stage, fault: str, line: str
) -> None:
    scene = stage(worlds.files(sizes=[1000, *[MIB] * 4]))
    scene.telegram.faults.add(
        Fault.from_json({"kind": fault, "times": None, "after_bytes": 2 * MIB})
    )
    ended = run_here(scene.machine, "-u", SOURCE, "--downloads=1")
    assert (ended.exit_status, ended.said) == (4, f"tdl_sync: {line}\n")
    figures = ended.numbers()
    assert (ended.result["status"], figures["failed"]) == ("error", 0)
    assert figures["done"] < 5
    scene.telegram.faults.clear()
    done = len(remote_files(scene.machine))
    assert figures["done"] == done
    new_session = {"TDL_SYNC_SESSION_STRING": scene.telegram.session_string()}
    ended = run_here(scene.machine, "-u", SOURCE, variables=new_session)
    assert_moved(ended, 5 - done)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_a_key_that_telegram_forgets_in_mid_run_ends_the_run(stage: Stage) -> None:
    """Also while slow parts are under way; the state is on this disk, and the next run has it.

    Here no connection is dropped; ``tests/contract/telegram/test_ended_sessions.py`` has both.
    """
    scene = stage(
        worlds.files(sizes=[1000, *[6 * MIB] * 4]), Shaping(total_bytes_per_second=MIB / 2)
    )
    running = scene.machine.start("-u", SOURCE)
    running.wait_for("moved 1_file-1.bin")
    scene.telegram.forget_auth_keys(drop=False)
    ended = running.wait()
    session_ended = "Telegram: it does not accept this session any more (it does not know its key "
    assert (ended.exit_status, ended.result["status"], ended.said) == (
        4,
        "error",
        f"tdl_sync: {session_ended}any more). Please log in again: tdl_sync.py login\n",
    )
    assert ended.numbers()["done"] == len(remote_files(scene.machine)) == 1
    (state,) = (scene.machine.data_directory / "state").iterdir()
    assert (
        f"warning: the state cannot be saved in Saved Messages ({session_ended}any more)); it is "
        f"kept in {state}, and the next run on this machine begins there"
    ) in ended.log
    scene.telegram.shaping = Shaping()
    new_session = {"TDL_SYNC_SESSION_STRING": scene.telegram.session_string()}
    assert_moved(run_here(scene.machine, "-u", SOURCE, variables=new_session), 4)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_a_chat_that_becomes_private_in_mid_run_is_said_and_the_next_chat_goes_on(
    stage: Stage,
) -> None:
    scene = stage(worlds.sparse(messages=800, media_every=20))
    source = scene.world.source
    scene.telegram.faults.add(
        Fault("channel_private", rpc="messages.GetHistory", after_calls=5, times=1)
    )
    ended = run_here(scene.machine, "-u", SOURCE, "-u", "@stand_in_news")
    assert (ended.exit_status, ended.said) == (
        2,
        "tdl_sync: cannot read the chat '@stand_in_source' ('Stand-in: all kinds'): Telegram "
        "no longer shows it to this account (CHANNEL_PRIVATE). Join it again, then run again: "
        "what is done stays done.\n",
    )
    assert "News: nothing to move" in ended.log
    assert 1 <= ended.numbers()["done"] == len(remote_files(scene.machine)) < len(wanted(source))
    assert run_here(scene.machine, "-u", SOURCE).exit_status == 0
    assert_on_remote(scene.machine, (source, wanted(source)))


# --- a connection that says nothing more: it takes its time, so it runs beside the others ---------


@pytest.fixture(scope="module", autouse=True)
def stalled(module_stage: Stage) -> tuple[Scene, Running]:
    """A run in which two connections fall silent, started before the first test of this file."""
    scene = module_stage(worlds.files(sizes=[6 * MIB] * 4), Shaping(round_trip_seconds=0.02))
    scene.telegram.faults.add(Fault("stall", rpc="upload.GetFile", after_calls=5))
    scene.telegram.faults.add(Fault("stall", rpc="messages.GetHistory"))
    return scene, scene.machine.start("-u", SOURCE)


def test_a_connection_that_falls_silent_costs_time_and_nothing_else(
    stalled: tuple[Scene, Running],
) -> None:
    scene, running = stalled
    assert_moved(running.wait(), 4)
    assert [struck for _, struck in scene.telegram.faults.strikes()] == [1, 1]
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
