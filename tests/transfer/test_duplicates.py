"""The whole line with ``--dedupe``: a file that was posted several times is moved once."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdl_sync.core.errors import (
    ChatUnreadable,
    DownloadFailed,
    HandOffFailed,
    MessageGone,
    RefusedByTelegram,
    SidecarUnreadable,
    Stopped,
)
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import MediaItem, MessageDetails
from tdl_sync.core.naming import file_name
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.options.choice import Choice
from tdl_sync.options.name_template import Keeping
from tdl_sync.transfer.duplicates import DUPLICATE
from tests.fakes.chat import CHAT_ID, FIRST_DATE, copy_of, item_of
from tests.fakes.marks import FakeMarks
from tests.transfer.line import BLOCK, FOLDER, REMOTE, Line, Run, assert_complete, stop_at
from tests.transfer.mortal import MortalLine
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("short_pauses")

MakeLine = Callable[..., Line]
DEDUPE = Choice(dedupe=True)


@pytest.fixture
def make_line(tmp_path: Path) -> Iterator[MakeLine]:
    """Call it with the names of the files that messages 1, 2, … hold: ``aba`` is three messages,
    of which the first and the last hold one file."""
    lines: list[Line] = []

    def make(files: str, size_bytes: int = BLOCK) -> Line:
        line = Line(tmp_path, messages_with(files, size_bytes))
        line.choice = DEDUPE
        lines.append(line)
        return line

    yield make
    for line in lines:
        line.close()


def messages_with(files: str, size_bytes: int = BLOCK) -> list[MediaItem]:
    return [
        copy_of(item_of(ord(file), size_bytes), number)
        for number, file in enumerate(files, start=1)
    ]


def post(line: Line, files: str, size_bytes: int = BLOCK) -> None:
    newest_id = max(line.reader.messages, default=0)
    for item in messages_with(files, size_bytes):
        posted = copy_of(item, newest_id + item.message_id)
        line.reader.messages[posted.message_id] = posted


def edited(item: MediaItem) -> MediaItem:
    return replace(item, details=MessageDetails(edited_at=FIRST_DATE))


def assert_moved_are(line: Line, *message_ids: int) -> None:
    line.assert_all_moved(item for item in line.items() if item.message_id in message_ids)


def forget_this_machine(line: Line) -> None:
    """All that is left is the remote and the watermark."""
    line.marks = FakeMarks()


def test_copies_are_passed_over_and_neither_fetched_nor_marked(make_line: MakeLine) -> None:
    line = make_line("abacab", PART_BYTES + 1)
    ended = line.run()
    assert_complete(ended)
    assert_moved_are(line, 1, 2, 4)
    assert ended.report.skipped_by_rule == {DUPLICATE: 3}
    assert {message_id for message_id, _ in line.parts.asked} == {1, 2, 4}
    assert (ended.report.seen, ended.position.watermark, ended.settled) == (6, 6, 6)


def test_without_the_choice_each_message_is_moved_and_so_are_copies_of_earlier_runs(
    make_line: MakeLine,
) -> None:
    line = make_line("aab")
    line.run()
    assert_moved_are(line, 1, 3)
    line.choice, line.after_id = Choice(), 0
    assert_complete(line.run())
    assert_moved_are(line, 1, 2, 3)


def test_a_new_copy_of_what_an_earlier_run_has_moved_is_passed_over(make_line: MakeLine) -> None:
    line = make_line("ab")
    line.choice = Choice()
    line.run()
    line.choice = DEDUPE
    post(line, "bca")
    ended = line.run()
    assert_complete(ended)
    assert_moved_are(line, 1, 2, 4)
    assert ended.report.skipped_by_rule == {DUPLICATE: 2}


def test_while_the_first_is_on_its_way_its_copies_take_no_room_and_stay_open(
    make_line: MakeLine,
) -> None:
    """There is room for one file and one download: a copy that held any would end in a jam."""
    line = make_line("aaaab")
    ended = line.run(budget_bytes=BLOCK, downloads=1, workers=1)
    assert_complete(ended)
    assert_moved_are(line, 1, 5)

    line = make_line("aab", 2 * PART_BYTES)

    def prepare(run: Run) -> None:
        def on_event(event: tuple[str, int]) -> None:
            if event == ("move", 1):
                until(lambda: run.tally.report().moved == 1)  # it is message 3
                assert run.pipeline.ledger.position().watermark == 0
                assert run.pipeline.ledger.position().done_above == (3,)

        run.watch.on_event = on_event

    assert_complete(line.run(prepare=prepare))


@pytest.mark.parametrize("error", [HandOffFailed("no route"), DownloadFailed("no answer")])
def test_when_the_first_fails_a_copy_is_moved_and_the_next_run_passes_the_first_over(
    make_line: MakeLine, error: HandOffFailed | DownloadFailed
) -> None:
    line = make_line("aaa")
    if isinstance(error, HandOffFailed):
        line.upload_errors["1_a.bin"] = [error] * 3
    else:
        line.parts.faults[1].extend([error] * 3)
    ended = line.run()
    assert_complete(ended)
    assert_moved_are(line, 2)
    assert ended.report.failed == 1
    assert ended.report.skipped_by_rule == {DUPLICATE: 1}
    ended = line.run()
    assert_complete(ended)
    assert_moved_are(line, 2)
    assert ended.report.skipped_by_rule == {DUPLICATE: 1}
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []
    assert line.staged() == []


def test_when_all_fail_each_is_recorded_and_the_next_run_moves_one(make_line: MakeLine) -> None:
    line = make_line("aaa")
    for number in (1, 2, 3):
        line.upload_errors[f"{number}_a.bin"] = [HandOffFailed("no route")] * 3
    ended = line.run()
    assert_complete(ended)
    assert ended.report.failed == 3
    assert_complete(line.run())
    assert_moved_are(line, 1)
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []


def test_when_the_first_was_deleted_meanwhile_a_copy_is_moved(make_line: MakeLine) -> None:
    line = make_line("aa")
    line.parts.faults[1].append(MessageGone("deleted"))
    ended = line.run()
    assert_complete(ended)
    assert_moved_are(line, 2)
    assert ended.report.skipped_by_rule == {"deleted": 1}


def test_a_first_that_can_never_fit_or_is_refused_for_good_keeps_nobody_waiting(
    make_line: MakeLine,
) -> None:
    line = make_line("aab", 2 * BLOCK)
    ended = line.run(budget_bytes=BLOCK)
    assert_complete(ended)
    assert ended.report.failed == 3
    line.parts.faults[1].append(RefusedByTelegram("no"))
    line.after_id = 0
    assert_complete(line.run())
    assert_moved_are(line, 2, 3)


def test_one_id_with_another_declared_size_is_moved(make_line: MakeLine) -> None:
    line = make_line("aa")
    line.reader.resize(2, BLOCK + 1)
    assert_complete(line.run())
    assert_moved_are(line, 1, 2)


def test_newest_first_the_newest_is_moved(make_line: MakeLine) -> None:
    line = make_line("abcacbaac")
    line.choice = Choice(dedupe=True, newest_first=True)
    ended = line.run()
    assert_complete(ended)
    assert_moved_are(line, 6, 8, 9)


def test_a_limit_counts_what_is_moved_and_leaves_copies_to_whom_they_belong(
    make_line: MakeLine,
) -> None:
    line = make_line("aaaabbc")
    line.choice = Choice(dedupe=True, limit=2)
    ended = line.run()
    assert ended.error is None
    assert_moved_are(line, 1, 5)
    assert ended.report.moved == 2
    assert_complete(line.run())
    assert_moved_are(line, 1, 5, 7)


def test_a_stop_leaves_those_that_wait_to_the_next_run(make_line: MakeLine) -> None:
    line = make_line("aaab", 2 * PART_BYTES)
    ended = line.run(prepare=stop_at("fetch", 1))
    assert isinstance(ended.error, Stopped)
    assert ended.position.watermark == 0
    assert_complete(line.run())
    assert_moved_are(line, 1, 4)


def test_a_chat_that_can_no_more_be_read_ends_while_copies_wait(make_line: MakeLine) -> None:
    line = make_line("aaa")
    line.parts.faults[1].append(ChatUnreadable("x", "closed", "wait"))
    ended = line.run()
    assert isinstance(ended.error, ChatUnreadable)
    assert ended.report.moved == 0
    assert ended.position.watermark == 0
    assert_complete(line.run())
    assert_moved_are(line, 1)


# --- what earlier runs have left ---------------------------------------------------------------


def test_a_machine_that_knows_only_the_remote_learns_which_files_are_there(
    make_line: MakeLine,
) -> None:
    line = make_line("abacad")
    line.run()
    forget_this_machine(line)
    post(line, "dea")
    ended = line.run()
    assert_complete(ended)
    assert_moved_are(line, 1, 2, 4, 6, 8)
    assert {message_id for message_id, _ in line.parts.asked} == {1, 2, 4, 6, 8}
    calls_before = line.reader.calls
    assert_complete(line.run())
    assert line.reader.calls == calls_before  # nothing is read again for what is known


def test_a_copy_that_an_earlier_machine_has_moved_counts_before_its_message_comes_by(
    make_line: MakeLine,
) -> None:
    """The first failed, a copy above the watermark was moved, and the machine is lost."""
    line = make_line("abcdefgha", 0)
    line.upload_errors["1_a.bin"] = [HandOffFailed("no route")] * 3
    line.run()
    forget_this_machine(line)
    line.after_id = 0
    ended = line.run()
    assert_complete(ended)
    assert ended.report.skipped_by_rule == {DUPLICATE: 1}
    assert_moved_are(line, *range(2, 10))


def test_what_an_edited_message_was_moved_with_is_not_guessed(make_line: MakeLine) -> None:
    line = make_line("ab")
    line.run()
    forget_this_machine(line)
    line.reader.messages[1] = edited(messages_with("z")[0])  # it holds another file now
    post(line, "zb")
    assert_complete(line.run())
    assert line.remote[FOLDER].keys() == {"1_a.bin", "2_a.bin", "3_a.bin"}


def test_a_first_that_has_lost_its_mark_is_none(make_line: MakeLine) -> None:
    line = make_line("ab")
    line.run()
    del line.marks.marks[REMOTE, line.items()[0].key]
    del line.remote[FOLDER]["1_a.bin"]
    post(line, "a")
    assert_complete(line.run())
    assert line.remote[FOLDER].keys() == {"2_a.bin", "3_a.bin"}


def test_a_staged_copy_of_what_is_done_is_deleted_and_of_two_staged_ones_one_is_moved(
    make_line: MakeLine,
) -> None:
    line = make_line("aabb")
    line.choice = Choice()
    line.upload_errors["*"] = [HandOffFailed("no route")] * 12
    line.run()
    assert len(line.staged()) == 4
    line.choice, line.after_id = DEDUPE, 0
    ended = line.run()
    assert_complete(ended)
    assert_moved_are(line, 1, 3)
    assert line.staged() == []
    assert ended.report.skipped_by_rule == {DUPLICATE: 2}


@pytest.mark.parametrize("knows_its_file", [True, False])
def test_a_staged_file_of_an_edited_message_stands_for_its_copies_only_if_it_is_their_file(
    knows_its_file: bool, make_line: MakeLine
) -> None:
    """What is staged may be the file that the message held before: then it is downloaded anew."""
    line = make_line("aa")
    line.upload_errors["1_a.bin"] = [HandOffFailed("no route")] * 3
    line.choice = Choice(limit=1)
    line.run()
    assert len(line.staged()) == 1
    line.choice, line.after_id = DEDUPE, 0
    line.reader.messages[1] = edited(line.items()[0])
    if not knows_its_file:
        for journal in (line.directory.parent / "partial").iterdir():
            journal.unlink()
    line.parts.asked.clear()
    assert_complete(line.run())
    assert bool(line.parts.asked_of(1)) is not knows_its_file
    assert_moved_are(line, 1)


# --- sidecars ----------------------------------------------------------------------------------


def also_posted(line: Line, message_id: int) -> list[dict[str, Any]]:
    record = json.loads(line.remote[FOLDER][f"{message_id}.json"])
    found: list[dict[str, Any]] = record.get("also_posted", [])
    return found


def ids_also_posted(line: Line, message_id: int) -> list[int]:
    return [each["message_id"] for each in also_posted(line, message_id)]


def media_names(line: Line) -> set[str]:
    return {name for name in line.remote[FOLDER] if "_" in name}


def test_the_sidecar_names_the_copies_of_this_run_and_of_later_ones(make_line: MakeLine) -> None:
    line = make_line("abaa")
    line.keeping = Keeping(with_sidecar=True)
    assert_complete(line.run())
    assert ids_also_posted(line, 1) == [3, 4]
    assert "also_posted" not in json.loads(line.remote[FOLDER]["2.json"])
    post(line, "ba")
    assert_complete(line.run())
    assert also_posted(line, 2) == [
        {
            "message_id": 5,
            "date": "2021-03-04T05:06:07Z",
            "caption": "",
            "original_name": "a.bin",
        }
    ]
    assert ids_also_posted(line, 1) == [3, 4, 6]
    forget_this_machine(line)
    post(line, "a")
    assert_complete(line.run())
    assert ids_also_posted(line, 1) == [3, 4, 6, 7]
    assert media_names(line) == {"1_a.bin", "2_a.bin"}


def test_a_first_that_is_moved_again_keeps_the_names_of_its_copies(make_line: MakeLine) -> None:
    """As after ``verify --repair``: the copies lie below the watermark and do not come by again."""
    line = make_line("aa")
    line.keeping = Keeping(with_sidecar=True)
    line.run()
    del line.marks.marks[REMOTE, line.items()[0].key]
    del line.remote[FOLDER]["1_a.bin"]
    line.marks.record_failure(
        REMOTE, Failure(line.items()[0].key, "missing", "it is gone", 1, for_good=False)
    )
    assert_complete(line.run())
    assert_moved_are(line, 1)
    assert ids_also_posted(line, 1) == [2]


def test_many_copies_in_several_runs_at_once_are_all_named(make_line: MakeLine) -> None:
    line = make_line("ab" * 60)
    line.keeping = Keeping(with_sidecar=True)
    assert_complete(line.run(workers=8))
    assert ids_also_posted(line, 1) == list(range(3, 121, 2))
    assert ids_also_posted(line, 2) == list(range(4, 121, 2))


def test_a_copy_that_cannot_be_named_fails_for_now_and_is_named_by_the_next_run(
    make_line: MakeLine,
) -> None:
    line = make_line("aa")
    line.keeping = Keeping(with_sidecar=True)
    original: list[bytes] = []

    def prepare(run: Run) -> None:
        def on_event(event: tuple[str, int]) -> None:
            if event == ("marked", 1):
                original.append(line.remote[FOLDER]["1.json"])
                line.remote[FOLDER]["1.json"] = b"{"

        run.watch.on_event = on_event

    ended = line.run(prepare=prepare)
    assert_complete(ended)
    assert ended.report.failed_by_reason == {SidecarUnreadable.reason: 1}
    assert ended.position.watermark == 2
    line.remote[FOLDER]["1.json"] = original[0]
    ended = line.run()
    assert_complete(ended)
    assert ended.report.skipped_by_rule == {DUPLICATE: 1}
    assert ids_also_posted(line, 1) == [2]
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []


@pytest.mark.parametrize("event", ["move", "moved", "marked"])
def test_a_stop_while_copies_are_to_be_named_leaves_them_to_the_next_run(
    make_line: MakeLine, event: str
) -> None:
    line = make_line("aaab")
    line.keeping = Keeping(with_sidecar=True)
    line.run(workers=1, prepare=stop_at(event, 1))
    assert_complete(line.run())
    assert_moved_are(line, 1, 4)
    assert ids_also_posted(line, 1) == [2, 3]


def test_where_the_first_has_no_sidecar_copies_are_passed_over_all_the_same(
    make_line: MakeLine,
) -> None:
    line = make_line("a")
    line.run()
    line.keeping = Keeping(with_sidecar=True)
    post(line, "a")
    assert_complete(line.run())
    assert line.remote[FOLDER].keys() == {"1_a.bin"}


# --- runs that die -----------------------------------------------------------------------------


@given(
    files=st.lists(
        st.tuples(st.sampled_from("aabbc"), st.sampled_from(["moves", "moves", "down", "up"])),
        min_size=2,
        max_size=10,
    ),
    deaths=st.lists(
        st.tuples(st.sampled_from(["fetch", "move", "moved", "marked"]), st.integers(1, 5)),
        min_size=1,
        max_size=4,
    ),
    machines_lost=st.booleans(),
    seed=st.integers(0, 2**16),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_however_often_runs_die_each_file_is_moved_once_and_no_copy_is_lost(
    files: list[tuple[str, str]],
    deaths: list[tuple[str, int]],
    machines_lost: bool,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
    short_pauses: None,
) -> None:
    dice = random.Random(seed)
    directory = tmp_path_factory.mktemp("line")
    line = MortalLine(directory, messages_with("".join(file for file, _ in files)))
    line.choice, line.keeping = DEDUPE, Keeping(with_sidecar=True)
    for item, (_, fate) in zip(line.items(), files, strict=True):
        if fate == "down":
            line.parts.faults[item.message_id].extend([DownloadFailed("x")] * 3)
        elif fate == "up":
            line.upload_errors[file_name(item)] = [HandOffFailed("x") for _ in range(3)]
    for name, count in deaths:
        line.dying_run(name, count, dice, 2 * BLOCK)
        if machines_lost:
            line.lose_machine(directory / f"marks {dice.random()}")
    for _ in range(3):
        ended = line.run(budget_bytes=2 * BLOCK)
        assert_complete(ended)
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []
    assert line.staged() == []
    assert line.after_id == len(files)
    assert_each_file_is_there_once_and_names_its_copies(line)
    line.close()


def assert_each_file_is_there_once_and_names_its_copies(line: Line) -> None:
    firsts = {
        item.identity: item for item in line.items() if file_name(item) in line.remote[FOLDER]
    }
    assert firsts.keys() == {item.identity for item in line.items()}
    assert len(media_names(line)) == len(firsts)
    line.assert_all_moved(firsts.values())
    for first in firsts.values():
        copies = {item.message_id for item in line.items() if item.identity == first.identity}
        assert ids_also_posted(line, first.message_id) == sorted(copies - {first.message_id})
