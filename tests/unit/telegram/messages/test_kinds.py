"""As which kind Telegram counts a message: what is held against its own count."""

from __future__ import annotations

import pytest
from pyrogram import raw

from standins.telegram.world import envelopes, worlds
from standins.telegram.world.history import FILTER_KINDS
from standins.telegram.world.plan import Envelope, FilePlan
from tdl_sync.core.model import MediaType
from tdl_sync.telegram.messages.kinds import FILTERS, kind_of
from tdl_sync.telegram.messages.media import entries_of

PHOTO = FilePlan("photo", 300, None, "image/jpeg", 2)
VIDEO = FilePlan("video", 300, "clip.mp4", "video/mp4", 2)


@pytest.mark.parametrize(
    ("envelope", "kind", "entries"),
    [
        (envelopes.live_photo(PHOTO, VIDEO), MediaType.PHOTO, 2),
        (envelopes.with_cover(VIDEO, PHOTO), MediaType.VIDEO, 2),
        (envelopes.paid(PHOTO, VIDEO, PHOTO), None, 3),
        (envelopes.paid(VIDEO, locked=True), None, 1),
        (envelopes.invoice(PHOTO), None, 1),
        (envelopes.poll(PHOTO, VIDEO, solution=PHOTO), None, 3),
        (envelopes.rich(PHOTO, VIDEO), None, 2),
        (envelopes.expired(is_photo=True), None, 1),
        (envelopes.expired(is_photo=False), None, 1),
        (envelopes.unsupported(), None, 1),
    ],
)
def test_a_message_counts_once_for_what_it_is_by_itself_however_many_files_it_holds(
    envelope: Envelope, kind: MediaType | None, entries: int
) -> None:
    source = worlds.files(sizes=[]).source
    message = source.message(source.append("a post", envelope=envelope))
    assert isinstance(message, raw.types.Message)
    assert kind_of(message) == kind
    assert len(entries_of(message, source.chat_id)) == entries
    # As the stand-in has it.
    counted = source.counters()
    found = {FILTERS[each] for each in FILTERS if counted[each]}
    assert found == (set() if kind is None else {kind})


def test_what_is_a_file_by_itself_counts_as_what_it_is_as_long_as_it_is_there() -> None:
    source = worlds.mixed(messages=100).source
    for item in source.items():
        message = source.message(item.message_id)
        assert isinstance(message, raw.types.Message)
        kind = kind_of(message)
        if item.kind != "sticker":
            (of_filter,) = [each for each in FILTERS if item.kind in FILTER_KINDS[each]]
            assert kind == FILTERS[of_filter]
        assert isinstance(
            message.media, (raw.types.MessageMediaPhoto, raw.types.MessageMediaDocument)
        )
        message.media.ttl_seconds = 10
        assert kind_of(message) is None
        message.media.ttl_seconds = None
        if isinstance(message.media, raw.types.MessageMediaPhoto):
            message.media.photo = raw.types.PhotoEmpty(id=1)
        else:
            message.media.document = raw.types.DocumentEmpty(id=1)
        assert kind_of(message) is None
