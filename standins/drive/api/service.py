"""One request in, one answer out: which call it is, whose, and what goes wrong with it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import parse_qsl

from ..faults import Fault, Faults
from ..files.world import World
from ..shaping import Shaping
from ..statistics import Statistics
from ..web.api_error import ApiError, TokenError, UnknownRequest
from ..web.http import ConnectionCut, Request, Response
from .api import Access, DriveApi
from .tokens import JWT_BEARER, Account, Tokens
from .upload_api import UploadApi
from .uploads import ContentRange

API_HOST = "www.googleapis.com"
TOKEN_HOST = "oauth2.googleapis.com"
HOSTS = (API_HOST, TOKEN_HOST)

Handler = Callable[..., Response]


@dataclass(frozen=True)
class _Route:
    method: str
    path: re.Pattern[str]
    call: str
    handler: Handler


@dataclass(frozen=True)
class _Call:
    name: str
    answer: Callable[..., Response]
    """Does the work; uploads that begin take `flip_a_byte=True`."""


class Service:
    """What all connections share. Thread-safe."""

    def __init__(
        self,
        faults: Faults,
        shaping: Shaping,
        *,
        storage_limit_bytes: int,
        keep_content_bytes: int,
    ) -> None:
        self.world = World()
        self.tokens = Tokens()
        self.faults = faults
        self.shaping = shaping
        self.statistics = Statistics()
        self.storage_limit_bytes = storage_limit_bytes
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._unknown: list[str] = []
        access = Access(self.world)
        drive = DriveApi(
            self.world,
            access,
            lambda: self.storage_limit_bytes,
            lambda: self.shaping,
            self.statistics.listed_behind,
        )
        self._uploads = UploadApi(
            self.world,
            access,
            drive,
            lambda: self.storage_limit_bytes,
            keep_content_bytes,
            self.statistics.received,
        )
        self._routes = [
            _route("GET", "/drive/v3/files", "files.list", drive.list_files),
            _route("POST", "/drive/v3/files", "files.create", drive.create_file),
            _route("DELETE", "/drive/v3/files/trash", "files.emptyTrash", drive.empty_trash),
            _route("GET", "/drive/v3/files/([^/]+)", "files.get", drive.get_file),
            _route("PATCH", "/drive/v3/files/([^/]+)", "files.update", drive.update_file),
            _route("DELETE", "/drive/v3/files/([^/]+)", "files.delete", drive.delete_file),
            _route("GET", "/drive/v3/about", "about.get", drive.about),
            _route("GET", "/drive/v3/drives", "drives.list", drive.list_drives),
            _route("GET", "/drive/v3/drives/([^/]+)", "drives.get", drive.get_drive),
        ]
        self._download = drive.download

    def answer(self, request: Request) -> Response:
        """Raises ConnectionCut where the client gets no answer."""
        try:
            call = self._call(request)
        except UnknownRequest as unknown:
            return self._unknown_answer(unknown)
        except ApiError as error:
            return self._error_answer(error)
        self.statistics.call_began(call.name)
        try:
            self.sleep(self.shaping.call_seconds)
            received_bytes = self.statistics.received_bytes
            fault = self.faults.strike(call.name, received_bytes, _upload_bytes(request))
            return self._faulty(fault, call, request) if fault else self._healthy(call)
        finally:
            self.statistics.call_ended(call.name)

    def sleep(self, seconds: float) -> None:
        """Ends early when the stand-in stops."""
        if seconds > 0 and self.stopping.wait(seconds):
            raise ConnectionCut("the stand-in stops")

    def report_unknown(self, what: str) -> None:
        with self._lock:
            self._unknown.append(what)

    def unknown_requests(self) -> list[str]:
        with self._lock:
            return list(self._unknown)

    def _healthy(self, call: _Call) -> Response:
        try:
            return call.answer()
        except (ApiError, TokenError) as error:
            return self._error_answer(error)
        except UnknownRequest as unknown:
            return self._unknown_answer(unknown)
        except ValueError as error:
            return self._unknown_answer(UnknownRequest(f"the body of a {call.name}: {error}"))

    def _faulty(self, fault: Fault, call: _Call, request: Request) -> Response:
        error = fault.error()
        if error is not None:
            return self._error_answer(error)
        if fault.kind == "flipped_byte":
            return self._healthy(replace(call, answer=partial(call.answer, flip_a_byte=True)))
        if fault.kind == "answer_lost":
            self._healthy(call)
            raise ConnectionCut("the answer is lost")
        if fault.kind == "answer_held":
            self._healthy(call)
            self.stopping.wait()
            raise ConnectionCut("the stand-in stops")
        try:
            request.body.cut_after_bytes = fault.body_bytes
            if call.name in ("upload.chunk", "upload.finish"):
                self._healthy(call)  # keeps what arrives before the cut, as Drive does
            request.body.drain()
        except ConnectionCut:
            if fault.kind == "stall":
                self.stopping.wait()
            raise
        raise ConnectionCut("as the fault wants it")

    def _error_answer(self, error: ApiError | TokenError) -> Response:
        self.statistics.error_answered(f"{error.status} {error.reason}")
        return error.response()

    def _unknown_answer(self, unknown: UnknownRequest) -> Response:
        self.report_unknown(unknown.what)
        return ApiError(400, "invalid", f"The stand-in does not know {unknown.what}").response()

    def _call(self, request: Request) -> _Call:
        if request.host == TOKEN_HOST:
            return self._token_call(request)
        if request.path.startswith("/upload/"):
            return self._upload_call(request)
        for route in self._routes:
            match = route.path.fullmatch(request.path)
            if match is not None and request.method == route.method:
                file_id = match[1] if match.groups() else ""
                if route.call == "files.get" and request.parameters.get("alt") == "media":
                    return self._authorised("files.download", self._download, request, file_id)
                return self._authorised(route.call, route.handler, request, file_id)
        raise UnknownRequest(f"{request.method} {request.host}{request.path}")

    def _upload_call(self, request: Request) -> _Call:
        match = re.fullmatch("/upload/drive/v3/files(?:/([^/]+))?", request.path)
        kind = request.parameters.get("uploadType")
        uploads, name = self._uploads, f"{request.method} {request.host}{request.path} as {kind}"
        if match is None:
            raise UnknownRequest(name)
        file_id = match[1] or ""
        if "upload_id" in request.parameters and request.method in ("PUT", "POST"):
            content_range = ContentRange.of(request.headers)
            call = "upload.finish" if content_range.is_last else "upload.chunk"
            call = "upload.query" if content_range.first is None else call
            return self._authorised(call, uploads.chunk, request, file_id)
        if request.method != ("PATCH" if file_id else "POST"):
            raise UnknownRequest(name)
        if kind == "multipart":
            return self._authorised("upload.multipart", uploads.multipart, request, file_id)
        if kind == "media":
            return self._authorised("upload.media", uploads.media, request, file_id)
        if kind == "resumable":
            return self._authorised("upload.start", uploads.start, request, file_id)
        raise UnknownRequest(name)

    def _authorised(self, name: str, handler: Handler, request: Request, file_id: str) -> _Call:
        def answer(**more: bool) -> Response:
            authorization = request.headers.get("Authorization", "")
            account: Account = self.tokens.account_of(authorization)
            return handler(request, account, file_id, **more)

        return _Call(name, answer)

    def _token_call(self, request: Request) -> _Call:
        form = dict(parse_qsl(request.body.read_all().decode("ascii", "replace")))
        grant_type = form.get("grant_type")
        if (request.method, request.path) == ("POST", "/token"):
            if grant_type == "refresh_token":
                authorization = request.headers.get("Authorization", "")
                return _Call("token.refresh", lambda: self.tokens.refresh(form, authorization))
            if grant_type == JWT_BEARER:
                return _Call("token.service_account", lambda: self.tokens.from_assertion(form))
        raise UnknownRequest(f"{request.method} {request.host}{request.path} for {grant_type}")


def _upload_bytes(request: Request) -> int | None:
    """How long the resumable upload is to be that a call begins or goes on with, if it says so."""
    if not request.path.startswith("/upload/"):
        return None
    if "upload_id" in request.parameters:
        return ContentRange.of(request.headers).total_bytes
    length = request.headers.get("X-Upload-Content-Length")
    return None if length is None else int(length)


def _route(method: str, path: str, call: str, handler: Handler) -> _Route:
    return _Route(method, re.compile(path), call, handler)
