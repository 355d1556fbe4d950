"""A chat's catalogue (``--catalogue``): one row for each file on the remote, in an SQLite database.

The copy in the data directory is the one that is written; the remote gets a copy of it as one file.
Its shape is documented in docs/sidecar.md; whoever changes it here changes ``VERSION`` and that.
It is made of other records and can be made anew: so it is not synced at each row, and one that
can't be read counts as lost. One that comes from a remote is data from outside: nothing but the
tables that are expected is looked at, and nothing in it is run.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from tdl_sync.core.operating_system import open_here, remove_file, replace_file

VERSION = 1
FILE_NAME = "catalogue.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
  message_id INTEGER, file_index INTEGER, date TEXT, kind TEXT, sender_id INTEGER, caption TEXT,
  original_name TEXT, path TEXT, size_bytes INTEGER, sha256 TEXT,
  PRIMARY KEY (message_id, file_index)
) WITHOUT ROWID;
"""
_TABLES = {"about", "files"}
_READ_UP_TO = "read_up_to_id"


class CatalogueUnreadable(Exception):
    """It is no catalogue, or a damaged one, or its disk is full."""


@dataclass(frozen=True)
class CatalogueRow:
    """One file. ``path`` is below the remote's folder for all chats; ``caption`` is the message's
    own, or else its album's. What is not known is ``None``."""

    message_id: int
    file_index: int
    date: str | None
    kind: str | None
    sender_id: int | None
    caption: str | None
    original_name: str | None
    path: str
    size_bytes: int
    sha256: str | None


_COLUMNS = ", ".join(field.name for field in fields(CatalogueRow))


class Catalogue:
    """All threads may call all methods. They raise ``CatalogueUnreadable``."""

    def __init__(self, path: Path) -> None:
        """Made where it is not there."""
        self._lock = threading.Lock()
        with _errors_named(), ExitStack() as on_failure:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(open_here(path, os.O_RDWR | os.O_CREAT))
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            on_failure.callback(self._connection.close)  # or Windows would not let it be removed
            self._connection.execute("PRAGMA trusted_schema = OFF")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.executescript(_SCHEMA)
            _check_shape(self._connection)
            on_failure.pop_all()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def about(self) -> dict[str, str]:
        """The chat: ``chat_id``, ``title``, ``username``, ``remote``."""
        with self._lock, _errors_named():
            return dict(self._connection.execute("SELECT key, value FROM about"))

    def describe(self, **about: str) -> None:
        with self._lock, _errors_named():
            rows = [*about.items(), ("version", str(VERSION))]
            self._connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", rows)

    @property
    def read_up_to_id(self) -> int:
        """All files of messages up to there that are on the remote are in it."""
        text = self.about().get(_READ_UP_TO, "0")
        return int(text) if text.isdecimal() and len(text) < 20 else 0

    def put(self, rows: Iterable[CatalogueRow], read_up_to_id: int | None = None) -> None:
        """All or nothing. A row takes the place of the same file's."""
        with self._lock, _errors_named(), self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                f"INSERT OR REPLACE INTO files ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",
                (_fit(row) for row in rows),
            )
            if read_up_to_id is not None:
                about = (_READ_UP_TO, str(read_up_to_id))
                self._connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", about)
            self._connection.execute(f"PRAGMA user_version = {self._changes() + 1}")

    def rows(self) -> Iterator[CatalogueRow]:
        """In the order of the messages."""
        with self._lock, _errors_named():
            found = self._connection.execute(f"SELECT {_COLUMNS} FROM files ORDER BY 1, 2")
            for row in found:
                yield CatalogueRow(*row)

    @property
    def changes(self) -> int:
        """How often it was changed since it was ``sent``, also by earlier runs."""
        with self._lock, _errors_named():
            return self._changes()

    def sent(self, changes: int) -> None:
        """The content with so many changes is on the remote."""
        with self._lock, _errors_named():
            if self._changes() == changes:
                self._connection.execute("PRAGMA user_version = 0")

    def _changes(self) -> int:
        (number,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(number) % 2**30

    def content(self) -> bytes:
        """As one file, whatever is written meanwhile."""
        with self._lock, _errors_named(), tempfile.TemporaryDirectory() as directory:
            copy = Path(directory, "copy")
            with closing(sqlite3.connect(copy)) as to:
                self._connection.backup(to)
                to.execute("PRAGMA user_version = 0")
            return copy.read_bytes()


def begin_with(path: Path, content: bytes) -> None:
    """Have the local copy begin with the remote's. Raises ``CatalogueUnreadable``, and leaves no
    copy then."""
    new = path.with_name(f"{path.name}.new")
    with _errors_named():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(open_here(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            file.write(content)
    try:
        Catalogue(new).close()
        with _errors_named():
            replace_file(new, path)
    finally:
        remove_file(new)


def _check_shape(connection: sqlite3.Connection) -> None:
    """No views, no triggers, no virtual tables, whose definitions would be run."""
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        is_ours = kind == "table" and name in _TABLES and "VIRTUAL" not in str(sql).upper()
        if not is_ours and not str(name).startswith("sqlite_"):
            raise CatalogueUnreadable(f"it holds a {kind} that is not ours")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(files)")]
    if columns != _COLUMNS.split(", "):
        raise CatalogueUnreadable("its table has other columns")


def _fit(row: CatalogueRow) -> tuple[object, ...]:
    """Halves of surrogate pairs can't be stored."""
    return tuple(
        value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for value in astuple(row)
    )


@contextmanager
def _errors_named() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, OverflowError, TypeError) as error:
        raise CatalogueUnreadable(str(error)) from error
