"""Content on its way in: multipart bodies, and the sessions of resumable uploads.

https://developers.google.com/workspace/drive/api/guides/manage-uploads
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from ..files.content import GRANULE_BYTES, ContentWriter
from ..files.world import Node
from ..web.api_error import ApiError, bad_request
from ..web.http import Response

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class ContentRange:
    """A Content-Range header; `first` is None in a question how much has arrived."""

    first: int | None
    last: int | None
    total_bytes: int | None

    @classmethod
    def parse(cls, header: str) -> ContentRange:
        """Raises ApiError."""
        match = _CONTENT_RANGE.fullmatch(header)
        if match is None:
            raise bad_request(f"Failed to parse Content-Range header {header!r}.")
        first, last = (None if text is None else int(text) for text in match.groups()[:2])
        return cls(first, last, None if match[3] == "*" else int(match[3]))

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> ContentRange:
        """The one that a request's headers hold; without it the body is the whole file. Raises
        ApiError."""
        header = headers.get("Content-Range")
        if header is not None:
            return cls.parse(header)
        length = headers.get("Content-Length", "")
        if not length.isdecimal():
            raise bad_request("Neither Content-Range nor Content-Length.")
        return cls(0, int(length) - 1, int(length))

    @property
    def is_last(self) -> bool:
        return self.last is not None and self.last + 1 == self.total_bytes


@dataclass
class UploadSession:
    """A resumable upload, from its start until long after its end.

    `replaced` is the file whose content this is going to be, None for a new one. `answer` is what
    a finished upload was answered with; it is given again to who did not hear it.
    """

    metadata: dict[str, Any]
    parent: Node | None
    replaced: Node | None
    fields: str | None
    total_bytes: int | None
    writer: ContentWriter
    answer: Response | None = None
    upload_id: str = field(default_factory=lambda: "AE" + secrets.token_urlsafe(60))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def incomplete(self) -> Response:
        """308 with what has arrived; without a Range when that is nothing."""
        stored_bytes = self.writer.size_bytes
        return Response(
            308, headers={"Range": f"bytes=0-{stored_bytes - 1}"} if stored_bytes else {}
        )

    def check_chunk(self, content_range: ContentRange) -> int:
        """How many of the chunk's first bytes are known already. Raises ApiError."""
        first, last = content_range.first, content_range.last
        assert first is not None
        assert last is not None
        if self.total_bytes is None:
            self.total_bytes = content_range.total_bytes
        elif content_range.total_bytes not in (None, self.total_bytes):
            raise bad_request(f"The total size is {self.total_bytes}, not {content_range}.")
        if not content_range.is_last and (last + 1 - first) % GRANULE_BYTES:
            raise bad_request(f"A chunk must be a multiple of {GRANULE_BYTES} bytes.")
        known_bytes = self.writer.size_bytes - first
        if known_bytes < 0:
            raise ApiError(503, "backendError", "Bytes are missing before this chunk.")
        return known_bytes


class UploadSessions:
    """By id. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, UploadSession] = {}

    def add(self, session: UploadSession) -> None:
        with self._lock:
            self._sessions[session.upload_id] = session

    def find(self, upload_id: str) -> UploadSession:
        """Raises ApiError."""
        with self._lock:
            session = self._sessions.get(upload_id)
        if session is None:
            raise ApiError(404, "notFound", "This upload is unknown.")
        return session


def split_multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], str, bytes]:
    """Metadata, the content's own type, and the content. Raises ApiError.

    RFC 2387, with the two parts that Drive wants. As with Drive lines may end in LF alone: Google's
    client for Python sends them so.
    """
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_type() != "multipart/related" or not isinstance(boundary, str):
        raise bad_request(f"Malformed multipart body: {content_type}")
    first_line = b"--" + boundary.encode()
    line_end = b"\n" if body.startswith(first_line + b"\n") else b"\r\n"
    delimiter, blank_line = line_end + first_line, line_end * 2
    parts = (line_end + body).split(delimiter + line_end)[1:]
    if len(parts) != 2:
        raise bad_request(f"Malformed multipart body: {len(parts)} parts")
    media_part, closing, _ = parts[1].rpartition(delimiter + b"--")
    if not closing:
        raise bad_request("Missing end boundary in multipart body.")
    _, _, metadata_text = parts[0].partition(blank_line)
    media_header, _, media = media_part.partition(blank_line)
    media_type = re.search(rb"(?im)^content-type:\s*([^\r\n]+)", media_header)
    return json.loads(metadata_text), media_type[1].decode() if media_type else "", media
