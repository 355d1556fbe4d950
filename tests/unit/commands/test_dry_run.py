"""A dry run foretells each file's fate as a run would decide it, from what is known by then."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tdl_sync.cli.parse import parse_config
from tdl_sync.commands.dry_run import Looker
from tdl_sync.commands.dry_run_counts import Amount, Prospect
from tdl_sync.core.errors import ConfigurationError, HeldByAnotherRun
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    Chat,
    ChatKind,
    DoneMark,
    HistoryEntry,
    ListedFile,
    MediaItem,
    MessageKey,
    RemoteFile,
    Scope,
    SkippedItem,
    scope_key,
)
from tdl_sync.core.stop import StopFlag
from tdl_sync.run.wanted_chats import chats_to_move
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.read_only import MarksToRead
from tdl_sync.state.run_state import RunState, RunStatus
from tdl_sync.state.state_message import encode
from tdl_sync.transfer.disk.budget import DiskBudget
from tests.fakes.chat import CHAT_ID, FakeChatReader, copy_of, item_of
from tests.fakes.remote_files import FakeRemoteFiles
from tests.fakes.saved_messages import FakeSavedMessages
from tests.unit.state.test_state_message import PLAIN

REMOTE = "box:files"
CHAT = Chat(CHAT_ID, "A channel", ChatKind.CHANNEL)
FOLDER = f"A channel [{CHAT_ID}]"
BUDGET_BYTES = 1_000_000


@dataclass
class Machine:
    """What a machine has kept of earlier runs, and what Telegram and the remote show."""

    directory: Path
    entries: list[HistoryEntry] = field(default_factory=list)
    remote: FakeRemoteFiles = field(default_factory=FakeRemoteFiles)
    saved_messages: FakeSavedMessages = field(default_factory=FakeSavedMessages)

    def looker(self, *options: str) -> Looker:
        argv = ["--dry-run", "--remote", REMOTE, "--data-dir", str(self.directory), *options]
        config = parse_config(argv if "--resume" in options else ["-u", "@channel", *argv], {})
        marks = MarksToRead(self.directory / "marks")
        return Looker(
            config=config,
            reader=FakeChatReader.of(self.entries, messages_per_page=2),
            remote_files=self.remote,
            marks=marks,
            saved_messages=self.saved_messages,
            budget=DiskBudget(BUDGET_BYTES, 1, StopFlag()),
        )

    def prospect(self, *options: str, lower_bound: int = 0) -> Prospect:
        looker = self.looker(*options)
        with closing(looker.marks):
            return looker.prospect(CHAT, lower_bound)

    def records(self) -> DoneMarks:
        return DoneMarks(self.directory / "marks")

    def mark_done(self, *items: MediaItem) -> None:
        with self.records() as marks:
            for item in items:
                listed = ListedFile(f"{item.message_id}_a.bin", item.size_bytes)
                marks.write(DoneMark(REMOTE, RemoteFile.listed(item, FOLDER, listed)))

    def on_remote(self, *files: ListedFile) -> None:
        self.remote.folders[FOLDER] = list(files)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, [item_of(number, 1000 * number) for number in range(1, 6)])


def amounts(prospect: Prospect) -> tuple[Amount, Amount]:
    return prospect.to_move, prospect.there


def state_of(last_message_id: int, failed_ids: Iterable[int] = ()) -> RunState:
    failed = tuple(failed_ids)
    return replace(
        PLAIN,
        scope_key=scope_key(Scope(REMOTE, CHAT_ID)),
        channel_id=CHAT_ID,
        remote=REMOTE,
        folder=FOLDER,
        last_message_id=last_message_id,
        done_above_ids=(),
        failed_ids=failed,
        failures_by_reason={"wrong size": len(failed)} if failed else {},
        lower_bound=0,
        status=RunStatus.STOPPED,
    )


# --- what is there ------------------------------------------------------------------------------


def test_on_a_new_machine_all_is_to_move_into_a_folder_that_is_not_there(machine: Machine) -> None:
    prospect = machine.prospect()
    assert amounts(prospect) == (Amount(5, 15_000), Amount())
    assert (prospect.folder, prospect.folder_exists) == (FOLDER, False)
    assert (prospect.passed_id, prospect.limit_reached, prospect.skipped) == (0, False, {})
    assert prospect.examples == [f"{number}_a.bin" for number in range(1, 6)]
    assert list(machine.directory.iterdir()) == []


def test_what_the_marks_or_the_remote_know_is_there(machine: Machine) -> None:
    one, two, three = (item_of(number, 1000 * number) for number in (1, 2, 3))
    machine.mark_done(one)
    machine.on_remote(
        ListedFile("2_renamed.bin", two.size_bytes),
        ListedFile("3_a.bin", three.size_bytes - 1),
        ListedFile("4_a.bin.0a1b2c3d.partial", 4000),
    )
    prospect = machine.prospect()
    assert amounts(prospect) == (Amount(3, 12_000), Amount(2, 3000))
    assert prospect.folder_exists
    # With nothing in it, it is there all the same.
    machine.on_remote()
    assert machine.prospect().folder_exists


def test_the_folder_of_an_earlier_title_is_gone_on_with(machine: Machine) -> None:
    earlier = f"An earlier title [{CHAT_ID}]"
    machine.remote.folders[earlier] = [ListedFile("1_a.bin", 1000)]
    prospect = machine.prospect()
    assert (prospect.folder, prospect.there) == (earlier, Amount(1, 1000))
    assert prospect.folder_exists


# --- where it begins ----------------------------------------------------------------------------


def test_it_begins_after_what_an_earlier_run_has_dealt_with_unless_all_is_to_be_looked_at(
    machine: Machine,
) -> None:
    with machine.records() as marks:
        marks.save_watermark(Scope(REMOTE, CHAT_ID), 3)
    prospect = machine.prospect()
    assert (prospect.to_move, prospect.passed_id) == (Amount(2, 9000), 3)
    machine.saved_messages.put(encode(state_of(4)))
    prospect = machine.prospect()
    assert (prospect.to_move, prospect.passed_id) == (Amount(1, 5000), 4)
    prospect = machine.prospect("--restart")
    assert (prospect.to_move, prospect.passed_id) == (Amount(5, 15_000), 0)


def test_a_first_message_that_is_asked_for_is_not_one_that_was_passed(machine: Machine) -> None:
    prospect = machine.prospect("--resume-from=4", lower_bound=4)
    assert (prospect.to_move, prospect.passed_id) == (Amount(2, 9000), 0)
    with machine.records() as marks:
        marks.save_watermark(Scope(REMOTE, CHAT_ID, lower_bound=4), 4)
    prospect = machine.prospect("--resume-from=4", lower_bound=4)
    assert (prospect.to_move, prospect.passed_id) == (Amount(1, 5000), 4)


def test_what_failed_before_is_counted_again_though_the_history_is_past_it(
    machine: Machine,
) -> None:
    machine.saved_messages.put(encode(state_of(4, failed_ids=[2])))
    prospect = machine.prospect()
    assert (prospect.to_move, prospect.passed_id) == (Amount(2, 7000), 4)
    only_failed = machine.prospect("--retry-failed")
    assert only_failed.to_move == Amount(1, 2000)


def test_a_state_that_is_demanded_and_not_there_is_an_error(machine: Machine) -> None:
    with pytest.raises(ConfigurationError, match="there is no saved state of 'A channel' for box"):
        machine.prospect("--resume")


def test_what_the_remotes_listing_raises_is_an_error_of_this_chat(machine: Machine) -> None:
    machine.remote.errors = [HeldByAnotherRun("an error")]
    with pytest.raises(HeldByAnotherRun):
        machine.prospect()


def test_resume_alone_takes_the_unfinished_chats_and_says_what_it_leaves_out(
    machine: Machine,
) -> None:
    machine.saved_messages.put(encode(state_of(3)))
    elsewhere = replace(state_of(3), scope_key="0" * 16, remote="box:other", channel_name="Another")
    machine.saved_messages.put(encode(elsewhere))
    complete = replace(state_of(3), scope_key="1" * 16, status=RunStatus.COMPLETE)
    machine.saved_messages.put(encode(complete))
    lines: list[str] = []
    config = machine.looker("--resume").config
    wanted = chats_to_move(config, machine.saved_messages, lines.append)
    assert [each.lower_bound for each in wanted] == [0]
    assert lines == [
        "not resumed: 'Another' goes to another remote; run with --remote 'box:other' for it"
    ]


# --- what would not be moved --------------------------------------------------------------------


def test_what_is_too_large_or_was_given_up_would_fail_by_its_reason(machine: Machine) -> None:
    machine.entries.append(item_of(6, BUDGET_BYTES + 1))
    machine.entries.append(item_of(7, BUDGET_BYTES))
    with machine.records() as marks:
        for message_id, reason, for_good in (
            (1, "Telegram refuses it", True),
            (2, "wrong size", False),
            (3, "larger than the disk budget", True),
        ):
            key = MessageKey(CHAT_ID, 0, message_id)
            marks.record_failure(REMOTE, Failure(key, reason, "why", 1, for_good=for_good))
    prospect = machine.prospect()
    assert prospect.failing == {
        "Telegram refuses it": Amount(1, 1000),
        "larger than the disk budget": Amount(1, BUDGET_BYTES + 1),
    }
    assert prospect.to_move == Amount(5, 14_000 + BUDGET_BYTES)
    retried = machine.prospect("--retry-failed")
    assert (retried.to_move, retried.failing) == (Amount(3, 6000), {})


def test_what_the_filters_and_the_kind_leave_out_is_counted_by_rule(machine: Machine) -> None:
    machine.entries.append(SkippedItem(MessageKey(CHAT_ID, 0, 6), "sticker"))
    prospect = machine.prospect("--min-size=4kB")
    assert prospect.to_move == Amount(2, 9000)
    assert prospect.skipped == {"size": 3, "sticker": 1}
    assert prospect.seen == 6


def test_it_ends_where_the_limit_would_end_the_run(machine: Machine) -> None:
    machine.mark_done(item_of(1, 1000))
    prospect = machine.prospect("--limit=2")
    assert (prospect.to_move, prospect.there) == (Amount(2, 5000), Amount(1, 1000))
    assert prospect.limit_reached
    newest = machine.prospect("--limit=2", "--desc")
    assert (newest.to_move, newest.there) == (Amount(2, 9000), Amount())
    beyond = machine.prospect("--limit=5")
    assert (beyond.to_move, beyond.limit_reached) == (Amount(4, 14_000), False)


def test_a_copy_is_left_out_whether_its_first_is_there_or_would_be_moved(machine: Machine) -> None:
    one, two = (item_of(number, 1000 * number) for number in (1, 2))
    again = itertools.count(6)
    machine.entries += [copy_of(one, next(again)), copy_of(two, next(again))]
    assert machine.prospect().to_move == Amount(7, 18_000)
    prospect = machine.prospect("--dedupe")
    assert (prospect.to_move, prospect.skipped) == (Amount(5, 15_000), {"duplicate": 2})
    machine.mark_done(one)
    prospect = machine.prospect("--dedupe")
    assert (prospect.to_move, prospect.there) == (Amount(4, 14_000), Amount(1, 1000))
    assert prospect.skipped == {"duplicate": 2}
    # Of a copy whose first is filtered out nothing else is on the remote.
    prospect = machine.prospect("--dedupe", "--from-id=7", lower_bound=7)
    assert (prospect.to_move, prospect.skipped) == (Amount(1, 2000), {})


def test_what_one_scope_of_a_chat_shows_to_be_there_has_its_copies_in_the_next_one(
    machine: Machine,
) -> None:
    """A run would have marked it when it came to the second scope."""
    first = item_of(1, 1000)
    machine.entries.append(copy_of(first, 6))
    machine.on_remote(ListedFile("1_a.bin", 1000))
    looker = machine.looker("--dedupe")
    with closing(looker.marks):
        assert looker.prospect(CHAT, 0).skipped == {"duplicate": 1}
        second = looker.prospect(CHAT, 5)
    assert (second.to_move, second.skipped) == (Amount(1, 5000), {"duplicate": 1})


def test_a_failure_that_the_listing_has_refuted_is_counted_in_one_scope_of_the_chat(
    machine: Machine,
) -> None:
    with machine.records() as marks:
        key = MessageKey(CHAT_ID, 0, 1)
        marks.record_failure(REMOTE, Failure(key, "download failed", "why", 1, for_good=False))
    machine.on_remote(ListedFile("1_a.bin", 1000))
    looker = machine.looker()
    with closing(looker.marks):
        assert looker.prospect(CHAT, 0).there == Amount(1, 1000)
        assert looker.prospect(CHAT, 5).there == Amount()


def test_nothing_is_written_down(machine: Machine) -> None:
    machine.mark_done(item_of(1, 1000))
    machine.on_remote(ListedFile("2_a.bin", 2000))
    machine.saved_messages.put(encode(state_of(3, failed_ids=[2])))
    machine.saved_messages.put(encode(state_of(4)))  # a run would remove the other
    texts = machine.saved_messages.texts
    machine.prospect("--dedupe")
    assert machine.saved_messages.texts == texts
    assert set(machine.saved_messages.calls) == {"find"}
    with machine.records() as marks:
        assert not marks.is_done(REMOTE, MessageKey(CHAT_ID, 0, 2))
        assert marks.failures(REMOTE, CHAT_ID, 0) == []
