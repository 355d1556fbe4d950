"""What lies on the kept disk, and what a run has to make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from tdl_sync.core.model import FileLocation, LocationKind, MediaItem, MediaType, MessageKey
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.transfer.disk.part_journal import RECORD_BYTES, PartialFiles
from tdl_sync.transfer.disk.staging import Staging

MIB = PART_BYTES
CHANNEL, GROUP, PERSON, DISCUSSION = -1001234567890, -4000001, 5000000001, -1009876543210


def item(
    message_id: int,
    size_bytes: int,
    *,
    chat_id: int = CHANNEL,
    topic_id: int = 0,
    kind: LocationKind = LocationKind.DOCUMENT,
    thumb_size: str = "",
) -> MediaItem:
    return MediaItem(
        key=MessageKey(chat_id, topic_id, message_id),
        media_type=MediaType.DOCUMENT,
        file_name="a.bin",
        mime_type="application/octet-stream",
        size_bytes=size_bytes,
        date=datetime(2024, 5, 6, 12, 0, 7, tzinfo=timezone.utc),
        location=FileLocation(
            kind, 2, 6_000_000_000_000_000_000 + message_id, 1, b"reference", thumb_size
        ),
    )


def content_of(item: MediaItem) -> bytes:
    """Bytes that pack well, no part like another."""
    offsets = range(0, item.size_bytes, MIB)
    lines = (b"part %d of message %d\n" % (offset // MIB, item.message_id) for offset in offsets)
    return b"".join((line * MIB)[:MIB] for line in lines)[: item.size_bytes]


SOME = item(101, 3 * MIB + 5)
ALL = item(102, MIB + 7)
TORN = item(103, 2 * MIB + 9)
NO_PART = item(104, MIB)
NO_JOURNAL = item(105, 3000)
RESIZED = item(106, 5000)
REPLACED = item(107, 5000)
PHOTO = item(108, 300, kind=LocationKind.PHOTO, thumb_size="y")
EMPTY = item(109, 0)
WHOLE_PARTS = item(110, MIB)
SPOILT = item(111, MIB + 100)
INTERRUPTED = item(112, 4000)
BROKEN_RECORD = item(114, 2 * MIB + 9)
IN_GROUP = item(1, 200, chat_id=GROUP)
IN_SAVED = item(1, 201, chat_id=PERSON)
IN_TOPIC = item(1, 202, topic_id=55)
COMMENT = item(1, 203, chat_id=DISCUSSION)
LARGEST_ID = item(2**31 - 1, 204)

WRITTEN = {
    SOME: [2 * MIB, 0],
    ALL: [0, MIB],
    TORN: [MIB, 2 * MIB],
    NO_PART: [0],
    NO_JOURNAL: [0],
    RESIZED: [0],
    REPLACED: [0],
    PHOTO: [0],
    EMPTY: [0],
    WHOLE_PARTS: [0, MIB],
    SPOILT: [0, MIB],
    INTERRUPTED: [0],
    BROKEN_RECORD: [0, MIB, 2 * MIB],
    IN_GROUP: [0],
    IN_SAVED: [0],
    IN_TOPIC: [0],
    COMMENT: [0],
    LARGEST_ID: [0],
}
"""The parts that were written, in that order, before the rest of it happened."""

UNTOUCHED = [SOME, ALL, PHOTO, EMPTY, WHOLE_PARTS, IN_GROUP, IN_SAVED, IN_TOPIC, COMMENT]
"""Nothing happened to these after a run had written them."""

FOUND = {
    SOME: [0, 2 * MIB],
    ALL: [0, MIB],
    TORN: [MIB],
    NO_PART: [],
    NO_JOURNAL: [],
    replace(RESIZED, size_bytes=5001): [],
    replace(REPLACED, location=replace(REPLACED.location, file_id=1)): [],
    PHOTO: [0],
    EMPTY: [0],
    WHOLE_PARTS: [0, MIB],
    SPOILT: [MIB],
    INTERRUPTED: [0],
    BROKEN_RECORD: [0],
    IN_GROUP: [0],
    IN_SAVED: [0],
    IN_TOPIC: [0],
    COMMENT: [0],
    LARGEST_ID: [0],
}
"""The parts that the next run finds of each message's file, as the message is then."""

STAGED = {
    item(201, 10): "m-1001234567890_0_201.staged",
    item(202, 0): "m-1001234567890_0_202.staged",
    item(2, 11, chat_id=GROUP): "m-4000001_0_2.staged",
    item(2, 12, chat_id=PERSON): "m5000000001_0_2.staged",
    item(2, 13, topic_id=55): "m-1001234567890_55_2.staged",
    item(2, 14, chat_id=DISCUSSION): "m-1009876543210_0_2.staged",
    # Beside a partial file of the same message, and with its journal still there.
    PHOTO: "m-1001234567890_0_108.staged",
}
FOREIGN = ["m12.part", "notes.txt", "m-1_0_1.stag", "below/m-1001234567890_0_201.staged"]

OF_ANOTHER_STAGING = "m-1001234567890_0_301.parts"
BROKEN_JOURNALS = ["m-1001234567890_0_302.parts", "m-1001234567890_0_303.parts"]


def write_disk(directory: Path) -> None:
    """``staging`` and ``partial`` below ``directory``, by the program's own hands at first."""
    staging = Staging.open(directory / "staging", 10**9)
    partials = PartialFiles(staging, directory / "partial")
    for each, offsets in WRITTEN.items():
        write_parts(partials, each, offsets)
    _spoil(staging, partials)
    for each, name in STAGED.items():
        assert staging.staged_path(each.key).name == name
        staging.staged_path(each.key).write_bytes(content_of(each))
    for name in FOREIGN:
        path = staging.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"foreign")
    staging.close()


def write_parts(partials: PartialFiles, each: MediaItem, offsets: list[int]) -> None:
    content = content_of(each)
    with partials.open(each, lambda: None) as partial:
        for offset in offsets:
            partial.write(offset, content[offset : offset + MIB])


def _spoil(staging: Staging, partials: PartialFiles) -> None:
    """What kills, power cuts and people do to a disk."""
    _change(partials.journal_path(TORN.key), lambda content: content[:-3])
    staging.part_path(NO_PART.key).unlink()
    partials.journal_path(NO_JOURNAL.key).unlink()
    _change(staging.part_path(SPOILT.key), lambda content: b"\0" + content[1:])
    journal = partials.journal_path(INTERRUPTED.key)
    journal.with_name(f"{journal.name}.new").write_bytes(journal.read_bytes()[:40])
    # In the checksum of its part: of a record that is no record nothing counts that follows.
    broken_at = -2 * RECORD_BYTES + 13
    _change(
        partials.journal_path(BROKEN_RECORD.key),
        lambda content: content[:broken_at] + b"\0" + content[broken_at + 1 :],
    )
    elsewhere = b'{"partial_file": "/elsewhere/m-1001234567890_0_301.part"}\n'
    (partials.directory / OF_ANOTHER_STAGING).write_bytes(elsewhere)
    for name, content in zip(BROKEN_JOURNALS, (b"", b"no JSON\n"), strict=True):
        (partials.directory / name).write_bytes(content)


def _change(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))
