"""What other clients of Drive send and rclone does not: spelled otherwise, to the same end.

Seen with Google's own client for Python and with requests, which docs/stand-ins.md has in use.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from standins.drive.faults import Fault
from standins.drive.server import DriveStandIn

API, TOKENS = "www.googleapis.com", "oauth2.googleapis.com"
UPLOAD = "/upload/drive/v3/files?fields=name,size,mimeType&uploadType="


@pytest.fixture
def drive() -> Iterator[DriveStandIn]:
    with DriveStandIn() as drive:
        yield drive
        assert drive.unknown_requests == []


@contextmanager
def connected(drive: DriveStandIn, host: str, http: str = "1.1") -> Iterator[HTTPConnection]:
    """Through a tunnel that was asked for in this version of HTTP."""
    way = socket.create_connection(("127.0.0.1", drive.port))
    way.sendall(f"CONNECT {host}:443 HTTP/{http}\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += way.recv(1)
    assert b" 200 " in answer
    trust = ssl.create_default_context(cafile=str(drive.ca_file))
    connection = HTTPConnection(host)
    connection.sock = trust.wrap_socket(way, server_hostname=host)
    try:
        yield connection
    finally:
        connection.close()


def authorization(drive: DriveStandIn) -> dict[str, str]:
    """By the refresh token of the user, as Google's libraries get it."""
    form = {**drive.authorized_user(), "grant_type": "refresh_token"}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with connected(drive, TOKENS) as tokens:
        tokens.request("POST", "/token", urlencode(form), kind)
        token = json.load(tokens.getresponse())["access_token"]
    return {"Authorization": f"Bearer {token}"}


def answered(response: HTTPResponse) -> dict[str, Any]:
    assert response.status == 200
    found: dict[str, Any] = json.load(response)
    return found


@pytest.mark.parametrize("http", ["1.0", "1.1"])
def test_a_tunnel_lasts_for_many_requests_however_it_was_asked_for(
    drive: DriveStandIn, http: str
) -> None:
    headers = authorization(drive)
    with connected(drive, API, http) as api:
        for _ in range(2):
            api.request("GET", "/drive/v3/files?fields=files", headers=headers)
            assert answered(api.getresponse()) == {"files": []}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("media", ["", "two\n\nlines\r\n\r\n--not the end\n"])
def test_an_upload_in_parts_is_the_same_by_either_end_of_a_line(
    drive: DriveStandIn, line_end: str, media: str
) -> None:
    lines = ["--it", "Content-Type: application/json", "", '{"name": "a"}', "--it"]
    lines += ["Content-Type: text/plain", "", media, "--it--"]
    kind = {"Content-Type": "multipart/related; boundary=it"}
    headers = {**authorization(drive), **kind}
    with connected(drive, API) as api:
        api.request("POST", UPLOAD + "multipart", line_end.join(lines).encode(), headers)
        expected = {"name": "a", "size": str(len(media)), "mimeType": "text/plain"}
        assert answered(api.getresponse()) == expected
    assert [file.data for file in drive.files()] == [media.encode()]


def test_content_alone_makes_a_file_that_has_no_name_yet_and_replaces_that_of_one(
    drive: DriveStandIn,
) -> None:
    headers = {**authorization(drive), "Content-Type": "text/plain"}
    with connected(drive, API) as api:
        api.request("POST", UPLOAD + "media", b"first", headers)
        expected = {"name": "Untitled", "size": "5", "mimeType": "text/plain"}
        assert answered(api.getresponse()) == expected
        (file,) = drive.files()
        path = UPLOAD.replace("files", f"files/{file.file_id}")
        api.request("PATCH", path + "media", b"second", headers)
        assert answered(api.getresponse()) == {**expected, "size": "6"}
    assert [file.data for file in drive.files()] == [b"second"]


def test_content_alone_is_refused_where_the_drive_is_full(drive: DriveStandIn) -> None:
    drive.faults.add(Fault("storage_full"))
    with connected(drive, API) as api:
        api.request("POST", UPLOAD + "media", b"first", authorization(drive))
        assert api.getresponse().status == 403
    assert drive.files() == []


@pytest.mark.parametrize("data", [b"", b"all of it"])
def test_a_resumable_upload_without_a_range_is_the_whole_file(
    drive: DriveStandIn, data: bytes
) -> None:
    headers = authorization(drive)
    with connected(drive, API) as api:
        api.request("POST", UPLOAD + "resumable", b"{}", headers)
        begun = api.getresponse()
        begun.read()
        there = urlsplit(begun.headers["Location"])
        api.request("PUT", f"{there.path}?{there.query}", data, headers)
        assert answered(api.getresponse())["size"] == str(len(data))
    assert [file.data for file in drive.files()] == [data]


def test_the_key_file_of_the_service_account_is_one_that_google_would_make(
    drive: DriveStandIn,
) -> None:
    key_file = drive.service_account()
    assert key_file["type"] == "service_account"
    assert key_file["private_key"].startswith("-----BEGIN PRIVATE KEY-----\n")
    assert urlsplit(key_file["token_uri"]).hostname == TOKENS
