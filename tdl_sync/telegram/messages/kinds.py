"""Which of the kinds that Telegram counts a message is, whatever of its file can still be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def kinds_of(message: object) -> frozenset[MediaType]:
    """A message of several files is of several kinds, and counts once as each."""
    if not isinstance(message, raw.types.Message):
        return frozenset()
    return frozenset(_kinds(message.media))


def _kinds(media: Any) -> Iterator[MediaType]:
    if isinstance(media, raw.types.MessageMediaPhoto):
        yield MediaType.PHOTO
    elif isinstance(media, raw.types.MessageMediaDocument):
        if isinstance(media.document, raw.types.Document):
            yield media_type_of(media.document.attributes)
        elif media.voice:
            yield MediaType.VOICE
        elif media.round:
            yield MediaType.VIDEO_NOTE
        else:
            yield MediaType.VIDEO if media.video else MediaType.DOCUMENT
    elif isinstance(media, raw.types.MessageMediaPaidMedia):
        for each in media.extended_media:
            if isinstance(each, raw.types.MessageExtendedMedia):
                yield from _kinds(each.media)
            elif isinstance(each, raw.types.MessageExtendedMediaPreview):
                yield MediaType.PHOTO if each.video_duration is None else MediaType.VIDEO
