"""The durable records on this machine: done-marks, watermarks and failures, in a diskcache.

All of them lie in one SQLite database, so that two records that belong together are written in
one transaction. Each write is a transaction of its own with ``synchronous=FULL`` in WAL mode:
when a method returns, its record outlives ``kill -9`` and a loss of power
(https://www.sqlite.org/pragma.html#pragma_synchronous). A method that raised wrote nothing.

Keys and values are texts (``mark_records``). diskcache would pickle any other type, and reading a
pickle runs what is written in it, so ``TextDisk`` refuses everything that is not a ``str``. The
database is not for network file systems.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import diskcache
from diskcache.core import DBNAME, MODE_RAW

from tdl_sync.core.errors import ConfigurationError, HeldByAnotherRun, TdlSyncError
from tdl_sync.core.failures import Failure, added_to
from tdl_sync.core.model import DoneMark, FileIdentity, MarkedFile, MediaItem, MessageKey, Scope
from tdl_sync.state.mark_records import (
    ForeignRecord,
    failure_text,
    file_key,
    files_known_key,
    group_of,
    group_prefix,
    id_of,
    key_text,
    mark_text,
    read_failure,
    read_failure_with_key,
    read_id,
    read_mark,
    watermark_key,
    with_file,
)

DATABASE_NAME: str = DBNAME
_LOCK_WAIT_SECONDS = 30.0


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


class DoneMarks:
    """``ports.Marks`` on disk. All threads may call all methods; several processes may open it.

    Methods raise ``ConfigurationError`` when the database can't be opened, read or written, and
    ``HeldByAnotherRun`` when another process keeps it locked.
    """

    def __init__(self, directory: Path) -> None:
        """Open the database, or make it: the directory is 0700 and its files are 0600."""
        self._directory = directory
        # One writer at a time in this process: SQLite's own waiting polls, a lock does not.
        self._writing = threading.Lock()
        with self._errors_named():
            _make_private(directory)
            self._cache = diskcache.Cache(
                str(directory),
                timeout=_LOCK_WAIT_SECONDS,
                disk=TextDisk,
                eviction_policy="none",
                cull_limit=0,
                sqlite_synchronous=2,
            )
            self._failures = self._load_failures()

    def __enter__(self) -> DoneMarks:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the calling thread's connection; those of other threads end with their thread.

        Nothing has to be flushed: every record was durable when its method returned.
        """
        self._cache.close()

    def is_done(self, remote: str, key: MessageKey) -> bool:
        """Whether the file of this message is on this remote. A look-up of microseconds."""
        with self._errors_named():
            return key_text("done", remote, key) in self._cache

    def marked(self, remote: str, key: MessageKey) -> MarkedFile | None:
        """What the mark of this message says, ``None`` if there is none."""
        with self._errors_named():
            text = self._cache.get(key_text("done", remote, key))
            return None if text is None else read_mark(text)

    def write(self, mark: DoneMark) -> None:
        """Record a file as done, and which file it is, and forget its failure: all of it is
        durable, or nothing."""
        with self._writing:
            with self._transaction() as cache:
                cache.set(key_text("done", mark.remote, mark.key), mark_text(mark))
                cache.delete(key_text("failed", mark.remote, mark.key))
                if mark.file.identity is not None:
                    self._find_by_file(mark.remote, mark.key, mark.file.identity)
            self._drop_loaded(mark.remote, mark.key)

    def message_with(
        self, remote: str, chat_id: int, topic_id: int, file: FileIdentity
    ) -> int | None:
        """A message that is done and whose mark says that it is this file, ``None`` for none."""
        with self._errors_named():
            text = self._cache.get(file_key(remote, chat_id, topic_id, file))
        if text is None:
            return None
        # The message may have lost its mark since, or have been moved with another file.
        with self._errors_named():
            message_id = read_id(text)
        marked = self.marked(remote, MessageKey(chat_id, topic_id, message_id))
        return message_id if marked is not None and marked.identity == file else None

    def ids_of_unknown_files(self, remote: str, chat_id: int, topic_id: int) -> list[int]:
        """The marked messages of which no mark says which file they are, if any were left.

        Reads all marks (5 s for 100,000), until ``files_are_known`` was called.
        """
        with self._errors_named():
            if files_known_key(remote, chat_id, topic_id) in self._cache:
                return []
        unknown = []
        for message_id in self.all_done_ids(remote, chat_id, topic_id):
            marked = self.marked(remote, MessageKey(chat_id, topic_id, message_id))
            if marked is not None and marked.identity is None:
                unknown.append(message_id)
        return sorted(unknown)

    def learn_file(self, remote: str, item: MediaItem) -> None:
        """Add to a mark which file it is, if it does not say so; durable on return.

        The item is the message as it is now: nothing is learnt if it was edited, or has another
        size.
        """
        file = item.identity_if_unedited
        marked = self.marked(remote, item.key)
        if file is None or marked is None or marked.identity is not None:
            return
        if marked.size_bytes == item.size_bytes:
            with self._writing, self._transaction() as cache:
                key = key_text("done", remote, item.key)
                cache.set(key, with_file(cache[key], file))
                self._find_by_file(remote, item.key, file)

    def files_are_known(self, remote: str, chat_id: int, topic_id: int) -> None:
        """What could be learnt of marks that did not say their file was learnt; durable."""
        with self._writing, self._transaction() as cache:
            cache.set(files_known_key(remote, chat_id, topic_id), "{}")

    def all_done_ids(self, remote: str, chat_id: int, topic_id: int) -> Iterator[int]:
        """The ids of all marked messages, in no order; lazily, in the thread that iterates.

        It goes through all keys of the database (80 ms for 100,000 marks), a hundred at a time
        and without a lock: marks that are written meanwhile may be missing.
        """
        prefix = group_prefix("done", remote, chat_id, topic_id)
        with self._errors_named():
            for key in iter(self._cache):
                if key.startswith(prefix):
                    yield id_of(key, prefix)

    def watermark(self, scope: Scope) -> int:
        """The last saved watermark of the scope, 0 if there is none."""
        with self._errors_named():
            text = self._cache.get(watermark_key(scope))
            return 0 if text is None else read_id(text)

    def save_watermark(self, scope: Scope, message_id: int) -> None:
        """Set the scope's watermark, which may also go down; durable on return."""
        with self._writing, self._transaction() as cache:
            cache.set(watermark_key(scope), json.dumps(message_id))

    def failures(self, remote: str, chat_id: int, topic_id: int) -> list[Failure]:
        """The failures on record, by message id. From memory: they were read when we opened."""
        with self._writing:
            group = self._failures.get((remote, chat_id, topic_id), {})
            return [group[message_id] for message_id in sorted(group)]

    def record_failure(self, remote: str, failure: Failure) -> Failure:
        """Add it to what is on record (``failures.added_to``); durable when the sum returns."""
        key = key_text("failed", remote, failure.key)
        with self._writing:
            with self._transaction() as cache:
                recorded = cache.get(key)
                before = None if recorded is None else read_failure(failure.key, recorded)
                total = added_to(before, failure)
                cache.set(key, failure_text(total))
            group = self._failures.setdefault(group_of(remote, failure.key), {})
            group[failure.key.message_id] = total
        return total

    def replace_mark(self, remote: str, failure: Failure) -> None:
        """Remove the mark of a message and record why: both are durable, or neither."""
        with self._writing:
            with self._transaction() as cache:
                cache.delete(key_text("done", remote, failure.key))
                cache.set(key_text("failed", remote, failure.key), failure_text(failure))
            group = self._failures.setdefault(group_of(remote, failure.key), {})
            group[failure.key.message_id] = failure

    def forget_failure(self, remote: str, key: MessageKey) -> None:
        """Remove a failure from the record, if it is there; durable on return."""
        with self._writing:
            with self._transaction() as cache:
                cache.delete(key_text("failed", remote, key))
            self._drop_loaded(remote, key)

    def _find_by_file(self, remote: str, key: MessageKey, file: FileIdentity) -> None:
        """In a transaction, after the mark: of several messages with one file the first counts."""
        if self.message_with(remote, key.chat_id, key.topic_id, file) is None:
            self._cache.set(
                file_key(remote, key.chat_id, key.topic_id, file), json.dumps(key.message_id)
            )

    def _load_failures(self) -> dict[tuple[str, int, int], dict[int, Failure]]:
        loaded: dict[tuple[str, int, int], dict[int, Failure]] = {}
        for text_key in iter(self._cache):
            if text_key.startswith('["failed",'):
                text = self._cache.get(text_key)
                if text is not None:
                    remote, failure = read_failure_with_key(text_key, text)
                    group = loaded.setdefault(group_of(remote, failure.key), {})
                    group[failure.key.message_id] = failure
        return loaded

    def _drop_loaded(self, remote: str, key: MessageKey) -> None:
        self._failures.get(group_of(remote, key), {}).pop(key.message_id, None)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[diskcache.Cache]:
        """One durable transaction. Hold ``_writing``; nothing slow goes inside."""
        with self._errors_named():
            try:
                with self._cache.transact():
                    yield self._cache
            except (diskcache.Timeout, sqlite3.Error):
                # SQLite asks for a ROLLBACK after an error; diskcache sends none when COMMIT
                # itself fails. Closing this thread's connection is one, the next call reopens.
                self._cache.close()
                raise

    @contextlib.contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except (diskcache.Timeout, sqlite3.Error, OSError) as error:
            raise self._named(error) from error
        except ForeignRecord as error:
            raise self._damaged(str(error)) from error

    def _named(self, error: BaseException) -> TdlSyncError:
        cause = _database_error(error)
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
    os.close(os.open(directory / DBNAME, os.O_CREAT | os.O_RDWR, 0o600))
    for name in (DBNAME, f"{DBNAME}-wal", f"{DBNAME}-shm"):
        with contextlib.suppress(FileNotFoundError):
            (directory / name).chmod(0o600)


def _found_text(value: Any) -> str:
    if type(value) is not str:
        raise ForeignRecord(f"a record should be text and is {type(value).__name__}")
    return value
