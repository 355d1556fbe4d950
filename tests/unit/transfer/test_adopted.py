"""The record of what was adopted, and whether that lies where it lay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.model import (
    AdoptedFile,
    FileIdentity,
    FileNumber,
    ListedFile,
    LocationKind,
    MarkedFile,
    folder_and_name,
)
from tdl_sync.transfer.adopted import (
    Adoption,
    AdoptionRecord,
    Places,
    RecordWriter,
    adopted_files,
    read_record,
    read_records,
    record_text,
)

NAME = RecordWriter.of(7, "key").new_record()
SOURCES = ["gdrive:", "gdrive:old", "/mnt/old", "/", ":local:/x", "a,b=c:d/e"]
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@st.composite
def files(draw: st.DrawFn) -> AdoptedFile:
    size_bytes = draw(st.integers(0, 2**40))
    identity = FileIdentity(
        draw(st.sampled_from(LocationKind)), draw(st.integers(-(2**63), 2**63 - 1)), size_bytes
    )
    return AdoptedFile(
        FileNumber(draw(st.integers(1, 2**31 - 1)), draw(st.integers(1, 999))),
        draw(st.sampled_from(SOURCES)),
        draw(PATHS),
        size_bytes,
        draw(st.sampled_from([None, "0f" * 32])),
        draw(st.sampled_from([None, identity])),
    )


@st.composite
def adoptions(draw: st.DrawFn) -> Adoption:
    file = draw(files())
    return Adoption(file.number, draw(st.sampled_from([None, file])), draw(st.integers(0, 9)))


@settings(max_examples=30)
@given(st.lists(adoptions(), max_size=5))
def test_what_is_written_is_read(written: list[Adoption]) -> None:
    record = AdoptionRecord.of(written)
    assert AdoptionRecord.of(read_record(record_text(written), NAME)) == record


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.integers(1, 2)), max_size=8))
def test_what_accounts_write_that_see_each_other_counts_in_the_order_in_which_they_wrote(
    acts: list[tuple[str, bool, int]],
) -> None:
    """Whoever comes later has read what was there, and is the one whose word counts."""
    texts: dict[str, bytes] = {}
    counts: dict[FileNumber, AdoptedFile | None] = {}
    for account, takes_back, message_id in acts:
        file = replace(ADOPTED, number=FileNumber(message_id))
        before = read_all(texts)
        writer = RecordWriter.of(ord(account), "key")
        name = writer.record_among(listing_of(texts)) or writer.new_record()
        own = read_record(texts[name], name) if name in texts else []
        added = before.without(file.number) if takes_back else before.adopted(file)
        texts[name] = record_text([*own, added])
        counts[file.number] = None if takes_back else file
    record = read_all(texts)
    assert {number: each.file for number, each in record.by_number.items()} == counts


@settings(max_examples=30)
@given(st.lists(files(), max_size=4), st.lists(files(), max_size=4), st.lists(files(), max_size=4))
def test_of_what_two_accounts_adopt_at_once_nothing_is_lost(
    before: list[AdoptedFile], one: list[AdoptedFile], other: list[AdoptedFile]
) -> None:
    """Both have read the same before either wrote."""
    writers = [RecordWriter.of(account_id, "key") for account_id in (1, 2)]
    mine, others = (each.new_record() for each in writers)
    own = [AdoptionRecord().adopted(each) for each in before]
    seen = AdoptionRecord.of(own)
    texts = {
        mine: record_text([*own, *(seen.adopted(each) for each in one)]),
        others: record_text(seen.adopted(each) for each in other),
    }
    assert [each.record_among(listing_of(texts)) for each in writers] == [mine, others]
    numbers = {each.number for each in read_all(texts).files}
    assert numbers == {each.number for each in (*before, *one, *other)}


def read_all(texts: Mapping[str, bytes]) -> AdoptionRecord:
    return read_records(listing_of(texts), texts.get)


def listing_of(texts: Mapping[str, bytes]) -> list[ListedFile]:
    return [ListedFile(name, len(text)) for name, text in texts.items()]


def test_only_what_is_in_the_chats_own_folder_is_a_record_and_the_one_of_before_is() -> None:
    text = record_text([Adoption(ADOPTED.number, ADOPTED)])
    listing = [ListedFile(each, 1) for each in ("adopted.jsonl", "adopted-x.jsonl", "adopted.json")]
    listing.append(ListedFile(NAME, 1, "a folder"))
    asked: list[str] = []

    def read(name: str) -> bytes:
        asked.append(name)
        return text

    assert read_records(listing, read).files == [ADOPTED]
    assert asked == ["adopted.jsonl"]


@given(files())
def test_a_mark_names_the_place_and_the_path_below_it(file: AdoptedFile) -> None:
    folder, name = folder_and_name(file)
    marked = MarkedFile(folder, name, file.size_bytes, None, adopted_from=file.source)
    assert marked.adopted_path == file.path
    assert folder.startswith(file.source)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]\n",
        b'{"version": 2}\n',
        b'{"version": 1}\n{"message": [1, 1]}\n',
        b'{"version": 1}\n{"message": ["1", 1], "from": "a:", "path": "b", "size_bytes": 1}\n',
        b'{"version": 1}\n{"message": [1, 1], "from": "a:", "path": "b", "size_bytes": -1}\n',
        b'{"version": 1}\n{"message": [1, 1], "from": 1, "path": "b", "size_bytes": 1}\n',
        b'{"version": 1}\n{"message": [1, 1], "from": "a:", "path": "b", "size_bytes": 1, '
        b'"sha256": "x"}\n',
        b'{"version": 1}\n{"message": [1, 1], "from": "a:", "path": "b", "size_bytes": 1',
        b'{"version": 1}\n{"message": [1, 1], "taken_back": false}\n',
        b'{"version": 1}\n{"message": [1, 1], "taken_back": true, "revision": -1}\n',
        b'{"version": 1}\n{"message": [1, 1], "taken_back": true, "revision": "1"}\n',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_record_that_is_not_ours_is_never_taken_for_an_empty_one(text: bytes) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(NAME)):
        read_record(text, NAME)


ADOPTED = AdoptedFile(FileNumber(7), "box:old", "a/b.mp4", 10, "0f" * 32)
RECORD = AdoptionRecord.of([Adoption(ADOPTED.number, ADOPTED)])


@pytest.mark.parametrize(
    ("listed", "counts"),
    [
        ([ListedFile("b.mp4", 10, "a", "0f" * 32)], True),
        ([ListedFile("b.mp4", 10, "a")], True),
        ([ListedFile("b.mp4", 10, "a", "00" * 32)], False),
        ([ListedFile("b.mp4", 11, "a", "0f" * 32)], False),
        ([ListedFile("b.mp4", 10, "", "0f" * 32)], False),
        ([ListedFile("b.mp4", 10, "a"), ListedFile("b.mp4", 10, "a")], False),
        ([], False),
    ],
)
def test_what_is_gone_or_changed_or_there_twice_is_not_done_by_its_record(
    listed: list[ListedFile], counts: bool
) -> None:
    found = adopted_files(RECORD, Places(lambda source: listed), lambda number: False)
    assert list(found) == ([ADOPTED.number] if counts else [])


def test_where_all_is_known_no_place_is_asked() -> None:
    def must_not(source: str) -> list[ListedFile]:
        raise AssertionError(source)

    assert not adopted_files(RECORD, Places(must_not), lambda _: True)
    assert not adopted_files(AdoptionRecord(), Places(must_not), lambda _: False)
