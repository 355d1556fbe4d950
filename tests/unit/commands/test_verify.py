"""``verify`` holds what the remote lists against the messages that were asked for, and repairs what
earlier runs had moved; what it may not write it leaves alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from standins.telegram.service.faults import Fault
from tdl_sync.cli.parse import parse_config
from tdl_sync.commands.verify import Verifier
from tdl_sync.commands.verify_text import Verdict
from tdl_sync.core.errors import HeldByAnotherRun
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    Chat,
    ChatKind,
    DoneMark,
    HistoryEntry,
    HistoryPage,
    ListedFile,
    MediaItem,
    MessageKey,
    RemoteFile,
    Scope,
    SkippedItem,
    scope_key,
)
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_state import RunState, RunStatus
from tdl_sync.state.state_message import decode, encode
from tests.e2e.choosing.posts import world_of
from tests.e2e.conftest import Stage
from tests.e2e.program import SOURCE
from tests.fakes.chat import CHAT_ID, FakeChatReader, copy_of, item_of
from tests.fakes.remote_files import FakeRemoteFiles
from tests.fakes.saved_messages import FakeSavedMessages
from tests.in_process import run_here
from tests.unit.state.test_state_message import PLAIN

REMOTE = "box:files"
CHAT = Chat(CHAT_ID, "A channel", ChatKind.CHANNEL)
FOLDER = f"A channel [{CHAT_ID}]"
SCOPE = Scope(REMOTE, CHAT_ID)


@dataclass
class Machine:
    """What a machine has kept of earlier runs, and what Telegram and the remote show."""

    directory: Path
    entries: list[HistoryEntry] = field(default_factory=list)
    remote: FakeRemoteFiles = field(default_factory=FakeRemoteFiles)
    saved_messages: FakeSavedMessages = field(default_factory=FakeSavedMessages)
    reader: FakeChatReader | None = None

    @property
    def local_states(self) -> LocalStates:
        return LocalStates(self.directory / "state")

    def records(self) -> DoneMarks:
        return DoneMarks(self.directory / "marks")

    def verdict(self, *options: str, lower_bound: int = 0) -> Verdict:
        argv = ["verify", "-u", "@channel", "--remote", REMOTE, "--data-dir", str(self.directory)]
        with self.records() as marks:
            verifier = Verifier(
                config=parse_config([*argv, *options], {}),
                reader=self.reader or FakeChatReader.of(self.entries, messages_per_page=2),
                look=self.remote,
                marks=marks,
                saved_messages=self.saved_messages,
            )
            return verifier.verdict(CHAT, lower_bound)

    def moved(self, *items: MediaItem, folder: str = FOLDER) -> None:
        """They are on the remote, and marked."""
        with self.records() as marks:
            for item in items:
                listed = ListedFile(f"{item.message_id}_a.bin", item.size_bytes)
                self.remote.folders.setdefault(folder, []).append(listed)
                marks.write(DoneMark(REMOTE, RemoteFile.listed(item, folder, listed)))

    def lose(self, message_id: int) -> None:
        """Somebody deletes its file."""
        files = self.remote.folders[FOLDER]
        files[:] = [file for file in files if file.name != f"{message_id}_a.bin"]

    def save(self, state: RunState) -> None:
        self.saved_messages.put(encode(state))

    def state(self) -> RunState:
        (text,) = self.saved_messages.texts
        return decode(text)


FAILURE = Failure(MessageKey(CHAT_ID, 0, 1), "wrong size", "why", 1, for_good=False)
ITEMS = tuple(item_of(number, 1000 * number) for number in range(1, 6))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, list(ITEMS))


def state_of(last_message_id: int) -> RunState:
    return replace(
        PLAIN,
        scope_key=scope_key(SCOPE),
        channel_id=CHAT_ID,
        remote=REMOTE,
        folder=FOLDER,
        last_message_id=last_message_id,
        done_above_ids=(),
        failed_ids=(),
        failures_by_reason={},
        lower_bound=0,
        status=RunStatus.COMPLETE,
    )


def missing_ids(verdict: Verdict) -> list[int]:
    return [each.key.message_id for each in verdict.findings.missing]


def unknown_names(verdict: Verdict) -> list[str]:
    return [each.file.name for each in verdict.findings.unknown]


# --- what is compared ---------------------------------------------------------------------------


def test_without_a_folder_all_is_missing(machine: Machine) -> None:
    verdict = machine.verdict()
    assert (verdict.folder, missing_ids(verdict)) == (None, [1, 2, 3, 4, 5])
    assert verdict.findings.there == 0


def test_the_folder_is_that_of_the_state_or_else_the_one_that_bears_the_chats_id(
    machine: Machine,
) -> None:
    other = f"Another title [{CHAT_ID}]"
    machine.moved(*ITEMS, folder=other)
    verdict = machine.verdict()
    assert (verdict.folder, verdict.findings.there, missing_ids(verdict)) == (other, 5, [])
    machine.save(state_of(5))
    verdict = machine.verdict()
    assert (verdict.folder, verdict.findings.there) == (FOLDER, 0)


def test_hashes_are_asked_for_and_a_failure_that_is_known_is_told(machine: Machine) -> None:
    machine.remote.folders[FOLDER] = [ListedFile("1_a.bin", 1000, "", "0" * 64)]
    known = RemoteFile.listed(ITEMS[0], FOLDER, ListedFile("1_a.bin", 1000))
    with machine.records() as marks:
        marks.write(DoneMark(REMOTE, replace(known, sha256="f" * 64)))
        marks.record_failure(REMOTE, replace(FAILURE, key=ITEMS[1].key))
    verdict = machine.verdict()
    (wrong,) = verdict.findings.wrong
    assert (wrong.key, wrong.file.sha256) == (ITEMS[0].key, "0" * 64)
    failures = [each.failure and each.failure.reason for each in verdict.findings.missing]
    assert failures == ["wrong size", None, None, None]


def test_what_is_not_asked_for_is_neither_missing_nor_unknown(machine: Machine) -> None:
    machine.moved(*ITEMS)
    machine.lose(1)
    machine.lose(5)
    late = machine.verdict("--from-id=2", "--to-id=4", lower_bound=2)
    assert (late.findings.there, missing_ids(late), unknown_names(late)) == (3, [], [])
    large = machine.verdict("--min-size=3kB")
    assert (large.findings.there, missing_ids(large)) == (2, [5])
    assert (large.findings.skipped, large.findings.not_compared) == ({"size": 2}, 1)


def test_files_of_messages_that_are_gone_are_unknown(machine: Machine) -> None:
    machine.moved(*ITEMS, item_of(6, 10), item_of(7, 10))
    machine.entries[2] = SkippedItem(ITEMS[2].key, "sticker")
    machine.entries.append(item_of(7, 10))
    del machine.entries[4]
    verdict = machine.verdict()
    assert unknown_names(verdict) == ["5_a.bin", "6_a.bin"]
    assert (verdict.findings.there, verdict.findings.not_compared) == (4, 1)
    # Beyond the bound that was asked for there is nothing to say of messages that are gone.
    verdict = machine.verdict("--to-id=4")
    assert (unknown_names(verdict), verdict.findings.not_compared) == ([], 4)


def part_of(number: int, last_message_id: int) -> RunState:
    shard = Shard(number, 2)
    return replace(
        state_of(last_message_id),
        scope_key=scope_key(replace(SCOPE, shard=shard)),
        shard=shard,
        whole_scope_key=scope_key(SCOPE),
    )


def test_what_parts_have_passed_is_repaired_and_each_is_told_of_its_own(machine: Machine) -> None:
    """By a machine that has no marks of it. What no part has come to yet is moved in its turn."""
    machine.entries = [item_of(each, 10) for each in (1, 2, 1001, 1002, 2001)]
    for number, last_message_id in ((1, 1500), (2, 1001)):
        machine.save(part_of(number, last_message_id))
    machine.remote.folders[FOLDER] = [ListedFile("2_a.bin", 10)]
    verdict = machine.verdict("--repair")
    assert (missing_ids(verdict), verdict.repaired) == ([1, 1001, 1002, 2001], 2)
    states = {each.shard.number: each for each in map(decode, machine.saved_messages.texts)}
    assert {number: each.failed_ids for number, each in states.items()} == {1: (1,), 2: (1001,)}
    assert {each.status for each in states.values()} == {RunStatus.STOPPED}


def test_of_a_part_only_that_is_compared_and_the_files_of_others_are_not_unknown(
    machine: Machine,
) -> None:
    machine.entries = [item_of(each, 10) for each in (1, 2, 1001, 1002)]
    machine.moved(machine.entries[0], machine.entries[2])  # type: ignore[arg-type]
    machine.save(part_of(2, 1500))
    verdict = machine.verdict("--shard=2/2", "--repair")
    assert (verdict.findings.there, missing_ids(verdict), unknown_names(verdict)) == (1, [1002], [])
    assert verdict.balance is None
    (state,) = map(decode, machine.saved_messages.texts)
    assert (state.shard, state.failed_ids) == (Shard(2, 2), (1002,))


class GrowingChat(FakeChatReader):
    """Somebody posts when its history was read."""

    def pages(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[HistoryPage]:
        yield from super().pages(chat, after_id, up_to_id, shard)
        self.append(10)


def test_a_file_whose_message_came_meanwhile_is_not_unknown(machine: Machine) -> None:
    machine.moved(*ITEMS, item_of(6, 10))
    machine.reader = GrowingChat.of(ITEMS)
    verdict = machine.verdict()
    assert (unknown_names(verdict), verdict.findings.there) == ([], 5)
    assert verdict.findings.not_compared == 1


def test_a_copy_that_was_left_out_is_not_missing(machine: Machine) -> None:
    machine.moved(*ITEMS)
    machine.entries.append(copy_of(ITEMS[0], 6))
    assert missing_ids(machine.verdict()) == [6]
    verdict = machine.verdict("--dedupe")
    assert (missing_ids(verdict), verdict.findings.skipped) == ([], {"duplicate": 1})


def test_looking_writes_nothing_down(machine: Machine) -> None:
    machine.moved(*ITEMS)
    machine.lose(2)
    machine.save(state_of(3))
    machine.save(state_of(5))  # a run would remove the other
    texts = machine.saved_messages.texts
    assert missing_ids(machine.verdict()) == [2]
    assert machine.saved_messages.texts == texts
    assert set(machine.saved_messages.calls) == {"find"}
    with machine.records() as marks:
        assert marks.is_done(REMOTE, ITEMS[1].key)
        assert marks.failures(REMOTE, CHAT_ID, 0) == []


# --- the repair ---------------------------------------------------------------------------------


def test_a_repair_records_what_was_moved_and_what_was_passed_and_nothing_to_come(
    machine: Machine,
) -> None:
    machine.moved(ITEMS[0], ITEMS[1], ITEMS[4])
    for lost in (2, 5):
        machine.lose(lost)
    machine.save(state_of(3))
    verdict = machine.verdict("--repair")
    assert (missing_ids(verdict), verdict.repaired) == ([2, 3, 4, 5], 3)
    state = machine.state()
    assert (state.failed_ids, state.status) == ((2, 3, 5), RunStatus.STOPPED)
    with machine.records() as marks:
        assert not marks.is_done(REMOTE, ITEMS[1].key)
        failed = [failure.key.message_id for failure in marks.failures(REMOTE, CHAT_ID, 0)]
    assert failed == [2, 3, 5]
    # Again it finds the same, and has nothing to add.
    assert machine.verdict("--repair").repaired == 0


def test_where_there_is_no_state_the_watermark_of_this_machine_counts(machine: Machine) -> None:
    with machine.records() as marks:
        marks.save_watermark(SCOPE, 2)
    assert machine.verdict("--repair").repaired == 2
    assert machine.saved_messages.texts == []
    assert not machine.local_states.scope_keys()


def test_a_repair_is_refused_while_another_run_holds_the_chat_and_a_look_is_not(
    machine: Machine,
) -> None:
    machine.save(replace(state_of(5), status=RunStatus.RUNNING))
    assert missing_ids(machine.verdict()) == [1, 2, 3, 4, 5]
    with pytest.raises(HeldByAnotherRun):
        machine.verdict("--repair")
    with machine.records() as marks:
        assert marks.failures(REMOTE, CHAT_ID, 0) == []


# --- the command --------------------------------------------------------------------------------


def test_one_file_is_one_and_what_cannot_be_looked_at_is_an_error_beside_it(
    stage: Stage,
) -> None:
    """The remote is empty here, and Telegram refuses the second chat."""
    scene = stage(world_of())
    machine, options = scene.machine, ("verify", "-u", SOURCE, "--type=video")
    ended = run_here(machine, *options)
    assert ended.said == (
        "tdl_sync: 1 file missing or wrong on box:files; "
        "verify --repair has the next run move again what had been moved\n"
    )
    assert (ended.exit_status, ended.result["status"]) == (3, "failed")
    ended = run_here(machine, *options, "-u", "@nobody_has_this", "--repair", "--json")
    nobody, what_next = ended.said.splitlines()
    assert nobody.startswith("tdl_sync: cannot read the chat '@nobody_has_this'")
    assert what_next == (
        "tdl_sync: 1 file missing or wrong on box:files; 0 recorded, for the next run to move again"
    )
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    assert [record["chat"]["id"] for record in found] == [scene.world.source.chat_id]
    assert ended.exit_status == 2
    assert not machine.remote_directory.exists()


def test_what_ends_it_all_leaves_what_was_found_and_a_last_line(stage: Stage) -> None:
    scene = stage(world_of())
    scene.telegram.faults.add(Fault("session_revoked", rpc="messages.GetHistory", times=None))
    ended = run_here(scene.machine, "verify", "-u", SOURCE)
    assert "(SESSION_REVOKED). Please log in again" in ended.said
    assert ended.exit_status == 4
    assert ended.stdout == (
        "result: status=error there=0 missing=0 wrong=0 double=0 unknown=0 "
        "by_hash=0 by_size=0 given_up=0\n"
    )
