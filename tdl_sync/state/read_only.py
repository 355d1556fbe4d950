"""The records for those who only look: what there is, and nothing is written.

``done_marks`` can't do this: it makes the database where there is none, and SQLite puts files
beside one that is opened to be written.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import FileIdentity, MessageKey, Scope
from tdl_sync.state.done_marks import DATABASE_NAME
from tdl_sync.state.mark_records import (
    ForeignRecord,
    file_key,
    key_text,
    read_failure_with_key,
    read_id,
    read_mark,
    watermark_key,
)


class MarksToRead:
    """``ports.MarkReader`` that leaves the disk as it is. All threads may call all methods.

    Methods raise ``ConfigurationError`` when the database can't be read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        with self._errors_named():
            self._database = _opened(directory / DATABASE_NAME)
            self._failures = dict(self._stored_failures())

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    def is_done(self, remote: str, key: MessageKey) -> bool:
        return self._value(key_text("done", remote, key)) is not None

    def message_with(
        self, remote: str, chat_id: int, topic_id: int, file: FileIdentity
    ) -> int | None:
        with self._errors_named():
            text = self._value(file_key(remote, chat_id, topic_id, file))
            if text is None:
                return None
            message_id = read_id(text)
            mark = self._value(key_text("done", remote, MessageKey(chat_id, topic_id, message_id)))
            return message_id if mark is not None and read_mark(mark).identity == file else None

    def watermark(self, scope: Scope) -> int:
        with self._errors_named():
            text = self._value(watermark_key(scope))
            return 0 if text is None else read_id(text)

    def failures(self, remote: str, chat_id: int, topic_id: int) -> list[Failure]:
        wanted = (remote, chat_id, topic_id)
        return [
            failure
            for (of_remote, key), failure in sorted(self._failures.items())
            if (of_remote, key.chat_id, key.topic_id) == wanted
        ]

    def _value(self, key: str) -> str | None:
        if self._database is None:
            return None
        with self._errors_named(), self._lock:
            row = self._database.execute("SELECT value FROM Cache WHERE key = ?", (key,)).fetchone()
            return None if row is None else str(row[0])

    def _stored_failures(self) -> Iterator[tuple[tuple[str, MessageKey], Failure]]:
        if self._database is None:
            return
        rows = self._database.execute("SELECT key, value FROM Cache WHERE key LIKE '[\"failed\",%'")
        for key, value in rows:
            remote, failure = read_failure_with_key(str(key), str(value))
            yield (remote, failure.key), failure

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ForeignRecord) as error:
            raise ConfigurationError(
                f"the done-marks in {self._directory} cannot be read: {error}. Check the "
                "permissions there, or name another --data-dir"
            ) from error


def _opened(path: Path) -> sqlite3.Connection | None:
    """``None`` where there is none. With a log beside it, some run is at work or was killed: what
    it says counts. Without, "immutable", since SQLite would make one
    (https://www.sqlite.org/uri.html#uriimmutable)."""
    if not path.exists():
        return None
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, check_same_thread=False)
