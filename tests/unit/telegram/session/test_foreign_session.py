"""The session of another program is taken as it is written, and what is none is told as that."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrogram.storage.sqlite_storage import SQLiteStorage
from telethon.crypto import AuthKey
from telethon.sessions import SQLiteSession, StringSession

from tdl_sync.telegram.session.foreign_session import (
    PYROGRAM,
    TELETHON,
    ForeignSession,
    SessionUnreadable,
    read_session_file,
    read_session_text,
)

KEY = bytes(range(256))
TEST_SERVER = "149.154.167.40"


def pyrogram_text(*, api_id: int = 12345, test_mode: bool = False, is_bot: bool = False) -> str:
    packed = struct.pack(">BI?256sQ?", 4, api_id, test_mode, KEY, 7, is_bot)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def a_pyrogram_file(directory: Path, *, test_mode: bool = False) -> Path:
    return asyncio.run(_written_by_pyrogram(directory, test_mode=test_mode))


async def _written_by_pyrogram(directory: Path, *, test_mode: bool) -> Path:
    """As the library itself writes it."""
    storage: Any = SQLiteStorage("theirs", directory)
    await storage.open()
    await storage.dc_id(4)
    await storage.test_mode(test_mode)
    await storage.api_id(12345)
    await storage.auth_key(KEY)
    await storage.user_id(7)
    await storage.is_bot(False)
    await storage.save()
    await storage.close()
    return directory / "theirs.session"


def a_telethon_file(directory: Path, address: str = "149.154.167.91") -> Path:
    session = SQLiteSession(str(directory / "theirs"))
    session.set_dc(4, address, 443)
    session.auth_key = AuthKey(KEY)
    session.save()
    session.close()
    return directory / "theirs.session"


def a_telethon_text(address: str) -> str:
    session = StringSession()
    session.set_dc(4, address, 443)
    session.auth_key = AuthKey(KEY)
    return str(session.save())


@pytest.mark.parametrize("test_mode", [False, True])
def test_what_pyrogram_writes_is_read(tmp_path: Path, test_mode: bool) -> None:
    expected = ForeignSession(PYROGRAM, 4, KEY, test_mode, 12345)
    path = a_pyrogram_file(tmp_path, test_mode=test_mode)
    before = path.read_bytes()
    assert read_session_file(path) == expected
    assert (path.read_bytes(), [*tmp_path.iterdir()]) == (before, [path])
    assert read_session_text(pyrogram_text(test_mode=test_mode)) == expected
    assert read_session_text(expected.session_string(1)) == expected
    for form, user_id in ((">B?256sI?", 2**32 - 1), (">B?256sQ?", 2**40)):
        packed = struct.pack(form, 4, test_mode, KEY, user_id, False)
        old = read_session_text(base64.urlsafe_b64encode(packed).decode())
        assert old == ForeignSession(PYROGRAM, 4, KEY, test_mode)


@pytest.mark.parametrize(
    ("address", "test_mode"),
    [("149.154.167.91", False), (TEST_SERVER, True), ("2001:67c:4e8:f004::a", False),
     ("2001:67c:4e8:f002::e", True)],
)  # fmt: skip
def test_what_telethon_writes_is_read(tmp_path: Path, address: str, test_mode: bool) -> None:
    expected = ForeignSession(TELETHON, 4, KEY, test_mode)
    path = a_telethon_file(tmp_path, address)
    assert read_session_file(path) == expected
    text = a_telethon_text(address)
    assert read_session_text(f" {text}\n") == expected
    (tmp_path / "text").write_text(text)
    assert read_session_file(tmp_path / "text") == expected


def _database(path: Path, *statements: str) -> Path:
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()
    return path


_ENDLESS = (
    "CREATE VIEW sessions AS WITH RECURSIVE c(dc_id, server_address, port, auth_key) AS "
    "(SELECT 1, '', 1, x'00' UNION ALL SELECT dc_id + 1, '', 1, auth_key FROM c) SELECT * FROM c"
)
_TELETHON = "CREATE TABLE sessions (dc_id INTEGER, server_address TEXT, port INTEGER, {key})"
_KEYS = "INSERT INTO sessions (dc_id, server_address, port, auth_key) VALUES "


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE other (x)"],
        [_ENDLESS],
        [_TELETHON.format(key="auth_key BLOB")],
        [_TELETHON.format(key="auth_key BLOB"), _KEYS + "(4, '', 1, NULL)"],
        [_TELETHON.format(key="auth_key BLOB"), _KEYS + "(4, '', 1, zeroblob(256))"],
        [_TELETHON.format(key="auth_key BLOB"), _KEYS + "(4, '', 1, zeroblob(500000000))"],
        [_TELETHON.format(key="auth_key BLOB"), _KEYS + "(4, '', 1, randomblob(255))"],
        [_TELETHON.format(key="auth_key BLOB"), _KEYS + "('x', '', 1, randomblob(256))"],
        [_TELETHON.format(key="auth_key BLOB"), _KEYS + "(77, '', 1, randomblob(256))"],
        [
            _TELETHON.format(key="auth_key BLOB"),
            _KEYS + "(1, '', 1, randomblob(256)), (2, '', 1, randomblob(256))",
        ],
        [
            "CREATE TABLE sessions (dc_id INTEGER, server_address TEXT, port INTEGER, auth_key "
            "BLOB AS (zeroblob(255) || x'01') VIRTUAL)",
            "INSERT INTO sessions (dc_id, server_address, port) VALUES (4, '', 1)",
        ],
    ],
)
def test_a_hostile_or_empty_database_is_told_and_takes_no_time(
    tmp_path: Path, statements: list[str]
) -> None:
    with pytest.raises(SessionUnreadable, match="--import"):
        read_session_file(_database(tmp_path / "x.session", *statements))


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000),
        lambda path: path.write_bytes(b"\x80\x04\x95pickled"),
        lambda path: path.write_text(pyrogram_text(is_bot=True)),
        lambda path: path.write_text(pyrogram_text()[:-1]),
        lambda path: path.write_text("1" * 353),
        lambda path: path.mkdir(),
        lambda path: None,
    ],
)
def test_what_is_no_session_is_told(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "x")
    with pytest.raises(SessionUnreadable, match="--import") as told:
        read_session_file(tmp_path / "x")
    assert pyrogram_text()[20:40] not in str(told.value)


@given(st.text(max_size=400) | st.from_regex(r"[A-Za-z0-9_-]{340,370}", fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(SessionUnreadable):
        assert len(read_session_text(text).key) == len(KEY)
