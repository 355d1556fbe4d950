"""The user's data directory and Telegram session, without the library until it is needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tdl_sync.core import open_files
from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.private_directory import PrivateDirectory
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import Places
from tdl_sync.options.credentials import SESSION_NAME, TelegramSettings
from tdl_sync.remote.rclone_config import COPY_NAME
from tdl_sync.telegram.session.event_loop import EventLoopThread

if TYPE_CHECKING:
    from tdl_sync.telegram.session.client import TelegramClient


_BESIDE = (COPY_NAME, "lost+found", "staging")
"""What may lie in a data directory beside what ``Places`` names, the session, and what SQLite puts
there."""


def make_data_dir(places: Places) -> list[str]:
    """Make the data directory for the owner alone; lines to be told of how it was found.

    Raises ``ConfigurationError``, also where somebody else may say what lies in it.
    """
    private = PrivateDirectory(places.data_dir, "the data directory", "--data-dir")
    our_names = {*_BESIDE, places.staging_dir.name, *(each.name for each in places.inside)}
    try:
        return private.make(
            lambda name: name in our_names or name.startswith(f"{SESSION_NAME}.session")
        )
    except OSError as error:
        raise ConfigurationError(
            f"the data directory {places.data_dir} cannot be made: {error.strerror}; "
            "choose another with --data-dir"
        ) from error


def is_signed_in(session_path: Path) -> bool:
    """Whether that is a session's file, and the session is an account's."""
    try:
        with closing(sqlite3.connect(f"{session_path.as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute("SELECT user_id FROM sessions").fetchone()
    except sqlite3.Error:
        return False
    return row is not None and row[0] is not None


@contextmanager
def telegram_client(
    settings: TelegramSettings,
    on_line: Callable[[str], None] = lambda _: None,
    on_wait: Callable[[str, str, datetime], None] = lambda *_: None,
) -> Iterator[TelegramClient]:
    """For who moves nothing: not started, and stopped on leaving.

    ``on_line`` and ``on_wait`` are told of a network that is gone and of flood waits.
    """
    open_files.check(open_files.LOOK_NEEDS)
    # Most of a second, so where it is needed.
    from tdl_sync.telegram.session.client import TelegramClient

    loop = EventLoopThread()
    loop.start()
    try:
        client = TelegramClient(loop, settings, StopFlag(), on_wait, on_line)
        try:
            yield client
        finally:
            client.stop()
    finally:
        loop.stop()
