"""How the durable records are written: JSON arrays for keys, JSON texts for values.

["done",remote,chat,topic,message]      what is on the remote under which name
["failed",remote,chat,topic,message]    what is not, and why
["watermark",remote,chat,topic,filters,lower bound]
["reading",remote,chat,topic,filters,lower bound]      who has read up to it, and what was seen
["moved",remote,chat,topic,filters,lower bound]    how many files and bytes all runs have moved
(of one shard of it: …,lower bound,"K/N"])
["file",remote,chat,topic,kind,file id,size]    a message whose mark says that it is this file
["waits",remote,chat,topic,message]     holds what may be a file at another time
["former",remote,chat,topic,folder,name]    what its message does not hold any more
["files known",remote,chat,topic]       every mark says which file it is, as far as can be known

Of a message's second file, and of those after it, the first three are called "done file", "failed
file" and "file of several", and have the file's index behind the message: a version that knows one
file of a message only looks for none of these, and would take them for foreign records under the
names that it knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone

from tdl_sync.core.failures import Failure, is_distrusting
from tdl_sync.core.model import (
    FIRST,
    READER,
    DoneMark,
    FileIdentity,
    FileNumber,
    FormerFile,
    LocationKind,
    MarkedFile,
    MediaType,
    MessageKey,
    Moved,
    Reading,
    Scope,
    Waiting,
)

NOT_OURS = (AttributeError, LookupError, TypeError, ValueError, OverflowError, RecursionError)
"""What reading a record raises that was written by somebody else: any JSON, or none."""


class ForeignRecord(Exception):
    """A record in the database that this program did not write."""


FURTHER = {"done": "done file", "failed": "failed file"}
"""What records are called of the files that are not the first of their message."""


def key_text(kind: str, remote: str, key: MessageKey) -> str:
    if key.index == FIRST:
        return f"{group_prefix(kind, remote, key.chat_id, key.topic_id)}{key.message_id}]"
    prefix = group_prefix(FURTHER[kind], remote, key.chat_id, key.topic_id)
    return f"{prefix}{key.message_id},{key.index}]"


def group_prefix(kind: str, remote: str, chat_id: int, topic_id: int) -> str:
    return _key(kind, remote, chat_id, topic_id)[:-1] + ","


def file_key(
    remote: str, chat_id: int, topic_id: int, file: FileIdentity, kind: str = "file"
) -> str:
    of_file = (file.kind.value, file.file_id, file.size_bytes)
    return _key(kind, remote, chat_id, topic_id, *of_file)


def file_of_several_key(remote: str, chat_id: int, topic_id: int, file: FileIdentity) -> str:
    return file_key(remote, chat_id, topic_id, file, "file of several")


def files_known_key(remote: str, chat_id: int, topic_id: int) -> str:
    return _key("files known", remote, chat_id, topic_id)


def group_of(remote: str, key: MessageKey) -> tuple[str, int, int]:
    return remote, key.chat_id, key.topic_id


def waits_key(remote: str, chat_id: int, topic_id: int, message_id: int) -> str:
    return _key("waits", remote, chat_id, topic_id, message_id)


def waiting_text(waiting: Waiting) -> str:
    return json.dumps({"locked": waiting.locked, "seen_by": waiting.seen_by})


def read_waiting(text_key: str, text: str) -> tuple[tuple[str, int, int], Waiting]:
    """Remote, chat and topic, and which message."""
    try:
        _, remote, *ids = json.loads(text_key)
        chat_id, topic_id, message_id = (int(each) for each in ids)
        record = json.loads(text)
        waiting = Waiting(message_id, bool(record["locked"]), str(record["seen_by"]))
        return (str(remote), chat_id, topic_id), waiting
    except NOT_OURS as error:
        raise ForeignRecord(f"what waits, {text[:80]!r}, is not one of ours") from error


def former_key(remote: str, former: FormerFile) -> str:
    chat_id, topic_id = former.key.chat_id, former.key.topic_id
    return former_path_key(remote, chat_id, topic_id, former.file.folder, former.file.name)


def former_path_key(remote: str, chat_id: int, topic_id: int, folder: str, name: str) -> str:
    return _key("former", remote, chat_id, topic_id, folder, name)


def former_text(former: FormerFile) -> str:
    file, number = former.file, former.key.number
    record: dict[str, object] = {
        "message": [number.message_id, number.index],
        "gives_way": former.gives_way,
        "folder": file.folder,
        "name": file.name,
        "size_bytes": file.size_bytes,
    }
    if file.sha256 is not None:
        record["sha256"] = file.sha256
    text = json.dumps(record)
    return text if file.identity is None else with_file(text, file.identity)


def read_former(text_key: str, text: str) -> tuple[str, FormerFile]:
    """On which remote, and what."""
    try:
        _, remote, chat_id, topic_id, _, _ = json.loads(text_key)
        record = json.loads(text)
        message_id, index = (int(each) for each in record["message"])
        key = MessageKey(int(chat_id), int(topic_id), message_id, index)
        return str(remote), FormerFile(key, read_mark(text), bool(record["gives_way"]))
    except NOT_OURS as error:
        raise ForeignRecord(f"the former file {text[:80]!r} is not one of ours") from error


def watermark_key(scope: Scope) -> str:
    return _key("watermark", *scope.parts)


def moved_key(scope: Scope) -> str:
    return _key("moved", *scope.parts)


def reading_key(scope: Scope) -> str:
    return _key("reading", *scope.parts)


def reading_text(message_id: int, seen: Mapping[MediaType, int] | None) -> str:
    record: dict[str, object] = {"up_to": message_id, "reader": READER}
    if seen is not None:
        record["seen"] = {kind.value: count for kind, count in seen.items()}
    return json.dumps(record)


def read_reading(text: str | None, watermark: int) -> Reading:
    """An earlier version moves the watermark and leaves this record as it was: of another
    watermark, it says nothing."""
    if text is None:
        return Reading(watermark)
    try:
        record = json.loads(text)
        if int(record["up_to"]) != watermark:
            return Reading(watermark)
        seen = record.get("seen")
        known = {MediaType(kind): int(count) for kind, count in seen.items()} if seen else seen
        return Reading(watermark, int(record["reader"]), known)
    except NOT_OURS as error:
        raise ForeignRecord(f"the reading {text[:80]!r} is none") from error


def _key(*parts: str | int) -> str:
    return json.dumps(parts, separators=(",", ":"))


def failure_text(failure: Failure) -> str:
    return json.dumps(
        {
            "reason": failure.reason,
            "detail": failure.detail,
            "attempts": failure.attempts,
            "for_good": failure.for_good,
            "distrusted": failure.distrusted,
            "overwrites": failure.overwrites,
        }
    )


def read_failure(key: MessageKey, text: str) -> Failure:
    try:
        record = json.loads(text)
        reason, overwrites = str(record["reason"]), record.get("overwrites")
        return Failure(
            key,
            reason,
            str(record["detail"]),
            int(record["attempts"]),
            bool(record["for_good"]),
            # Older records say it by their reason alone, or do not distrust what failed.
            bool(record.get("distrusted", False)) or is_distrusting(reason),
            None if overwrites is None else str(overwrites),
        )
    except NOT_OURS as error:
        raise ForeignRecord(f"the failure {text[:80]!r} is not one of ours") from error


def read_failure_with_key(text_key: str, text: str) -> tuple[str, Failure]:
    try:
        kind, remote, *ids = json.loads(text_key)
        if not all(type(each) is int for each in ids):
            raise ValueError("an id is a whole number")
        if len(ids) != (3 if kind == "failed" else 4):
            raise ValueError("chat, topic and message, and the index of a further file")
    except NOT_OURS as error:
        raise ForeignRecord(f"the key {text_key[:80]!r} is not one of ours") from error
    return str(remote), read_failure(MessageKey(*ids), text)


def number_of(text_key: str, prefix: str) -> FileNumber:
    """Which file of which message a key is about that begins with a group's prefix."""
    try:
        message_id, *index = (int(each) for each in text_key[len(prefix) : -1].split(","))
        return FileNumber(message_id, *index)
    except (TypeError, ValueError) as error:
        raise ForeignRecord(f"the key {text_key[:80]!r} is not one of ours") from error


def read_id(text: str) -> int:
    """A watermark."""
    try:
        return int(json.loads(text))
    except NOT_OURS as error:
        raise ForeignRecord(f"the message id {text[:80]!r} is not a number") from error


def moved_text(moved: Moved) -> str:
    return json.dumps([moved.files, moved.size_bytes])


def read_moved(text: str | None) -> Moved:
    """``None`` stands for what no run of a version that counts has moved yet."""
    if text is None:
        return Moved()
    try:
        files, size_bytes = json.loads(text)
        return Moved(int(files), int(size_bytes))
    except NOT_OURS as error:
        raise ForeignRecord(f"the count {text[:80]!r} is not one of ours") from error


def number_text(number: FileNumber) -> str:
    """Of a message's first file it is the message's id alone."""
    return json.dumps(
        number.message_id if number.index == FIRST else [number.message_id, number.index]
    )


def read_number(text: str) -> FileNumber:
    try:
        found = json.loads(text)
        return (
            FileNumber(*(int(each) for each in found))
            if isinstance(found, list)
            else (FileNumber(int(found)))
        )
    except NOT_OURS as error:
        raise ForeignRecord(f"{text[:80]!r} is not a file of a message") from error


def mark_text(mark: DoneMark) -> str:
    record = {
        "remote": mark.remote,
        "folder": mark.file.folder,
        "name": mark.file.name,
        "size_bytes": mark.file.item.size_bytes,
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    if mark.file.sha256 is not None:
        record["sha256"] = mark.file.sha256
    text = json.dumps(record)
    return text if mark.file.identity is None else with_file(text, mark.file.identity)


def with_file(text: str, file: FileIdentity) -> str:
    """The text of a mark that also says which file it is; its size is the one of the mark."""
    return json.dumps({**json.loads(text), "file": [file.kind.value, file.file_id]})


def with_copies(text: str) -> str:
    """The text of a mark that also says that other messages rely on its file."""
    return json.dumps({**json.loads(text), "has_copies": True})


def read_mark(text: str) -> MarkedFile:
    try:
        record = json.loads(text)
        sha256, file = record.get("sha256"), record.get("file")
        size_bytes = int(record["size_bytes"])
        return MarkedFile(
            str(record["folder"]),
            str(record["name"]),
            size_bytes,
            None if sha256 is None else str(sha256),
            None if file is None else FileIdentity(LocationKind(file[0]), int(file[1]), size_bytes),
            bool(record.get("has_copies", False)),
        )
    except NOT_OURS as error:
        raise ForeignRecord(f"the done-mark {text[:80]!r} is not one of ours") from error
