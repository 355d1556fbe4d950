"""The durable records in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.failures import Failure, added_to
from tdl_sync.core.model import (
    READER,
    DoneMark,
    FileIdentity,
    FileNumber,
    FormerFile,
    MarkedFile,
    MediaItem,
    MediaType,
    MessageKey,
    Moved,
    Reading,
    Scope,
    Waiting,
)


class FakeMarks:
    """``ports.Marks`` without a disk. All threads may call everything.

    ``errors`` is what the next writes raise, one each. ``on_write`` is called with each mark
    before it counts.
    """

    def __init__(self) -> None:
        self.marks: dict[tuple[str, MessageKey], DoneMark] = {}
        self.errors: list[TdlSyncError] = []
        self.on_write: Callable[[DoneMark], None] | None = None
        self._failures: dict[tuple[str, MessageKey], Failure] = {}
        self._waiting: dict[tuple[str, int, int], dict[int, Waiting]] = {}
        self._watermarks: dict[Scope, int] = {}
        self.readings: dict[Scope, Reading] = {}
        self._moved: dict[Scope, Moved] = {}
        self._copied: set[tuple[str, MessageKey]] = set()
        self._former: dict[tuple[str, int, int, str, str], FormerFile] = {}
        self._files_known: set[tuple[str, int, int]] = set()
        self._lock = threading.Lock()

    def is_done(self, remote: str, key: MessageKey) -> bool:
        with self._lock:
            return (remote, key) in self.marks

    def marked(self, remote: str, key: MessageKey) -> MarkedFile | None:
        with self._lock:
            mark = self.marks.get((remote, key))
        if mark is None:
            return None
        file = mark.file
        has_copies = (remote, key) in self._copied
        return MarkedFile(
            file.folder,
            file.name,
            file.item.size_bytes,
            file.sha256,
            file.identity,
            has_copies,
            file.adopted_from,
        )

    def all_done(self, remote: str, chat_id: int, topic_id: int) -> Iterator[FileNumber]:
        with self._lock:
            keys = [key for of, key in self.marks if of == remote]
        group = (key for key in keys if (key.chat_id, key.topic_id) == (chat_id, topic_id))
        yield from (FileNumber(key.message_id, key.index) for key in group)

    def write(
        self, mark: DoneMark, moved_in: Scope | None = None, former: FormerFile | None = None
    ) -> None:
        if self.on_write is not None:
            self.on_write(mark)
        with self._lock:
            self._fail_if_asked()
            before = self.marks.get((mark.remote, mark.key))
            if before is not None and before.file.identity != mark.file.identity:
                self._copied.discard((mark.remote, mark.key))
            self.marks[mark.remote, mark.key] = mark
            chat_id, topic_id = mark.key.chat_id, mark.key.topic_id
            place = (mark.remote, chat_id, topic_id, mark.file.folder, mark.file.name)
            self._former.pop(place, None)
            if former is not None:
                place = (mark.remote, chat_id, topic_id, former.file.folder, former.file.name)
                self._former[place] = former
            self._failures.pop((mark.remote, mark.key), None)
            if moved_in is not None:
                moved = self._moved.get(moved_in, Moved())
                self._moved[moved_in] = moved.and_one_of(mark.file.item.size_bytes)

    def former_files(self, remote: str, chat_id: int, topic_id: int) -> list[FormerFile]:
        with self._lock:
            group = (remote, chat_id, topic_id)
            return [each for place, each in self._former.items() if place[:3] == group]

    def forget_former(self, remote: str, former: FormerFile) -> None:
        with self._lock:
            self._fail_if_asked()
            key, file = former.key, former.file
            self._former.pop((remote, key.chat_id, key.topic_id, file.folder, file.name), None)

    def note_copies(self, remote: str, key: MessageKey) -> None:
        with self._lock:
            self._fail_if_asked()
            if (remote, key) in self.marks:
                self._copied.add((remote, key))

    def moved(self, scope: Scope) -> Moved:
        with self._lock:
            return self._moved.get(scope, Moved())

    def learn_moved(self, scope: Scope, moved: Moved) -> None:
        with self._lock:
            self._fail_if_asked()
            self._moved[scope] = self._moved.get(scope, Moved()).or_more(moved)

    def file_with(
        self, remote: str, chat_id: int, topic_id: int, file: FileIdentity
    ) -> FileNumber | None:
        with self._lock:
            return min(
                (
                    key.number
                    for (marked_on, key), mark in self.marks.items()
                    if (marked_on, key.chat_id, key.topic_id) == (remote, chat_id, topic_id)
                    and mark.file.identity == file
                ),
                default=None,
            )

    def ids_of_unknown_files(self, remote: str, chat_id: int, topic_id: int) -> list[int]:
        with self._lock:
            if (remote, chat_id, topic_id) in self._files_known:
                return []
            return sorted(
                {
                    key.message_id
                    for (marked_on, key), mark in self.marks.items()
                    if (marked_on, key.chat_id, key.topic_id) == (remote, chat_id, topic_id)
                    and mark.file.identity is None
                }
            )

    def learn_file(self, remote: str, item: MediaItem) -> None:
        with self._lock:
            mark = self.marks.get((remote, item.key))
            if mark is None or mark.file.identity is not None:
                return
            if mark.file.item.size_bytes == item.size_bytes:
                known = replace(mark.file, identity=item.identity_if_unedited)
                self.marks[remote, item.key] = replace(mark, file=known)

    def files_are_known(self, remote: str, chat_id: int, topic_id: int) -> None:
        with self._lock:
            self._files_known.add((remote, chat_id, topic_id))

    def watermark(self, scope: Scope) -> int:
        with self._lock:
            return self._watermarks.get(scope, 0)

    def reading(self, scope: Scope) -> Reading:
        with self._lock:
            return self.readings.get(scope, Reading(0))

    def save_watermark(
        self, scope: Scope, message_id: int, seen: Mapping[MediaType, int] | None = None
    ) -> None:
        with self._lock:
            self._fail_if_asked()
            self._watermarks[scope] = message_id
            self.readings[scope] = Reading(message_id, READER, seen)

    def failures(self, remote: str, chat_id: int, topic_id: int) -> list[Failure]:
        with self._lock:
            return [
                failure
                for (failed_on, key), failure in sorted(self._failures.items())
                if (failed_on, key.chat_id, key.topic_id) == (remote, chat_id, topic_id)
            ]

    def record_failure(self, remote: str, failure: Failure) -> Failure:
        with self._lock:
            self._fail_if_asked()
            recorded = self._failures.get((remote, failure.key))
            total = added_to(recorded, failure)
            self._failures[remote, failure.key] = total
            return total

    def record_failures(self, remote: str, failures: Iterable[Failure]) -> list[Failure]:
        return [self.record_failure(remote, failure) for failure in failures]

    def replace_mark(self, remote: str, failure: Failure) -> None:
        self.record_failure(remote, failure)
        with self._lock:
            self.marks.pop((remote, failure.key), None)

    def forget_failures(self, remote: str, keys: Iterable[MessageKey]) -> None:
        for key in keys:
            self.forget_failure(remote, key)

    def forget_failure(self, remote: str, key: MessageKey) -> None:
        with self._lock:
            self._fail_if_asked()
            self._failures.pop((remote, key), None)

    def waiting(self, remote: str, chat_id: int, topic_id: int) -> list[Waiting]:
        with self._lock:
            group = self._waiting.get((remote, chat_id, topic_id), {})
            return [group[message_id] for message_id in sorted(group)]

    def wait_for(
        self, remote: str, chat_id: int, topic_id: int, messages: Iterable[Waiting]
    ) -> None:
        with self._lock:
            self._fail_if_asked()
            group = self._waiting.setdefault((remote, chat_id, topic_id), {})
            group.update({each.message_id: each for each in messages})

    def stop_waiting(
        self, remote: str, chat_id: int, topic_id: int, message_ids: Iterable[int]
    ) -> None:
        with self._lock:
            self._fail_if_asked()
            group = self._waiting.get((remote, chat_id, topic_id), {})
            for message_id in message_ids:
                group.pop(message_id, None)

    def _fail_if_asked(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
