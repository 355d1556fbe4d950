"""What a raw message holds: files to move, files that a rule leaves out, or none.

Everything read here is hostile: it is copied into plain records and judged later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pyrogram import raw

from tdl_sync.core.model import (
    IN_PART,
    LOCKED,
    UNSUPPORTED,
    FileLocation,
    HistoryEntry,
    LocationKind,
    MediaItem,
    MediaType,
    MessageKey,
    Shape,
    SkippedItem,
    TextMessage,
)
from tdl_sync.telegram.messages.details import details_of
from tdl_sync.telegram.messages.envelopes import TABLE, WITHOUT_FILES, LeftOut, Posted
from tdl_sync.telegram.session.clock import utc

DELETED = "deleted"
EXPIRED = "media expired"
NONSENSE_SIZE = "declares a negative size"
MOST_FILES = 999
"""So many files of a message have names of their own; one holds far fewer."""

_Found = Callable[[MessageKey], HistoryEntry]
"""A file, or why it is left out, once it is known which of its message it is."""

_OWN_FILES = (
    (raw.types.MessageMediaPhoto, "photo"),
    (raw.types.MessageMediaDocument, "document"),
)
"""Where nothing hangs here there was something, which has ended by itself."""


def entries_of(message: object, chat_id: int) -> list[HistoryEntry]:
    """The message's files in their order, or why they are left out; none for messages that hold no
    file. What counts as one is decided in ``envelopes``.
    """
    if not isinstance(message, (raw.types.Message, raw.types.MessageService)):
        return []
    found: list[HistoryEntry] = []
    for index, make in enumerate(_found_in(message, message.date), start=1):
        if index > MOST_FILES:
            break
        entry = make(MessageKey(chat_id, 0, message.id, index))
        if isinstance(entry, MediaItem):
            if entry.size_bytes < 0:
                entry = SkippedItem(entry.key, NONSENSE_SIZE)
            elif isinstance(message, raw.types.Message):
                entry = replace(entry, details=details_of(message))
        found.append(entry)
    return found


def text_of(message: object) -> TextMessage | None:
    """The message if it is a text without a file."""
    if not isinstance(message, raw.types.Message) or not message.message:
        return None
    if entries_of(message, 0):
        return None
    return TextMessage(message.id, utc(message.date), details_of(message))


def _found_in(holder: object, date: int) -> Iterator[_Found]:
    """Follows what ``envelopes.TABLE`` says to follow, as deep as the schema goes."""
    if isinstance(holder, raw.types.MessageExtendedMediaPreview):
        yield _skipped(LOCKED)
    elif isinstance(holder, raw.types.Photo):
        yield lambda key: _photo(holder, key, date)
    elif isinstance(holder, raw.types.Document):
        yield lambda key: _document(holder, key, date)
    elif isinstance(holder, (raw.types.PhotoEmpty, raw.types.DocumentEmpty)):
        yield _skipped(EXPIRED)
    elif isinstance(holder, raw.types.RichMessage) and holder.part:
        # Which of its files is which can't be told before all are there (``history``).
        yield _skipped(IN_PART)
    elif type(holder) in TABLE:
        yield from _found_in_fields(holder, date)
    elif _is_media(holder) and type(holder) not in WITHOUT_FILES:
        yield _skipped(UNSUPPORTED)


def _found_in_fields(holder: object, date: int) -> Iterator[_Found]:
    for name, decision in TABLE[type(holder)].items():
        if isinstance(decision, LeftOut):
            yield _skipped(decision.rule)
        elif isinstance(decision, Posted):
            value = getattr(holder, name)
            if value is None and (type(holder), name) in _OWN_FILES:
                yield _skipped(EXPIRED)
            for each in value if isinstance(value, list) else (value,):
                yield from _found_in(each, date)


def _is_media(holder: object) -> bool:
    return type(holder).__name__.startswith("MessageMedia")


def _skipped(rule: str) -> _Found:
    return lambda key: SkippedItem(key, rule)


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
    largest = next(size for size in photo.sizes if getattr(size, "type", None) == thumb_size)
    return MediaItem(
        key=key,
        media_type=MediaType.PHOTO,
        file_name=None,
        mime_type="image/jpeg",
        size_bytes=size_bytes,
        date=utc(date),
        location=_location(LocationKind.PHOTO, photo, thumb_size),
        shape=Shape(getattr(largest, "w", 0), getattr(largest, "h", 0)),
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
        shape=_shape(document.attributes),
    )


def _shape(attributes: list[raw.base.DocumentAttribute]) -> Shape:
    width = height = 0
    duration_seconds = 0.0
    for attribute in attributes:
        if isinstance(
            attribute, (raw.types.DocumentAttributeVideo, raw.types.DocumentAttributeImageSize)
        ):
            width, height = attribute.w, attribute.h
        if isinstance(
            attribute, (raw.types.DocumentAttributeVideo, raw.types.DocumentAttributeAudio)
        ):
            duration_seconds = float(attribute.duration)
    return Shape(width, height, duration_seconds)


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
