"""The session of another program on this machine: Pyrogram's or Kurigram's, or Telethon's, as a
file of SQLite or as a text.

Whatever is in it comes from outside. A file is opened to be read only, nothing in it is run (its
tables may be views in disguise), and no more of it is read than one row. What is wrong with it is
told without a byte of it.

Formats: ``pyrogram/storage/sqlite_storage.py`` and ``storage.py``, ``telethon/sessions/sqlite.py``
and ``string.py``.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import ipaddress
import re
import sqlite3
import stat
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tdl_sync.core.errors import ConfigurationError

PYROGRAM, TELETHON = "Pyrogram", "Telethon"

MOST_FILE_BYTES = 2**30
MOST_TEXT_CHARACTERS = 1000
_KEY_BYTES = 256
_MOST_STEPS = 1_000_000
"""Of SQLite's machine: for one row it needs some dozens."""

_SQLITE_HEADER = b"SQLite format 3\0"
_DATA_CENTRES = range(1, 6)
_TEST_ADDRESSES = frozenset(
    map(
        ipaddress.ip_address,
        (
            *("149.154.175.10", "149.154.167.40", "149.154.175.117"),
            *("2001:b28:f23d:f001::e", "2001:67c:4e8:f002::e", "2001:b28:f23d:f003::e"),
        ),
    )
)
"""Telethon does not say that it is Telegram's test servers that it has signed in at."""

_OF_PYROGRAM = {362: ">BI?256sQ?", 356: ">B?256sQ?", 351: ">B?256sI?"}
"""By the characters, without ``=`` at the end."""

_OF_TELETHON = {351: ">B4sH256s", 367: ">B16sH256s"}
"""The same, after the ``1`` that says the version."""

_SOMEBODY = 1
"""An account's id, until Telegram has told it."""

_NO_SESSION = "it is no session of Pyrogram, Kurigram or Telethon"


@dataclass(frozen=True)
class ForeignSession:
    """``api_id`` is ``None`` where it is not said. Who has the key has the account."""

    program: str
    dc_id: int
    key: bytes = field(repr=False)
    at_test_servers: bool
    api_id: int | None = None

    def session_string(self, api_id: int) -> str:
        """As our library takes it. Whose it is Telegram says."""
        packed = struct.pack(
            _OF_PYROGRAM[362],
            self.dc_id,
            self.api_id or api_id,
            self.at_test_servers,
            self.key,
            _SOMEBODY,
            False,
        )
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")


class SessionUnreadable(ConfigurationError):
    """What ``--import`` names is no session, or none that is signed in."""

    def __init__(self, why: str) -> None:
        super().__init__(f"--import: the session can't be taken: {why}")


def read_session_file(path: Path) -> ForeignSession:
    """A file of SQLite, or one with a text in it. Raises ``SessionUnreadable``."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SessionUnreadable(f"{str(path)!r} is not a file")
        if status.st_size > MOST_FILE_BYTES:
            raise SessionUnreadable(f"{str(path)!r} is too large for a session")
        with path.open("rb") as file:
            head = file.read(4 * MOST_TEXT_CHARACTERS)
    except OSError as error:
        raise SessionUnreadable(f"{str(path)!r} cannot be read: {error.strerror}") from error
    if head.startswith(_SQLITE_HEADER):
        return _of_database(path)
    return read_session_text(head.decode("ascii", "replace"))


def read_session_text(text: str) -> ForeignSession:
    """What ``export_session_string`` or ``StringSession.save`` give. Raises
    ``SessionUnreadable``."""
    bare = text.strip().rstrip("=")
    if len(bare) > MOST_TEXT_CHARACTERS or not re.fullmatch(r"[A-Za-z0-9_-]+", bare):
        raise SessionUnreadable(_NO_SESSION)
    of_telethon = _OF_TELETHON.get(len(bare) - 1) if bare.startswith("1") else None
    of_pyrogram = _OF_PYROGRAM.get(len(bare))
    try:
        if of_telethon is not None:
            dc_id, address, _, auth_key = struct.unpack(of_telethon, _decoded(bare[1:]))
            is_test = ipaddress.ip_address(address) in _TEST_ADDRESSES
            return _checked(TELETHON, dc_id, auth_key, is_test)
        if of_pyrogram is not None:
            dc_id, *rest = struct.unpack(of_pyrogram, _decoded(bare))
            api_id = rest.pop(0) if len(rest) == 5 else None
            test_mode, auth_key, _, is_bot = rest
            return _checked(PYROGRAM, dc_id, auth_key, test_mode, api_id, is_bot=is_bot)
    except (struct.error, binascii.Error) as error:
        raise SessionUnreadable(_NO_SESSION) from error
    raise SessionUnreadable(_NO_SESSION)


def _decoded(bare: str) -> bytes:
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def _of_database(path: Path) -> ForeignSession:
    in_use = any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))
    mode = "mode=ro" if in_use else "mode=ro&immutable=1"
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=5.0)
        ) as database:
            return _in_database(database)
    except (sqlite3.Error, ValueError, OverflowError) as error:
        why = "it is in use" if "locked" in str(error) else _NO_SESSION
        raise SessionUnreadable(why) from error


def _in_database(database: sqlite3.Connection) -> ForeignSession:
    # What takes longer than one row needs is made to take long.
    database.set_progress_handler(lambda: 1, _MOST_STEPS)
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA query_only = ON")
    database.text_factory = bytes
    kinds = database.execute(
        "SELECT type FROM sqlite_master WHERE name = 'sessions' AND sql NOT LIKE '%generated%' "
        "AND sql NOT LIKE '% as %(%' AND sql NOT LIKE 'create virtual%'"
    ).fetchmany(2)
    if kinds != [(b"table",)]:
        raise SessionUnreadable(_NO_SESSION)
    columns = {
        bytes(row[1]).decode("ascii", "replace")
        for row in database.execute("PRAGMA table_info(sessions)").fetchmany(50)
    }
    is_of_pyrogram = {"dc_id", "test_mode", "auth_key", "user_id", "is_bot"} <= columns
    is_of_telethon = {"dc_id", "server_address", "port", "auth_key"} <= columns
    if is_of_pyrogram:
        wanted = ["dc_id", "auth_key", "test_mode", "is_bot"]
        wanted += ["api_id"] if "api_id" in columns else []
    elif is_of_telethon:
        wanted = ["dc_id", "auth_key", "server_address"]
    else:
        raise SessionUnreadable(_NO_SESSION)
    ((longest,),) = database.execute(
        "SELECT coalesce(max(length(auth_key)), 0) FROM (SELECT auth_key FROM sessions LIMIT 3)"
    ).fetchmany(1)
    if longest > _KEY_BYTES:
        raise SessionUnreadable(_NO_SESSION)
    rows = database.execute(f"SELECT {', '.join(wanted)} FROM sessions LIMIT 2").fetchmany(2)
    if len(rows) != 1:
        raise SessionUnreadable("it holds no session, or more than one")
    row: dict[str, Any] = dict(zip(wanted, rows[0], strict=True))
    if row["auth_key"] is None or row["auth_key"] == b"":
        raise SessionUnreadable("it is not signed in")
    if is_of_pyrogram:
        return _checked(
            PYROGRAM,
            row["dc_id"],
            row["auth_key"],
            row["test_mode"],
            row.get("api_id"),
            is_bot=row["is_bot"],
        )
    return _checked(
        TELETHON, row["dc_id"], row["auth_key"], _is_test_address(row["server_address"])
    )


def _is_test_address(text: object) -> bool:
    if not isinstance(text, bytes):
        return False
    try:
        return ipaddress.ip_address(text.decode("ascii", "replace")) in _TEST_ADDRESSES
    except ValueError:
        return False


def _checked(
    program: str,
    dc_id: object,
    auth_key: object,
    test_mode: object,
    api_id: object = None,
    *,
    is_bot: object = False,
) -> ForeignSession:
    if not isinstance(auth_key, bytes) or len(auth_key) != _KEY_BYTES:
        raise SessionUnreadable(_NO_SESSION)
    if not any(auth_key):
        raise SessionUnreadable("it is not signed in")
    if type(dc_id) is not int or dc_id not in _DATA_CENTRES:
        raise SessionUnreadable("it names no data centre of Telegram")
    if is_bot not in (None, 0):
        raise SessionUnreadable("it is a bot's, and bots can't read a chat's history")
    known = api_id if type(api_id) is int and 0 < api_id < 2**31 else None
    return ForeignSession(program, dc_id, auth_key, bool(test_mode), known)
