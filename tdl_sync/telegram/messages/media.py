"""What a raw message holds: a file to move, a file that a rule leaves out, or none.

Everything read here is hostile: it is copied into plain records and judged later.
"""

from __future__ import annotations

from dataclasses import replace

from pyrogram import raw

from tdl_sync.core.model import (
    FileLocation,
    HistoryEntry,
    LocationKind,
    MediaItem,
    MediaType,
    MessageKey,
    SkippedItem,
    TextMessage,
)
from tdl_sync.telegram.messages.details import details_of
from tdl_sync.telegram.session.clock import utc

DELETED = "deleted"
EXPIRED = "media expired"
PAID = "paid media"
NONSENSE_SIZE = "declares a negative size"


def entry_of(message: object, chat_id: int) -> HistoryEntry | None:
    """The message's file, or why it is left out; ``None`` for messages that hold no file.

    The pictures of web page previews, polls and games are decoration and count as none.
    """
    if not isinstance(message, raw.types.Message):
        return None
    entry = _file_of(message, chat_id)
    if not isinstance(entry, MediaItem):
        return entry
    if entry.size_bytes < 0:
        return SkippedItem(entry.key, NONSENSE_SIZE)
    return replace(entry, details=details_of(message))


def text_of(message: object) -> TextMessage | None:
    """The message if it is a text without a file."""
    if not isinstance(message, raw.types.Message) or not message.message:
        return None
    if _file_of(message, 0) is not None:
        return None
    return TextMessage(message.id, utc(message.date), details_of(message))


def _file_of(message: raw.types.Message, chat_id: int) -> HistoryEntry | None:
    key = MessageKey(chat_id, 0, message.id)
    media = message.media
    if isinstance(media, raw.types.MessageMediaPhoto):
        if isinstance(media.photo, raw.types.Photo):
            return _photo(media.photo, key, message.date)
        return SkippedItem(key, EXPIRED)
    if isinstance(media, raw.types.MessageMediaDocument):
        if isinstance(media.document, raw.types.Document):
            return _document(media.document, key, message.date)
        return SkippedItem(key, EXPIRED)
    if isinstance(media, raw.types.MessageMediaPaidMedia):
        return SkippedItem(key, PAID)
    return None


def _photo(photo: raw.types.Photo, key: MessageKey, date: int) -> HistoryEntry:
    # Thumbnails that come inside the message (stripped, cached, path) are no files.
    sizes = [
        (size.w * size.h, max(size.sizes), size.type)
        if isinstance(size, raw.types.PhotoSizeProgressive)
        else (size.w * size.h, size.size, size.type)
        for size in photo.sizes
        if isinstance(size, (raw.types.PhotoSize, raw.types.PhotoSizeProgressive))
    ]
    if not sizes:
        return SkippedItem(key, EXPIRED)
    _, size_bytes, thumb_size = max(sizes)
    return MediaItem(
        key=key,
        media_type=MediaType.PHOTO,
        file_name=None,
        mime_type="image/jpeg",
        size_bytes=size_bytes,
        date=utc(date),
        location=_location(LocationKind.PHOTO, photo, thumb_size),
    )


def _document(document: raw.types.Document, key: MessageKey, date: int) -> MediaItem:
    names = [
        attribute.file_name
        for attribute in document.attributes
        if isinstance(attribute, raw.types.DocumentAttributeFilename)
    ]
    return MediaItem(
        key=key,
        media_type=media_type_of(document.attributes),
        file_name=names[0] if names else None,
        mime_type=document.mime_type,
        size_bytes=document.size,
        date=utc(date),
        location=_location(LocationKind.DOCUMENT, document),
    )


def _location(
    kind: LocationKind, file: raw.types.Photo | raw.types.Document, thumb_size: str = ""
) -> FileLocation:
    return FileLocation(
        kind, file.dc_id, file.id, file.access_hash, file.file_reference, thumb_size
    )


def media_type_of(attributes: list[raw.base.DocumentAttribute]) -> MediaType:
    """Stickers and animations are videos or pictures, too: the narrower word wins."""
    kinds = {type(attribute) for attribute in attributes}
    if raw.types.DocumentAttributeSticker in kinds:
        return MediaType.STICKER
    if raw.types.DocumentAttributeAnimated in kinds:
        return MediaType.ANIMATION
    for attribute in attributes:
        if isinstance(attribute, raw.types.DocumentAttributeVideo):
            return MediaType.VIDEO_NOTE if attribute.round_message else MediaType.VIDEO
        if isinstance(attribute, raw.types.DocumentAttributeAudio):
            return MediaType.VOICE if attribute.voice else MediaType.AUDIO
    return MediaType.DOCUMENT
