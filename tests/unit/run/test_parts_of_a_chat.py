"""What the run of a part of a chat (``--shard``) knows of records that are the whole chat's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from tdl_sync.core.balance import NOT_COMPARED, Balance, Shortfall
from tdl_sync.core.failures import NOT_RIGHT
from tdl_sync.core.model import (
    READER,
    DoneMark,
    FileNumber,
    ListedFile,
    MediaType,
    Reading,
    RemoteFile,
    Scope,
    Waiting,
    scope_key,
)
from tdl_sync.core.ports import SavedText
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.core.steps import Steps
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.choice import Choice
from tdl_sync.options.config import Task
from tdl_sync.run.books import balanced, is_whole
from tdl_sync.run.resume import ChatState
from tdl_sync.run.unexplained import unexplained_line
from tdl_sync.state.run_state import RunState
from tdl_sync.state.state_message import encode
from tdl_sync.transfer.job import Job
from tdl_sync.transfer.ledger import Ledger
from tdl_sync.transfer.tally import Tally
from tdl_sync.transfer.watermark import OldestFirst
from tests.fakes.chat import CHAT_ID, FakeChatReader, item_of
from tests.fakes.saved_messages import FakeSavedMessages
from tests.unit.run.test_resume import (
    CHAT,
    REMOTE,
    SCOPE,
    STATE,
    Outside,
    failure_of,
    ids,
    resumption_of,
)
from tests.unit.state.test_state_message import NOON, PLAIN

SECOND = Shard(2, 2)
ITEMS = [item_of(each, 10) for each in (1, 7, 1001, 1007)]
PART = replace(SCOPE, shard=SECOND)


def failed(outside: Outside) -> None:
    """One file of each part has failed, and one may be a file later."""
    for message_id in (1, 1001):
        outside.marks.record_failure(REMOTE, failure_of(message_id))
    waiting = [Waiting(each, locked=True, seen_by="") for each in (7, 1007)]
    outside.marks.wait_for(REMOTE, CHAT_ID, 0, waiting)


def test_its_own_failures_are_tried_again_and_its_own_messages_are_looked_at(
    tmp_path: Path,
) -> None:
    outside = Outside(FakeChatReader.of(ITEMS))
    failed(outside)
    outside.marks.save_watermark(PART, 2000)
    task = Task(REMOTE, Choice(shard=SECOND))
    resumption = resumption_of(tmp_path, outside, PART, task=task)
    job = resumption.job(resumption.point(), [])
    assert ids(job.again) == [1001, 1007]
    assert job.waited_for == {1007}
    later = resumption.later_job(job, 1007, {1, 1001}, {7, 1007})
    assert later is not None
    assert ids(later.again) == [1001, 1007]
    assert later.waited_for == {1007}, "else nobody would wait for the other's any more"
    retrying = resumption_of(tmp_path, outside, PART, task=replace(task, retry_failed=True))
    assert ids(retrying.job(retrying.point(), []).again) == [1001]


def test_its_state_tells_of_its_own_messages_and_of_which_chat_it_is_a_part(
    tmp_path: Path,
) -> None:
    outside = Outside(FakeChatReader.of(ITEMS))
    failed(outside)
    task = Task(REMOTE, Choice(shard=SECOND))
    tally, stop, steps = Tally(), StopFlag(), Steps()
    ledger = Ledger(REMOTE, OldestFirst(), outside.marks, steps, stop, lambda: None)
    point = resumption_of(tmp_path, outside, PART, task=task).point()
    state = ChatState(
        CHAT, point, PLAIN.run, outside.marks, stop, tally, ledger, None, SECOND.holds
    )
    saved = state.save_watermark_and_snapshot()
    assert (saved.failed_ids, saved.waiting_ids) == ((1001,), (1007,))
    assert sum(saved.failures_by_reason.values()) == 1
    assert (saved.shard, saved.whole_scope_key) == (SECOND, scope_key(SCOPE))


def test_telegram_has_no_count_of_a_part() -> None:
    assert is_whole(SCOPE, Choice())
    assert not is_whole(PART, Choice(shard=SECOND))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((3, 2), Balance()),
        ((3, 1), Balance((Shortfall(MediaType.DOCUMENT, 6, 5),))),
        ((3, None), NOT_COMPARED),
    ],
)
def test_all_parts_together_are_held_against_the_count_with_what_came_since(
    seen: Sequence[int | None], expected: Balance
) -> None:
    """Each part by where it has come to: 1500 came when the second one had ended, and before the
    first one did, which has seen 2001."""
    reader = FakeChatReader.of([*ITEMS, item_of(1500, 10), item_of(2001, 10)])
    up_to = (2001, 1007)
    read = {
        Shard(number, 2): Reading(
            up_to[number - 1], READER, None if count is None else {MediaType.DOCUMENT: count}
        )
        for number, count in enumerate(seen, 1)
    }
    assert balanced(reader, CHAT, read) == expected


# --- files that nobody here has brought ----------------------------------------------------------


def told(listed: Sequence[int], *states: RunState, shard: Shard = WHOLE) -> str | None:
    job = Job(
        chat=CHAT,
        remote=REMOTE,
        folder="A channel",
        after_id=0,
        up_to_id=3000,
        again=(),
        on_remote={FileNumber(each): [ListedFile(f"{each}_a.bin", 10)] for each in listed},
        retry_failed_for_good=False,
        choice=Choice(shard=shard),
    )
    messages = [
        SavedText(number, encode(state), NOON, pinned=True)
        for number, state in enumerate(states, 1)
    ]
    return unexplained_line(job, messages, None)


def state(shard: Shard, last_message_id: int) -> RunState:
    key = "" if shard.is_whole else PLAIN.scope_key
    return replace(
        STATE, shard=shard, last_message_id=last_message_id, whole_scope_key=key, seen=None
    )


def test_files_that_no_state_of_the_chat_explains_are_told_of() -> None:
    line = told([1, 7, 1001])
    assert line is not None
    assert "shows files of 3 messages that no done-mark here and no state" in line
    assert told([]) is None
    assert told([1, 7], state(WHOLE, 7)) is None
    assert "files of 1 message that" in cast(str, told([1, 7], state(WHOLE, 6)))
    other_chat = replace(state(WHOLE, 7), channel_id=CHAT_ID - 1)
    assert told([1, 7], other_chat) is not None
    assert told([1, 7], replace(state(WHOLE, 7), remote="b2:x")) is not None


def test_a_part_explains_its_own_messages_alone() -> None:
    assert told([1, 7], state(Shard(1, 2), 2000)) is None
    assert "files of 1 message that" in cast(str, told([1, 1001], state(Shard(1, 2), 2000)))
    assert told([1, 1001], state(Shard(1, 2), 2000), state(Shard(2, 2), 2000)) is None


def test_where_it_can_not_be_known_nothing_is_told() -> None:
    """Beside the run of a part the others move theirs; what is done out of turn need not all be in
    a state."""
    assert told([1, 7, 1001], shard=Shard(1, 2)) is None
    assert told([1, 7], replace(state(WHOLE, 0), done_above_ids=(1,))) is None
    assert told([7], replace(state(WHOLE, 0), failed_ids=(7,), failures_by_reason={"x": 1})) is None


def test_what_failed_where_the_chat_was_parted_otherwise_is_not_believed_by_its_name_and_size(
    tmp_path: Path,
) -> None:
    """Of one half on another machine, whose marks are not here: by the whole chat and by a third
    that holds the message, unless that has saved something since."""
    outside = Outside(FakeChatReader.of(ITEMS))
    half = replace(
        STATE,
        scope_key=scope_key(PART),
        shard=SECOND,
        whole_scope_key=scope_key(SCOPE),
        failed_ids=(1001,),
        failed_files=(),
        failures_by_reason={NOT_RIGHT: 1},
        timestamp=NOON,
    )

    def told(scope: Scope, own: RunState | None = None) -> list[tuple[int, bool]]:
        saved = FakeSavedMessages()
        saved.put(encode(half))
        task = Task(REMOTE, Choice(shard=scope.shard))
        resumption = resumption_of(tmp_path, outside, scope, own, task, saved=saved)
        found = resumption.point().told_failures
        return [(each.key.message_id, each.distrusted) for each in found]

    assert told(SCOPE) == [(1001, True)]
    assert told(replace(SCOPE, shard=Shard(2, 3))) == [(1001, True)]
    assert told(replace(SCOPE, shard=Shard(1, 3))) == []
    assert told(replace(SCOPE, filters="x")) == []
    assert told(SCOPE, replace(STATE, timestamp=NOON - timedelta(hours=1))) == [(1001, True)]
    assert told(SCOPE, replace(STATE, timestamp=NOON + timedelta(hours=1))) == []


def test_a_mark_is_not_believed_against_a_failure_told_of_what_the_remote_does_not_show(
    tmp_path: Path,
) -> None:
    """Such as another machine's ``verify --repair`` has found; where the file is there the mark
    is the newer of the two."""
    outside = Outside(FakeChatReader.of(ITEMS))
    listed = ListedFile("1_a.bin", 10)
    outside.marks.write(DoneMark(REMOTE, RemoteFile.listed(ITEMS[0], "A channel", listed)))
    state = replace(STATE, folder="A channel", last_message_id=5, failed_ids=(1,), failed_files=())
    resumption = resumption_of(tmp_path, outside, SCOPE, state)
    point = resumption.point()
    assert point.told_failures == ()
    assert [each.key.message_id for each in resumption.lost(point, [])] == [1]
    assert [each.key.message_id for each in resumption.lost(point, [replace(listed, size_bytes=9)])]
    assert resumption.lost(point, [listed]) == []
