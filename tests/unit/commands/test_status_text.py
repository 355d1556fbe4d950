"""``status`` says of each scope what the saved states say, and whether its run lives."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tdl_sync.commands.status_facts import (
    Activity,
    SavedState,
    ScopeShards,
    ScopeStatus,
    claims_in,
    grouped,
    saved_states,
    status_of,
)
from tdl_sync.commands.status_text import block, record
from tdl_sync.core.model import Scope, scope_key
from tdl_sync.core.ports import SavedText
from tdl_sync.core.shards import Shard
from tdl_sync.core.text import columns_of
from tdl_sync.state.claims import Subject, claim_text
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus
from tdl_sync.state.state_message import encode, json_in
from tests.unit.state.test_state_message import NOON, PLAIN, SCOPE

WHOLE = replace(PLAIN, scope_key=scope_key(replace(SCOPE, lower_bound=PLAIN.lower_bound)))
INTERVAL = timedelta(seconds=PLAIN.run.save_interval_seconds)
OTHER_RUN = RunIdentity("laptop", 99, "other", "m9", 1_714_992_000, PLAIN.run.save_interval_seconds)
HOSTILE = "\x1b[2J\x07\r\nFilms \N{RIGHT-TO-LEFT OVERRIDE}gpj"


def lives(run: RunIdentity) -> bool:
    return False


def gone(run: RunIdentity) -> bool:
    return True


def message(state: RunState, message_id: int = 7, edited_at: datetime = NOON) -> SavedText:
    return SavedText(message_id, encode(state), edited_at, pinned=True)


def status(
    state: RunState, activity: Activity, newest_message_id: int | None = None
) -> ScopeStatus:
    return ScopeStatus(SavedState(state, NOON, 7), activity, state.run, newest_message_id)


def shown(one: ScopeStatus, columns: int = 80) -> list[str]:
    return list(block(one, NOON + timedelta(seconds=63), columns))


def row(lines: list[str], label: str) -> str:
    """What follows a label, on however many lines."""
    start = next(i for i, line in enumerate(lines) if line.startswith(f"  {label} "))
    end = start + 1
    while end < len(lines) and lines[end].startswith(" " * 10):
        end += 1
    return " ".join(line[10:] for line in lines[start:end])


# --- which state counts, and what goes on ------------------------------------------------------


def test_each_scope_is_shown_once_by_the_state_that_its_next_run_goes_on_from(
    tmp_path: Path,
) -> None:
    further = replace(WHOLE, last_message_id=WHOLE.last_message_id + 1, done_above_ids=())
    other = replace(PLAIN, scope_key="0" * 16, channel_name="Other")
    local = LocalStates(tmp_path / "state")
    later = NOON + timedelta(minutes=1)
    messages = [message(WHOLE, 7), message(further, 8), message(other, 9, later)]
    states, unreadable = saved_states(messages, local)
    assert [(saved.state, saved.message_id) for saved in states] == [(other, 9), (further, 8)]
    assert unreadable == []
    furthest = replace(further, last_message_id=further.last_message_id + 1)
    for state in (furthest, replace(other, last_message_id=1)):
        local.write(state.scope_key, json_in(encode(state)))
    states, _ = saved_states(messages, local)
    assert [(saved.state, saved.message_id) for saved in states] == [(other, 9), (furthest, None)]


def test_a_state_that_is_only_on_this_disk_is_shown(tmp_path: Path) -> None:
    local = LocalStates(tmp_path)
    local.write(WHOLE.scope_key, json_in(encode(WHOLE)))
    ((only,), _) = saved_states([], local)
    assert only == SavedState(WHOLE, WHOLE.timestamp, None)


def test_what_is_broken_is_named_and_hides_nothing_else(tmp_path: Path) -> None:
    local = LocalStates(tmp_path)
    local.write("f" * 16, "{}")
    own = SavedText(1, "📊 TDL Progress is what I call this note", NOON, pinned=False)
    broken = SavedText(5, "📊 TDL Progress\n{nonsense", NOON, pinned=False)
    states, unreadable = saved_states([own, broken, message(WHOLE)], local)
    assert [saved.state for saved in states] == [WHOLE]
    told = [str(error) for error in unreadable]
    assert len(told) == 2
    assert told[0].startswith("message 5 in Saved Messages: the saved state cannot be read: ")
    assert str(local.path("f" * 16)) in told[1]


@pytest.mark.parametrize(
    ("saved_as", "activity"),
    [
        (RunStatus.STOPPED, Activity.STOPPED),
        (RunStatus.QUOTA, Activity.QUOTA),
        (RunStatus.COMPLETE, Activity.COMPLETE),
        (RunStatus.RUNNING, Activity.RUNNING),
    ],
)
def test_what_goes_on_is_what_the_run_has_said(saved_as: RunStatus, activity: Activity) -> None:
    saved = SavedState(replace(WHOLE, status=saved_as, failures_by_reason={}), NOON, 7)
    found = status_of(saved, claims_in([message(saved.state)]), NOON, lives)
    assert (found.activity, found.run) == (activity, WHOLE.run)


def test_nothing_is_called_complete_beside_files_that_failed_for_now() -> None:
    """Earlier versions have saved it so."""
    for reasons, activity in (
        ({"larger than the disk budget": 3, "refused by Telegram": 1}, Activity.COMPLETE),
        ({"larger than the disk budget": 3, "download failed": 1}, Activity.STOPPED),
        ({"other": 1}, Activity.STOPPED),
    ):
        state = replace(WHOLE, status=RunStatus.COMPLETE, failures_by_reason=reasons)
        assert status_of(SavedState(state, NOON, 7), [], NOON, lives).activity is activity


def test_a_running_run_is_believed_for_three_intervals_and_while_its_process_lives() -> None:
    saved = SavedState(WHOLE, NOON, 7)
    just_before = NOON + 3 * INTERVAL - timedelta(seconds=1)
    assert status_of(saved, [], just_before, lives).activity is Activity.RUNNING
    assert status_of(saved, [], NOON + 3 * INTERVAL, lives).activity is Activity.SILENT
    assert status_of(saved, [], NOON, gone).activity is Activity.DIED


def test_a_run_that_has_only_claimed_the_chat_yet_is_beginning() -> None:
    stopped = replace(WHOLE, status=RunStatus.STOPPED)
    saved = SavedState(stopped, NOON, 7)
    key = scope_key(Scope(SCOPE.remote, SCOPE.chat_id))
    text = claim_text(Subject(SCOPE.remote, SCOPE.chat_id, key, ""), OTHER_RUN)
    claim = SavedText(8, text, NOON, pinned=False)
    found = status_of(saved, claims_in([message(stopped), claim]), NOON, lives)
    assert (found.activity, found.run) == (Activity.BEGINNING, OTHER_RUN)
    assert row(shown(found), "state") == "a run is beginning: process 99 on laptop"
    late = NOON + 3 * INTERVAL
    assert (
        status_of(saved, claims_in([message(stopped), claim]), late, lives).activity
        is Activity.STOPPED
    )
    foreign = claim_text(Subject(SCOPE.remote, -1, "0" * 16, ""), OTHER_RUN)
    others = [message(stopped), replace(claim, text=foreign)]
    assert status_of(saved, claims_in(others), NOON, lives).activity is Activity.STOPPED


# --- for people --------------------------------------------------------------------------------


def test_the_block_says_how_far_since_when_how_fast_where_and_what_failed() -> None:
    assert shown(status(WHOLE, Activity.RUNNING, 24_690)) == [
        "Лекции 📚 (-1001234567890)",
        "  to      gdrive:tdl-sync/Лекции 📚 [-1001234567890]",
        "  of it   from message 77 on",
        "  state   running: process 4711 on runner-7, last heard of 1 min 03 s ago",
        "  read    up to message 12345 of 24690 (50 %), and 4 files above",
        "  moved   1,234 files, 57 GB, since 2024-05-06 07:00:07 UTC",
        "  adopted 4 files, 38 kB, where another program has put them",
        "  speed   2.5 MB/s in this run of 1 h 00 min, 3.2 MB/s since the start",
        "  failed  3: wrong size 2, larger than the disk budget 1",
        "          messages 12, 77, 12350",
        "  waiting 3 messages of which something may be a file later (paid media that is",
        "          not bought, a kind that can't be read): every run asks again",
        "  balance Telegram counts 520 videos here, 500 were seen",
        "  balance not compared with Telegram's count, inexact or missing: voice messages",
        "  saved   in Saved Messages (message 7)",
    ]


@pytest.mark.parametrize(
    ("activity", "told"),
    [
        (
            Activity.DIED,
            "died: process 4711 on runner-7 is gone, last heard of at 2024-05-06 12:00:07 UTC "
            "(1 min 03 s ago)",
        ),
        (
            Activity.SILENT,
            "silent, so it counts as dead: process 4711 on runner-7, last heard of at "
            "2024-05-06 12:00:07 UTC (1 min 03 s ago)",
        ),
        (
            Activity.STOPPED,
            "stopped at 2024-05-06 12:00:07 UTC, not complete (process 4711 on runner-7)",
        ),
        (
            Activity.QUOTA,
            "stopped at 2024-05-06 12:00:07 UTC, as the remote took no more "
            "(process 4711 on runner-7)",
        ),
        (Activity.COMPLETE, "complete since 2024-05-06 12:00:07 UTC (process 4711 on runner-7)"),
    ],
)
def test_each_thing_that_can_go_on_has_its_line(activity: Activity, told: str) -> None:
    assert row(shown(status(WHOLE, activity)), "state") == told


def test_how_far_is_said_with_the_newest_message_where_that_is_known() -> None:
    plain = replace(WHOLE, done_above_ids=())

    def read(state: RunState, newest: int | None) -> str:
        return row(shown(status(state, Activity.STOPPED, newest)), "read")

    assert read(plain, None) == "up to message 12345"
    assert read(plain, 12_345) == "up to message 12345, the chat's newest"
    assert read(plain, 12_346) == "up to message 12345 of 12346 (99 %)"
    assert read(replace(plain, last_message_id=0), 9) == "nothing yet (the chat's newest is 9)"
    filtered = replace(plain, scope_key="0" * 16)
    assert read(filtered, 99_999) == "up to message 12345 (the chat's newest is 99999)"
    part = row(shown(status(filtered, Activity.STOPPED)), "of it")
    assert part.startswith("a part: filters, a topic, or comments (scope 0000000000000000)")


def test_a_speed_is_only_named_where_there_is_one() -> None:
    nothing = replace(WHOLE, total_size_bytes=0, run_bytes=0, run_seconds=0)
    assert not any("speed" in line for line in shown(status(nothing, Activity.RUNNING)))
    first = replace(WHOLE, run_bytes=WHOLE.total_size_bytes)
    told = row(shown(status(first, Activity.COMPLETE)), "speed")
    assert told == "16 MB/s in the last run of 1 h 00 min"


def test_many_failed_ids_are_cut_and_counted() -> None:
    ids = tuple(range(2, 200, 2))
    many = replace(WHOLE, failed_ids=ids, failures_by_reason={"wrong size": len(ids)})
    failed = row(shown(status(many, Activity.STOPPED)), "failed")
    assert failed.startswith("99: wrong size 99 messages 2, 4, 6, ")
    assert failed.endswith(" 40 and 79 more")
    none = replace(WHOLE, failed_ids=(), failures_by_reason={})
    assert not any("failed" in line for line in shown(status(none, Activity.STOPPED)))


@pytest.mark.parametrize("columns", [80, 50])
def test_no_line_is_wider_than_the_terminal_and_none_drives_it(columns: int) -> None:
    hostile = replace(
        WHOLE,
        channel_name=f"{HOSTILE} 日本語の 講義の",
        folder=f"{HOSTILE} 日本語の講義 日本語の講義 日本語の講義 日本語の講義",
        failures_by_reason={HOSTILE: 3, "larger than the disk budget": 2},
        failed_ids=tuple(range(100_000, 100_200, 2)),
        run=replace(WHOLE.run, host=HOSTILE),
    )
    lines = shown(status(hostile, Activity.DIED, 99_999), columns)
    assert max(map(columns_of, lines)) <= columns
    assert all(line.isprintable() for line in lines)


# --- the parts of a chat -----------------------------------------------------------------------


def part(number: int, count: int = 4) -> RunState:
    shard = Shard(number, count)
    return replace(
        PLAIN,
        scope_key=scope_key(replace(SCOPE, shard=shard)),
        lower_bound=0,
        shard=shard,
        whole_scope_key=scope_key(SCOPE),
        balance=None,
        waiting_ids=(),
        failed_files=(),
        failures_by_reason={},
        failed_ids=(),
        done_above_ids=(),
    )


def test_the_parts_of_a_chat_are_lines_and_their_sum() -> None:
    failed = replace(part(2), failures_by_reason={"wrong size": 1}, failed_ids=(1077,))
    found = [
        status(failed, Activity.RUNNING, 24_690),
        status(part(1), Activity.COMPLETE, 12_345),
    ]
    (shards,) = grouped(found)
    assert isinstance(shards, ScopeShards)
    assert list(block(shards, NOON + timedelta(seconds=63))) == [
        "Лекции 📚 (-1001234567890)",
        "  to      gdrive:tdl-sync/Лекции 📚 [-1001234567890]",
        "  of it   in 4 parts (--shard)",
        "  1/4     complete since 2024-05-06 12:00:07 UTC (process 4711 on runner-7);",
        "          read up to message 12345, the chat's newest; 1,234 files, 57 GB moved",
        "  2/4     running: process 4711 on runner-7, last heard of 1 min 03 s ago; read",
        "          up to message 12345 of 24690 (50 %); 1,234 files, 57 GB moved; 1",
        "          failed",
        "  unknown no state is saved of part 3-4 of 4",
        "  moved   2,468 files, 113 GB in all, since 2024-05-06 07:00:07 UTC",
        "  adopted 8 files, 77 kB, where another program has put them",
        "  failed  1: wrong size 1",
        "          message 1077",
    ]
    assert not shards.can_be_balanced
    assert [record(each)["shard"] for each in shards.statuses] == ["1/4", "2/4"]
    assert not record(found[0])["whole_chat"]


def test_parts_are_together_where_one_scope_was_parted_into_as_many() -> None:
    """Those of another N, of other filters and the whole chat stand for themselves."""
    other_filters = replace(part(1), whole_scope_key="0" * 16, scope_key="1" * 16)
    states = [part(2), WHOLE, part(1, 2), other_filters, part(4)]
    groups = grouped(status(state, Activity.COMPLETE) for state in states)
    found = [
        [str(state.shard) for state in each.states] if isinstance(each, ScopeShards) else "whole"
        for each in groups
    ]
    assert found == [["2/4", "4/4"], "whole", ["1/2"], ["1/4"]]


def test_only_all_parts_of_a_whole_chat_that_are_complete_are_held_against_its_count() -> None:
    def can_be(*states: RunState, activity: Activity = Activity.COMPLETE) -> bool:
        (shards,) = grouped(status(state, activity) for state in states)
        assert isinstance(shards, ScopeShards)
        return shards.can_be_balanced

    both = part(1, 2), part(2, 2)
    assert can_be(*both)
    assert not can_be(both[0])
    assert not can_be(*both, activity=Activity.STOPPED)
    assert not can_be(*(replace(each, scope_key="0" * 16) for each in both))


def test_a_part_by_itself_says_which_it_is() -> None:
    one = status(part(2), Activity.STOPPED, 24_690)
    assert row(shown(one), "of it") == "part 2/4 (--shard)"
    assert row(shown(one), "read") == "up to message 12345 of 24690 (50 %)"


# --- for programs ------------------------------------------------------------------------------


def test_a_record_has_the_documented_keys() -> None:
    assert record(status(WHOLE, Activity.RUNNING, 24_690)) == {
        "chat_id": -1001234567890,
        "chat_name": "Лекции 📚",
        "scope": WHOLE.scope_key,
        "whole_chat": True,
        "shard": None,
        "from_message_id": 77,
        "remote": "gdrive:tdl-sync",
        "folder": "Лекции 📚 [-1001234567890]",
        "activity": "running",
        "host": "runner-7",
        "pid": 4711,
        "last_message_id": 12345,
        "newest_message_id": 24690,
        "files_above": 4,
        "files_moved": 1234,
        "bytes_moved": 56_700_000_001,
        "files_adopted": 4,
        "bytes_adopted": 38_500,
        "started": "2024-05-06T07:00:07Z",
        "saved": "2024-05-06T12:00:07Z",
        "saved_in": "saved messages",
        "message_id": 7,
        "run_bytes_per_second": 2_500_000,
        "average_bytes_per_second": 3_150_000,
        "failed": 3,
        "failures": {"wrong size": 2, "larger than the disk budget": 1},
        "failed_message_ids": [12, 77, 12350],
        "waiting_message_ids": [15, 16, 90],
        "balance": {
            "unseen": 20,
            "fewer": [{"kind": "video", "counted": 520, "seen": 500}],
            "not_compared": ["voice"],
        },
    }


def test_what_is_not_known_is_null() -> None:
    state = replace(WHOLE, run_bytes=0, total_size_bytes=0)
    only_here = ScopeStatus(SavedState(state, NOON, None), Activity.STOPPED, state.run)
    found = record(only_here)
    unknown = {key for key, value in found.items() if value is None}
    assert unknown == {
        "shard",
        "newest_message_id",
        "message_id",
        "run_bytes_per_second",
        "average_bytes_per_second",
    }
    assert found["saved_in"] == "local file"


def test_every_key_has_its_row_in_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "looking.md").read_text("utf-8")
    (section,) = [part for part in text.split("\n### ") if part.startswith("`status --json`")]
    table = section.partition("| key |")[2].partition("\n\n")[0]
    firsts = [line.split("|")[1] for line in table.splitlines()[2:]]
    documented = {key for first in firsts for key in re.findall("`(.*?)`", first)}
    assert documented == record(status(WHOLE, Activity.RUNNING)).keys()
