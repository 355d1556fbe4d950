"""Sidecars of earlier versions are read and kept up, and new ones are the same byte for byte."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tdl_sync.core.errors import SidecarUnreadable
from tdl_sync.core.model import FileNumber, MessageDetails
from tdl_sync.transfer.sidecar import sidecar_name, with_copies, with_copies_of
from tests.kept.places import VERSIONS, Kept
from tests.kept.values_sidecars import COPIES, PLAIN, sidecars


def sidecar_in(kept: Kept, name: str) -> bytes:
    return (kept.directory / "sidecars" / f"{name}.json").read_bytes()


def copies_in(text: bytes) -> list[int]:
    return [each["message_id"] for each in json.loads(text)["also_posted"]]


def test_sidecars_are_written_as_ever() -> None:
    for name, text in sidecars().items():
        assert text == sidecar_in(VERSIONS[-1], name)
    assert sidecar_name(FileNumber(4711)) == "4711.json"


def test_a_copy_is_named_in_a_sidecar_of_before_and_all_else_stays(kept: Kept) -> None:
    new = replace(COPIES[0], key=replace(COPIES[0].key, message_id=6000))
    for name in ("plain", "everything", "nameless"):
        before = sidecar_in(kept, name)
        after = with_copies(before, [new])
        assert copies_in(after) == [6000]
        record = json.loads(after)
        del record["also_posted"]
        assert record == json.loads(before)
    assert copies_in(with_copies(sidecar_in(kept, "copied-twice"), [new])) == [4999, 5001, 6000]


def test_a_copy_that_is_named_is_not_named_again(kept: Kept) -> None:
    text = sidecar_in(kept, "copied-twice")
    assert copies_in(text) == [4999, 5001]
    changed = replace(COPIES[0], details=MessageDetails(caption="edited meanwhile"))
    assert with_copies(text, [changed, COPIES[1]]) == text
    new = replace(changed, key=replace(changed.key, message_id=6000))
    with_one_more = json.loads(with_copies(text, [changed, new]))
    assert with_one_more["also_posted"][:2] == json.loads(text)["also_posted"]
    assert [each["message_id"] for each in with_one_more["also_posted"]] == [4999, 5001, 6000]


def test_the_copies_that_a_sidecar_names_go_over_into_the_one_that_replaces_it(kept: Kept) -> None:
    new = sidecars()["plain"]
    assert with_copies_of(new, sidecar_in(kept, "copied-twice")) == sidecar_in(kept, "moved-again")
    assert with_copies_of(new, sidecar_in(kept, "plain")) == new
    assert with_copies_of(new, b"no sidecar") == new


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"also_posted": 1}', b'{"also_posted": [{}]}', b"\xff"]
)
def test_what_is_no_sidecar_is_not_written_over(text: bytes) -> None:
    with pytest.raises(SidecarUnreadable):
        with_copies(text, COPIES)


def test_the_kept_sidecars_hold_every_key(kept: Kept) -> None:
    record = json.loads(sidecar_in(kept, "everything"))
    assert list(record) == [
        *("version", "chat", "message_id", "date", "edited", "sender_id", "forwarded_from_id"),
        *("reply_to_id", "topic_id", "views", "caption", "entities", "album_id"),
        *("album_caption", "file"),
    ]
    assert record["file"]["folder"] == "2024-05/video"
    assert record["message_id"] == PLAIN.message_id + 1
