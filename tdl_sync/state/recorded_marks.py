"""What the durable records say, wherever their texts are kept."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    FileIdentity,
    FileNumber,
    FormerFile,
    MarkedFile,
    MessageKey,
    Moved,
    Reading,
    Scope,
    Waiting,
)
from tdl_sync.state.mark_records import (
    FURTHER,
    file_key,
    file_of_several_key,
    group_of,
    group_prefix,
    key_text,
    moved_key,
    number_of,
    read_failure_with_key,
    read_former,
    read_id,
    read_mark,
    read_moved,
    read_number,
    read_reading,
    read_waiting,
    reading_key,
    watermark_key,
)


class Texts(Protocol):
    """The records as they are written, by their keys (``mark_records``)."""

    def __contains__(self, key: str) -> bool: ...

    def text(self, key: str) -> str | None: ...

    def keys(self, prefix: str) -> Iterable[str]: ...

    def errors_named(self) -> AbstractContextManager[None]:
        """Around all other calls, and around reading what they return."""

    def close(self) -> None: ...


class RecordedMarks:
    """``ports.MarkReader``. All threads may call all methods, which raise as the database does."""

    def __init__(self, database: Texts) -> None:
        self._database = database
        # Guards what is in memory. It is also held while a record is written, so that there is one
        # writer at a time in this process: SQLite's own waiting polls, a lock does not.
        self._writing = threading.Lock()
        self._failures: dict[tuple[str, int, int], dict[FileNumber, Failure]] = {}
        self._waiting: dict[tuple[str, int, int], dict[int, Waiting]] = {}
        self._former: dict[tuple[str, int, int], dict[tuple[str, str], FormerFile]] = {}
        with database.errors_named():
            for text_key in database.keys('["failed'):  # the further ones of a message, too
                text = database.text(text_key)
                if text is not None:
                    self._has_failed(*read_failure_with_key(text_key, text))
            for text_key in database.keys('["waits",'):
                text = database.text(text_key)
                if text is not None:
                    group, waiting = read_waiting(text_key, text)
                    self._waiting.setdefault(group, {})[waiting.message_id] = waiting
            for text_key in database.keys('["former",'):
                text = database.text(text_key)
                if text is not None:
                    self._has_former(*read_former(text_key, text))

    def close(self) -> None:
        self._database.close()

    def is_done(self, remote: str, key: MessageKey) -> bool:
        """Whether this file of this message is on this remote. A look-up of microseconds."""
        with self._database.errors_named():
            return key_text("done", remote, key) in self._database

    def marked(self, remote: str, key: MessageKey) -> MarkedFile | None:
        """What the mark of this file says, ``None`` if there is none."""
        with self._database.errors_named():
            text = self._database.text(key_text("done", remote, key))
            return None if text is None else read_mark(text)

    def all_done(self, remote: str, chat_id: int, topic_id: int) -> Iterator[FileNumber]:
        """All marked files, in no order; lazily, in the thread that iterates.

        Reads their keys alone, see ``MarkDatabase.keys``.
        """
        for kind in ("done", FURTHER["done"]):
            prefix = group_prefix(kind, remote, chat_id, topic_id)
            with self._database.errors_named():
                for key in self._database.keys(prefix):
                    yield number_of(key, prefix)

    def file_with(
        self, remote: str, chat_id: int, topic_id: int, file: FileIdentity
    ) -> FileNumber | None:
        """One that is done and whose mark says that it is this file, ``None`` for none."""
        for key in (file_key, file_of_several_key):
            with self._database.errors_named():
                text = self._database.text(key(remote, chat_id, topic_id, file))
                if text is None:
                    continue
                # It may have lost its mark since, or its message was moved with another file.
                number = read_number(text)
                marked = self.marked(
                    remote, MessageKey(chat_id, topic_id, number.message_id, number.index)
                )
                if marked is not None and marked.identity == file:
                    return number
        return None

    def watermark(self, scope: Scope) -> int:
        """The last saved watermark of the scope, 0 if there is none."""
        with self._database.errors_named():
            text = self._database.text(watermark_key(scope))
            return 0 if text is None else read_id(text)

    def reading(self, scope: Scope) -> Reading:
        """The same, with who has read up to there and what was seen."""
        watermark = self.watermark(scope)
        with self._database.errors_named():
            return read_reading(self._database.text(reading_key(scope)), watermark)

    def moved(self, scope: Scope) -> Moved:
        """By all runs of the scope that are known of here."""
        with self._database.errors_named():
            return read_moved(self._database.text(moved_key(scope)))

    def failures(self, remote: str, chat_id: int, topic_id: int) -> list[Failure]:
        """The failures on record, by message id. From memory: they were read when we opened."""
        with self._writing:
            group = self._failures.get((remote, chat_id, topic_id), {})
            return [group[number] for number in sorted(group)]

    def waiting(self, remote: str, chat_id: int, topic_id: int) -> list[Waiting]:
        """The messages that may hold a file at another time, by id. From memory, too."""
        with self._writing:
            group = self._waiting.get((remote, chat_id, topic_id), {})
            return [group[message_id] for message_id in sorted(group)]

    def former_files(self, remote: str, chat_id: int, topic_id: int) -> list[FormerFile]:
        """What was replaced in its message and is there all the same. From memory, too."""
        with self._writing:
            return list(self._former.get((remote, chat_id, topic_id), {}).values())

    def _has_former(self, remote: str, former: FormerFile) -> None:
        group = self._former.setdefault(group_of(remote, former.key), {})
        group[former.file.folder, former.file.name] = former

    def _has_failed(self, remote: str, failure: Failure) -> None:
        """In memory, once it is on record."""
        group = self._failures.setdefault(group_of(remote, failure.key), {})
        group[failure.key.number] = failure
