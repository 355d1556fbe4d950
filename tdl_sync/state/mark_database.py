"""The database of the durable records on this machine: texts by their keys, in a diskcache.

All of them lie in one SQLite database, so that two records that belong together are written in
one transaction. Each write is a transaction of its own with ``synchronous=FULL`` in WAL mode:
when it is over, what was written outlives ``kill -9`` and a loss of power
(https://www.sqlite.org/pragma.html#pragma_synchronous). One that raised wrote nothing.

diskcache would pickle what is no text, and reading a pickle runs what is written in it, so
``TextDisk`` refuses everything that is not a ``str``. The database is not for network file systems.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diskcache
from diskcache.core import DBNAME, MODE_RAW

from tdl_sync.core import open_files
from tdl_sync.core.errors import (
    ComeBackLater,
    ConfigurationError,
    HeldByAnotherRun,
    TdlSyncError,
)
from tdl_sync.state.mark_records import ForeignRecord

DATABASE_NAME: str = DBNAME
_LOCK_WAIT_SECONDS = 30.0
_KEYS_AT_ONCE = 500


def range_of(prefix: str) -> tuple[str, str]:
    """The texts that begin so: from the first of these, up to but without the second. SQLite finds
    a range by its index, where ``LIKE`` and ``instr`` read every row."""
    return prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)


class TextDisk(diskcache.Disk):  # type: ignore[misc]
    """Stores ``str`` keys and ``str`` values raw in the table and refuses every other type.

    What is in the table as anything else was not written by us: it is never unpickled.
    """

    def put(self, key: Any) -> tuple[str, bool]:
        if type(key) is not str:
            raise TypeError(f"a key must be str, not {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: bool) -> str:
        return _found_text(key)

    def store(self, value: Any, read: bool, key: Any = None) -> tuple[int, int, None, str]:
        if type(value) is not str:
            raise TypeError(f"a value must be str, not {type(value).__name__}")
        return 0, MODE_RAW, None, value

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> str:
        return _found_text(value)


_PAGES = 64
"""Of 4 KB, which each thread keeps of the database."""


class MarkDatabase:
    """All threads may call all methods; several processes may open it.

    What goes wrong is raised as it comes, to be named by ``errors_named``.
    """

    def __init__(self, directory: Path) -> None:
        """Open the database, or make it: the directory is 0700 and its files are 0600."""
        self._directory = directory
        with self.errors_named():
            _make_private(directory)
            self._cache = diskcache.Cache(
                str(directory),
                timeout=_LOCK_WAIT_SECONDS,
                disk=TextDisk,
                eviction_policy="none",
                cull_limit=0,
                sqlite_synchronous=2,
                # Each thread has a connection of its own. With the library's defaults each keeps up
                # to 32 MB of pages and maps the file, so that a run's memory grows with its chat;
                # what is asked for here is found in some microseconds all the same.
                sqlite_cache_size=_PAGES,
                sqlite_mmap_size=0,
            )

    def close(self) -> None:
        """Close the calling thread's connection; those of other threads end with their thread.

        Nothing has to be flushed: every record was durable when its transaction was over.
        """
        self._cache.close()

    def __contains__(self, key: str) -> bool:
        """A look-up of microseconds."""
        return key in self._cache

    def text(self, key: str) -> str | None:
        text: str | None = self._cache.get(key)
        return text

    def keys(self, prefix: str) -> Iterator[str]:
        """Those that begin so, ascending, lazily: some hundreds at a time and without a lock, so
        what is written meanwhile may be missing. Takes as long as there are such keys, however
        many others there are."""
        after, end = range_of(prefix)
        comparison = ">="
        while True:
            # diskcache can only go through all keys; its index of them is there all the same.
            rows = self._cache._sql(
                f"SELECT key FROM Cache WHERE key {comparison} ? AND key < ? ORDER BY key LIMIT ?",
                (after, end, _KEYS_AT_ONCE),
            ).fetchall()
            for (key,) in rows:
                yield _found_text(key)
            if len(rows) < _KEYS_AT_ONCE:
                return
            after, comparison = rows[-1][0], ">"

    @contextlib.contextmanager
    def transaction(self) -> Iterator[diskcache.Cache]:
        """One durable transaction. One at a time, and nothing slow goes inside."""
        with self.errors_named():
            try:
                with self._cache.transact():
                    yield self._cache
            except (diskcache.Timeout, sqlite3.Error):
                # SQLite asks for a ROLLBACK after an error; diskcache sends none when COMMIT
                # itself fails. Closing this thread's connection is one, the next call reopens.
                self._cache.close()
                raise

    @contextlib.contextmanager
    def errors_named(self) -> Iterator[None]:
        """Raises ``ConfigurationError`` when the database can't be opened, read or written,
        ``ComeBackLater`` when its disk is full, and ``HeldByAnotherRun`` when another process keeps
        it locked."""
        try:
            yield
        except (diskcache.Timeout, sqlite3.Error, OSError) as error:
            raise self._named(error) from error
        except ForeignRecord as error:
            raise self._damaged(str(error)) from error

    def _named(self, error: BaseException) -> TdlSyncError:
        cause = _database_error(error)
        limit = open_files.named(cause) or open_files.missing_now()
        if limit is not None:
            return limit
        if _says_full(cause):
            return ComeBackLater(
                f"the done-marks in {self._directory} cannot be written: the disk is full. Make "
                "room there, then run again"
            )
        if isinstance(cause, OSError):
            return ConfigurationError(
                f"the done-marks in {self._directory} cannot be opened: {cause.strerror or cause}. "
                "Make this directory readable and writable for you, or name another --data-dir"
            )
        text = str(cause)
        if isinstance(cause, diskcache.Timeout) or "locked" in text:
            return HeldByAnotherRun(
                f"the done-marks in {self._directory} were kept locked by another process for "
                f"{_LOCK_WAIT_SECONDS:.0f} seconds. End that process, or name another --data-dir"
            )
        if isinstance(cause, sqlite3.OperationalError):
            return ConfigurationError(
                f"the done-marks in {self._directory} cannot be read or written: {text}. "
                "Check the free space and the permissions there, then run again"
            )
        return self._damaged(text)

    def _damaged(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"the done-marks in {self._directory} are damaged: {what}. Remove that directory and "
            "run again: what is done is found again in the remote's listing"
        )


def _says_full(cause: BaseException) -> bool:
    if isinstance(cause, OSError):
        return cause.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
    # https://www.sqlite.org/rescode.html#full
    return isinstance(cause, sqlite3.OperationalError) and "disk is full" in str(cause)


def _database_error(error: BaseException) -> BaseException:
    """What SQLite said first: diskcache hides it behind a Timeout, or a failing ROLLBACK does."""
    first = error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.Error):
            first = cause
        cause = cause.__context__
    return first


def _make_private(directory: Path) -> None:
    """Make the directory and the database for the owner alone, whatever the umask is.

    SQLite gives its ``-wal`` and ``-shm`` files the mode of the database file.
    """
    if os.path.expandvars(os.path.expanduser(directory)) != str(directory):
        raise ConfigurationError(
            f"the data directory {directory} holds a sign that diskcache replaces ($, % or ~): "
            "name another --data-dir"
        )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    # Never one that is there: with the descriptor the locks of this whole process would go
    # (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(directory / DBNAME, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    for name in (DBNAME, f"{DBNAME}-wal", f"{DBNAME}-shm"):
        with contextlib.suppress(FileNotFoundError):
            (directory / name).chmod(0o600)


def _found_text(value: Any) -> str:
    if type(value) is not str:
        raise ForeignRecord(f"a record should be text and is {type(value).__name__}")
    return value
