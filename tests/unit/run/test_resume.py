"""Where a chat's run goes on, and what a later round of it knows of the remote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tdl_sync.core.failures import WRONG_SIZE, Failure
from tdl_sync.core.model import (
    Chat,
    ChatKind,
    DoneMark,
    FileNumber,
    HistoryEntry,
    ListedFile,
    MediaType,
    MessageKey,
    Reading,
    RemoteFile,
    Scope,
    Waiting,
    scope_key,
)
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.options.config import Task
from tdl_sync.run.resume import Resumption, inherit
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_state import RunState
from tdl_sync.state.state_message import encode
from tdl_sync.state.state_store import StateStore
from tests.fakes.chat import CHAT_ID, FakeChatReader, item_of
from tests.fakes.marks import FakeMarks
from tests.fakes.saved_messages import FakeSavedMessages
from tests.unit.state.test_state_message import PLAIN

REMOTE = "gdrive:tdl-sync"
CHAT = Chat(CHAT_ID, "A channel", ChatKind.CHANNEL)
SCOPE = Scope(REMOTE, CHAT_ID)
TASK = Task(REMOTE)
STATE = replace(
    PLAIN, channel_id=CHAT_ID, remote=REMOTE, last_message_id=0, done_above_ids=(), failed_ids=()
)


@dataclass
class Outside:
    reader: FakeChatReader
    marks: FakeMarks = field(default_factory=FakeMarks)


def resumption_of(
    directory: Path,
    outside: Outside,
    scope: Scope = SCOPE,
    state: RunState | None = None,
    task: Task = TASK,
    chat: Chat = CHAT,
    saved: FakeSavedMessages | None = None,
) -> Resumption:
    """``state`` is what the state message says, beside what is ``saved``."""
    saved = saved or FakeSavedMessages()
    if state is not None:
        saved.put(encode(replace(state, scope_key=scope_key(scope))))
    return Resumption(
        chat,
        scope,
        task,
        outside.reader,
        outside.marks,
        StateStore(saved, LocalStates(directory / "state")),
        lambda chat_id: None,
    )


def failure_of(message_id: int, *, for_good: bool = False) -> Failure:
    return Failure(MessageKey(CHAT_ID, 0, message_id), "download failed", "…", 2, for_good)


def failed_ids(marks: FakeMarks) -> list[int]:
    return [each.key.message_id for each in marks.failures(REMOTE, CHAT_ID, 0)]


def ids(entries: Sequence[HistoryEntry]) -> list[int]:
    return [entry.key.message_id for entry in entries]


@pytest.mark.parametrize(
    ("here", "told", "lower_bound", "after_id"),
    [(30, 20, 0, 30), (20, 30, 0, 30), (20, 30, 50, 49), (0, 0, 0, 0), (0, 0, 1, 0)],
)
def test_a_run_goes_on_from_the_furthest_that_is_known(
    here: int, told: int, lower_bound: int, after_id: int, tmp_path: Path
) -> None:
    outside, scope = Outside(FakeChatReader.of([])), replace(SCOPE, lower_bound=lower_bound)
    outside.marks.save_watermark(scope, here)
    state = replace(STATE, last_message_id=told)
    assert resumption_of(tmp_path, outside, scope, state).point().after_id == after_id
    from_the_first = replace(TASK, restart=True)
    resumption = resumption_of(tmp_path, outside, scope, state, from_the_first)
    assert resumption.point().after_id == max(lower_bound - 1, 0)


def test_what_an_earlier_reader_has_passed_is_listed_again_unless_a_newer_one_was_there(
    tmp_path: Path,
) -> None:
    """On this machine or on another: the newest reader's word counts, not the furthest."""
    outside = Outside(FakeChatReader.of([]))
    of_earlier = replace(STATE, last_message_id=90, reader=1, seen=None)
    point = resumption_of(tmp_path, outside, state=of_earlier).point()
    assert (point.after_id, point.seen, point.is_read_again) == (0, {}, True)
    outside.marks.save_watermark(SCOPE, 30, {MediaType.VIDEO: 2})
    point = resumption_of(tmp_path, outside, state=of_earlier).point()
    assert (point.after_id, point.seen, point.is_read_again) == (30, {MediaType.VIDEO: 2}, True)
    outside.marks.readings[SCOPE] = Reading(95, 1)
    of_now = replace(STATE, last_message_id=90)
    point = resumption_of(tmp_path, outside, state=of_now).point()
    assert (point.after_id, point.seen, point.is_read_again) == (90, STATE.seen, True)
    outside.marks.readings[SCOPE] = Reading(90, 1)
    assert not resumption_of(tmp_path, outside, state=of_now).point().is_read_again


def test_a_run_goes_on_from_no_other_scopes_watermark(tmp_path: Path) -> None:
    outside = Outside(FakeChatReader.of([]))
    for other in (
        replace(SCOPE, filters="x"),
        replace(SCOPE, lower_bound=7),
        replace(SCOPE, remote="b2:x"),
        replace(SCOPE, chat_id=CHAT_ID - 1),
        replace(SCOPE, topic_id=5),
    ):
        outside.marks.save_watermark(other, 99)
    assert resumption_of(tmp_path, outside).point().after_id == 0
    outside.marks.save_watermark(SCOPE, 50)
    filtered = replace(SCOPE, filters='{"types": ["video"]}')
    assert resumption_of(tmp_path, outside, filtered).point().after_id == 0


def test_what_failed_on_another_machine_is_recorded_here_before_anything_else_happens(
    tmp_path: Path,
) -> None:
    """But for what is known better here: it is done, or failed here, too; and for what the chat
    never had."""
    outside = Outside(FakeChatReader.of([item_of(9, 10)]))
    outside.marks.record_failure(REMOTE, failure_of(2, for_good=True))
    outside.marks.write(DoneMark(REMOTE, RemoteFile(item_of(3, 10), "F", "3_a.bin")))
    state = replace(STATE, failed_ids=(1, 2, 3, *range(10, 50_000)))
    point = resumption_of(tmp_path, outside, state=state).point()
    assert failed_ids(outside.marks) == [2]
    inherit(point, outside.marks, FakeSavedMessages())
    assert failed_ids(outside.marks) == [1, 2]
    recorded = outside.marks.failures(REMOTE, CHAT_ID, 0)
    assert recorded[1] == failure_of(2, for_good=True)
    assert sorted(point.failures, key=lambda each: each.key) == recorded


def test_of_several_state_messages_a_run_leaves_the_most_advanced(tmp_path: Path) -> None:
    saved, outside = FakeSavedMessages(), Outside(FakeChatReader.of([]))
    stale = saved.put(encode(replace(STATE, scope_key=scope_key(SCOPE))))
    kept = saved.put(encode(replace(STATE, scope_key=scope_key(SCOPE), last_message_id=7)))
    store = StateStore(saved, LocalStates(tmp_path / "state"))
    point = Resumption(
        CHAT,
        SCOPE,
        TASK,
        outside.reader,
        outside.marks,
        store,
        lambda chat_id: None,
    ).point()
    assert set(saved.messages) == {stale.message_id, kept.message_id}
    inherit(point, outside.marks, saved)
    assert set(saved.messages) == {kept.message_id}
    inherit(resumption_of(tmp_path, outside, state=STATE).point(), outside.marks, saved)
    assert saved.calls.count("delete") == 1


@pytest.mark.parametrize(
    ("only_failed", "again"), [(False, [1]), (True, [1, 2, 9])], ids=["run", "retry-failed"]
)
def test_a_run_tries_again_what_failed_below_its_beginning_and_finds_the_rest_itself(
    only_failed: bool, again: list[int], tmp_path: Path
) -> None:
    outside = Outside(FakeChatReader.of([item_of(number, 10) for number in range(1, 10)]))
    outside.marks.save_watermark(SCOPE, 5)
    for failure in (failure_of(1), failure_of(2, for_good=True), failure_of(9)):
        outside.marks.record_failure(REMOTE, failure)
    resumption = resumption_of(
        tmp_path,
        outside,
        task=replace(TASK, retry_failed=only_failed),
    )
    job = resumption.job(resumption.point(), [])
    assert ids(job.again) == again
    assert (job.after_id, job.up_to_id) == ((5, 5) if only_failed else (5, 9))


def test_of_the_remote_only_what_no_mark_speaks_for_is_looked_at(tmp_path: Path) -> None:
    outside = Outside(FakeChatReader.of([]))
    outside.marks.write(DoneMark(REMOTE, RemoteFile(item_of(3, 10), "F", "3_a.bin")))
    resumption = resumption_of(tmp_path, outside)
    listing = [ListedFile("3_a.bin", 10), ListedFile("4_a.bin", 10), ListedFile("notes.txt", 10)]
    assert resumption.job(resumption.point(), listing).on_remote == {FileNumber(4): (listing[1],)}


def test_a_later_round_still_knows_the_files_on_the_remote_of_what_failed_and_no_others(
    tmp_path: Path,
) -> None:
    outside = Outside(FakeChatReader.of([item_of(number, 10) for number in (7, 8)]))
    outside.marks.record_failure(
        REMOTE,
        Failure(item_of(7, 10).key, WRONG_SIZE, "…", 0, for_good=False, overwrites="7_a.bin"),
    )
    resumption = resumption_of(tmp_path, outside)
    cut, beside, other = (
        ListedFile("7_a.bin", 4),
        ListedFile("7_notes.txt", 4),
        ListedFile("8_a.bin", 4),
    )
    point = resumption.point()
    job = resumption.job(point, [cut, beside, other])
    assert job.on_remote == {FileNumber(7): (cut, beside), FileNumber(8): (other,)}
    later = resumption.later_job(job, 8, {7})
    assert later is not None
    assert later.on_remote == {FileNumber(7): (cut, beside)}
    assert [entry.key.message_id for entry in later.again] == [7]


class Comments(FakeChatReader):
    """Of which is known what was fetched: ``under`` are the posts of other blocks."""

    under: Mapping[int, int] = {}

    def __init__(self, *messages: HistoryEntry) -> None:
        super().__init__({each.key.message_id: each for each in messages})
        self.known: set[int] = set()

    def fetch(
        self, chat: Chat, message_ids: Sequence[int], shard: Shard = WHOLE
    ) -> list[HistoryEntry]:
        self.known.update(message_ids)
        found = super().fetch(chat, message_ids)
        return [each for each in found if self.holds(chat, shard, each.key.message_id)]

    def holds(self, chat: Chat, shard: Shard, message_id: int) -> bool:
        post = self.under.get(message_id, message_id) if message_id in self.known else message_id
        return shard.holds(post)


def test_what_failed_of_comments_is_told_and_tried_by_the_part_that_has_their_post(
    tmp_path: Path,
) -> None:
    """Whatever is on record on this machine of other parts, and whether it failed for good."""
    reader = Comments(item_of(5, 10), item_of(1500, 10), item_of(1600, 10))
    reader.under = {1500: 3}
    outside, chat = Outside(reader), replace(CHAT, comments_on_id=CHAT_ID - 1)
    for message_id in (5, 1500, 1600):
        outside.marks.record_failure(REMOTE, failure_of(message_id, for_good=True))
        outside.marks.wait_for(REMOTE, CHAT_ID, 0, [Waiting(message_id, True, "")])
    for part, own in ((Shard(1, 2), [5, 1500]), (Shard(2, 2), [1600])):
        reader.known.clear()
        scope = replace(SCOPE, shard=part)
        point = resumption_of(tmp_path, outside, scope, chat=chat).point()
        assert [each.key.message_id for each in point.failures] == own
        assert [each.message_id for each in point.waiting] == own
    calls = reader.calls
    resumption_of(tmp_path, outside, chat=chat).point()
    assert reader.calls == calls
