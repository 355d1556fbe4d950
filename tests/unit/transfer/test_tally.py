"""One account of a chat's run over all its rounds: each file counts once, as what became of it."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import FileNumber
from tdl_sync.core.reports import FailedItem, RoundReport, RunReport
from tdl_sync.transfer import ledger
from tdl_sync.transfer.ledger import Tally
from tests.fakes.chat import item_of


def failure(message_id: int, reason: str = "wrong size") -> Failure:
    return Failure(item_of(message_id, 1).key, reason, "a whole sentence", 1, for_good=False)


def failed(message_id: int, reason: str = "wrong size") -> FailedItem:
    return FailedItem(message_id, "a.bin", reason, "a whole sentence", for_good=False)


def counts(tally: Tally) -> RunReport:
    return replace(tally.report(), seconds=0.0)


def test_a_file_that_failed_and_was_moved_in_a_later_round_is_one_file_that_was_moved() -> None:
    tally = Tally()
    tally.seen(4)
    tally.downloaded(item_of(1, 10))
    tally.moved(item_of(1, 10))
    tally.skipped("sticker")
    tally.failed(failure(3), "a.bin", was_told=False)
    tally.failed(failure(4), "a.bin", was_told=False)
    assert tally.of_round() == RoundReport(moved=1, failed=2, uploaded_bytes=10)
    tally.round_ended()
    tally.round_begins({FileNumber(3)})
    assert tally.of_round() == RoundReport(moved=0, failed=0, uploaded_bytes=0)
    tally.seen(1)
    tally.moved(item_of(3, 5))
    assert tally.of_round() == RoundReport(moved=1, failed=0, uploaded_bytes=5)
    assert counts(tally) == RunReport(
        seen=4,
        moved=2,
        skipped_by_rule={"sticker": 1},
        failed_by_reason={"wrong size": 1},
        failed_items=(failed(4),),
        failed_for_now=1,
        downloaded_files=1,
        downloaded_bytes=10,
        uploaded_bytes=15,
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(["moved", "before", "skipped", "failed"]), st.sampled_from("ab")),
        max_size=8,
    ),
    st.frozensets(st.integers(0, 8)),
    st.sampled_from(["moved", "failed"]),
)
def test_over_any_rounds_what_was_seen_is_done_skipped_or_failed(
    fates: list[tuple[str, str]], again_ids: frozenset[int], again_fate: str
) -> None:
    tally = Tally()
    for message_id, (fate, reason) in enumerate(fates):
        tell(tally, message_id, fate, reason)
    tally.round_ended()
    tried = [item for item in tally.report().failed_items if item.message_id in again_ids]
    tally.round_begins({FileNumber(each) for each in again_ids})
    for item in tried:
        tell(tally, item.message_id, again_fate, item.reason)
    report = tally.report()
    assert report.seen == len(fates) == report.done + report.skipped + report.failed
    assert report.failed == len(report.failed_items)
    assert all(count > 0 for count in report.failed_by_reason.values())


def tell(tally: Tally, message_id: int, fate: str, reason: str) -> None:
    tally.seen(1)
    if fate == "moved":
        tally.moved(item_of(message_id, 1))
    elif fate == "before":
        tally.done_before(item_of(message_id, 1), believed=False)
    elif fate == "skipped":
        tally.skipped(reason)
    else:
        tally.failed(failure(message_id, reason), "a.bin", was_told=False)


def test_no_time_passes_between_two_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tally = Tally()
    now[0] += 2
    tally.round_ended()
    now[0] += 1000
    assert tally.report().seconds == 2
    tally.round_begins(())
    now[0] += 3
    assert tally.report().seconds == 5


def test_only_so_many_failed_files_are_kept_by_name_and_all_are_counted() -> None:
    tally = Tally()
    for message_id in range(ledger.MOST_FAILED_ITEMS + 5):
        tally.failed(failure(message_id), "a.bin", was_told=False)
    report = tally.report()
    assert (report.failed, len(report.failed_items)) == (1005, 1000)
