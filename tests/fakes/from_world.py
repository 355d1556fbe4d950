"""A stand-in's world as the program should see it, told without a connection."""

from __future__ import annotations

from standins.telegram.world.channel import WorldItem
from standins.telegram.world.content import FileRecord
from standins.telegram.world.media import LARGEST_PHOTO_TYPE
from standins.telegram.world.world import World
from tdl_sync.core.model import (
    FileLocation,
    HistoryEntry,
    LocationKind,
    MediaItem,
    MediaType,
    MessageKey,
)


def messages_of(world: World) -> dict[int, HistoryEntry | None]:
    """Every message of the world's source; ``None`` for those without a file."""
    source = world.source
    entries: dict[int, HistoryEntry | None] = {
        message_id: None
        for message_id in range(1, source.newest_id() + 1)
        if source.message(message_id) is not None
    }
    firsts = (item for item in source.items() if item.index == 1)
    entries.update((item.message_id, entry_of(world, item)) for item in firsts)
    return entries


def entry_of(world: World, item: WorldItem) -> HistoryEntry:
    key = MessageKey(world.source.chat_id, 0, item.message_id, item.index)
    media_type = MediaType(item.kind)
    is_photo = media_type is MediaType.PHOTO
    location = FileLocation(
        kind=LocationKind.PHOTO if is_photo else LocationKind.DOCUMENT,
        dc_id=item.file.dc_id,
        file_id=item.file.file_id,
        access_hash=item.file.access_hash,
        file_reference=world.reference(item.file.file_id),
        thumb_size=LARGEST_PHOTO_TYPE if is_photo else "",
    )
    return MediaItem(
        key=key,
        media_type=media_type,
        file_name=item.file_name,
        mime_type=item.mime_type,
        size_bytes=item.file.size_bytes,
        date=item.date,
        location=location,
    )


def record_in(world: World, item: MediaItem) -> FileRecord:
    """What Telegram stores for it."""
    record = world.file(item.location.kind.value, item.location.file_id)
    assert record is not None
    return record
