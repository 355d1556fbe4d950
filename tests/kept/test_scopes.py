"""Who goes on with a newer version goes on in the same scope: its key is literally the same."""

from __future__ import annotations

import json

import pytest

from tdl_sync.core.model import scope_key
from tdl_sync.options.filters import Filters
from tdl_sync.state.mark_records import watermark_key
from tests.kept.places import Kept
from tests.kept.values_scopes import SAME, scope_of


def rows(kept: Kept) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(kept.text("scopes.json"))
    return found


def test_every_command_line_has_the_scope_that_it_had(kept: Kept) -> None:
    for row in rows(kept):
        scope = scope_of(row["command_line"])
        assert {
            "command_line": row["command_line"],
            "filters": scope.filters,
            "watermark_key": watermark_key(scope),
            "scope_key": scope_key(scope),
        } == row


def test_two_choices_never_share_a_scope(kept: Kept) -> None:
    distinct = [row for row in rows(kept) if row["command_line"] not in SAME]
    assert len({row["scope_key"] for row in distinct}) == len(distinct)
    assert len({row["watermark_key"] for row in distinct}) == len(distinct)


@pytest.mark.parametrize("command_line", list(SAME))
def test_what_leaves_nothing_out_and_other_spellings_go_on_with_the_same_scope(
    kept: Kept, command_line: str
) -> None:
    keys = {row["command_line"]: row["scope_key"] for row in rows(kept)}
    assert scope_key(scope_of(command_line)) == keys[SAME[command_line]]


def test_the_table_names_each_filter(kept: Kept) -> None:
    named: set[str] = set()
    for row in rows(kept):
        text = row["filters"].partition("}")[0]
        named |= set(json.loads(f"{text}}}")) if text.startswith("{") else {row["filters"]}
    assert named >= {
        *("types", "include", "exclude", "min", "max", "since", "until", "to", "name", "caption"),
        *("dedupe", "comments", "dedupe comments"),
    }
    # Whoever adds a filter adds it to the table; --filter is of a later version than this one.
    assert len(Filters.__dataclass_fields__) == 10 + 1
