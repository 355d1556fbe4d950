"""The whole line on fakes: nothing is lost, doubled or swallowed, and the disk never overflows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdl_sync.core.errors import (
    ChatUnreadable,
    ComeBackLater,
    CredentialsRefused,
    DownloadFailed,
    HandOffFailed,
    ItemFailed,
    MessageGone,
    NetworkUnreachable,
    RefusedByTelegram,
    SizeMismatch,
    StagingFailed,
    Stopped,
    TdlSyncError,
)
from tdl_sync.core.model import Chat, HistoryEntry, HistoryPage, MediaItem, MessageKey, SkippedItem
from tdl_sync.core.naming import file_name
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.core.steps import (
    Admitted,
    DiskUsed,
    DownloadBegan,
    Downloaded,
    DownloadEnded,
    Failed,
    Left,
    Moved,
    Seen,
    Skipped,
    Staged,
    Step,
    TakenUp,
    UploadBegan,
    Uploaded,
    UploadEnded,
)
from tdl_sync.transfer.admission import OpenGate
from tdl_sync.transfer.download import PARTS_IN_FLIGHT
from tests.fakes.chat import CHAT_ID, item_of
from tests.fakes.parts import content_of, empty_part, long_part, short_part, whole_part
from tests.fakes.progress import RecordingProgress
from tests.transfer.line import (
    BLOCK,
    FOLDER,
    REMOTE,
    Event,
    Line,
    Run,
    assert_complete,
    assert_order,
    stop_at,
)
from tests.waiting import in_thread, until

pytestmark = pytest.mark.usefixtures("short_pauses")

MakeLine = Callable[..., Line]


@pytest.fixture
def make_line(tmp_path: Path) -> Iterator[MakeLine]:
    """Call it with the chat's entries, or with sizes in blocks of the disk."""
    lines: list[Line] = []

    def make(*entries: HistoryEntry | int) -> Line:
        line = Line(
            tmp_path,
            [
                item_of(number, entry * BLOCK) if isinstance(entry, int) else entry
                for number, entry in enumerate(entries, start=1)
            ],
        )
        lines.append(line)
        return line

    yield make
    for line in lines:
        line.close()


def skipped(message_id: int) -> SkippedItem:
    return SkippedItem(MessageKey(CHAT_ID, 0, message_id), "sticker")


def failing_uploads(line: Line, *message_ids: int, attempts: int = 3) -> None:
    """So many attempts to upload these files fail; three are what a run makes."""
    for item in line.items():
        if item.message_id in message_ids:
            errors: list[TdlSyncError] = [HandOffFailed("no route")] * attempts
            line.upload_errors[file_name(item)] = errors


# The straight line


def test_every_file_is_moved_once_with_its_bytes(make_line: MakeLine) -> None:
    sizes = [0, 1, BLOCK - 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 7]
    line = make_line(*(item_of(number, size) for number, size in enumerate(sizes, start=1)))
    ended = line.run()
    assert_complete(ended)
    assert_order(ended)
    line.assert_all_moved()
    assert ended.report.moved == ended.report.seen == ended.settled == len(sizes)
    assert ended.report.downloaded_bytes == ended.report.uploaded_bytes == sum(sizes)
    assert ended.position.watermark == len(sizes)
    assert ended.used_bytes == 0
    assert line.staged() == []


def test_an_empty_chat_is_complete(make_line: MakeLine) -> None:
    ended = make_line().run()
    assert_complete(ended)
    assert ended.report.seen == 0


def test_what_a_rule_leaves_out_is_counted_and_not_fetched(make_line: MakeLine) -> None:
    line = make_line(1, skipped(2), 1, skipped(4))
    ended = line.run()
    assert_complete(ended)
    assert ended.report.skipped_by_rule == {"sticker": 2}
    assert ended.report.moved == 2
    assert ended.position.watermark == 4


def test_a_second_run_moves_only_what_is_new(make_line: MakeLine) -> None:
    line = make_line(*[1] * 10)
    line.run()
    line.parts.asked.clear()
    new_id = line.reader.append(3 * BLOCK)
    ended = line.run()
    assert_complete(ended)
    assert {message_id for message_id, _ in line.parts.asked} == {new_id}
    assert (ended.report.seen, ended.report.moved) == (1, 1)
    line.assert_all_moved()


def test_from_the_first_message_again_the_done_marks_spare_all_work(make_line: MakeLine) -> None:
    line = make_line(*[1] * 10)
    line.run()
    line.parts.asked.clear()
    line.after_id = 0
    ended = line.run()
    assert_complete(ended)
    assert (ended.report.seen, ended.report.done_before, ended.report.moved) == (10, 10, 0)
    assert line.parts.asked == []
    assert ended.watch.events == []


def test_without_done_marks_the_remote_s_listing_spares_the_work(make_line: MakeLine) -> None:
    """A new machine: what is on the remote by id and size is done, and gets its mark."""
    line = make_line(*[1] * 5)
    line.run()
    line.marks.marks.clear()
    line.after_id = 0
    wrong_size = file_name(line.items()[3])
    line.remote[FOLDER][wrong_size] = b"half"
    line.parts.asked.clear()
    ended = line.run()
    assert_complete(ended)
    assert {message_id for message_id, _ in line.parts.asked} == {4}
    assert (ended.report.done_before, ended.report.moved) == (4, 1)
    line.assert_all_moved()


def test_downloads_and_uploads_overlap_and_keep_to_their_numbers(make_line: MakeLine) -> None:
    line = make_line(*[1] * 30)
    line.seconds_per_move = 0.01
    seen: list[int] = []

    def prepare(run: Run) -> None:
        run.watch.on_event = lambda event: seen.append(run.hand_off.most_at_once)

    ended = line.run(downloads=8, workers=2, prepare=prepare)
    assert_complete(ended)
    assert max(seen) == 2


# The budget


def test_eight_downloads_in_a_budget_of_three_files_never_exceed_it(make_line: MakeLine) -> None:
    """At each fetch and each move: bytes on the disk <= reservations <= budget."""
    line = make_line(*[40] * 40)
    line.seconds_per_move = 0.003
    ended = line.run(budget_bytes=3 * 40 * BLOCK, downloads=8)
    assert_complete(ended)
    line.assert_all_moved()
    assert ended.watch.count("fetch") == 40
    assert 2 * 40 * BLOCK <= ended.watch.most_bytes <= 3 * 40 * BLOCK


def test_a_file_as_large_as_the_budget_has_room(make_line: MakeLine) -> None:
    line = make_line(2, 10, 3, 10, 1)
    assert_complete(line.run(budget_bytes=10 * BLOCK))
    line.assert_all_moved()


def test_a_file_larger_than_the_budget_fails_for_good_and_nothing_waits_for_it(
    make_line: MakeLine,
) -> None:
    line = make_line(2, 11, 3, item_of(4, 10 * BLOCK + 1), 1)
    ended = line.run(budget_bytes=10 * BLOCK)
    assert_complete(ended)
    assert ended.report.failed_by_reason == {"larger than the disk budget": 2}
    assert [item.message_id for item in ended.report.failed_items] == [2, 4]
    assert all(item.for_good for item in ended.report.failed_items)
    assert ended.report.failed_items[0].detail == (
        f"the file has {11 * BLOCK} bytes and the disk budget is {10 * BLOCK}; "
        "raise --max-disk to move it"
    )
    assert ended.settled == 5
    assert ended.position.watermark == 5
    assert line.parts.asked_of(2) == line.parts.asked_of(4) == []
    line.assert_all_moved([item for item in line.items() if item.message_id in (1, 3, 5)])


@pytest.mark.parametrize("size_bytes", [11 * BLOCK, 2 * PART_BYTES])
def test_any_number_of_files_that_are_too_large_blocks_nothing(
    size_bytes: int, make_line: MakeLine
) -> None:
    too_large = [item_of(number, size_bytes) for number in range(1, 31)]
    line = make_line(*too_large, 10)
    ended = line.run(budget_bytes=10 * BLOCK, downloads=1, workers=1)
    assert_complete(ended)
    assert ended.report.failed_by_reason == {"larger than the disk budget": 30}
    assert ended.report.moved == 1


def test_only_so_many_are_in_flight_and_each_end_makes_room_for_another(
    make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever becomes of an item: moved, failed, gone, too large, or staged before."""
    monkeypatch.setattr("tdl_sync.transfer.pipeline.MOST_IN_FLIGHT", 2)
    line = make_line(*[1] * 20, *[11] * 5)
    for message_id in (3, 4, 5, 6):
        line.parts.faults[message_id] = [MessageGone("x")]
    for message_id in (7, 8, 9):
        line.parts.faults[message_id] = [RefusedByTelegram("x")]
    failing_uploads(line, 10, 11, 12)
    for message_id in (13, 14, 15):
        stage(line, staged_name(message_id), content_of(line.items()[message_id - 1]))
    ended = line.run(budget_bytes=10 * BLOCK)
    assert_complete(ended)
    assert (ended.report.moved, ended.report.skipped, ended.report.failed) == (10, 4, 11)


def test_never_more_are_in_flight_whatever_was_settled_before(
    make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is fetched and not yet marked counts."""
    monkeypatch.setattr("tdl_sync.transfer.pipeline.MOST_IN_FLIGHT", 2)
    line = make_line(*[1] * 20)
    line.seconds_per_move = 0.005
    in_flight: list[int] = []

    def prepare(run: Run) -> None:
        def on_event(event: Event) -> None:
            in_flight.append(run.watch.count("fetch") - run.watch.count("marked"))

        run.watch.on_event = on_event

    assert_complete(line.run(workers=1, prepare=prepare))
    assert max(in_flight) == 2


def test_no_file_takes_room_before_a_download_is_free_for_it(make_line: MakeLine) -> None:
    line = make_line(*(item_of(number, PART_BYTES + 1) for number in range(1, 11)))
    too_early: list[tuple[int, int]] = []

    def prepare(run: Run) -> None:
        def on_event(event: Event) -> None:
            admitted = len(recorded(run).steps(Admitted))
            begun = len({message_id for name, message_id in run.watch.events if name == "fetch"})
            if event[0] == "fetch" and admitted > begun:
                too_early.append((admitted, begun))

        run.watch.on_event = on_event

    ended = line.run(downloads=1, prepare=prepare)
    assert_complete(ended)
    assert len(ended.progress.steps(Admitted)) == 10
    assert too_early == []


def recorded(run: Run) -> RecordingProgress:
    assert isinstance(run.stages.progress, RecordingProgress)
    return run.stages.progress


def test_what_did_not_fit_is_moved_by_a_run_with_a_larger_budget(make_line: MakeLine) -> None:
    line = make_line(2, 11, 3)
    line.run(budget_bytes=10 * BLOCK)
    assert_complete(line.run(budget_bytes=10 * BLOCK))
    ended = line.run(budget_bytes=11 * BLOCK)
    assert_complete(ended)
    line.assert_all_moved()
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []


# Failures of one item


@pytest.mark.parametrize(
    ("fault", "reason", "for_good"),
    [
        (short_part, SizeMismatch.reason, False),
        (empty_part, SizeMismatch.reason, False),
        (long_part, SizeMismatch.reason, False),
        (DownloadFailed("no answer"), DownloadFailed.reason, False),
        (RefusedByTelegram("FILE_ID_INVALID"), RefusedByTelegram.reason, True),
        (StagingFailed("Input/output error"), StagingFailed.reason, False),
    ],
)
def test_a_download_that_fails_is_told_recorded_and_stops_nobody(
    fault: Callable[[bytes], bytes] | ItemFailed,
    reason: str,
    for_good: bool,
    make_line: MakeLine,
) -> None:
    line = make_line(1, 2, 3)
    line.parts.faults[2] = [fault] * 99
    ended = line.run()
    assert_complete(ended)
    assert ended.report.failed_by_reason == {reason: 1}
    (recorded,) = line.marks.failures(REMOTE, CHAT_ID, 0)
    assert (recorded.key.message_id, recorded.reason, recorded.for_good) == (2, reason, for_good)
    assert ended.position.watermark == 3
    assert line.staged() == []
    assert ended.used_bytes == 0
    line.assert_all_moved([item for item in line.items() if item.message_id != 2])


def test_what_failed_for_now_is_tried_by_the_next_run_and_its_failure_forgotten(
    make_line: MakeLine,
) -> None:
    line = make_line(1, 2, 3)
    line.parts.faults[2] = [DownloadFailed("x")] * 3
    line.run()
    assert line.after_id == 3
    ended = line.run()
    assert_complete(ended)
    assert (ended.report.seen, ended.report.moved) == (1, 1)
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []
    line.assert_all_moved()


def test_the_attempts_of_several_runs_add_up(make_line: MakeLine) -> None:
    line = make_line(1)
    line.parts.faults[1] = [DownloadFailed("x")] * 99
    for attempts in (1, 2, 3):
        line.run()
        (failure,) = line.marks.failures(REMOTE, CHAT_ID, 0)
        assert failure.attempts == attempts


def test_what_failed_for_good_stays_failed_and_is_asked_for_only_when_the_user_wants_it(
    make_line: MakeLine,
) -> None:
    line = make_line(1, 2, 3)
    line.parts.faults[2] = [RefusedByTelegram("FILE_ID_INVALID")]
    line.run()
    line.parts.asked.clear()
    line.after_id = 0
    ended = line.run()
    assert_complete(ended)
    assert ended.report.failed_by_reason == {RefusedByTelegram.reason: 1}
    assert line.parts.asked == []
    retried = line.run(only_failed=True)
    assert_complete(retried)
    assert (retried.report.seen, retried.report.moved) == (1, 1)
    line.assert_all_moved()


def test_a_deleted_message_is_skipped_and_no_failure(make_line: MakeLine) -> None:
    line = make_line(1, 2, 3)
    line.parts.faults[2] = [MessageGone("deleted")]
    ended = line.run()
    assert_complete(ended)
    assert ended.report.skipped_by_rule == {"deleted": 1}
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []
    assert ended.position.watermark == 3
    assert ended.settled == 3


def test_a_failed_message_that_was_deleted_since_is_skipped_and_forgotten(
    make_line: MakeLine,
) -> None:
    line = make_line(1, 2, 3)
    line.parts.faults[2] = [DownloadFailed("x")] * 3
    line.run()
    line.reader.delete(2)
    ended = line.run()
    assert_complete(ended)
    assert ended.report.skipped_by_rule == {"deleted": 1}
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []


# Uploads that fail


def test_a_failed_upload_keeps_its_file_and_the_next_run_needs_no_download(
    make_line: MakeLine,
) -> None:
    line = make_line(1, 2, 3)
    failing_uploads(line, 2)
    ended = line.run()
    assert_complete(ended)
    assert ended.report.failed_by_reason == {HandOffFailed.reason: 1}
    assert ended.used_bytes == 2 * BLOCK
    assert line.staged() == [f"m{CHAT_ID}_0_2.staged"]
    line.parts.asked.clear()
    again = line.run()
    assert_complete(again)
    assert line.parts.asked == []
    assert (again.report.seen, again.report.moved) == (1, 1)
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []
    line.assert_all_moved()


def test_an_upload_that_passes_at_the_third_attempt_is_no_failure(make_line: MakeLine) -> None:
    line = make_line(1, 2, 3)
    failing_uploads(line, 1, 2, 3, attempts=2)
    ended = line.run()
    assert_complete(ended)
    assert ended.report.moved == 3
    line.assert_all_moved()


def test_a_kept_file_gives_way_when_its_room_is_needed(make_line: MakeLine) -> None:
    """A budget of one file, and every other upload fails: keeping would block the run."""
    line = make_line(*[10] * 8)
    failing_uploads(line, 1, 3, 5, 7)
    ended = line.run(budget_bytes=10 * BLOCK)
    assert_complete(ended)
    assert ended.report.failed_by_reason == {HandOffFailed.reason: 4}
    assert ended.report.moved == 4
    freed = [line for (line,) in ended.progress.calls("message") if "whose upload" in str(line)]
    assert len(freed) == 4
    assert freed[0] == (
        f"deleted the staged file of message 1, whose upload failed: {10 * BLOCK} bytes freed "
        "for others"
    )
    again = line.run(budget_bytes=10 * BLOCK)
    assert_complete(again)
    assert again.report.moved == 4
    line.assert_all_moved()


def test_a_file_that_was_kept_long_ago_gives_way_too(
    make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waited when its upload failed; now somebody needs the whole budget."""
    line = make_line(*[1] * 7, 10)
    failing_uploads(line, 3)
    read_pages = line.reader.pages

    def pages(
        chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[HistoryPage]:
        for page in read_pages(chat, after_id, up_to_id, shard):
            if page.read_up_to_id > 7:
                until(lambda: bool(line.marks.failures(REMOTE, CHAT_ID, 0)))
            yield page

    monkeypatch.setattr(line.reader, "pages", pages)
    ended = line.run(budget_bytes=10 * BLOCK)
    assert_complete(ended)
    assert ended.report.moved == 7
    assert line.staged() == []


def test_a_kept_file_stays_while_there_is_room(make_line: MakeLine) -> None:
    line = make_line(*[1] * 8)
    failing_uploads(line, 1, 3)
    ended = line.run(budget_bytes=20 * BLOCK)
    assert_complete(ended)
    assert line.staged() == [f"m{CHAT_ID}_0_1.staged", f"m{CHAT_ID}_0_3.staged"]


# What ends more than one item


ENDS: list[Exception] = [
    CredentialsRefused("Telegram", "the session has ended", "Log in."),
    ComeBackLater("750 GB are used up"),
    NetworkUnreachable("Telegram does not answer"),
    ZeroDivisionError("a bug"),
]


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stage", ["listing", "download", "upload", "mark", "record", "tell"])
def test_what_ends_a_run_ends_it_from_every_stage_and_the_next_run_loses_nothing(
    stage: str, error: Exception, make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing hangs, nothing else is taken for a failure, and the error is the run's cause."""
    line = make_line(*[2] * 30)

    def strike(*arguments: object) -> None:
        raise error

    def prepare(run: Run) -> None:
        if stage == "tell":
            recorded(run).breaks_at = (Moved, error)

    with monkeypatch.context() as patch:
        if stage == "listing":
            line.reader.errors = [None, None, error]
        elif stage == "download":
            line.parts.faults[10] = [error]
        elif stage == "upload":
            patch.setitem(line.upload_errors, file_name(line.items()[9]), [error])
        elif stage == "mark":
            patch.setattr(line.marks, "write", strike)
        elif stage == "record":
            line.parts.faults[10] = [RefusedByTelegram("x")]
            patch.setattr(line.marks, "record_failure", strike)
        ended = line.run(budget_bytes=8 * BLOCK, prepare=prepare)
    assert isinstance(ended.error, Stopped)
    assert ended.cause is error
    assert ended.report.unfinished > 0 or stage == "listing"
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []
    assert_complete(line.run(budget_bytes=8 * BLOCK))
    line.assert_all_moved()


def test_a_listener_that_breaks_does_not_hang_the_run(make_line: MakeLine) -> None:
    """At every step that a stage tells, one after the other."""
    error = ZeroDivisionError("a bug")
    down: list[type[Step]] = [Seen, DiskUsed, Admitted, DownloadBegan, Downloaded, Staged]
    for kind in [*down, DownloadEnded, UploadBegan, Uploaded, UploadEnded, Moved]:
        line = make_line(*[1] * 5)
        line.directory = line.directory.with_name(kind.__name__)

        def prepare(run: Run, kind: type[Step] = kind) -> None:
            recorded(run).breaks_at = (kind, error)

        ended = line.run(prepare=prepare)
        assert isinstance(ended.error, Stopped), kind
        assert ended.cause is error, kind


def test_a_chat_that_closes_ends_its_run_after_what_was_under_way(make_line: MakeLine) -> None:
    line = make_line(*[1] * 30)
    line.seconds_per_move = 0.005
    error = ChatUnreadable("A channel", "it is private", "Join it again.")
    line.reader.errors = [None, None, error]
    ended = line.run()
    assert ended.error is error
    assert ended.cause is None
    assert (ended.report.seen, ended.report.moved, ended.report.unfinished) == (14, 14, 0)
    assert ended.position.watermark == 14
    assert_complete(line.run())
    line.assert_all_moved()


def test_a_chat_whose_file_says_that_it_closed_ends_likewise(make_line: MakeLine) -> None:
    """A file reference is renewed by reading the message again, which may show it first."""
    line = make_line(*[1] * 30)
    error = ChatUnreadable("A channel", "it is private", "Join it again.")
    line.parts.faults[3] = [error]
    ended = line.run(downloads=1)
    assert ended.error is error
    assert ended.cause is None
    assert line.marks.failures(REMOTE, CHAT_ID, 0) == []
    assert ended.position.watermark == 2
    assert ended.report.unfinished > 0
    assert ended.used_bytes == 0
    assert_complete(line.run())
    line.assert_all_moved()


def test_what_a_chat_that_closed_leaves_unfinished_gives_way_to_other_chats(
    make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tdl_sync.transfer.download.PARTS_IN_FLIGHT", 1)
    line = make_line(item_of(1, 3 * PART_BYTES))
    error = ChatUnreadable("A channel", "it is private", "Join it again.")
    line.parts.faults[1] = [whole_part, whole_part, error]
    runs: list[Run] = []
    assert line.run(prepare=runs.append).error is error
    stages = runs[0].stages
    assert [left.complete for left in stages.leftovers.leftovers_of(CHAT_ID)] == [False]
    assert stages.budget.used_bytes >= 3 * PART_BYTES
    stages.leftovers.make_room(item_of(2, stages.budget.budget_bytes))
    assert stages.budget.used_bytes == 0


@dataclass
class RecordingGate(OpenGate):
    """Lets everything through, and remembers what."""

    admitted: list[int] = field(default_factory=list)

    def admits(self, item: MediaItem) -> bool:
        self.admitted.append(item.message_id)
        return True


def test_what_was_let_through_is_settled_once_whatever_becomes_of_it(make_line: MakeLine) -> None:
    """A run that must end in time counts on that: what is never settled keeps others waiting."""
    line = make_line(1, 11, 1, 1, 1, 1)
    line.parts.faults[3] = [MessageGone("x")]
    line.parts.faults[4] = [RefusedByTelegram("x")]
    failing_uploads(line, 5)
    stage(line, staged_name(6), content_of(line.items()[5]))
    gate = RecordingGate()
    ended = line.run(budget_bytes=10 * BLOCK, gate=gate)
    assert_complete(ended)
    taken = [step.key.message_id for step in ended.progress.steps(TakenUp)]
    assert (gate.admitted, taken) == ([1, 2, 3, 4, 5], [6])
    fates = {1: True, 2: False, 3: False, 4: False, 5: False, 6: True}
    ends: tuple[type[Moved | Failed | Skipped | Left], ...] = (Moved, Failed, Skipped, Left)
    settled_as = [
        (step.key.message_id, kind is Moved) for kind in ends for step in ended.progress.steps(kind)
    ]
    assert sorted(settled_as) == sorted(fates.items())


def test_after_a_stop_no_upload_begins_and_what_was_staged_waits_for_the_next_run(
    make_line: MakeLine,
) -> None:
    """Three files wait for the one worker when the first of them stops the run."""
    line = make_line(*[1] * 4)
    for message_id in (1, 2, 3):
        stage(line, staged_name(message_id), content_of(line.items()[message_id - 1]))

    def prepare(run: Run) -> None:
        def on_event(event: Event) -> None:
            if event[0] == "move":
                until(lambda: run.watch.count("fetch") > 0)  # which comes after all leftovers
                run.stop.set()

        run.watch.on_event = on_event

    ended = line.run(workers=1, prepare=prepare)
    assert isinstance(ended.error, Stopped)
    assert ended.watch.count("move") == 1
    assert len(ended.progress.steps(UploadBegan)) == 1
    begun = [*ended.progress.steps(TakenUp), *ended.progress.steps(Admitted)]
    until(lambda: len(ended.progress.steps(Moved)) + len(ended.progress.steps(Left)) == len(begun))
    assert set(line.staged()) >= {staged_name(2), staged_name(3)}
    assert_complete(line.run())
    line.assert_all_moved()


# What an earlier run left in the staging directory


def stage(line: Line, name: str, content: bytes) -> None:
    line.directory.mkdir(exist_ok=True)
    (line.directory / name).write_bytes(content)


def staged_name(message_id: int) -> str:
    return f"m{CHAT_ID}_0_{message_id}.staged"


def test_a_staged_file_is_handed_off_without_a_download(make_line: MakeLine) -> None:
    """Whether its message comes soon or pages later; and it is counted once."""
    line = make_line(*[1] * 20)
    for message_id in (2, 19):
        stage(line, staged_name(message_id), content_of(line.items()[message_id - 1]))
    ended = line.run()
    assert_complete(ended)
    assert_order(ended)
    assert line.parts.asked_of(2) == line.parts.asked_of(19) == []
    assert (ended.report.seen, ended.report.moved) == (20, 20)
    assert ended.used_bytes == 0
    assert ended.position.watermark == 20
    line.assert_all_moved()


def test_a_staged_file_of_a_recorded_failure_is_moved_once(make_line: MakeLine) -> None:
    """Its upload failed: it is both in the staging directory and to be tried again."""
    line = make_line(*[1] * 9)
    failing_uploads(line, 2, 5)
    line.run()
    line.parts.asked.clear()
    line.seconds_per_move = 0.02
    ended = line.run()
    assert_complete(ended)
    assert line.parts.asked == []
    assert (ended.report.seen, ended.report.moved) == (2, 2)
    assert ended.watch.count("moved") == 2
    line.assert_all_moved()


def test_unfinished_downloads_are_deleted_and_those_of_other_chats_left_alone(
    make_line: MakeLine,
) -> None:
    line = make_line(*[1] * 4)
    stage(line, f"m{CHAT_ID}_0_3.part", b"half of it")
    stage(line, "m-100777_0_3.part", b"another chat's")
    stage(line, "m-100777_0_4.staged", b"another chat's")
    ended = line.run()
    assert_complete(ended)
    assert line.staged() == ["m-100777_0_3.part", "m-100777_0_4.staged"]
    assert ended.used_bytes == 2 * BLOCK
    messages = [str(text) for (text,) in ended.progress.calls("message")]
    assert (
        f"deleted m{CHAT_ID}_0_3.part, which an earlier run left behind: 10 bytes freed on the "
        "staging disk"
    ) in messages
    line.assert_all_moved()


def test_a_staged_file_that_is_not_what_the_message_holds_now_is_fetched_anew(
    make_line: MakeLine,
) -> None:
    line = make_line(*[1] * 4)
    stage(line, staged_name(3), b"of another size")
    ended = line.run()
    assert_complete(ended)
    assert line.parts.asked_of(3) != []
    line.assert_all_moved()


def test_a_staged_file_whose_message_is_gone_is_deleted(make_line: MakeLine) -> None:
    line = make_line(*[1] * 4)
    stage(line, staged_name(3), content_of(line.items()[2]))
    line.reader.delete(3)
    ended = line.run()
    assert_complete(ended)
    assert line.staged() == []
    assert ended.report.seen == 3
    line.assert_all_moved()


@pytest.mark.parametrize("known_by", ["done-mark", "listing"])
def test_a_staged_file_is_deleted_if_its_mark_is_there_and_compared_if_the_listing_alone_shows_it(
    known_by: str, make_line: MakeLine
) -> None:
    """A kill came between the upload, its mark, and the end of the source. To compare is what
    rclone does in a hand-off."""
    line = make_line(*[1] * 4)
    line.run()
    line.after_id = 0
    if known_by == "listing":
        line.marks.marks.clear()
    stage(line, staged_name(3), content_of(line.items()[2]))
    ended = line.run()
    assert_complete(ended)
    assert line.staged() == []
    moves = int(known_by == "listing")
    assert ended.watch.count("move") == moves
    assert (ended.report.seen, ended.report.done_before) == (4, 4 - moves)
    assert ended.report.believed == (3 if known_by == "listing" else 0)
    line.assert_all_moved()


def test_leftovers_beyond_a_smaller_budget_drain_before_anything_new(make_line: MakeLine) -> None:
    line = make_line(*[10] * 8)
    for message_id in (5, 6, 7):
        stage(line, staged_name(message_id), content_of(line.items()[message_id - 1]))
    failing_uploads(line, 6)
    ended = line.run(budget_bytes=12 * BLOCK)
    assert_complete(ended)
    assert ended.report.moved == 7
    assert ended.report.failed_by_reason == {HandOffFailed.reason: 1}
    assert_complete(line.run(budget_bytes=12 * BLOCK))
    line.assert_all_moved()


def test_a_download_goes_on_where_it_was_stopped_in_a_budget_of_just_that_file(
    make_line: MakeLine,
) -> None:
    """Its parts hold their room already; asking for all of it again would wait for ever."""
    line = make_line(item_of(1, 40 * PART_BYTES))
    budget_bytes = 40 * PART_BYTES
    line.run(budget_bytes=budget_bytes, prepare=stop_at("fetch", 30))
    asked_before = len(line.parts.asked_of(1))
    line.parts.asked.clear()
    ended = line.run(budget_bytes=budget_bytes)
    assert_complete(ended)
    written_before = asked_before - PARTS_IN_FLIGHT
    assert 0 < len(line.parts.asked_of(1)) <= 41 - written_before
    assert line.staged() == []
    line.assert_all_moved()


def test_what_other_chats_left_gives_way_to_work_that_would_wait_for_ever(
    make_line: MakeLine,
) -> None:
    """As much as is needed and no more; the file that it makes room for is moved."""
    line = make_line(8)
    for message_id in (1, 2, 3):
        stage(line, f"m-100777_0_{message_id}.staged", b"x" * 3 * BLOCK)
    ended = line.run(budget_bytes=12 * BLOCK)
    assert_complete(ended)
    assert line.staged() == ["m-100777_0_3.staged"]
    line.assert_all_moved()


def test_files_of_others_in_the_staging_directory_are_never_touched_and_bound_what_fits(
    make_line: MakeLine,
) -> None:
    line = make_line(8, 9, 2)
    stage(line, "holiday.mp4", b"x" * 4 * BLOCK)
    ended = line.run(budget_bytes=12 * BLOCK)
    assert_complete(ended)
    assert ended.report.failed_by_reason == {"larger than the disk budget": 1}
    assert line.staged() == ["holiday.mp4"]
    line.assert_all_moved([item for item in line.items() if item.message_id != 2])


# Stops

POINTS = [("fetch", 1), ("fetch", 12), ("move", 1), ("move", 9), ("moved", 4), ("marked", 7)]


@pytest.mark.parametrize(("name", "count"), POINTS)
@pytest.mark.parametrize("budget_blocks", [4, 1000])
def test_a_stop_anywhere_and_a_second_run_move_each_file_once(
    name: str, count: int, budget_blocks: int, make_line: MakeLine
) -> None:
    line = make_line(*[2] * 20)
    line.seconds_per_move = 0.002
    budget_bytes = budget_blocks * BLOCK
    first = line.run(budget_bytes=budget_bytes, prepare=stop_at(name, count))
    assert isinstance(first.error, Stopped)
    assert first.cause is None
    assert_order(first)
    assert first.report.failed == 0
    moved = [message_id for event, message_id in first.watch.events if event == "moved"]
    assert sorted(moved) == [item.message_id for item in line.items() if line.is_done(item)]
    kept = [item for item in line.items() if staged_name(item.message_id) in line.staged()]
    assert len(kept) == len(line.staged())
    line.parts.asked.clear()
    second = line.run(budget_bytes=budget_bytes)
    assert_complete(second)
    assert_order(second, listed_before=moved)
    assert {message_id for message_id, _ in line.parts.asked}.isdisjoint(
        [*moved, *(item.message_id for item in kept)]
    )
    line.assert_all_moved()


def test_a_stop_before_the_beginning_touches_nothing(make_line: MakeLine) -> None:
    line = make_line(*[1] * 5)
    stage(line, staged_name(3), content_of(line.items()[2]))
    ended = line.run(prepare=lambda run: run.stop.set())
    assert isinstance(ended.error, Stopped)
    assert ended.watch.count("moved") == ended.watch.count("fetch") == 0
    assert line.staged() == [staged_name(3)]
    assert_complete(line.run())
    line.assert_all_moved()


def test_a_stop_while_all_wait_for_room_wakes_everybody(make_line: MakeLine) -> None:
    """A budget of one file, and its upload takes for ever."""
    line = make_line(*[10] * 5)
    line.seconds_per_move = 3600.0
    ended = line.run(budget_bytes=10 * BLOCK, prepare=stop_at("move", 1))
    assert isinstance(ended.error, Stopped)
    assert line.staged() == [staged_name(1)]


def test_a_stop_while_the_last_uploads_run_waits_for_none_of_them(
    make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = make_line(1, 1)
    line.seconds_per_move = 3600.0
    all_listed = threading.Event()

    def prepare(run: Run) -> None:
        ledger = run.pipeline.ledger
        wait_for_all = ledger.wait_for_all

        def wait_when_all_is_listed() -> None:
            all_listed.set()
            wait_for_all()

        monkeypatch.setattr(ledger, "wait_for_all", wait_when_all_is_listed)

        def stop_later() -> None:
            until(lambda: run.watch.count("move") == 2 and all_listed.is_set())
            run.stop.set()

        in_thread(stop_later)

    ended = line.run(prepare=prepare)
    assert isinstance(ended.error, Stopped)
    assert line.staged() == [staged_name(1), staged_name(2)]


# Anything at all


def vanish(line: Line, message_id: int, part: bytes) -> bytes:
    line.reader.delete(message_id)
    raise MessageGone("deleted")


FATES: dict[str, Callable[[Line, MediaItem], None]] = {
    "moves": lambda line, item: None,
    "is short once": lambda line, item: line.parts.faults[item.message_id].append(short_part),
    "is short for a run": lambda line, item: line.parts.faults[item.message_id].extend(
        [short_part] * 3
    ),
    "is empty for a run": lambda line, item: line.parts.faults[item.message_id].extend(
        [empty_part if item.size_bytes else long_part] * 3
    ),
    "is refused": lambda line, item: line.parts.faults[item.message_id].append(
        RefusedByTelegram("FILE_ID_INVALID")
    ),
    "vanishes": lambda line, item: line.parts.faults[item.message_id].append(
        partial(vanish, line, item.message_id)
    ),
    "uploads at last": lambda line, item: failing_uploads(line, item.message_id, attempts=1),
    "does not upload": lambda line, item: failing_uploads(line, item.message_id),
}

SIZES_BYTES = st.one_of(
    st.integers(0, 6 * BLOCK), st.integers(0, 6).map(lambda blocks: blocks * BLOCK)
)


@given(
    files=st.lists(st.tuples(SIZES_BYTES, st.sampled_from(sorted(FATES))), max_size=16),
    budget_blocks=st.integers(4, 12),
    downloads=st.integers(1, 8),
    workers=st.integers(1, 4),
    stop=st.none()
    | st.tuples(st.sampled_from(["fetch", "move", "moved", "marked"]), st.integers(1, 12)),
)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_happens_runs_until_the_end_move_each_file_exactly_once(
    files: list[tuple[int, str]],
    budget_blocks: int,
    downloads: int,
    workers: int,
    stop: tuple[str, int] | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    items = [item_of(number, size) for number, (size, _) in enumerate(files, start=1)]
    line = Line(tmp_path_factory.mktemp("line"), items)
    for item, (_, fate) in zip(items, files, strict=True):
        FATES[fate](line, item)
    budget_bytes = budget_blocks * BLOCK
    runs = [
        line.run(
            budget_bytes=budget_bytes,
            downloads=downloads,
            workers=workers,
            prepare=stop_at(*stop) if stop else lambda run: None,
        )
    ]
    for _ in range(3):
        runs.append(line.run(budget_bytes=budget_bytes, downloads=downloads, workers=workers))
        assert_complete(runs[-1])
    line.close()
    moved = [event[1] for ended in runs for event in ended.watch.events if event[0] == "moved"]
    assert len(moved) == len(set(moved))
    too_large = {item.message_id for item in items if item.size_bytes > budget_bytes}
    failed = {failure.key.message_id for failure in line.marks.failures(REMOTE, CHAT_ID, 0)}
    assert too_large <= failed
    there = line.items()
    line.assert_all_moved([item for item in there if item.message_id not in failed])
    assert line.after_id >= max((item.message_id for item in there), default=0)
    assert line.staged() == []
