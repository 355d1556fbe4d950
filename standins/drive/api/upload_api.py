"""The calls that bring content: multipart, and resumable in chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..files.content import ContentWriter
from ..files.world import Node, World
from ..web.api_error import ApiError
from ..web.http import ConnectionCut, Request, Response
from .api import Access, DriveApi, check_metadata, check_parameters
from .tokens import Account
from .uploads import ContentRange, UploadSession, UploadSessions, split_multipart

UPLOAD_URL = "https://www.googleapis.com/upload/drive/v3/files"
# `setModifiedDate` is of version 2, where rclone still sends it to; version 3 ignores it.
_PARAMETERS = frozenset({"uploadType", "supportsAllDrives", "keepRevisionForever"})
_START_PARAMETERS = _PARAMETERS | {"setModifiedDate"}


class UploadApi:
    """Handlers may run in many threads at once; one session's chunks come one after another."""

    def __init__(
        self,
        world: World,
        access: Access,
        drive: DriveApi,
        storage_limit_bytes: Callable[[], int],
        keep_content_bytes: int,
        on_content: Callable[[int], None],
    ) -> None:
        self._world = world
        self._access = access
        self._drive = drive
        self._storage_limit_bytes = storage_limit_bytes
        self._keep_content_bytes = keep_content_bytes
        self._on_content = on_content
        self._sessions = UploadSessions()

    def multipart(
        self, request: Request, account: Account, file_id: str, *, flip_a_byte: bool = False
    ) -> Response:
        """Metadata and content in one request; `file_id` is empty for a new file."""
        check_parameters(request, _PARAMETERS)
        body = request.body.read_all()
        content_type = request.headers.get("Content-Type", "")
        metadata, media_type, media = split_multipart(content_type, body)
        self._on_content(len(media))
        session = self._session(
            request, account, file_id, metadata, media_type, len(media), flip_a_byte
        )
        session.writer.write(media)
        return self._finish(session, request)

    def media(
        self, request: Request, account: Account, file_id: str, *, flip_a_byte: bool = False
    ) -> Response:
        """Content alone, which says no more of itself than its type."""
        check_parameters(request, _PARAMETERS)
        media, media_type = request.body.read_all(), request.headers.get("Content-Type", "")
        self._on_content(len(media))
        session = self._session(request, account, file_id, {}, media_type, len(media), flip_a_byte)
        session.writer.write(media)
        return self._finish(session, request)

    def start(
        self, request: Request, account: Account, file_id: str, *, flip_a_byte: bool = False
    ) -> Response:
        """The answer's Location is where the chunks go to."""
        check_parameters(request, _START_PARAMETERS)
        length = request.headers.get("X-Upload-Content-Length")
        session = self._session(
            request,
            account,
            file_id,
            request.json(),
            request.headers.get("X-Upload-Content-Type", ""),
            None if length is None else int(length),
            flip_a_byte,
        )
        self._sessions.add(session)
        location = f"{UPLOAD_URL}?uploadType=resumable&upload_id={session.upload_id}"
        return Response(200, headers={"Location": location})

    def chunk(self, request: Request, account: Account, _: str) -> Response:
        """Also the question how much has arrived, which has no content."""
        check_parameters(request, {"uploadType", "upload_id"})
        content_range = ContentRange.of(request.headers)
        session = self._sessions.find(request.parameters["upload_id"])
        with session.lock:
            if session.answer is None and content_range.first is not None:
                self._receive(session, request, content_range)
            else:
                request.body.drain()
                session.total_bytes = session.total_bytes or content_range.total_bytes
            if session.answer is None and session.writer.size_bytes == session.total_bytes:
                session.answer = self._finish(session, request)
            return session.answer or session.incomplete()

    def _receive(
        self, session: UploadSession, request: Request, content_range: ContentRange
    ) -> None:
        known_bytes = session.check_chunk(content_range)
        try:
            while data := request.body.read():
                self._on_content(len(data))
                session.writer.write(data[known_bytes:])
                known_bytes = max(0, known_bytes - len(data))
        except ConnectionCut:
            session.writer.forget_tail()
            raise

    def _session(
        self,
        request: Request,
        account: Account,
        file_id: str,
        metadata: dict[str, Any],
        media_type: str,
        total_bytes: int | None,
        flip_a_byte: bool,
    ) -> UploadSession:
        check_metadata(metadata)
        if media_type and not file_id:
            metadata.setdefault("mimeType", media_type)
        with self._world.lock:
            replaced = self._access.node(file_id, request, account) if file_id else None
            parent = None if replaced else self._access.parent(metadata, request, account)
            place = replaced or parent
            assert place is not None
            self._check_space(place, account, total_bytes or 0)
        return UploadSession(
            metadata,
            parent,
            replaced,
            request.parameters.get("fields"),
            total_bytes,
            ContentWriter(self._keep_content_bytes, flip_a_byte=flip_a_byte),
        )

    def _finish(self, session: UploadSession, request: Request) -> Response:
        content = session.writer.finish()
        with self._world.lock:
            if session.replaced is not None:
                self._world.update(session.replaced, session.metadata, content, None)
                node = session.replaced
            else:
                assert session.parent is not None
                node = self._world.create(session.metadata, session.parent, content)
            asked = {**request.parameters, "fields": session.fields or ""}
            return self._drive.described(node, replace(request, parameters=asked))

    def _check_space(self, place: Node, account: Account, wanted_bytes: int) -> None:
        top = self._world.tops[account]
        if place.top is not top:
            return  # a shared drive counts files, not bytes
        if self._world.used_bytes(top) + wanted_bytes > self._storage_limit_bytes():
            raise ApiError(
                403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded."
            )
