"""``adopt --template``: tdl's notation and fields in braces say which message a path is of."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.options.adopt_template import parse_adopt_template

IDS = ("1234567890", "-1001234567890")
TDL = "{{ .DialogID }}_{{ .MessageID }}_{{ filenamify .FileName }}"


@pytest.mark.parametrize(
    ("template", "path", "ids"),
    [
        (TDL, "old/1234567890_12_a.mp4", {12}),
        (TDL, "1234567890_12_34_56.mp4", {12}),
        (TDL, "1234567891_12_a.mp4", set()),
        (TDL, "91234567890_12_a.mp4", set()),
        ("{{.MessageID}}-{{ replace .FileCaption `/` `_` }}", "7-b/8-c", {8}),
        ("{{ .FileName }}_{{ .MessageID }}", "a_12_13", {13}),
        ("{chat_id}/{message_id} - {file_name}", "x/-1001234567890/5 - 6 - a.bin", {5}),
        ("{chat_id}/{message_id} - {file_name}", "5 - a.bin", set()),
        ("{any}-{message_id}-{any}", "1-2-3-4", {2, 3}),
        ("{date:%Y}/{message_id}.{ext}", "2024/17.mp4", {17}),
        ("{message_id}.{ext}", "017.mp4", set()),
        ("{message_id}", "99999999999", set()),
    ],
)
def test_a_path_says_the_message_by_whole_numbers_only(
    template: str, path: str, ids: set[int]
) -> None:
    assert parse_adopt_template(template).message_ids(path, IDS) == ids


@pytest.mark.parametrize(
    "template",
    [
        "",
        "{{ .FileName }}",
        "{file_name}",
        "{message_id}{file_name}",
        "{chat_id}{message_id}_",
        "1{message_id}_",
        "{any}{chat_id}_{message_id}",
        "{message_id",
        "{message_id}}",
        "{{ .MessageID }}_{{ env `HOME` }}",
        "{message_id}//{file_name}",
        "{message_id}_{secret}",
        "{message_id}\n",
        "{message_id}" + "x" * 300,
    ],
)
def test_what_names_no_message_or_not_for_certain_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="template"):
        parse_adopt_template(template)


@given(st.integers(1, 2**31 - 1), st.text(st.characters(exclude_characters="/"), max_size=40))
def test_what_a_template_makes_of_a_message_it_reads_again(message_id: int, name: str) -> None:
    template = parse_adopt_template(TDL)
    found = template.message_ids(f"down/loads/{IDS[0]}_{message_id}_{name}", IDS)
    assert found == {message_id}


def test_a_hostile_path_is_read_in_no_time() -> None:
    template = parse_adopt_template("{any}a{any}a{any}a{any}a{any}a-{message_id}-{any}")
    began = time.process_time()
    template.message_ids("a" * 200_000 + "-1-" + "2-" * 10_000, IDS)
    assert time.process_time() - began < 10  # it took 0.1 s; by backtracking it would never end
