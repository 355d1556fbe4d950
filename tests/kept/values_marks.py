"""What the kept marks databases hold, in the program's terms."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from tdl_sync.core.failures import NOT_RIGHT, OTHER_CONTENT, Failure
from tdl_sync.core.model import (
    DoneMark,
    FileIdentity,
    FileLocation,
    LocationKind,
    MarkedFile,
    MediaItem,
    MediaType,
    MessageKey,
    RemoteFile,
    Scope,
)
from tdl_sync.state.done_marks import DoneMarks

REMOTE = "gdrive:tdl-sync"
OTHER_REMOTE = 'box:"q", a/Фото \U0001f4da'
CHANNEL, GROUP, PERSON = -1001234567890, -4000001, 5000000001
FOLDER = "Лекции \U0001f4da [-1001234567890]"
HASH = "0123456789abcdef" * 4
DOCUMENT, PHOTO = LocationKind.DOCUMENT, LocationKind.PHOTO


def file_of(
    key: MessageKey,
    name: str,
    size_bytes: int,
    file: FileIdentity | None,
    *,
    folder: str = FOLDER,
    sha256: str | None = None,
) -> RemoteFile:
    kind, file_id = (DOCUMENT, 1) if file is None else (file.kind, file.file_id)
    item = MediaItem(
        key,
        MediaType.PHOTO if kind is PHOTO else MediaType.DOCUMENT,
        name,
        "application/octet-stream",
        size_bytes,
        datetime(2024, 5, 6, tzinfo=timezone.utc),
        FileLocation(kind, 2, file_id, 1, b"reference"),
    )
    return RemoteFile(item, folder, name, sha256, file)


def in_channel(message_id: int) -> MessageKey:
    return MessageKey(CHANNEL, 0, message_id)


LARGE = FileIdentity(DOCUMENT, 6012345678901234567, 2**33 + 1)
SMALL = FileIdentity(DOCUMENT, 17, 5)
EMPTY = FileIdentity(DOCUMENT, 18, 0)
PICTURE = FileIdentity(PHOTO, 5412345678901234567, 4096)
LEARNT = FileIdentity(DOCUMENT, 19, 77)
OF_TOPIC = FileIdentity(DOCUMENT, 17, 55)

MARKS = [
    # Moved by a run, with the hash of what was handed off.
    (REMOTE, file_of(in_channel(1), "1_a.mp4", 2**33 + 1, LARGE, sha256=HASH)),
    # Found in the remote's listing.
    (REMOTE, file_of(in_channel(2), "2_b.bin", 5, SMALL)),
    (REMOTE, file_of(in_channel(3), "3_photo_2024.jpg", 4096, PICTURE, sha256=HASH)),
    # Its message was edited: which file it is, nobody knows.
    (REMOTE, file_of(in_channel(4), "4_edited.bin", 9, None)),
    (REMOTE, file_of(in_channel(5), "5_empty.txt", 0, EMPTY)),
    (REMOTE, file_of(in_channel(6), "6_тест \U0001f3b5\u200d'\"$(x).mp4", 6, None)),
    (REMOTE, file_of(in_channel(7), "7_c.mp4", 5, SMALL, folder=f"{FOLDER}/2024-05/video")),
    # A message that failed before it was moved.
    (REMOTE, file_of(in_channel(29), "29_d.mp4", 29, FileIdentity(DOCUMENT, 29, 29))),
    # Which file it is was learnt later.
    (REMOTE, file_of(in_channel(30), "30_e.mp4", 77, None)),
    (REMOTE, file_of(in_channel(2**31 - 1), "2147483647_f.mp4", 8, None)),
    # The same message in a topic, in a group, in Saved Messages, on another remote.
    (REMOTE, file_of(MessageKey(CHANNEL, 55, 1), "1_t.mp4", 55, OF_TOPIC)),
    (REMOTE, file_of(MessageKey(GROUP, 0, 1), "1_g.mp4", 56, None, folder="G [-4000001]")),
    (REMOTE, file_of(MessageKey(PERSON, 0, 1), "1_s.mp4", 57, None, folder="S [5000000001]")),
    (OTHER_REMOTE, file_of(in_channel(1), "1_a.mp4", 58, None)),
]

FOR_NOW = Failure(in_channel(20), "wrong size", "Telegram declared 5 bytes and sent 4", 1, False)
OFTEN = Failure(in_channel(21), "download failed", "no answer; the next run tries again", 6, False)
FOR_GOOD = Failure(in_channel(22), "larger than the disk budget", "raise --max-disk", 1, True)
OVERWRITES = Failure(
    in_channel(23), OTHER_CONTENT, "it differs", 1, False, True, "2024-05/23_Ä \U0001f4da.mp4"
)
MAY_BE_FOREIGN = Failure(in_channel(24), NOT_RIGHT, "who knows whose it is", 1, False, True)
STILL_DISTRUSTED = Failure(in_channel(25), "upload failed", "broke off", 2, False, True, "25_g.mp4")
ELSEWHERE = Failure(
    in_channel(26), "failed on another machine", "failed in an earlier run", 1, False
)
LOST_ITS_MARK = Failure(in_channel(27), OTHER_CONTENT, "it differs", 1, False, True, "27_h.mp4")
OF_GROUP = Failure(MessageKey(GROUP, 0, 20), "wrong size", "in a group", 1, False)
IN_TOPIC = Failure(MessageKey(CHANNEL, 55, 20), "wrong size", "in a topic", 1, False)

FAILURES = [
    FOR_NOW, OFTEN, FOR_GOOD, OVERWRITES, MAY_BE_FOREIGN, STILL_DISTRUSTED, ELSEWHERE,
    LOST_ITS_MARK,
]  # fmt: skip

WATERMARKS = {
    Scope(REMOTE, CHANNEL): 12345,
    Scope(REMOTE, CHANNEL, 55): 54,
    Scope(REMOTE, CHANNEL, 0, '{"name": "ü", "types": ["photo", "video"]} dedupe', 77): 99,
    Scope(REMOTE, GROUP, 0, "comments"): 2**31 - 1,
    Scope(OTHER_REMOTE, CHANNEL): 0,
}


def write_all(marks: DoneMarks) -> None:
    """Everything that the program can write, in an order that its runs could have."""
    marks.record_failure(REMOTE, replace(FOR_NOW, key=in_channel(29)))
    for remote, file in MARKS:
        marks.write(DoneMark(remote, file))
    learnt = file_of(in_channel(30), "30_e.mp4", 77, LEARNT)
    marks.learn_file(REMOTE, learnt.item)
    lost = FileIdentity(DOCUMENT, 27, 27)
    marks.write(DoneMark(REMOTE, file_of(in_channel(27), "27_h.mp4", 27, lost, sha256=HASH)))
    marks.replace_mark(REMOTE, LOST_ITS_MARK)
    for failure in (FOR_NOW, FOR_GOOD, OVERWRITES, MAY_BE_FOREIGN, ELSEWHERE):
        marks.record_failure(REMOTE, failure)
    for attempts in (1, 2, 3):
        marks.record_failure(REMOTE, replace(OFTEN, attempts=attempts))
    known = replace(STILL_DISTRUSTED, reason=OTHER_CONTENT, attempts=1)
    marks.record_failure(REMOTE, known)
    later = replace(STILL_DISTRUSTED, attempts=1, distrusted=False, overwrites=None)
    marks.record_failure(REMOTE, later)
    marks.record_failure(REMOTE, replace(FOR_NOW, key=in_channel(28)))
    marks.forget_failure(REMOTE, in_channel(28))
    marks.record_failure(REMOTE, OF_GROUP)
    marks.record_failure(REMOTE, IN_TOPIC)
    for scope, message_id in WATERMARKS.items():
        marks.save_watermark(scope, 2**31 - 1)
        marks.save_watermark(scope, message_id)
    marks.files_are_known(REMOTE, GROUP, 0)


LATE = file_of(in_channel(20), "20_late.mp4", 5, FileIdentity(DOCUMENT, 20, 5), sha256=HASH)
LATE_FAILURE = replace(FOR_GOOD, key=in_channel(32))
LATE_WATERMARK = Scope(REMOTE, CHANNEL), 12_400


def write_late(marks: DoneMarks) -> None:
    """A little more, after which the run is killed: it lies in SQLite's log alone."""
    marks.write(DoneMark(REMOTE, LATE))
    marks.record_failure(REMOTE, LATE_FAILURE)
    marks.save_watermark(*LATE_WATERMARK)


OLDER_ROWS = {
    # Before marks knew a hash and which file it is.
    '["done","gdrive:tdl-sync",-1001234567890,0,1]': (
        '{"remote": "gdrive:tdl-sync", "folder": "F [-1001234567890]", "name": "1_a.mp4", '
        '"size_bytes": 5, "when": "2024-05-06T12:00:00+00:00"}'
    ),
    # With a hash, and still without the file.
    '["done","gdrive:tdl-sync",-1001234567890,0,2]': (
        '{"remote": "gdrive:tdl-sync", "folder": "F [-1001234567890]", "name": "2_b.mp4", '
        f'"size_bytes": 6, "when": "2024-05-06T12:00:00+00:00", "sha256": "{HASH}"}}'
    ),
    # With what a later version may add.
    '["done","gdrive:tdl-sync",-1001234567890,0,3]': (
        '{"remote": "gdrive:tdl-sync", "folder": "F [-1001234567890]", "name": "3_c.mp4", '
        '"size_bytes": 7, "when": "2024-05-06T12:00:00+00:00", "file": ["photo", 3], "new": [1]}'
    ),
    # A file whose message has lost its mark, and one whose mark says another file.
    '["file","gdrive:tdl-sync",-1001234567890,0,"document",9,9]': "9",
    '["file","gdrive:tdl-sync",-1001234567890,0,"photo",4,7]': "3",
    '["file","gdrive:tdl-sync",-1001234567890,0,"photo",3,7]': "3",
    # Before failures said whether the remote's file is distrusted, and what is overwritten.
    '["failed","gdrive:tdl-sync",-1001234567890,0,10]': (
        '{"reason": "wrong size", "detail": "4 of 5", "attempts": 2, "for_good": false}'
    ),
    '["failed","gdrive:tdl-sync",-1001234567890,0,11]': (
        '{"reason": "other content on the remote", "detail": "it differs", "attempts": 1, '
        '"for_good": false}'
    ),
    '["failed","gdrive:tdl-sync",-1001234567890,0,12]': (
        '{"reason": "not right on the remote", "detail": "it differs", "attempts": 1, '
        '"for_good": false}'
    ),
    '["failed","gdrive:tdl-sync",-1001234567890,0,13]': (
        '{"reason": "refused by Telegram", "detail": "no", "attempts": 1, "for_good": true, '
        '"distrusted": true}'
    ),
    '["watermark","gdrive:tdl-sync",-1001234567890,0,"",0]': "12",
}
OLDER_MARKS = {
    1: MarkedFile("F [-1001234567890]", "1_a.mp4", 5, None),
    2: MarkedFile("F [-1001234567890]", "2_b.mp4", 6, HASH),
    3: MarkedFile("F [-1001234567890]", "3_c.mp4", 7, None, FileIdentity(PHOTO, 3, 7)),
}
OLDER_FAILURES = [
    Failure(in_channel(10), "wrong size", "4 of 5", 2, False),
    Failure(in_channel(11), "other content on the remote", "it differs", 1, False, True),
    Failure(in_channel(12), "not right on the remote", "it differs", 1, False, True),
    Failure(in_channel(13), "refused by Telegram", "no", 1, True, True),
]
