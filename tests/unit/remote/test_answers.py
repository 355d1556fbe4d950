"""rclone's answers are data from outside: whole and right, or no answer at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.remote.answers import json_object


def named(entry: dict[str, Any]) -> object:
    if "Name" not in entry:
        raise ValueError("no name")
    return entry["Name"]


def pieces(text: str, cuts: list[int]) -> Iterator[str]:
    begin = 0
    for cut in sorted(cuts):
        yield text[begin:cut]
        begin = max(begin, cut)
    yield text[begin:]


NAMES = st.lists(st.text(st.characters(codec="utf-8")))
CUTS = st.lists(st.integers(0, 400), max_size=12)


@given(NAMES, CUTS, st.sampled_from([None, "\t"]), st.booleans())
def test_a_list_is_the_same_in_whatever_pieces_it_comes(
    names: list[str], cuts: list[int], indent: str | None, ascii_only: bool
) -> None:
    listed = {"list": [{"Name": name, "Size": 1} for name in names]}
    text = json.dumps(listed, indent=indent, ensure_ascii=ascii_only) + "\n"
    assert json_object(pieces(text, cuts), named) == {"list": names}
    assert json_object(pieces(text, cuts)) == listed


@given(NAMES, CUTS, st.integers(1, 400))
def test_one_that_is_cut_is_none(names: list[str], cuts: list[int], missing: int) -> None:
    text = json.dumps({"list": [{"Name": name} for name in names]})
    cut = text[: max(0, len(text) - missing)]
    assert json_object(pieces(cut, cuts), named) is None
    assert json_object(pieces(cut, cuts)) is None


def test_a_list_is_believed_no_byte_before_its_end() -> None:
    listed = {"list": [{"Name": "a]}", "Size": 1}, {"Name": "b", "Hashes": {"md5": "c"}}]}
    text = json.dumps(listed, indent="\t")
    for end in range(len(text)):
        for size in (1, 7, len(text)):
            in_pieces = (text[at : min(at + size, end)] for at in range(0, end, size))
            assert json_object(in_pieces, lambda entry: entry) is None, text[:end]
    assert json_object(iter(text), lambda entry: entry) == listed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "<html>",
        '{"list": [{"Name": "a"}]} {}',
        '{"list": [{"Name": "a"}, null]}',
        '{"list": [{"Name": "a"}, {"Size": 1}]}',
        '{"list": [{"Name": "a"}',
        '{"list": [{"Name": "a"}], "list": 1}',
        "[" * 100_000,
    ],
)
def test_what_is_no_list_of_what_was_asked_for_is_none(text: str) -> None:
    for size in (1, 7, 200_000):
        in_pieces = (text[at : at + size] for at in range(0, len(text), size))
        assert json_object(in_pieces, named) is None


def test_another_object_is_read_whole() -> None:
    assert json_object(iter(['{"Name"', ': "a", "list": null}']), lambda entry: entry) == {
        "Name": "a",
        "list": None,
    }
