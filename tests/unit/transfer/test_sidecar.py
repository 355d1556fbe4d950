"""A sidecar holds all that a message says of its file, and what others have added to it."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import datetime, timezone
from typing import Any

import pytest

from tdl_sync.core.model import (
    Chat,
    ChatKind,
    FileNumber,
    ListedFile,
    MediaItem,
    MediaType,
    MessageDetails,
    MessageKey,
    TextEntity,
)
from tdl_sync.options.name_template import RemotePlace
from tdl_sync.transfer.sidecar import sidecar, sidecar_folders, with_copies, with_copies_of
from tests.fakes.chat import CHAT_ID, FIRST_DATE, copy_of, item_of

CHAT = Chat(CHAT_ID, "A channel", ChatKind.CHANNEL)
PLACE = RemotePlace(("2021-03",), "7_a.bin")
ITEM = item_of(7, 10)
LATER = datetime(2024, 1, 31, 12, tzinfo=timezone.utc)

DETAILS: dict[str, Any] = {
    "caption": "The beach",
    "entities": (TextEntity("text_url", 4, 5, "https://example.org"),),
    "album_id": 13512345678901234,
    "album_caption": "Holidays",
    "sender_id": 77,
    "reply_to_id": 6,
    "topic_id": 5,
    "forwarded_from_id": -1001,
    "views": 1234,
    "edited_at": LATER,
}
NOT_OF_DETAILS = {
    "forwards": "it changes whenever somebody forwards the message; filters alone ask for it",
    "sender_name": "sender_id says who it is; a name is changed at any time",
    "topic_name": "topic_id says which it is, and the title costs a call that most runs do without",
}
ITEMS: dict[str, Any] = {
    "key": MessageKey(CHAT_ID, 0, 8),
    "media_type": MediaType.VIDEO,
    "file_name": "b.bin",
    "mime_type": "video/mp4",
    "size_bytes": 11,
    "date": LATER,
    "details": MessageDetails(caption="The beach"),
}
NOT_OF_ITEMS = {
    "location": "Telegram's name of the file, which is of no use outside a session",
    "shape": "the file tells it itself; filters alone ask for it",
}
CHATS: dict[str, Any] = {
    "id": -1001,
    "title": "Another",
    "kind": ChatKind.SUPERGROUP,
    "username": "another",
}
NOT_OF_CHATS = {
    "topic_id": "the message says its topic itself",
    "comments_on_id": "why the chat was read is nothing that the message says",
    "asked_as": "why the chat was read is nothing that the message says",
    "became_id": "what became of the group later is nothing that the message says",
}


def text(item: MediaItem = ITEM, chat: Chat = CHAT, place: RemotePlace = PLACE) -> bytes:
    return sidecar(item, chat, place, "ab" * 32)


def names(record: type) -> set[str]:
    return {each.name for each in fields(record)}


def test_of_every_field_it_is_known_whether_a_sidecar_tells_it() -> None:
    """Who adds one says it here, with a value of it, or with the reason why it is left out."""
    assert set(DETAILS) | set(NOT_OF_DETAILS) == names(MessageDetails)
    assert set(ITEMS) | set(NOT_OF_ITEMS) == names(MediaItem)
    assert set(CHATS) | set(NOT_OF_CHATS) == names(Chat)


@pytest.mark.parametrize("name", DETAILS)
def test_a_sidecar_tells_everything_that_the_message_says(name: str) -> None:
    details = replace(MessageDetails(), **{name: DETAILS[name]})
    assert text(replace(ITEM, details=details)) != text()


@pytest.mark.parametrize("name", ITEMS)
def test_a_sidecar_tells_everything_of_the_file(name: str) -> None:
    assert text(replace(ITEM, **{name: ITEMS[name]})) != text()


@pytest.mark.parametrize("name", CHATS)
def test_a_sidecar_tells_which_chat_it_is_from(name: str) -> None:
    assert text(chat=replace(CHAT, **{name: CHATS[name]})) != text()


def test_where_a_sidecar_is_is_the_folder_that_it_was_listed_in() -> None:
    listing = [
        ListedFile("7.json", 300),
        ListedFile("8.json", 300, subfolder="2021-03/x"),
        ListedFile("9_8.json", 300),
        ListedFile("9.json.bak", 300),
        ListedFile("09.json", 300),
    ]
    assert sidecar_folders("A channel", listing) == {
        FileNumber(7): "A channel",
        FileNumber(8): "A channel/2021-03/x",
    }


def test_copies_are_added_and_what_was_known_stays_as_it_was() -> None:
    """Somebody may have written into the sidecar."""
    one = with_copies(text(), [copy_of(ITEM, 9)])
    record = json.loads(one)
    record["also_posted"][0]["note"] = record["note"] = "mine"
    both = json.loads(with_copies(json.dumps(record).encode(), [copy_of(ITEM, n) for n in (9, 8)]))
    assert [each["message_id"] for each in both["also_posted"]] == [8, 9]
    assert both["also_posted"][1] == record["also_posted"][0]
    assert {**both, "also_posted": None} == {**record, "also_posted": None}


def test_what_names_all_copies_already_is_not_written_anew() -> None:
    as_the_user_likes_it = json.dumps(
        json.loads(with_copies(text(), [copy_of(ITEM, n) for n in (8, 9)])), indent=4
    ).encode()
    assert with_copies(as_the_user_likes_it, [copy_of(ITEM, 9)]) == as_the_user_likes_it


def test_a_new_sidecar_names_the_copies_that_the_one_before_named() -> None:
    before = with_copies(text(), [copy_of(ITEM, 9)])
    now = text(replace(ITEM, date=FIRST_DATE.replace(year=2022)))
    assert json.loads(with_copies_of(now, before)) == {
        **json.loads(now),
        "also_posted": json.loads(before)["also_posted"],
    }
    for unreadable in (b"", b"[]", b"{}", text()):
        assert with_copies_of(now, unreadable) == now
