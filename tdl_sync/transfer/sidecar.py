"""The JSON file beside each media file (``--sidecar``): what its message says, for a rebuild.

Its shape is documented in docs/sidecar.md; whoever changes it here changes ``VERSION`` and that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tdl_sync.core.errors import SidecarUnreadable
from tdl_sync.core.model import (
    FIRST,
    Chat,
    FileNumber,
    ListedFile,
    MediaItem,
    MessageDetails,
)
from tdl_sync.core.text import utc_text
from tdl_sync.options.name_template import RemotePlace

VERSION = 1


NOT_A_SIDECAR = (AttributeError, LookupError, TypeError, ValueError)
"""What reading a text raises that is none."""

_SHA256 = re.compile("[0-9a-f]{64}")
_NAME = re.compile(r"([1-9][0-9]{0,18})(?:\.([2-9]|[1-9][0-9]{1,2}))?\.json")


def sidecar_name(number: FileNumber) -> str:
    """``4711.json``: no media file is called so, since their names are ``4711_…``. The one of a
    message's second file is ``4711.2.json``, and so on."""
    return f"{number}.json"


def is_sidecar(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def sidecar_folders(folder: str, listing: Iterable[ListedFile]) -> dict[FileNumber, str]:
    """Where the sidecars are; ``listing`` is of ``folder`` and what is below."""
    return {
        FileNumber(int(match[1]), int(match[2] or FIRST)): "/".join(
            filter(None, (folder, file.subfolder))
        )
        for file in listing
        if (match := _NAME.fullmatch(file.name))
    }


def with_copies(text: bytes, copies: Iterable[MediaItem]) -> bytes:
    """The text of a sidecar that also names these messages, which hold the same file.

    Whatever else is in it stays. Raises ``SidecarUnreadable``.
    """
    try:
        record = json.loads(text)
        known = {
            FileNumber(int(each["message_id"]), int(each.get("index", FIRST))): each
            for each in record.get("also_posted", [])
        }
    except NOT_A_SIDECAR as error:
        raise SidecarUnreadable(str(error)) from error
    new = {copy.number: _copy_record(copy) for copy in copies}
    if new.keys() <= known.keys():
        return text
    both = {**new, **known}
    record["also_posted"] = [both[number] for number in sorted(both)]
    return _written(record)


@dataclass(frozen=True)
class DescribedFile:
    """The file beside a sidecar, as that describes it; ``path`` is below the chat's folder."""

    path: str
    sha256: str


def described_file(text: bytes) -> DescribedFile:
    """Raises ``SidecarUnreadable`` for one that does not say it."""
    try:
        record = json.loads(text)
    except ValueError as error:
        raise SidecarUnreadable(str(error)) from error
    match record:
        case {"file": {"folder": str(folder), "name": str(name), "sha256": str(sha256)}}:
            if _SHA256.fullmatch(sha256):
                return DescribedFile(f"{folder}/{name}".lstrip("/"), sha256)
    raise SidecarUnreadable("it does not say which file is beside it")


def sidecar(item: MediaItem, chat: Chat, place: RemotePlace, sha256: str) -> bytes:
    """The text, UTF-8."""
    details = item.details
    record = {
        "version": VERSION,
        "chat": {
            "id": chat.id,
            "title": chat.title,
            "kind": chat.kind.value,
            "username": chat.username,
        },
        "message_id": item.message_id,
        **_index(item),
        "date": utc_text(item.date),
        **message_record(details),
        "album_id": None if details.album_id is None else str(details.album_id),
        "album_caption": details.album_caption,
        "file": {
            "folder": "/".join(place.folders),
            "name": place.name,
            "original_name": item.file_name,
            "type": item.media_type.value,
            "mime_type": item.mime_type,
            "size_bytes": item.size_bytes,
            "sha256": sha256,
        },
    }
    return _written(record)


def with_copies_of(text: bytes, before: bytes) -> bytes:
    """A new sidecar that names the copies which the one before it names, if that can be read. Where
    that one was of another file, they are named with it."""
    record = json.loads(text)
    try:
        known = json.loads(before)
        earlier = list(known.get("earlier_files", []))
        copies = known.get("also_posted", [])
        if copies and _hash_in(known) not in (None, _hash_in(record)):
            earlier.append({"file": known["file"], "also_posted": copies})
            copies = []
    except NOT_A_SIDECAR:
        return text
    if not copies and not earlier:
        return text
    record.update({"also_posted": copies} if copies else {})
    record.update({"earlier_files": earlier} if earlier else {})
    return _written(record)


def names_copies(text: bytes, sha256: str | None) -> bool:
    """Whether a sidecar names other messages that hold the file with this hash; one that can't be
    read may. ``None`` stands for any hash."""
    try:
        record = json.loads(text)
        of_files = [record, *record.get("earlier_files", [])]
        return any(
            each.get("also_posted") and (None in (sha256, hash_) or hash_ == sha256)
            for each in of_files
            for hash_ in (_hash_in(each),)
        )
    except NOT_A_SIDECAR:
        return True


def _hash_in(record: Any) -> str | None:
    sha256 = record["file"].get("sha256")
    return None if sha256 is None else str(sha256)


def message_record(details: MessageDetails) -> dict[str, Any]:
    """What a message says beside its file, as JSON has it."""
    return {
        "edited": details.edited_at and utc_text(details.edited_at),
        "sender_id": details.sender_id,
        "forwarded_from_id": details.forwarded_from_id,
        "reply_to_id": details.reply_to_id,
        "topic_id": details.topic_id,
        "views": details.views,
        "caption": details.caption,
        "entities": [
            {
                "kind": entity.kind,
                "offset": entity.offset,
                "length": entity.length,
                **({} if entity.target is None else {"target": entity.target}),
            }
            for entity in details.entities
        ],
    }


def _copy_record(copy: MediaItem) -> dict[str, Any]:
    return {
        "message_id": copy.message_id,
        **_index(copy),
        "date": utc_text(copy.date),
        "caption": copy.details.caption,
        "original_name": copy.file_name,
    }


def _index(item: MediaItem) -> dict[str, int]:
    """Which of the message's files it is, unless it is the first."""
    return {} if item.key.index == FIRST else {"index": item.key.index}


def _written(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n"
