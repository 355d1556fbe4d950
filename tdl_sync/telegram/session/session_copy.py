"""The stored session as a text, read without touching the file; and one that is in memory, stored.

The library writes into the file whenever it opens it; one that only looks works on a copy in
memory.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import sqlite3
import struct
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.operating_system import open_here
from tdl_sync.core.program import PROGRAM
from tdl_sync.telegram.session.library import SESSION_STRING_FORMAT


def session_string_of(path: Path) -> str:
    """What ``login --print-session`` would print. Raises ``ConfigurationError``."""
    # Where nobody is writing, as "immutable": else SQLite leaves files of its own beside it
    # (https://www.sqlite.org/uri.html#uriimmutable).
    in_use = any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))
    mode = "mode=ro" if in_use else "mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True)) as database:
            (row,) = database.execute(
                "SELECT dc_id, api_id, test_mode, auth_key, user_id, is_bot FROM sessions"
            ).fetchall()
        dc_id, api_id, test_mode, auth_key, user_id, is_bot = row
        packed = struct.pack(
            SESSION_STRING_FORMAT,
            dc_id,
            api_id or 0,
            bool(test_mode),
            auth_key,
            user_id or 0,
            bool(is_bot),
        )
    except (sqlite3.Error, ValueError, TypeError, struct.error) as error:
        raise ConfigurationError(
            f"the Telegram session {path} cannot be read ({error}); sign in again with "
            f"{PROGRAM} login"
        ) from error
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def store_copy(database: sqlite3.Connection, path: Path) -> None:
    """Write a session that is in memory to a file for the owner alone, whole or not at all. Raises
    ``ConfigurationError``; one that is there is never written over."""
    unfinished = path.with_name(f"{path.name}.new")
    try:
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        unfinished.unlink(missing_ok=True)
        os.close(open_here(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        with contextlib.closing(sqlite3.connect(unfinished)) as target:
            database.backup(target)
        unfinished.rename(path)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise ConfigurationError(
            f"the Telegram session {path} cannot be written ({error}); nothing was changed"
        ) from error
