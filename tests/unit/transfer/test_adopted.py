"""The record of what was adopted, and whether that lies where it lay."""

from __future__ import annotations

import pytest
from hypothesis import given
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
    RECORD_NAME,
    Places,
    adopted_files,
    read_record,
    record_text,
)

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


@given(st.lists(files(), max_size=5))
def test_what_is_written_is_read_and_of_a_file_the_last_counts(written: list[AdoptedFile]) -> None:
    by_number = {each.number: each for each in written}
    assert read_record(record_text(written)) == [by_number[each] for each in sorted(by_number)]


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
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_record_that_is_not_ours_is_never_taken_for_an_empty_one(text: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"adopted\.jsonl"):
        read_record(text)


ADOPTED = AdoptedFile(FileNumber(7), "box:old", "a/b.mp4", 10, "0f" * 32)


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
    text = record_text([ADOPTED])
    found = adopted_files(
        [ListedFile(RECORD_NAME, len(text))],
        lambda name: text,
        Places(lambda source: listed),
        lambda number: False,
    )
    assert list(found) == ([ADOPTED.number] if counts else [])


def test_where_all_is_known_no_place_is_asked() -> None:
    def must_not(source: str) -> list[ListedFile]:
        raise AssertionError(source)

    text = record_text([ADOPTED])
    listing = [ListedFile(RECORD_NAME, 1)]
    assert not adopted_files(listing, lambda _: text, Places(must_not), lambda _: True)
    assert not adopted_files([], lambda _: text, Places(must_not), lambda _: False)
