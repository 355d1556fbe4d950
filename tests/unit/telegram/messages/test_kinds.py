"""As which kinds Telegram counts a message: what is held against its own count."""

from __future__ import annotations

import pytest
from pyrogram import raw

from standins.telegram.world import envelopes, worlds
from standins.telegram.world.plan import Envelope, FilePlan
from tdl_sync.core.model import MediaType
from tdl_sync.telegram.messages.kinds import kinds_of
from tdl_sync.telegram.messages.media import entries_of

PHOTO = FilePlan("photo", 300, None, "image/jpeg", 2)
VIDEO = FilePlan("video", 300, "clip.mp4", "video/mp4", 2)
BOTH = {MediaType.PHOTO, MediaType.VIDEO}


@pytest.mark.parametrize(
    ("envelope", "kinds", "files"),
    [
        (envelopes.paid(PHOTO, VIDEO, PHOTO), BOTH, 3),
        (envelopes.paid(PHOTO, PHOTO), {MediaType.PHOTO}, 2),
        (envelopes.live_photo(PHOTO, VIDEO), {MediaType.PHOTO}, 2),
        (envelopes.with_cover(VIDEO, PHOTO), {MediaType.VIDEO}, 2),
        (envelopes.paid(PHOTO, PHOTO, locked=True), {MediaType.PHOTO}, 2),
        (envelopes.poll(PHOTO, VIDEO, solution=PHOTO), set(), 3),
    ],
)
def test_messages_are_counted_and_not_their_files(
    envelope: Envelope, kinds: set[MediaType], files: int
) -> None:
    """Each once as each kind, though every file of it is moved by itself."""
    source = worlds.files(sizes=[]).source
    message = source.message(source.append("a post", envelope=envelope))
    assert isinstance(message, raw.types.Message)
    assert kinds_of(message) == kinds
    assert len(entries_of(message, source.chat_id)) == files
