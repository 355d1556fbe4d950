"""The durable records on this machine: done-marks, watermarks and failures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import diskcache

from tdl_sync.core.failures import Failure, added_to
from tdl_sync.core.model import (
    FIRST,
    DoneMark,
    FileIdentity,
    FormerFile,
    MediaItem,
    MediaType,
    MessageKey,
    Moved,
    Scope,
    Waiting,
)
from tdl_sync.state.mark_database import MarkDatabase
from tdl_sync.state.mark_records import (
    failure_text,
    file_key,
    file_of_several_key,
    files_known_key,
    former_key,
    former_path_key,
    former_text,
    group_of,
    key_text,
    mark_text,
    moved_key,
    moved_text,
    number_text,
    read_failure,
    read_mark,
    read_moved,
    reading_key,
    reading_text,
    waiting_text,
    waits_key,
    watermark_key,
    with_copies,
    with_file,
)
from tdl_sync.state.recorded_marks import RecordedMarks


class DoneMarks(RecordedMarks):
    """``ports.Marks`` on disk. All threads may call all methods; several processes may open it.

    When a method returns, what it wrote is durable; one that raised wrote nothing. Methods raise
    what ``MarkDatabase.errors_named`` does.
    """

    _database: MarkDatabase

    def __init__(self, directory: Path) -> None:
        super().__init__(MarkDatabase(directory))

    def __enter__(self) -> DoneMarks:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def write(
        self, mark: DoneMark, moved_in: Scope | None = None, former: FormerFile | None = None
    ) -> None:
        """Record a file as done, and which file it is, forget its failure, count it in the scope
        that it was ``moved_in``, and remember its ``former`` one: all of it is durable, or
        nothing."""
        place = (mark.file.folder, mark.file.name)
        with self._writing:
            with self._database.transaction() as cache:
                key = key_text("done", mark.remote, mark.key)
                cache.set(key, _marked_again(cache.get(key), mark))
                cache.delete(former_path_key(mark.remote, *_group(mark.key), *place))
                if former is not None:
                    cache.set(former_key(mark.remote, former), former_text(former))
                cache.delete(key_text("failed", mark.remote, mark.key))
                if moved_in is not None:
                    before = read_moved(cache.get(moved_key(moved_in)))
                    now = before.and_one_of(mark.file.item.size_bytes)
                    cache.set(moved_key(moved_in), moved_text(now))
                if mark.file.identity is not None:
                    self._find_by_file(cache, mark.remote, mark.key, mark.file.identity)
            self._has_not_failed(mark.remote, mark.key)
            self._former.get(group_of(mark.remote, mark.key), {}).pop(place, None)
            if former is not None:
                self._has_former(mark.remote, former)

    def write_all(self, marks: Iterable[DoneMark]) -> None:
        """Record many as done that were there already, as ``write`` does one: all are durable on
        return, or none."""
        marks = list(marks)
        with self._writing:
            with self._database.transaction() as cache:
                for mark in marks:
                    key = key_text("done", mark.remote, mark.key)
                    cache.set(key, _marked_again(cache.get(key), mark))
                    cache.delete(key_text("failed", mark.remote, mark.key))
                    if mark.file.identity is not None:
                        self._find_by_file(cache, mark.remote, mark.key, mark.file.identity)
            for mark in marks:
                self._has_not_failed(mark.remote, mark.key)

    def forget_former(self, remote: str, former: FormerFile) -> None:
        """Remove it from the record; durable on return."""
        with self._writing:
            with self._database.transaction() as cache:
                cache.delete(former_key(remote, former))
            group = self._former.get(group_of(remote, former.key), {})
            group.pop((former.file.folder, former.file.name), None)

    def note_copies(self, remote: str, key: MessageKey) -> None:
        """Add to a mark that other messages rely on its file; durable on return."""
        marked = self.marked(remote, key)
        if marked is None or marked.has_copies:
            return
        with self._writing, self._database.transaction() as cache:
            text_key = key_text("done", remote, key)
            cache.set(text_key, with_copies(cache[text_key]))

    def learn_moved(self, scope: Scope, moved: Moved) -> None:
        """What a state message says that runs of other machines have moved; durable on return."""
        with self._writing, self._database.transaction() as cache:
            known = read_moved(cache.get(moved_key(scope)))
            if known.or_more(moved) != known:
                cache.set(moved_key(scope), moved_text(known.or_more(moved)))

    def ids_of_unknown_files(self, remote: str, chat_id: int, topic_id: int) -> list[int]:
        """The messages of which a mark does not say which file it is of, if any were left.

        Reads all marks (5 s for 100,000), until ``files_are_known`` was called.
        """
        with self._database.errors_named():
            if files_known_key(remote, chat_id, topic_id) in self._database:
                return []
        unknown = set()
        for number in self.all_done(remote, chat_id, topic_id):
            key = MessageKey(chat_id, topic_id, number.message_id, number.index)
            marked = self.marked(remote, key)
            if marked is not None and marked.identity is None:
                unknown.add(number.message_id)
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
            with self._writing, self._database.transaction() as cache:
                key = key_text("done", remote, item.key)
                cache.set(key, with_file(cache[key], file))
                self._find_by_file(cache, remote, item.key, file)

    def files_are_known(self, remote: str, chat_id: int, topic_id: int) -> None:
        """What could be learnt of marks that did not say their file was learnt; durable."""
        with self._writing, self._database.transaction() as cache:
            cache.set(files_known_key(remote, chat_id, topic_id), "{}")

    def save_watermark(
        self, scope: Scope, message_id: int, seen: Mapping[MediaType, int] | None = None
    ) -> None:
        """Set the scope's watermark, which may also go down; durable on return."""
        with self._writing, self._database.transaction() as cache:
            cache.set(watermark_key(scope), json.dumps(message_id))
            cache.set(reading_key(scope), reading_text(message_id, seen))

    def record_failure(self, remote: str, failure: Failure) -> Failure:
        """Add it to what is on record (``failures.added_to``); durable when the sum returns."""
        return self.record_failures(remote, [failure])[0]

    def record_failures(self, remote: str, failures: Iterable[Failure]) -> list[Failure]:
        """The same for many: all are durable when their sums return, or none is on record."""
        with self._writing:
            with self._database.transaction() as cache:
                totals = [self._recorded(cache, remote, failure) for failure in failures]
            for total in totals:
                self._has_failed(remote, total)
        return totals

    @staticmethod
    def _recorded(cache: diskcache.Cache, remote: str, failure: Failure) -> Failure:
        key = key_text("failed", remote, failure.key)
        recorded = cache.get(key)
        before = None if recorded is None else read_failure(failure.key, recorded)
        total = added_to(before, failure)
        cache.set(key, failure_text(total))
        return total

    def replace_mark(self, remote: str, failure: Failure) -> None:
        """Remove the mark of a message and record why: both are durable, or neither."""
        with self._writing:
            with self._database.transaction() as cache:
                cache.delete(key_text("done", remote, failure.key))
                cache.set(key_text("failed", remote, failure.key), failure_text(failure))
            self._has_failed(remote, failure)

    def forget_failure(self, remote: str, key: MessageKey) -> None:
        """Remove a failure from the record, if it is there; durable on return."""
        self.forget_failures(remote, [key])

    def forget_failures(self, remote: str, keys: Iterable[MessageKey]) -> None:
        """The same for many at once: all or nothing."""
        keys = list(keys)
        with self._writing:
            with self._database.transaction() as cache:
                for key in keys:
                    cache.delete(key_text("failed", remote, key))
            for key in keys:
                self._has_not_failed(remote, key)

    def wait_for(
        self, remote: str, chat_id: int, topic_id: int, messages: Iterable[Waiting]
    ) -> None:
        """See ``ports.Marks``; all are durable on return, or none."""
        messages = list(messages)
        with self._writing:
            with self._database.transaction() as cache:
                for each in messages:
                    key = waits_key(remote, chat_id, topic_id, each.message_id)
                    cache.set(key, waiting_text(each))
            group = self._waiting.setdefault((remote, chat_id, topic_id), {})
            group.update({each.message_id: each for each in messages})

    def stop_waiting(
        self, remote: str, chat_id: int, topic_id: int, message_ids: Iterable[int]
    ) -> None:
        """Remove what is remembered of these; all of it, or nothing."""
        message_ids = list(message_ids)
        with self._writing:
            with self._database.transaction() as cache:
                for message_id in message_ids:
                    cache.delete(waits_key(remote, chat_id, topic_id, message_id))
            group = self._waiting.get((remote, chat_id, topic_id), {})
            for message_id in message_ids:
                group.pop(message_id, None)

    def _has_not_failed(self, remote: str, key: MessageKey) -> None:
        self._failures.get(group_of(remote, key), {}).pop(key.number, None)

    def _find_by_file(
        self, cache: diskcache.Cache, remote: str, key: MessageKey, file: FileIdentity
    ) -> None:
        """In a transaction, after the mark: of several messages with one file the first counts."""
        if self.file_with(remote, key.chat_id, key.topic_id, file) is None:
            key_of = file_key if key.index == FIRST else file_of_several_key
            cache.set(key_of(remote, key.chat_id, key.topic_id, file), number_text(key.number))


def _group(key: MessageKey) -> tuple[int, int]:
    return key.chat_id, key.topic_id


def _marked_again(before: str | None, mark: DoneMark) -> str:
    """Who relied on this very file relies on it still."""
    text = mark_text(mark)
    if before is None or mark.file.identity is None:
        return text
    marked = read_mark(before)
    return (
        with_copies(text) if marked.has_copies and marked.identity == mark.file.identity else text
    )
