"""The stored session as a text, read without touching the file.

The library writes into the file whenever it opens it; one that only looks works on a copy in
memory.
"""

from __future__ import annotations

import base64
import contextlib
import sqlite3
import struct
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
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
