"""The JSON file beside each media file (``--sidecar``): what its message says, for a rebuild.

Its shape is documented in docs/sidecar.md; whoever changes it here changes ``VERSION`` and that.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tdl_sync.message_details import MessageDetails
from tdl_sync.model import Chat, MediaItem
from tdl_sync.name_template import RemotePlace

VERSION = 1


def sidecar_name(item: MediaItem) -> str:
    """``4711.json``: no media file is called so, since their names are ``4711_…``."""
    return f"{item.message_id}.json"


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
    return json.dumps(record, ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n"


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


def utc_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
