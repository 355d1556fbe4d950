"""The messages whose sidecars and texts are kept."""

from __future__ import annotations

from datetime import datetime, timezone

from tdl_sync.core.model import (
    Chat,
    ChatKind,
    FileLocation,
    LocationKind,
    MediaItem,
    MediaType,
    MessageDetails,
    MessageKey,
    TextEntity,
    TextMessage,
)
from tdl_sync.options.name_template import PLAIN_NAMES, parse_name_template
from tdl_sync.transfer.sidecar import sidecar, with_copies, with_copies_of

CHANNEL = Chat(-1001234567890, 'Лекции "\U0001f4da"', ChatKind.CHANNEL, "lectures")
TALK = Chat(-1009876543210, "Talk", ChatKind.SUPERGROUP)
FOLDERS = parse_name_template("{date:%Y-%m}/{type}/{stem} ({caption:.8}).{ext}")
HASH = "0123456789abcdef" * 4
MOMENT = datetime(2024, 5, 6, 12, 0, 7, tzinfo=timezone.utc)

FULL = MessageDetails(
    caption="Die \U0001f3d6 beach, see\nexample.org \ud800",
    entities=(
        TextEntity("bold", 0, 3),
        TextEntity("text_url", 4, 2, "https://example.org/?a=b&c"),
        TextEntity("mention_name", 7, 5, "5000000001"),
    ),
    album_id=13512345678901234,
    album_caption="\x1b[31mof the album",
    sender_id=5000000001,
    reply_to_id=12,
    topic_id=55,
    forwarded_from_id=-1009876543210,
    views=0,
    edited_at=datetime(2024, 5, 7, 1, 2, 3, tzinfo=timezone.utc),
)


def item(
    message_id: int,
    file_name: str | None,
    details: MessageDetails,
    media_type: MediaType = MediaType.VIDEO,
) -> MediaItem:
    is_photo = media_type is MediaType.PHOTO
    kind = LocationKind.PHOTO if is_photo else LocationKind.DOCUMENT
    return MediaItem(
        MessageKey(CHANNEL.id, 0, message_id),
        media_type,
        file_name,
        "image/jpeg" if is_photo else "video/mp4",
        30_000,
        MOMENT,
        FileLocation(kind, 2, message_id, 1, b"reference"),
        details,
    )


PLAIN = item(4711, "beach.mp4", MessageDetails(views=1234))
EVERYTHING = item(4712, "be/ach\u202e \U0001f3d6.MP4", FULL)
NAMELESS = item(4713, None, MessageDetails(), MediaType.PHOTO)
COPIES = [
    item(5001, None, MessageDetails(caption="again \U0001f3d6")),
    item(4999, 'other "name".mp4', MessageDetails()),
]


def sidecars() -> dict[str, bytes]:
    """By the names of the files in ``sidecars``."""
    plain = sidecar(PLAIN, CHANNEL, PLAIN_NAMES.place(PLAIN, CHANNEL), HASH)
    copied = with_copies(plain, COPIES[:1])
    twice = with_copies(copied, COPIES)
    return {
        "plain": plain,
        "everything": sidecar(EVERYTHING, CHANNEL, FOLDERS.place(EVERYTHING, CHANNEL), HASH),
        "nameless": sidecar(NAMELESS, TALK, PLAIN_NAMES.place(NAMELESS, TALK), HASH),
        "copied": copied,
        "copied-twice": twice,
        "moved-again": with_copies_of(plain, twice),
    }


TEXTS = [
    TextMessage(7, MOMENT, MessageDetails(caption="a first\ntext", views=3)),
    TextMessage(9, MOMENT, FULL),
]
NEW_TEXT = TextMessage(12, MOMENT, MessageDetails(caption="later"))
