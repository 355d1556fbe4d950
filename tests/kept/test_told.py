"""The lines that scripts and people read are the same as ever."""

from __future__ import annotations

import re
from pathlib import Path

from tdl_sync.core.reports import Outcome
from tdl_sync.reporting.events import EventKind, as_json
from tests.kept.places import VERSIONS
from tests.kept.values_told import events, notes, result_lines, summaries

NEWEST = VERSIONS[-1]


def test_the_result_line_of_every_outcome() -> None:
    text = NEWEST.text("results.txt")
    assert result_lines() == text
    pattern = r"result: status=(\w+) seen=\d+ done=\d+ skipped=\d+ failed=\d+ bytes=\d+"
    found = [re.fullmatch(pattern, line) for line in text.splitlines()]
    assert {match[1] for match in found if match} == {each.value for each in Outcome}
    assert all(found)


def test_the_summary_of_every_kind_of_run() -> None:
    assert summaries() == NEWEST.texts("summaries")


def test_the_note_of_every_ending() -> None:
    assert notes() == NEWEST.texts("notes")


def test_the_json_of_every_event() -> None:
    lines = NEWEST.text("log.jsonl").splitlines()
    assert [as_json(event) for event in events()] == lines
    assert {event.kind for event in events()} == set(EventKind)


def test_what_is_kept_stays_small() -> None:
    sizes = [path.stat().st_size for each in VERSIONS for path in Path(each.directory).rglob("*")]
    assert sum(sizes) < 1_500_000 * len(VERSIONS)
