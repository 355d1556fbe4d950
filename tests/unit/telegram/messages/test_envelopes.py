"""Wherever Telegram's schema lets a message hold a document or a photo, it is decided what that is.

Who installs a library with a later layer of the schema is told here of each field that is new: it
wants a line in ``envelopes.TABLE`` and one in docs/media.md.
"""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pyrogram import raw
from pyrogram.raw.core import TLObject

from standins.telegram.world import schema
from tdl_sync.core.model import IN_PART, LOCKED, UNSUPPORTED, MediaItem, SkippedItem
from tdl_sync.telegram.messages.envelopes import (
    TABLE,
    WITHOUT_FILES,
    Decision,
    LeftOut,
    NoFile,
    Posted,
)
from tdl_sync.telegram.messages.media import EXPIRED, entries_of, text_of

DOCS = Path(__file__).parents[4] / "docs" / "media.md"
PATHS = list(schema.paths())
PEER = raw.types.PeerChannel(channel_id=1)
EXPIRES = ("MessageMediaPhoto.photo", "MessageMediaDocument.document")

PHOTO = raw.types.Photo(
    id=11,
    access_hash=1,
    file_reference=b"r",
    date=0,
    sizes=[raw.types.PhotoSize(type="y", w=1, h=1, size=5)],
    dc_id=2,
)
DOCUMENT = raw.types.Document(
    id=12,
    access_hash=1,
    file_reference=b"r",
    date=0,
    mime_type="a/b",
    size=3,
    dc_id=2,
    attributes=[],
)


def read(message: Any) -> Any:
    """As the library has it from the wire."""
    return TLObject.read(BytesIO(message.write()))


def decision_of(path: schema.Path) -> Decision | None:
    """The first that ends the way, or that of its end; ``None`` where nobody has decided."""
    for step in path:
        decision = TABLE.get(step.owner, {}).get(step.field)
        if not isinstance(decision, Posted):
            return decision
    return decision


def test_there_is_a_decision_about_every_field_that_leads_to_a_document_or_a_photo() -> None:
    unknown = set()
    for path in PATHS:
        for step in path:
            decision = TABLE.get(step.owner, {}).get(step.field)
            if decision is None:
                unknown.add(str(step))
            if not isinstance(decision, Posted):
                break
    assert unknown == set()


def test_there_is_no_decision_about_what_the_schema_does_not_have() -> None:
    steps = {(step.owner, step.field) for path in PATHS for step in path}
    decided = {(owner, field) for owner, fields in TABLE.items() for field in fields}
    assert decided <= steps
    kinds = set(schema.constructors("MessageMedia"))
    assert kinds - set(TABLE) - WITHOUT_FILES == {raw.types.MessageMediaUnsupported}
    assert kinds >= WITHOUT_FILES
    assert WITHOUT_FILES.isdisjoint(TABLE)


def test_at_every_place_of_the_schema_a_file_becomes_what_is_decided() -> None:
    decided = set()
    for path in PATHS:
        leaf = PHOTO if path[-1].leads_to == "Photo" else DOCUMENT
        message = read(schema.message_at(path, leaf, id=7, peer_id=PEER, date=5))
        entries = entries_of(message, -1001)
        decision = decision_of(path)
        decided.add(type(decision))
        where = " ".join(map(str, path))
        if isinstance(decision, NoFile):
            assert [e for e in entries if not is_expired(e)] == [], where
        elif isinstance(decision, LeftOut):
            assert [e.rule for e in entries if isinstance(e, SkippedItem)] == [decision.rule], where
            assert len(entries) == 1, where
        else:
            (item,) = (e for e in entries if isinstance(e, MediaItem))
            assert item.location.file_id == leaf.id, where
            assert all(is_expired(e) for e in entries if e is not item), where
        assert [e.key.index for e in entries] == list(range(1, len(entries) + 1))
    assert decided == {Posted, LeftOut, NoFile}


def is_expired(entry: object) -> bool:
    """Where a cover is and no video, the video was there."""
    return isinstance(entry, SkippedItem) and entry.rule == EXPIRED


def test_the_table_of_the_docs_is_the_one_of_the_program() -> None:
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \| ([^|]+) \|", DOCS.read_text("utf-8"), re.MULTILINE)
    told = {(owner, field): text.strip() for owner, field, text in rows}
    words = {
        (owner.__name__, field): _words(decision)
        for owner, fields in TABLE.items()
        for field, decision in fields.items()
    }
    assert told == words


def _words(decision: Decision) -> str:
    match decision:
        case Posted():
            return "moved"
        case LeftOut(rule):
            return f"skipped: {rule}"
        case NoFile(why):
            return f"no file: {why}"


def message(**fields: Any) -> Any:
    # Something has to come behind the media, as it does in every answer: what ends with a vector
    # of eight bytes each is read as numbers by the library.
    sent = raw.types.Message(
        id=7, peer_id=PEER, date=5, message="a text", views=3, forwards=1, **fields
    )
    return read(sent)


def extended(*held: raw.base.MessageMedia | None) -> list[raw.base.MessageExtendedMedia]:
    return [
        raw.types.MessageExtendedMediaPreview()
        if each is None
        else raw.types.MessageExtendedMedia(media=each)
        for each in held
    ]


A_PHOTO = raw.types.MessageMediaPhoto(photo=PHOTO)
A_DOCUMENT = raw.types.MessageMediaDocument(document=DOCUMENT)


def test_each_file_of_a_paid_post_has_its_place_in_it_bought_or_not() -> None:
    media = raw.types.MessageMediaPaidMedia(
        stars_amount=5, extended_media=extended(A_PHOTO, None, A_DOCUMENT)
    )
    first, locked, last = entries_of(message(media=media), -1001)
    assert isinstance(first, MediaItem)
    assert isinstance(last, MediaItem)
    assert isinstance(locked, SkippedItem)
    assert (first.location.file_id, locked.rule, last.location.file_id) == (11, LOCKED, 12)
    assert [str(each.key.number) for each in (first, locked, last)] == ["7", "7.2", "7.3"]
    assert last.details.caption == "a text"


@pytest.mark.parametrize(
    "media",
    [
        raw.types.MessageMediaUnsupported(),
        raw.types.MessageMediaPaidMedia(
            stars_amount=5, extended_media=extended(raw.types.MessageMediaUnsupported())
        ),
    ],
)
def test_what_the_library_can_not_read_is_told_by_that_reason(media: Any) -> None:
    (entry,) = entries_of(message(media=media), -1001)
    assert isinstance(entry, SkippedItem)
    assert entry.rule == UNSUPPORTED


def test_a_kind_that_a_later_layer_brings_counts_as_one_that_can_not_be_read() -> None:
    class MessageMediaOfTomorrow:
        pass

    sent = raw.types.Message(
        id=7,
        peer_id=PEER,
        date=5,
        message="",
        media=MessageMediaOfTomorrow(),
    )
    (entry,) = entries_of(sent, -1001)
    assert isinstance(entry, SkippedItem)
    assert entry.rule == UNSUPPORTED


def test_of_a_long_message_that_comes_in_part_no_file_is_taken_for_another() -> None:
    """The second of the part may be the third of the whole: it waits for the whole."""
    in_part = raw.types.RichMessage(blocks=[], photos=[PHOTO], documents=[], part=True)
    (entry,) = entries_of(message(rich_message=in_part), -1001)
    assert isinstance(entry, SkippedItem)
    assert entry.rule == IN_PART


def test_a_link_is_a_text_and_a_message_with_any_file_is_none() -> None:
    page = raw.types.WebPage(
        id=1, url="https://e.org", display_url="e.org", hash=0, photo=PHOTO, document=DOCUMENT
    )
    assert text_of(message(media=raw.types.MessageMediaWebPage(webpage=page))) is not None
    rich = raw.types.RichMessage(blocks=[], photos=[PHOTO], documents=[])
    assert text_of(message(rich_message=rich)) is None
