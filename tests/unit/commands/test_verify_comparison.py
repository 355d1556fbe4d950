"""Messages against a listing: each file of either side has one verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.commands.verify_comparison import NO_ID, NO_MESSAGE, UNFINISHED, Comparison, Findings
from tdl_sync.commands.verify_text import Verdict, json_record
from tdl_sync.core.doubles import Likeness
from tdl_sync.core.failures import OTHER_CONTENT, REPLACED, WRONG_SIZE, Failure
from tdl_sync.core.model import (
    Chat,
    ChatKind,
    FileNumber,
    HistoryEntry,
    ListedFile,
    MarkedFile,
    MessageKey,
    SkippedItem,
)
from tdl_sync.core.naming import path_of
from tests.fakes.chat import CHAT_ID, further_of, item_of

FOLDER = f"A channel [{CHAT_ID}]"
HASH, OTHER_HASH = "ab" * 32, "cd" * 32


def compared(
    entries: Iterable[HistoryEntry],
    listing: list[ListedFile],
    marks: Mapping[int, MarkedFile] | None = None,
) -> Findings:
    comparison = Comparison(
        listing, FOLDER, lambda key: (marks or {}).get(key.message_id), failures={}
    )
    for entry in entries:
        comparison.take(entry)
    return comparison.findings()


def marked(
    name: str, size_bytes: int, sha256: str | None = HASH, subfolder: str = ""
) -> MarkedFile:
    return MarkedFile(f"{FOLDER}/{subfolder}".rstrip("/"), name, size_bytes, sha256)


def test_a_file_of_the_declared_size_is_there_in_whatever_folder() -> None:
    found = compared([item_of(7, 10)], [ListedFile("7_other name.bin", 10, "2024/05")])
    assert (found.there, found.there_bytes, found.all_there) == (1, 10, True)
    assert (found.compared_by_hash, found.compared_by_size_alone) == (0, 1)


def test_a_file_that_is_nowhere_is_missing_and_the_mark_is_told() -> None:
    found = compared([item_of(7, 10), item_of(8, 10)], [], {8: marked("8_a.bin", 10)})
    assert [(each.key.message_id, each.marked) for each in found.missing] == [(7, False), (8, True)]
    assert found.missing[0].name == "7_a.bin"
    assert not found.all_there


def test_another_size_is_wrong_and_is_certainly_ours_where_the_mark_names_the_only_file() -> None:
    listing = [ListedFile("7_a.bin", 9, "sub"), ListedFile("8_notes.txt", 9)]
    marks = {7: marked("7_a.bin", 10, subfolder="sub"), 8: marked("8_a.bin", 10)}
    found = compared([item_of(7, 10), item_of(8, 10)], listing, marks)
    assert [(each.reason, each.certainly_ours) for each in found.wrong] == [
        (WRONG_SIZE, True),
        (WRONG_SIZE, False),
    ]
    assert not any(each.edited for each in found.wrong)


def test_a_message_whose_file_was_replaced_after_the_move_is_wrong_and_says_so() -> None:
    found = compared([item_of(7, 12)], [ListedFile("7_a.bin", 10)], {7: marked("7_a.bin", 10)})
    assert [(each.reason, each.edited) for each in found.wrong] == [(WRONG_SIZE, True)]


def test_a_damaged_or_foreign_file_is_not_excused_by_a_message_that_was_edited() -> None:
    listing = [ListedFile("7_a.bin", 10, sha256=OTHER_HASH), ListedFile("8_notes.txt", 10)]
    marks = {7: marked("7_a.bin", 10), 8: marked("8_a.bin", 10)}
    found = compared([item_of(7, 12), item_of(8, 12)], listing, marks)
    assert [each.edited for each in found.wrong] == [False, False]


def test_hashes_are_compared_where_the_mark_and_the_listing_have_one() -> None:
    listing = [
        ListedFile("1_a.bin", 10, sha256=HASH),
        ListedFile("2_a.bin", 10, sha256=OTHER_HASH),
        ListedFile("3_a.bin", 10, sha256=OTHER_HASH),
        ListedFile("4_a.bin", 10),
        ListedFile("5_a.bin", 10, sha256=HASH),
    ]
    marks = {number: marked(f"{number}_a.bin", 10) for number in (1, 2, 4)}
    marks[3] = marked("3_a.bin", 10, sha256=None)
    found = compared([item_of(number, 10) for number in range(1, 6)], listing, marks)
    assert [(each.key.message_id, each.reason) for each in found.wrong] == [(2, OTHER_CONTENT)]
    assert (found.there, found.compared_by_hash, found.compared_by_size_alone) == (4, 1, 3)


def test_of_two_files_of_one_message_the_right_one_counts_and_the_other_is_a_double() -> None:
    short, right = ListedFile("7_a.bin", 9), ListedFile("7_b.bin", 10, "sub")
    for listing in ([short, right], [right, short]):
        found = compared([item_of(7, 10)], listing)
        assert (found.there, found.wrong) == (1, [])
        assert [(each.file, each.beside) for each in found.double] == [(short, right)]


def test_of_two_right_files_the_one_that_the_mark_names_counts() -> None:
    one, two = ListedFile("7_a.bin", 10), ListedFile("7_b.bin", 10)
    found = compared([item_of(7, 10)], [one, two], {7: marked("7_b.bin", 10)})
    assert [(each.file, each.beside) for each in found.double] == [(one, two)]


def test_two_wrong_files_are_one_wrong_and_one_double_and_none_is_certainly_ours() -> None:
    listing = [ListedFile("7_a.bin", 9), ListedFile("7_a.bin", 8)]
    found = compared([item_of(7, 10)], listing, {7: marked("7_a.bin", 10)})
    assert (len(found.wrong), len(found.double)) == (1, 1)
    assert not found.wrong[0].certainly_ours


def test_a_mark_of_what_the_message_held_before_does_not_make_the_present_file_wrong() -> None:
    """Another machine has put it over the one that was marked here, or beside it."""
    item = item_of(7, 10)
    before = replace(marked("7_a.bin", 10), identity=replace(item.identity, file_id=70))
    over = ListedFile("7_a.bin", 10, sha256=OTHER_HASH)
    found = compared([item], [over], {7: before})
    assert (found.there, found.compared_by_hash, found.wrong) == (1, 0, [])
    as_it_was = replace(over, sha256=HASH)
    (wrong,) = compared([item], [as_it_was], {7: before}).wrong
    assert (wrong.reason, wrong.edited) == (REPLACED, True)
    beside = replace(over, name="7_a later.bin")
    found = compared([item], [as_it_was, beside], {7: before})
    assert (found.there, found.wrong, found.double[0].is_surplus) == (1, [], False)


def test_what_the_message_held_before_is_none_of_its_files() -> None:
    item = item_of(7, 10)
    old, new = ListedFile("7_a.bin", 10), ListedFile("7_b.bin", 10)
    for listing, there in (([old, new], 1), ([old], 0)):
        comparison = Comparison(
            listing, FOLDER, lambda _: None, failures={}, former={f"{FOLDER}/7_a.bin"}
        )
        comparison.take(item)
        found = comparison.findings()
        assert (found.there, len(found.missing)) == (there, 1 - there)
        others = [each.file for each in found.double] + [each.file for each in found.unknown]
        assert others == [old]


RIGHT = ListedFile("7_a.bin", 10, sha256=HASH, remote_id="one")
COPY = replace(RIGHT, remote_id="two")
BROKEN_OFF = replace(RIGHT, name="7_double-0123456789abcdef.bin")
BAD = replace(COPY, sha256=OTHER_HASH)
NOTES = ListedFile("7_notes.txt", 5, sha256=OTHER_HASH, remote_id="two")
UNHASHED = replace(RIGHT, sha256=None), replace(COPY, sha256=None)


@pytest.mark.parametrize(
    ("files", "marked_hash", "in_sidecar", "likeness", "is_surplus"),
    [
        ((RIGHT, COPY), HASH, None, Likeness.SAME, True),
        ((RIGHT, replace(COPY, name="7_b.bin")), None, None, Likeness.SAME, True),
        ((RIGHT, COPY), OTHER_HASH, None, Likeness.SAME, False),
        ((RIGHT, COPY), None, OTHER_HASH, Likeness.SAME, False),
        ((BAD, RIGHT), HASH, None, Likeness.OTHER, True),
        ((BAD, RIGHT), None, HASH, Likeness.OTHER, True),
        ((BAD, RIGHT), None, None, Likeness.OTHER, False),
        ((replace(BAD, name="7_b.bin"), RIGHT), HASH, None, Likeness.OTHER, False),
        ((BAD, BROKEN_OFF), HASH, None, Likeness.OTHER, True),
        ((RIGHT, NOTES), HASH, None, Likeness.OTHER, False),
        ((BROKEN_OFF, NOTES), HASH, None, Likeness.OTHER, False),
        (UNHASHED, HASH, None, Likeness.UNKNOWN, False),
        ((RIGHT, replace(RIGHT, subfolder="sub")), HASH, None, Likeness.SAME, False),
        ((RIGHT, replace(COPY, remote_id="one\tshortcut")), HASH, None, Likeness.SAME, False),
    ],
)
def test_of_two_files_of_one_message_one_is_surplus_where_the_other_is_right_and_the_same(
    files: tuple[ListedFile, ListedFile],
    marked_hash: str | None,
    in_sidecar: str | None,
    likeness: Likeness,
    is_surplus: bool,
) -> None:
    """Or has its very name and is wrong, where that one is proven. Never one that people have put
    there, a shortcut, or the file itself that is listed in two folders."""
    mark = marked("7_a.bin", 10, marked_hash) if marked_hash else None
    for listing in (files, files[::-1]):
        comparison = Comparison(list(listing), FOLDER, lambda _: mark, {}, lambda _: in_sidecar)
        comparison.take(item_of(7, 10))
        (double,) = comparison.findings().double
        assert (double.likeness, double.is_surplus) == (likeness, is_surplus)
        if is_surplus and HASH in (marked_hash, in_sidecar):
            assert double.beside.sha256 == HASH


def test_what_belongs_to_no_message_is_unknown_by_its_reason_and_what_is_ours_is_not() -> None:
    listing = [
        ListedFile("9_gone.bin", 1),
        ListedFile("notes.txt", 1),
        ListedFile("7_a.bin.0a1b2c3d.partial", 10),
        ListedFile("7.json", 300),
        ListedFile("messages.jsonl", 300),
        ListedFile("messages-topic-5.jsonl", 300),
        ListedFile("007.json", 1),
    ]
    found = compared([item_of(7, 10)], listing)
    assert {path_of(each.file): each.why for each in found.unknown} == {
        "9_gone.bin": NO_MESSAGE,
        "notes.txt": NO_ID,
        "7_a.bin.0a1b2c3d.partial": UNFINISHED,
        "007.json": NO_ID,
    }
    assert len(found.missing) == 1  # what rclone did not finish is no proof of anything


def test_a_file_that_telegram_calls_like_an_unfinished_one_is_there_if_its_mark_says_so() -> None:
    name = "7_a.bin.0a1b2c3d.partial"
    found = compared([item_of(7, 10)], [ListedFile(name, 10)], {7: marked(name, 10)})
    assert (found.there, found.missing, found.unknown) == (1, [], [])
    found = compared([item_of(7, 10)], [ListedFile(name, 10)], {7: marked("7_a.bin", 10)})
    assert (found.there, [each.why for each in found.unknown]) == (0, [UNFINISHED])


def test_what_a_rule_leaves_out_is_neither_missing_nor_unknown() -> None:
    skipped = [SkippedItem(MessageKey(CHAT_ID, 0, number), "type") for number in (7, 8)]
    found = compared(skipped, [ListedFile("7_a.bin", 1)])
    assert (found.skipped, found.not_compared, found.all_there) == ({"type": 2}, 1, True)
    assert (found.unknown, found.missing) == ([], [])


def test_files_of_messages_that_are_not_asked_for_can_be_taken_out() -> None:
    comparison = Comparison(
        [ListedFile("7_a.bin", 1), ListedFile("8_a.bin", 1)], FOLDER, lambda key: None, {}
    )
    assert comparison.unclaimed() == [FileNumber(7), FileNumber(8)]
    comparison.leave_out(FileNumber(8))
    found = comparison.findings()
    assert ([path_of(each.file) for each in found.unknown], found.not_compared) == (["7_a.bin"], 1)


def test_a_copy_of_a_file_that_is_there_can_count_as_skipped_unless_it_was_moved_itself() -> None:
    first = item_of(7, 10)
    copies = [replace(first, key=replace(first.key, message_id=number)) for number in (8, 9)]
    other = item_of(10, 10)
    comparison = Comparison(
        [ListedFile("7_a.bin", 10)],
        FOLDER,
        lambda key: marked("9_a.bin", 10) if key.message_id == 9 else None,
        {},
    )
    for item in (copies[0], first, copies[1], other):
        comparison.take(item)
    comparison.leave_out_copies()
    found = comparison.findings()
    assert [each.key.message_id for each in found.missing] == [9, 10]
    assert found.skipped == {"duplicate": 1}


sizes = st.integers(0, 3)
files = st.lists(
    st.builds(
        ListedFile,
        st.integers(1, 6).map(lambda number: f"{number}_a")
        | st.sampled_from(["notes", "3.json", "5_a.0a1b2c3d.partial"]),
        sizes,
        st.sampled_from(["", "sub"]),
        st.sampled_from([None, HASH, OTHER_HASH]),
    )
)
entries = st.dictionaries(st.integers(1, 6), sizes | st.none())


@given(entries, files)
def test_each_message_and_each_file_has_one_verdict(
    sizes_of: dict[int, int | None], listing: list[ListedFile]
) -> None:
    marks = {number: marked(f"{number}_a", 2) for number in (1, 2, 3)}
    found = compared(
        [
            SkippedItem(MessageKey(CHAT_ID, 0, number), "type")
            if size is None
            else replace(item_of(number, size))
            for number, size in sizes_of.items()
        ],
        listing,
        marks,
    )
    judged = found.there + len(found.missing) + len(found.wrong)
    assert judged + sum(found.skipped.values()) == len(sizes_of)
    ours = sum(file.name == "3.json" for file in listing)
    claimed = found.there + len(found.wrong) + len(found.double) + found.not_compared
    assert claimed + len(found.unknown) + ours == len(listing)


def test_what_no_run_moves_by_itself_is_given_up_and_not_missing() -> None:
    """Too large for this budget, whoever knows of it, or refused for good; but what a mark says to
    be there is missing, however large it is."""
    items = [item_of(number, 100) for number in range(1, 6)]
    items[1] = item_of(2, 1001)
    second = further_of(items[3], 2)
    items.insert(4, second)
    failures = {
        items[0].key: Failure(items[0].key, "larger than the disk budget", "x", 1, for_good=True),
        items[2].key: Failure(items[2].key, "refused by Telegram", "x", 1, for_good=True),
        items[3].key: Failure(items[3].key, "wrong size", "x", 1, for_good=False),
        second.key: Failure(second.key, "refused by Telegram", "x", 1, for_good=True),
        items[5].key: Failure(items[5].key, "refused by Telegram", "x", 1, for_good=True),
    }
    marks = {5: marked("5_a.bin", 100)}
    comparison = Comparison(
        [], FOLDER, lambda key: marks.get(key.message_id), failures, budget_bytes=1000
    )
    for item in items:
        comparison.take(item)
    found = comparison.findings()
    assert [(str(each.key.number), each.reason) for each in found.given_up] == [
        ("1", "larger than the disk budget"),
        ("2", "larger than the disk budget"),
        ("3", "refused by Telegram"),
        ("4.2", "refused by Telegram"),
    ]
    verdict = Verdict(Chat(CHAT_ID, "A", ChatKind.CHANNEL), "box:", FOLDER, found)
    told = [(each["message_id"], each.get("index")) for each in json_record(verdict)["given_up"]]
    assert told == [(1, None), (2, None), (3, None), (4, 2)]
    assert [each.key.message_id for each in found.missing] == [4, 5]
    assert not found.all_there
