"""What finds words in a large catalogue without reading all of it: SQLite's FTS5, by trigrams.

It lies beside the local copy of the catalogue, is made of that alone, and is made anew where it is
lost, damaged or of another shape; what differs from the catalogue by now is brought up to date
before it is asked. Where this SQLite has no trigrams (before 3.34, or without FTS5), or the disk
takes no file, the whole is read instead, as it is for few rows or words that are too short.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

LEAST_ROWS = 5_000
"""Fewer are read as fast as they are looked up."""

_LEAST_WORD = 3
_SUFFIX = ".index"

_RAW = " || char(10) || ".join(
    f"coalesce({column}, '')"
    for column in ("caption", "original_name", "path", "kind", "date", "sender_id")
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS stamp (text TEXT);
CREATE TABLE IF NOT EXISTS seen (
  id INTEGER PRIMARY KEY, message_id INTEGER, file_index INTEGER, raw TEXT,
  UNIQUE (message_id, file_index)
);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, tokenize = 'trigram', content = '');
"""
FIND = """
SELECT message_id, file_index FROM words JOIN seen ON seen.id = words.rowid
WHERE words MATCH ? ORDER BY message_id, file_index
"""
_CHANGED = f"""
SELECT message_id, file_index, {_RAW}, seen.id, seen.raw
FROM catalogue.files LEFT JOIN seen USING (message_id, file_index)
WHERE seen.raw IS NOT {_RAW}
"""
_GONE = """
SELECT seen.id, seen.raw FROM seen LEFT JOIN catalogue.files AS files USING (message_id, file_index)
WHERE files.path IS NULL
"""


def folded(text: str) -> str:
    """As texts and words are compared."""
    return unicodedata.normalize("NFKC", text).casefold()


def query(words: Sequence[str]) -> str | None:
    """What FTS5 is asked for these folded words; ``None`` where it can't be asked. It finds all
    that hold the longer words, and perhaps more: a shorter one has no trigram."""
    long_enough = [word for word in words if len(word) >= _LEAST_WORD]
    quoted = ('"' + word.replace('"', '""') + '"' for word in long_enough)
    return " AND ".join(quoted) or None


def numbers_with(path: Path, words: Sequence[str]) -> list[tuple[int, int]] | None:
    """The files, by message and index, in whose rows these folded words may be; ``None`` where the
    whole catalogue has to be read. It has been looked at that ``path`` is one."""
    wanted = query(words)
    if wanted is None:
        return None
    index = path.with_name(path.name + _SUFFIX)
    with suppress(sqlite3.Error, OSError):
        return _found(path, index, wanted)
    with suppress(OSError):
        index.unlink()
    return None


def _found(path: Path, index: Path, wanted: str) -> list[tuple[int, int]] | None:
    with closing(sqlite3.connect(index, isolation_level=None)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("ATTACH ? AS catalogue", (str(path),))
        (count,) = connection.execute("SELECT count(*) FROM catalogue.files").fetchone()
        if count < LEAST_ROWS:
            return None
        connection.executescript(_SCHEMA)
        _bring_up_to_date(connection, path)
        return [(number, part) for number, part in connection.execute(FIND, (wanted,))]


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    status = path.stat()
    stamp = f"{status.st_size} {status.st_mtime_ns}"
    if connection.execute("SELECT text FROM stamp").fetchall() == [(stamp,)]:
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        gone = connection.execute(_GONE).fetchall()
        for id_, raw in gone:
            _take_out(connection, id_, raw)
            connection.execute("DELETE FROM seen WHERE id = ?", (id_,))
        # All at once: what is written meanwhile would be met again.
        for message_id, file_index, raw, id_, before in connection.execute(_CHANGED).fetchall():
            if id_ is not None:
                _take_out(connection, id_, before)
            added = connection.execute(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)",
                (id_, message_id, file_index, raw),
            )
            connection.execute(
                "INSERT INTO words (rowid, text) VALUES (?, ?)", (added.lastrowid, folded(raw))
            )
        connection.execute("DELETE FROM stamp")
        connection.execute("INSERT INTO stamp VALUES (?)", (stamp,))


def _take_out(connection: sqlite3.Connection, id_: int, raw: str) -> None:
    connection.execute(
        "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", (id_, folded(raw))
    )
