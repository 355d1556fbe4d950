"""What is written of a record is read again, all of it, and never for another message."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    DoneMark,
    FileIdentity,
    LocationKind,
    MarkedFile,
    MessageKey,
    RemoteFile,
)
from tdl_sync.state.mark_records import (
    FURTHER,
    failure_text,
    file_key,
    files_known_key,
    group_of,
    group_prefix,
    key_text,
    mark_text,
    number_of,
    number_text,
    read_failure,
    read_failure_with_key,
    read_mark,
    read_number,
)
from tests.fakes.chat import item_of

REMOTE = "gdrive:tdl-sync"
KEY = MessageKey(-1001, 5, 7)
FILE = FileIdentity(LocationKind.DOCUMENT, 70, 10)

FAILURES: dict[str, Any] = {
    "reason": "download failed",
    "detail": "no luck",
    "attempts": 4,
    "for_good": True,
    "distrusted": True,
    "overwrites": "sub/7_a.bin",
}
KEYS: dict[str, Any] = {"chat_id": -1002, "topic_id": 6, "message_id": 8, "index": 2}
FILES: dict[str, Any] = {"kind": LocationKind.PHOTO, "file_id": 71, "size_bytes": 11}


def names(record: type) -> set[str]:
    return {each.name for each in fields(record)}


def test_of_every_field_there_is_an_example() -> None:
    """Who adds one gives a value of it here."""
    assert {"key", *FAILURES} == names(Failure)
    assert set(KEYS) == names(MessageKey)
    assert set(FILES) == names(FileIdentity)


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("distrusted", [False, True])
def test_a_failure_comes_back_as_it_was(distrusted: bool, name: str) -> None:
    plain = Failure(KEY, "wrong size", "…", 1, for_good=False, distrusted=distrusted)
    failure = replace(plain, **{name: FAILURES[name]})
    assert read_failure(KEY, failure_text(failure)) == failure
    text_key = key_text("failed", REMOTE, KEY)
    assert read_failure_with_key(text_key, failure_text(failure)) == (REMOTE, failure)


@pytest.mark.parametrize("sha256", [None, "ab" * 32])
@pytest.mark.parametrize("identity", [None, FILE])
def test_a_mark_says_all_that_is_known_of_its_file(
    identity: FileIdentity | None, sha256: str | None
) -> None:
    file = RemoteFile(item_of(7, 10), "Folder", "7_a.bin", sha256, identity)
    read = read_mark(mark_text(DoneMark(REMOTE, file)))
    assert read == MarkedFile("Folder", "7_a.bin", 10, sha256, identity)


@pytest.mark.parametrize("name", KEYS)
def test_a_record_is_of_one_message_alone(name: str) -> None:
    other = replace(KEY, **{name: KEYS[name]})
    assert key_text("done", REMOTE, other) != key_text("done", REMOTE, KEY)
    if name not in ("message_id", "index"):
        assert group_of(REMOTE, other) != group_of(REMOTE, KEY)


def test_records_of_several_kinds_and_remotes_are_apart_and_say_their_message() -> None:
    places = [(kind, remote) for kind in ("done", "failed") for remote in (REMOTE, "b2:x")]
    found = {key_text(kind, remote, KEY) for kind, remote in places}
    found |= {files_known_key(remote, KEY.chat_id, KEY.topic_id) for _, remote in places}
    assert len(found) == 6
    for kind, remote in places:
        prefix = group_prefix(kind, remote, KEY.chat_id, KEY.topic_id)
        assert number_of(key_text(kind, remote, KEY), prefix) == KEY.number


@pytest.mark.parametrize("index", [1, 2, 9, 10, 999])
def test_which_file_of_its_message_a_record_is_about_comes_back(index: int) -> None:
    key = replace(KEY, index=index)
    failure = Failure(key, "wrong size", "…", 1, for_good=False)
    text_key = key_text("failed", REMOTE, key)
    assert read_failure_with_key(text_key, failure_text(failure)) == (REMOTE, failure)
    kind = "done" if index == 1 else FURTHER["done"]
    prefix = group_prefix(kind, REMOTE, KEY.chat_id, KEY.topic_id)
    assert number_of(key_text("done", REMOTE, key), prefix) == key.number
    assert read_number(number_text(key.number)) == key.number


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_differs_in_anything_is_another_file(name: str) -> None:
    other = replace(FILE, **{name: FILES[name]})
    assert file_key(REMOTE, -1001, 5, other) != file_key(REMOTE, -1001, 5, FILE)


def test_a_file_is_known_by_its_chat_and_remote() -> None:
    places = [(REMOTE, -1001, 5), ("b2:x", -1001, 5), (REMOTE, -1002, 5), (REMOTE, -1001, 6)]
    assert len({file_key(*place, FILE) for place in places}) == 4
    assert len({files_known_key(*place) for place in places}) == 4
