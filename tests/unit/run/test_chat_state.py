"""What is saved of a run that goes on meanwhile: nothing that fails is between its two halves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tdl_sync.core.errors import DownloadFailed
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import Chat, ChatKind, HistoryPage, Scope
from tdl_sync.core.steps import Steps
from tdl_sync.core.stop import StopFlag
from tdl_sync.run.resume import ChatState, ResumePoint
from tdl_sync.state.run_state import RunStatus
from tdl_sync.transfer.ledger import Ledger, Position
from tdl_sync.transfer.tally import Tally
from tdl_sync.transfer.watermark import OldestFirst
from tests.fakes.chat import CHAT_ID, item_of
from tests.fakes.marks import FakeMarks
from tests.unit.state.test_state_message import PLAIN

REMOTE = "gdrive:tdl-sync"
SCOPE = Scope(REMOTE, CHAT_ID)


def nothing() -> None:
    pass


class WatchedMarks(FakeMarks):
    after_failures: Callable[[], None] = staticmethod(nothing)

    def failures(self, remote: str, chat_id: int, topic_id: int) -> list[Failure]:
        found = super().failures(remote, chat_id, topic_id)
        self.after_failures()
        return found


class WatchedLedger(Ledger):
    after_position: Callable[[], None] = staticmethod(nothing)

    def position(self) -> Position:
        found = super().position()
        self.after_position()
        return found


def state_of(
    marks: WatchedMarks,
    stop: StopFlag,
    tally: Tally,
    ledger: WatchedLedger,
    is_sending: Callable[[], bool] = lambda: False,
) -> ChatState:
    return ChatState(
        Chat(CHAT_ID, "A channel", ChatKind.CHANNEL),
        ResumePoint(SCOPE, None, "A channel", 0, (), ()),
        PLAIN.run,
        marks,
        stop,
        tally,
        ledger,
        None,
        SCOPE.shard.holds,
        is_sending,
    )


@pytest.mark.parametrize("moment", ["after_position", "after_failures"])
def test_a_file_that_fails_while_the_state_is_looked_at_is_failed_or_above_the_watermark(
    moment: str,
) -> None:
    """A machine that has only the state message would never look at it again otherwise."""
    item, marks, stop = item_of(7, 10), WatchedMarks(), StopFlag()
    tally = Tally()
    steps = Steps(tally.told)
    ledger = WatchedLedger(REMOTE, OldestFirst(), marks, steps, stop, nothing)
    ledger.listed(HistoryPage((item,), messages=1, read_up_to_id=7))
    ledger.opened()

    def fails() -> None:
        setattr(watched, moment, nothing)
        ledger.failed(item, DownloadFailed("no luck"))

    watched: WatchedMarks | WatchedLedger = ledger if moment == "after_position" else marks
    setattr(watched, moment, fails)
    state = state_of(marks, stop, tally, ledger)
    saved = state.save_watermark_and_snapshot()
    assert 7 in saved.failed_ids or saved.last_message_id < 7
    assert marks.watermark(SCOPE) == saved.last_message_id
    saved = state.save_watermark_and_snapshot()
    assert (saved.failed_ids, saved.last_message_id) == ((7,), 7)


@pytest.mark.parametrize("status", RunStatus)
@pytest.mark.parametrize("is_sending", [True, False])
def test_a_run_that_ends_while_it_sends_says_so_in_its_state(
    status: RunStatus, is_sending: bool
) -> None:
    """One that goes on has not ended: whoever finds it dead knows by its claim."""
    marks, stop, tally = WatchedMarks(), StopFlag(), Tally()
    steps = Steps(tally.told)
    ledger = WatchedLedger(REMOTE, OldestFirst(), marks, steps, stop, nothing)
    state = state_of(marks, stop, tally, ledger, lambda: is_sending)
    state.status = status
    saved = state.save_watermark_and_snapshot()
    assert saved.cut_short is (is_sending and status is not RunStatus.RUNNING)
