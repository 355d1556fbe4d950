"""Who is told of an item finds it in the books, and what is on disk comes before what is said."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tdl_sync.core.errors import DownloadFailed, Stopped
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import HistoryPage, MediaItem, Reservation
from tdl_sync.core.steps import Steps
from tdl_sync.core.stop import StopFlag
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.transfer.ledger import Ledger, Position
from tdl_sync.transfer.watermark import OldestFirst
from tests.fakes.chat import CHAT_ID, item_of
from tests.waiting import in_thread, result_of, until

REMOTE = "gdrive:tdl-sync"


@dataclass
class Books:
    """A ledger, and what whoever is told of a settled item finds then."""

    marks: DoneMarks
    stop: StopFlag = field(default_factory=StopFlag)
    told: list[tuple[Position, list[int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(REMOTE, OldestFirst(), self.marks, Steps(), self.stop, self.on_settled)

    def on_settled(self) -> None:
        failed = [each.key.message_id for each in self.marks.failures(REMOTE, CHAT_ID, 0)]
        self.told.append((self.ledger.position(), failed))

    def list_(self, *items: MediaItem) -> None:
        self.ledger.listed(HistoryPage(items, len(items), read_up_to_id=items[-1].message_id))


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(DoneMarks(tmp_path))


def test_a_save_that_is_begun_by_an_item_has_it_settled_and_its_failure(books: Books) -> None:
    first, second, third = (item_of(number, 10) for number in (1, 2, 3))
    books.list_(first, second, third)
    for _ in range(3):
        books.ledger.opened()
    books.ledger.moved(Reservation(first, 10))
    books.ledger.failed(second, DownloadFailed("no luck"))
    books.ledger.left_out(third, "deleted")
    assert books.told == [(Position(1, ()), []), (Position(2, ()), [2]), (Position(3, ()), [2])]


def test_what_is_settled_before_its_page_is_listed_settles_with_its_page(books: Books) -> None:
    """As a file that lay in the staging directory: it is handed off before anything is listed."""
    first, second, third = (item_of(number, 10) for number in (1, 2, 3))
    books.ledger.opened()
    books.ledger.moved(Reservation(second, 10))
    assert books.ledger.position() == Position(0, ())
    books.list_(first, second, third)
    assert books.ledger.position() == Position(0, (2,))
    books.ledger.done_before(first)
    assert books.ledger.position() == Position(2, ())


def test_what_an_earlier_run_gave_up_is_settled_without_another_record(books: Books) -> None:
    item = item_of(1, 10)
    failure = Failure(item.key, "too large", "…", 3, for_good=True)
    books.marks.record_failure(REMOTE, failure)
    books.list_(item)
    books.ledger.failed_before(item, failure)
    assert books.ledger.position() == Position(1, ())
    assert books.marks.failures(REMOTE, CHAT_ID, 0) == [failure]


@pytest.mark.parametrize("is_stopped", [False, True])
def test_who_waits_for_all_that_is_on_its_way_is_woken_by_its_end_or_by_a_stop(
    books: Books, is_stopped: bool
) -> None:
    books.ledger.opened()
    begun: list[bool] = []

    def wait() -> None:
        begun.append(True)
        books.ledger.wait_for_all()

    waiting = in_thread(wait)
    until(lambda: bool(begun))
    if is_stopped:
        books.stop.set()
        with pytest.raises(Stopped):
            result_of(waiting)
    else:
        books.ledger.left(item_of(1, 10))
        result_of(waiting)
