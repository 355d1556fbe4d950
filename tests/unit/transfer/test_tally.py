"""One account of a chat's run over all its rounds: each file counts once, as what became of it."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import FileNumber
from tdl_sync.core.reports import FailedItem, RunReport
from tdl_sync.core.steps import DoneBefore, Failed, Moved, Seen, Skipped, Staged
from tdl_sync.transfer import tally as tally_module
from tdl_sync.transfer.tally import Tally
from tests.fakes.chat import item_of


def fails(message_id: int, reason: str = "wrong size") -> Failed:
    failure = Failure(item_of(message_id, 1).key, reason, "a whole sentence", 1, for_good=False)
    return Failed(failure, "a.bin")


def failed(message_id: int, reason: str = "wrong size") -> FailedItem:
    return FailedItem(message_id, "a.bin", reason, "a whole sentence", for_good=False)


def counts(tally: Tally) -> RunReport:
    return replace(tally.report(), seconds=0.0)


def test_a_file_that_failed_and_was_moved_in_a_later_round_is_one_file_that_was_moved() -> None:
    tally = Tally()
    tally.told(Seen(4))
    tally.told(Staged(item_of(1, 10)))
    tally.told(Moved(item_of(1, 10), 10))
    tally.told(Skipped(item_of(2, 10).key, "sticker"))
    tally.told(fails(3))
    tally.told(fails(4))
    assert of_round(tally) == (1, 2, 10)
    tally.round_ended()
    tally.round_begins({FileNumber(3)})
    assert of_round(tally) == (0, 0, 0)
    tally.told(Seen(1))
    tally.told(Moved(item_of(3, 5), 5))
    assert of_round(tally) == (1, 0, 5)
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


def test_a_later_round_counts_from_nothing_and_the_run_over_all() -> None:
    """A display shows the round; what is tried again in it was not seen before in it."""
    tally = Tally()
    tally.told(Seen(3))
    tally.told(DoneBefore(item_of(1, 10), believed=True))
    tally.told(Skipped(item_of(2, 10).key, "sticker"))
    tally.told(fails(3))
    tally.round_ended()
    tally.round_begins({FileNumber(3)})
    assert tally.of_round() == RunReport()
    tally.told(Seen(2))
    tally.told(Skipped(item_of(5, 7).key, "sticker"))
    tally.told(DoneBefore(item_of(3, 7)))
    report, over_all = tally.of_round(), tally.report()
    assert (report.seen, report.done, report.done_bytes, report.failed) == (2, 1, 7, 0)
    assert (report.skipped_by_rule, report.believed) == ({"sticker": 1}, 0)
    assert (over_all.seen, over_all.done, over_all.done_bytes) == (4, 2, 17)
    assert (over_all.skipped, over_all.failed, over_all.believed) == (2, 0, 1)


def of_round(tally: Tally) -> tuple[int, int, int]:
    """What was moved, what failed, and how many bytes were moved."""
    report = tally.of_round()
    return report.moved, report.failed, report.uploaded_bytes


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
    item = item_of(message_id, 1)
    tally.told(Seen(1))
    if fate == "moved":
        tally.told(Moved(item, 1))
    elif fate == "before":
        tally.told(DoneBefore(item))
    elif fate == "skipped":
        tally.told(Skipped(item.key, reason))
    else:
        tally.told(fails(message_id, reason))


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
    for message_id in range(tally_module.MOST_FAILED_ITEMS + 5):
        tally.told(fails(message_id))
    report = tally.report()
    assert (report.failed, len(report.failed_items)) == (1005, 1000)
