"""The records for those who only look: what there is, and nothing is written.

``done_marks`` can't do this: it makes the database where there is none, and SQLite puts files
beside one that is opened to be written.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import DoneMark, FileIdentity, MediaItem, MessageKey, Scope
from tdl_sync.core.ports import SavedMessages, SavedText
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
    """``ports.Marks`` that leaves the disk as it is. All threads may call all methods.

    Methods raise ``ConfigurationError`` when the database can't be read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._written: set[tuple[str, MessageKey]] = set()
        self._written_files: dict[str, int] = {}
        with self._errors_named():
            self._database = _opened(directory / DATABASE_NAME)
            self._failures = dict(self._stored_failures())

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    def is_done(self, remote: str, key: MessageKey) -> bool:
        if (remote, key) in self._written:
            return True
        return self._value(key_text("done", remote, key)) is not None

    def write(self, mark: DoneMark) -> None:
        self._written.add((mark.remote, mark.key))
        if mark.file.identity is not None:
            key = file_key(mark.remote, mark.key.chat_id, mark.key.topic_id, mark.file.identity)
            self._written_files[key] = mark.key.message_id
        self._failures.pop((mark.remote, mark.key), None)

    def message_with(
        self, remote: str, chat_id: int, topic_id: int, file: FileIdentity
    ) -> int | None:
        key = file_key(remote, chat_id, topic_id, file)
        if key in self._written_files:
            return self._written_files[key]
        with self._errors_named():
            text = self._value(key)
            if text is None:
                return None
            message_id = read_id(text)
            mark = self._value(key_text("done", remote, MessageKey(chat_id, topic_id, message_id)))
            return message_id if mark is not None and read_mark(mark).identity == file else None

    def ids_of_unknown_files(self, remote: str, chat_id: int, topic_id: int) -> list[int]:
        return []

    def learn_file(self, remote: str, item: MediaItem) -> None:
        """Nothing is learnt."""

    def files_are_known(self, remote: str, chat_id: int, topic_id: int) -> None:
        """Nothing is learnt."""

    def watermark(self, scope: Scope) -> int:
        with self._errors_named():
            text = self._value(watermark_key(scope))
            return 0 if text is None else read_id(text)

    def save_watermark(self, scope: Scope, message_id: int) -> None:
        """It is not saved."""

    def failures(self, remote: str, chat_id: int, topic_id: int) -> list[Failure]:
        wanted = (remote, chat_id, topic_id)
        return [
            failure
            for (of_remote, key), failure in sorted(self._failures.items())
            if (of_remote, key.chat_id, key.topic_id) == wanted
        ]

    def record_failure(self, remote: str, failure: Failure) -> Failure:
        self._failures[remote, failure.key] = failure
        return failure

    def forget_failure(self, remote: str, key: MessageKey) -> None:
        self._failures.pop((remote, key), None)

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


class SavedMessagesToRead:
    """``ports.SavedMessages`` without its writing half.

    Loading a state removes those that another is ahead of, which a run may do and a look may not.
    """

    def __init__(self, saved_messages: SavedMessages) -> None:
        self._saved_messages = saved_messages

    def find(self, header: str) -> list[SavedText]:
        return self._saved_messages.find(header)

    def read(self, message_id: int) -> SavedText | None:
        return self._saved_messages.read(message_id)

    def send(self, text: str) -> SavedText:
        raise NotImplementedError("only looking")

    def send_pinned(self, text: str) -> SavedText:
        raise NotImplementedError("only looking")

    def edit(self, message_id: int, text: str) -> bool:
        raise NotImplementedError("only looking")

    def delete(self, message_ids: Iterable[int]) -> None:
        """They stay."""
