"""Where Telegram keeps a file, and which of its files it is: plain records."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class LocationKind(str, Enum):
    """Which of Telegram's two file stores holds a file."""

    DOCUMENT = "document"
    PHOTO = "photo"


@dataclass(frozen=True)
class FileLocation:
    """Where Telegram keeps the bytes (https://core.telegram.org/api/files).

    ``file_reference`` ends after some hours; the message then has to be fetched again.
    ``thumb_size`` names the size of a photo that is meant, and is empty for documents.
    """

    kind: LocationKind
    dc_id: int
    file_id: int
    access_hash: int
    file_reference: bytes = field(repr=False)
    thumb_size: str = ""


@dataclass(frozen=True)
class FileIdentity:
    """Which of Telegram's files a message holds: the same when it is forwarded or sent again.

    A photo has one id in all its sizes, and a size may be declared wrongly, so that only files
    of one id and one size count as the same.
    """

    kind: LocationKind
    file_id: int
    size_bytes: int
