"""Whatever makes a run leave something out has its place in the scope's keys, now and later.

A run that left more out than another and shares its key would move the watermark past files that
the other one still has to move, and nobody would miss them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tdl_sync.core.model import Chat, ChatKind, MediaType, Scope, scope_key
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.options.choice import WHOLE_CHAT, Choice
from tdl_sync.options.expressions import Expression
from tdl_sync.options.file_filter import FileFilter
from tdl_sync.options.filters import ALL_BUT_STICKERS, Filters, parse_since, parse_until
from tdl_sync.state.mark_records import watermark_key

NOW = datetime(2024, 5, 31, 12, tzinfo=timezone.utc)
SCOPE = Scope("gdrive:tdl-sync", -1001234567890)
CHAT = Chat(SCOPE.chat_id, "A group", ChatKind.SUPERGROUP)

FILTERS: dict[str, tuple[Any, Any]] = {
    "types": (frozenset({MediaType.VIDEO}), frozenset({MediaType.VIDEO, MediaType.PHOTO})),
    "included_extensions": (frozenset({"mp4"}), frozenset({"mp4", "mkv"})),
    "excluded_extensions": (frozenset({"mp4"}), frozenset({"mp4", "mkv"})),
    "least_bytes": (0, 100),
    "most_bytes": (0, 100),
    "since": (parse_since("2024-01-31", NOW), parse_since("30d", NOW)),
    "until": (parse_since("2024-01-31", NOW), parse_since("30d", NOW)),
    "to_id": (100, 1000),
    "name": (Expression.parse("a"), Expression.parse("b")),
    "caption": (Expression.parse("a"), Expression.parse("b")),
    "expression": (FileFilter.parse("views > 1"), FileFilter.parse("views > 2")),
}
"""Two values of each filter. Filters of one kind have the same ones, so that none can stand for
another."""

ALL_GIVEN = Filters(**{name: values[0] for name, values in FILTERS.items()})

CHOICES: dict[str, tuple[Any, ...]] = {
    "filters": (ALL_BUT_STICKERS, ALL_GIVEN),
    "dedupe": (False, True),
    "shard": (WHOLE, Shard(1, 2), Shard(2, 2), Shard(1, 4), Shard(3, 4)),
}
CHOICES_OF_ONE_SCOPE: dict[str, tuple[Any, str]] = {
    "newest_first": (True, "what is not reached lies above the watermark"),
    "limit": (7, "what is not reached lies above the watermark"),
}

CHATS: dict[str, Any] = {"id": -1001, "topic_id": 5, "comments_on_id": -1002}
CHATS_OF_ONE_SCOPE: dict[str, tuple[Any, str]] = {
    "title": ("Renamed", "the chat is the same"),
    "kind": (ChatKind.CHANNEL, "the chat is the same"),
    "username": ("renamed", "the chat is the same"),
    "became_id": (-1002, "the chat is the same"),
    "asked_as": ("@group", "the chat is the same"),
}

SCOPES: dict[str, Any] = {
    "remote": "b2:x",
    "chat_id": -1001,
    "topic_id": 5,
    "filters": "x",
    "lower_bound": 7,
    "shard": Shard(2, 4),
}


def names(record: type) -> set[str]:
    return {each.name for each in fields(record)}


def keys(scope: Scope) -> tuple[str, str]:
    """Under which a scope's state and its watermark on this machine are kept."""
    return scope_key(scope), watermark_key(scope)


def keys_of(choice: Choice, chat: Chat = CHAT) -> tuple[str, str]:
    return keys(choice.scope(SCOPE.remote, chat, SCOPE.lower_bound))


def all_differ(found: list[tuple[str, str]]) -> bool:
    return len({each for each, _ in found}) == len({each for _, each in found}) == len(found)


def test_of_every_field_it_is_known_whether_it_makes_another_scope() -> None:
    """Who adds one says it here: with values of it, or with the reason why it leaves nothing out
    that a later run would miss."""
    assert set(FILTERS) == names(Filters)
    assert set(CHOICES) | set(CHOICES_OF_ONE_SCOPE) == names(Choice)
    assert set(CHATS) | set(CHATS_OF_ONE_SCOPE) == names(Chat)
    assert set(SCOPES) == names(Scope)


@pytest.mark.parametrize("name", sorted(FILTERS))
@pytest.mark.parametrize("others", [ALL_BUT_STICKERS, ALL_GIVEN], ids=["alone", "among others"])
def test_another_value_of_a_filter_or_none_is_another_scope(others: Filters, name: str) -> None:
    none = getattr(ALL_BUT_STICKERS, name)
    values = [replace(others, **{name: value}) for value in (none, *FILTERS[name])]
    assert all_differ([keys_of(Choice(filters)) for filters in values])


def test_no_filter_stands_for_another_one() -> None:
    each_alone = [Filters(**{name: value}) for name, values in FILTERS.items() for value in values]
    assert all_differ([keys_of(Choice(filters)) for filters in each_alone])


@pytest.mark.parametrize("name", sorted(CHOICES))
@pytest.mark.parametrize("filters", [ALL_BUT_STICKERS, ALL_GIVEN], ids=["alone", "among others"])
def test_what_a_choice_leaves_out_beside_its_filters_is_another_scope(
    filters: Filters, name: str
) -> None:
    choices = [replace(Choice(filters), **{name: value}) for value in CHOICES[name]]
    assert all_differ([keys_of(choice) for choice in choices])


@pytest.mark.parametrize("name", sorted(CHOICES_OF_ONE_SCOPE))
def test_order_and_number_leave_the_scope_as_it_is(name: str) -> None:
    value, _why = CHOICES_OF_ONE_SCOPE[name]
    assert keys_of(replace(WHOLE_CHAT, **{name: value})) == keys_of(WHOLE_CHAT)


@pytest.mark.parametrize("name", sorted(CHATS))
@pytest.mark.parametrize("choice", [WHOLE_CHAT, Choice(ALL_GIVEN, dedupe=True)])
def test_another_part_of_a_chat_is_another_scope(choice: Choice, name: str) -> None:
    other = replace(CHAT, **{name: CHATS[name]})
    assert all_differ([keys_of(choice, CHAT), keys_of(choice, other)])


@pytest.mark.parametrize("name", sorted(CHATS_OF_ONE_SCOPE))
def test_a_chat_that_is_called_otherwise_is_the_same_scope(name: str) -> None:
    value, _why = CHATS_OF_ONE_SCOPE[name]
    assert keys_of(WHOLE_CHAT, replace(CHAT, **{name: value})) == keys_of(WHOLE_CHAT)


def test_every_part_of_a_scope_is_in_both_of_its_keys() -> None:
    others = [replace(SCOPE, **{name: value}) for name, value in SCOPES.items()]
    assert all_differ([keys(scope) for scope in (SCOPE, *others)])


def test_without_a_shard_the_keys_are_what_they_were_before_there_were_any() -> None:
    """And those of a shard stay what they are."""
    whole = Scope("gdrive:tdl-sync", -1001234567890, 5, "dedupe", 7)
    assert keys(whole) == (
        "0ba932fa613264bb",
        '["watermark","gdrive:tdl-sync",-1001234567890,5,"dedupe",7]',
    )
    assert keys(replace(SCOPE, shard=Shard(2, 4))) == (
        "fc6b659f2d314aec",
        '["watermark","gdrive:tdl-sync",-1001234567890,0,"",0,"2/4"]',
    )


@pytest.mark.parametrize("name", ["since", "until"])
def test_an_age_is_one_scope_on_all_days_and_a_date_another_on_each(name: str) -> None:
    """The moment that an age means moves on; a scope that moved with it would begin anew daily."""
    parse = parse_since if name == "since" else parse_until

    def key_at(text: str, day: int) -> tuple[str, str]:
        moment: Any = parse(text, NOW + timedelta(days=day))
        return keys_of(Choice(replace(ALL_BUT_STICKERS, **{name: moment})))

    assert key_at("30d", 0) == key_at("30d", 1) == key_at("720h", 2)
    assert all_differ([key_at(text, 0) for text in ("30d", "31d", "2024-01-31", "2024-02-01")])


KEY_OF_MANY = """
from tdl_sync.options.filters import Filters, parse_extensions, parse_types
names = ",".join(f"e{number}" for number in range(20))
filters = Filters(
    types=parse_types("video,photo,audio,document,voice"),
    included_extensions=parse_extensions(names),
    excluded_extensions=parse_extensions(names),
)
print(filters.canonical_text)
"""


def test_a_scope_has_the_same_name_in_every_process_on_every_machine() -> None:
    """Sets have another order in each process."""
    texts = {
        subprocess.run(
            [sys.executable, "-c", KEY_OF_MANY],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(texts) == 1
