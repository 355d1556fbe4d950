"""The stored session is read as a text, and its file stays as it is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pyrogram.storage import SQLiteStorage

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.telegram.session.session_copy import session_string_of


async def store(directory: Path) -> str:
    """A session as the library stores it; what the library would print of it."""
    storage: Any = SQLiteStorage("telegram", workdir=directory)
    await storage.open()
    await storage.dc_id(4)
    await storage.api_id(12345)
    await storage.test_mode(False)
    await storage.auth_key(bytes(range(256)))
    await storage.user_id(5_000_000_001)
    await storage.is_bot(False)
    text: str = await storage.export_session_string()
    await storage.save()
    await storage.close()
    return text


def test_the_text_is_the_librarys_own_and_nothing_is_written(tmp_path: Path) -> None:
    printed = asyncio.run(store(tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert session_string_of(tmp_path / "telegram.session") == printed
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("content", [b"", b"no database" * 100])
def test_what_is_no_session_is_named_with_the_mend(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "telegram.session"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"cannot be read \(.*login"):
        session_string_of(path)
