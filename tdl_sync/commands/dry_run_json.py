"""What ``--dry-run --json`` prints: an object for each file, with what would become of it.

The keys are documented in docs/looking.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from tdl_sync.core.model import MediaItem, MessageKey


class Fate(str, Enum):
    """What would become of a file. The value is what a program reads."""

    MOVE = "move"
    THERE = "there"
    SKIP = "skip"
    FAIL = "fail"


@dataclass(frozen=True)
class FileFate:
    """``item`` is ``None`` of what is gone, or is no file that this chat is asked for. ``path`` is
    where on the remote it would go, or is, below its ``REMOTE:PATH``."""

    key: MessageKey
    fate: Fate
    item: MediaItem | None = None
    reason: str | None = None
    path: str | None = None


def record(file: FileFate, remote: str) -> dict[str, Any]:
    """For JSON."""
    item = file.item
    return {
        "chat_id": file.key.chat_id,
        "message_id": file.key.message_id,
        "file": file.key.index,
        "would": file.fate.value,
        "reason": file.reason,
        "remote": remote,
        "path": file.path,
        "type": None if item is None else item.media_type.value,
        "name": None if item is None else item.file_name,
        "size_bytes": None if item is None else item.size_bytes,
        "date": None if item is None else _utc(item.date),
    }


def _utc(date: datetime) -> str:
    return f"{date.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
