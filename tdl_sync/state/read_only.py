"""The records for those who only look: what there is, and nothing is written.

``mark_database`` can't do this: it makes the database where there is none, and SQLite puts files
beside one that is opened to be written.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.state.mark_database import DATABASE_NAME, range_of
from tdl_sync.state.mark_records import ForeignRecord
from tdl_sync.state.recorded_marks import RecordedMarks


class MarksToRead(RecordedMarks):
    """``ports.MarkReader`` that leaves the disk as it is. All threads may call all methods.

    Methods raise ``ConfigurationError`` when the database can't be read.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(_TextsToRead(directory))


class _TextsToRead:
    """One connection for all threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        with self.errors_named():
            self._database = _opened(directory / DATABASE_NAME)

    def close(self) -> None:
        self._database.close()

    def __contains__(self, key: str) -> bool:
        return self.text(key) is not None

    def text(self, key: str) -> str | None:
        return next(self._column("SELECT value FROM Cache WHERE key = ?", (key,)), None)

    def keys(self, prefix: str) -> Iterator[str]:
        return self._column("SELECT key FROM Cache WHERE key >= ? AND key < ?", range_of(prefix))

    def _column(self, query: str, parameters: tuple[str, ...]) -> Iterator[str]:
        with self._lock:
            rows = self._database.execute(query, parameters).fetchall()
        return (str(value) for (value,) in rows)

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ForeignRecord) as error:
            raise ConfigurationError(
                f"the done-marks in {self._directory} cannot be read: {error}. Check the "
                "permissions there, or name another --data-dir"
            ) from error


def _opened(path: Path) -> sqlite3.Connection:
    """An empty one where there is none. With a log beside it, some run is at work or was killed:
    what it says counts. Without, "immutable", since SQLite would make one
    (https://www.sqlite.org/uri.html#uriimmutable)."""
    if not path.exists():
        empty = sqlite3.connect(":memory:", check_same_thread=False)
        empty.execute("CREATE TABLE Cache (key TEXT, value TEXT)")
        return empty
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, check_same_thread=False)
