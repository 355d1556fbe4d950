"""What was learnt of chats is kept for the account that learnt it, and read as it was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyrogram import raw

from tdl_sync.options.chat_spelling import parse_chat
from tdl_sync.telegram.messages.known_chats import KnownChat, KnownChats
from tdl_sync.telegram.session.peers import usernames_of

ACCOUNT_ID = 5_000_000_001
WRITTEN_BY_VERSION_1 = """{"version": 1, "chats": {
    "@lectures": [-1001234567890, -8123456789012345678],
    "-1001234567890": [-1001234567890, -8123456789012345678],
    "+1f2e0d5a6f2a4b7c8d9e0f1a2b3c4d5e": [-4000077, 0],
    "@bobby": [700000123, 42]
}}"""
LECTURES = KnownChat(-1001234567890, -8123456789012345678)


def test_what_the_first_version_has_written_is_read(tmp_path: Path) -> None:
    (tmp_path / f"{ACCOUNT_ID}.json").write_text(WRITTEN_BY_VERSION_1)
    known = KnownChats(tmp_path)
    for spelling, chat in (
        ("@Lectures", LECTURES),
        ("https://t.me/lectures/5", LECTURES),
        ("-1001234567890", LECTURES),
        ("@bobby", KnownChat(700000123, 42)),
        ("@somebody", None),
        ("me", None),
    ):
        assert known.find(ACCOUNT_ID, parse_chat(spelling, "-u")) == chat, spelling
    assert known.find(ACCOUNT_ID + 1, parse_chat("@lectures", "-u")) is None


def test_what_is_learnt_is_added_to_what_another_run_has_learnt(tmp_path: Path) -> None:
    """An access hash is good for one account only, so each has its own."""
    one, other = KnownChats(tmp_path), KnownChats(tmp_path)
    one.learn(ACCOUNT_ID, parse_chat("@lectures", "-u"), LECTURES)
    other.learn(ACCOUNT_ID, parse_chat("@bobby", "-u"), KnownChat(7, 8))
    other.learn(ACCOUNT_ID + 1, parse_chat("@bobby", "-u"), KnownChat(7, 9))
    kept = KnownChats(tmp_path)
    assert kept.find(ACCOUNT_ID, parse_chat("@lectures", "-u")) == LECTURES
    assert kept.find(ACCOUNT_ID, parse_chat("@bobby", "-u")) == KnownChat(7, 8)
    assert kept.find(ACCOUNT_ID + 1, parse_chat("@bobby", "-u")) == KnownChat(7, 9)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{ACCOUNT_ID}.json",
        f"{ACCOUNT_ID + 1}.json",
    }


@pytest.mark.parametrize(
    "value", [None, 7, "x", [1], [1, 2, 3], ["1", 2], [True, 2], [1, 2**63], {"a": 1}]
)
def test_an_entry_that_nobody_has_written_so_is_left_out(tmp_path: Path, value: object) -> None:
    record = {"version": 1, "chats": {"@broken": value, "@whole": [3, 4]}}
    (tmp_path / f"{ACCOUNT_ID}.json").write_text(json.dumps(record))
    known = KnownChats(tmp_path)
    assert known.find(ACCOUNT_ID, parse_chat("@broken", "-u")) is None
    assert known.find(ACCOUNT_ID, parse_chat("@whole", "-u")) == KnownChat(3, 4)


def test_where_nothing_can_be_written_it_is_known_for_this_run(tmp_path: Path) -> None:
    in_the_way = tmp_path / "chats"
    in_the_way.write_text("a file")
    for known in (KnownChats(in_the_way), KnownChats(), KnownChats(tmp_path, writes=False)):
        known.learn(ACCOUNT_ID, parse_chat("@lectures", "-u"), LECTURES)
        assert known.find(ACCOUNT_ID, parse_chat("@lectures", "-u")) == LECTURES
    assert list(tmp_path.iterdir()) == [in_the_way]


def test_a_chat_bears_all_its_active_names() -> None:
    """What was bought at auction stands in a list of its own."""
    names = [("old", False), ("bought", True), ("also", True)]
    channel = raw.types.Channel(
        id=1,
        title="x",
        photo=raw.types.ChatPhotoEmpty(),
        date=1,
        usernames=[raw.types.Username(username=name, active=active) for name, active in names],
    )
    assert usernames_of(channel) == ["bought", "also"]
