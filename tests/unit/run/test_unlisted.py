"""Where the chat's folder need not be listed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    DoneMark,
    ListedFile,
    MessageKey,
    Moved,
    RemoteFile,
    Scope,
    Waiting,
)
from tdl_sync.options.config import Task
from tdl_sync.run import unlisted
from tdl_sync.run.resume import ResumePoint
from tdl_sync.run.unlisted import Known, is_as_it_was_left, one_of_many
from tdl_sync.state.run_state import RunState, RunStatus
from tdl_sync.state.state_store import LoadedState
from tests.fakes.chat import CHAT_ID, item_of
from tests.fakes.marks import FakeMarks
from tests.unit.state.test_state_message import PLAIN

REMOTE = "gdrive:tdl-sync"
TASK = Task(REMOTE)
FAILURE = Failure(MessageKey(CHAT_ID, 0, 7), "wrong size", "4 of 5 bytes", 2, for_good=True)
COMPLETE = replace(PLAIN, status=RunStatus.COMPLETE, adopted=Moved())


def loaded(state: RunState) -> LoadedState:
    return LoadedState(state, message_id=5)


POINT = ResumePoint(
    scope=Scope(REMOTE, CHAT_ID),
    loaded=loaded(COMPLETE),
    folder="Films",
    after_id=99,
    recorded_failures=(),
    told_failures=(),
)
KNOWN = Known(POINT, all_ended=True, newest_id=99, has_leftovers=False)


def test_what_a_run_has_left_complete_and_nobody_has_touched_since_needs_no_listing() -> None:
    assert is_as_it_was_left(TASK, KNOWN)


@pytest.mark.parametrize(
    "known",
    [
        replace(KNOWN, newest_id=100),
        replace(KNOWN, newest_id=None),
        replace(KNOWN, all_ended=False),
        replace(KNOWN, has_leftovers=True),
        *(
            replace(KNOWN, point=point)
            for point in (
                replace(POINT, loaded=None),
                *(
                    replace(POINT, loaded=loaded(replace(COMPLETE, status=status)))
                    for status in RunStatus
                    if status is not RunStatus.COMPLETE
                ),
                replace(POINT, loaded=loaded(replace(COMPLETE, adopted=Moved(1, 10)))),
                replace(POINT, recorded_failures=(FAILURE,)),
                replace(POINT, told_failures=(FAILURE,)),
                replace(POINT, disputed=(FAILURE,)),
                replace(POINT, recorded_waiting=(Waiting(7, True, "1"),)),
                replace(POINT, told_waiting=(Waiting(7, True, "1"),)),
                replace(POINT, is_read_again=True),
            )
        ),
    ],
)
def test_whatever_may_be_new_or_wanting_the_folder_is_listed(known: Known) -> None:
    assert not is_as_it_was_left(TASK, known)


@pytest.mark.parametrize("task", [replace(TASK, texts=True), replace(TASK, catalogue=True)])
def test_what_is_written_beside_the_files_needs_the_listing(task: Task) -> None:
    assert not is_as_it_was_left(task, KNOWN)


def test_a_folder_that_one_call_lists_is_always_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlisted, "LISTED_AT_ONCE_FILES", 2)
    marks = FakeMarks()
    for message_id in (1, 2):
        write(marks, REMOTE, message_id)
        write(marks, "gdrive:other", message_id)
    assert one_of_many(marks, REMOTE, CHAT_ID) is None
    write(marks, REMOTE, 3)
    one = one_of_many(marks, REMOTE, CHAT_ID)
    assert one is not None
    assert (one.folder, one.size_bytes) == ("Films", 5)


def write(marks: FakeMarks, remote: str, message_id: int) -> None:
    listed = ListedFile(f"{message_id}_a", 5)
    marks.write(DoneMark(remote, RemoteFile.listed(item_of(message_id, 5), "Films", listed)))
