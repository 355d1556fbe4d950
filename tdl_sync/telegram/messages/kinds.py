"""Which of the kinds that Telegram counts a message is.

It counts a message for what it is by itself: neither paid media, bought or not, nor what a poll or
an invoice holds, nor what had a time to live. TDLib, on which Telegram's own apps are built, keeps
its counts by the same rules (``get_message_index_mask`` there). Whoever counted more would not
notice that as many others are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyrogram import raw

from tdl_sync.core.model import MediaType
from tdl_sync.telegram.messages.media import media_type_of

FILTERS: Mapping[type, MediaType] = {
    raw.types.InputMessagesFilterPhotos: MediaType.PHOTO,
    raw.types.InputMessagesFilterVideo: MediaType.VIDEO,
    raw.types.InputMessagesFilterDocument: MediaType.DOCUMENT,
    raw.types.InputMessagesFilterMusic: MediaType.AUDIO,
    raw.types.InputMessagesFilterVoice: MediaType.VOICE,
    raw.types.InputMessagesFilterRoundVideo: MediaType.VIDEO_NOTE,
    raw.types.InputMessagesFilterGif: MediaType.ANIMATION,
}
"""What each filter of messages.getSearchCounters counts."""


def kind_of(message: object) -> MediaType | None:
    """A live photo is a photo, and a video with a picture of its own is a video."""
    media: Any = message.media if isinstance(message, raw.types.Message) else None
    match media:
        case raw.types.MessageMediaPhoto(photo=raw.types.Photo()):
            kind = MediaType.PHOTO
        case raw.types.MessageMediaDocument(document=raw.types.Document() as document):
            kind = media_type_of(document.attributes)
        case _:
            return None
    return None if media.ttl_seconds else kind
