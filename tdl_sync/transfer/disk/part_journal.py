"""Which parts of a partial file are there: known across kills and power cuts, without a sync each.

The journal of ``m<chat>_<topic>_<message>.part`` in the staging directory is
``m<chat>_<topic>_<message>.parts`` in the data directory, so that it takes nothing from the
budget. It begins with one line of JSON that says what file this is: message, declared size,
Telegram's file, and where the partial file lies. A journal with any other line belongs to another
file, and its partial file is not believed. Then come records of 20 bytes, big-endian:

    offset (8)  length (4)  CRC-32 of the part (4)  CRC-32 of the 16 bytes before (4)

It outlives the partial file: until its mark is written it says which of Telegram's files a staged
one is. When that is handed off for the first time, a second line of JSON takes the place of the
records: the path on the remote that was chosen for it, below the chat's folder, and its SHA-256.
From then on that file may be on the remote, whatever else is known.

What is durable when:

- The first line is synced, with its directory, before the partial file exists and before its
  first byte is asked for.
- A part is written, then its record; neither is synced. After ``kill -9`` both are there, since
  the system keeps what was written; only the last record may be cut off, which its own checksum
  shows. After a power cut any of them may be missing, so a part counts only when its bytes on the
  disk have the CRC of its record. A sync for each part was rejected: it costs more than the parts
  that a power cut can lose.
- The whole file is synced before it is renamed to ``.staged`` (``download.py``).
- A partial or staged file is removed before its journal, so that a partial file without a journal
  is never one that could have gone on, and no staged file has the journal of another.
- The second line is synced before the hand-off begins. Of one that is cut off it is still known
  that a hand-off was about to begin.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.model import FIRST, MediaItem, MessageKey
from tdl_sync.core.operating_system import open_here, remove_file, replace_file, sync_directory
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.transfer.disk.staging import Staging

_PART = struct.Struct(">QII")
_CHECKSUM = struct.Struct(">I")
RECORD_BYTES = _PART.size + _CHECKSUM.size
_MOST_FIRST_LINE_BYTES = 16_384


@dataclass(frozen=True)
class PartRecord:
    """One part that was written: where, how long, and the CRC-32 of its bytes."""

    offset_bytes: int
    length_bytes: int
    crc32: int

    def to_bytes(self) -> bytes:
        fields = _PART.pack(self.offset_bytes, self.length_bytes, self.crc32)
        return fields + _CHECKSUM.pack(zlib.crc32(fields))


@dataclass(frozen=True)
class Attempt:
    """A hand-off that has begun: the remote may have the file, or not.

    ``path`` is the one below the chat's folder, ``None`` where a power cut has left no more than
    that there was one; ``sha256`` likewise.
    """

    path: str | None
    sha256: str | None


@dataclass(frozen=True)
class _Journal:
    """What its lines say. ``file`` tells which file of Telegram's, of which message."""

    partial_path: Path
    file: tuple[object, ...]
    attempt: Attempt | None


def part_length(size_bytes: int, offset_bytes: int) -> int:
    """How long the part at this offset of a file of this size must be; 0 at its very end."""
    return min(PART_BYTES, size_bytes - offset_bytes)


class PartialFile:
    """A ``.part`` that is open for writing, with its journal. For one thread."""

    def __init__(
        self,
        size_bytes: int,
        file: BinaryIO,
        journal: BinaryIO,
        journal_bytes: int,
        offsets: set[int],
    ) -> None:
        """``offsets`` are the parts that are there; ``journal_bytes`` is where records go on."""
        self.offsets = offsets
        self._size_bytes = size_bytes
        self._file = file
        self._journal = journal
        self._journal_bytes = journal_bytes

    @property
    def written_bytes(self) -> int:
        """The bytes of the parts that are there."""
        return sum(part_length(self._size_bytes, offset) for offset in self.offsets)

    def write(self, offset_bytes: int, part: bytes) -> None:
        """Write a whole part, then its record. Raises ``OSError``; the part is missing then."""
        _write_at(self._file, offset_bytes, part)
        record = PartRecord(offset_bytes, len(part), zlib.crc32(part)).to_bytes()
        # At its place, not appended: half a record, from a full disk, is written over next time.
        _write_at(self._journal, self._journal_bytes, record)
        self._journal_bytes += RECORD_BYTES
        self.offsets.add(offset_bytes)


class PartialFiles:
    """The partial files of a staging directory. Several threads may use it, one for each item."""

    def __init__(self, staging: Staging, directory: Path) -> None:
        """Make the journals' directory (0700), and remove journals whose file is gone.

        Raises ``ConfigurationError`` where that can't be done.
        """
        self._staging = staging
        self.directory = directory
        self._attempts: dict[MessageKey, tuple[tuple[object, ...], Attempt]] = {}
        self._begun: set[MessageKey] = set()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._look_through()
        except OSError as error:
            raise ConfigurationError(
                f"the directory {directory} cannot be used: {error.strerror}; make it readable "
                "and writable for you, or name another --data-dir"
            ) from error

    def journal_path(self, key: MessageKey) -> Path:
        return self.directory / f"{self._staging.part_path(key).name}s"

    def is_partial(self, item: MediaItem) -> bool:
        """Whether a partial file of exactly this file of Telegram's is there, with its journal."""
        try:
            with self.journal_path(item.key).open("rb") as journal:
                same = journal.readline(_MOST_FIRST_LINE_BYTES) == self._first_line(item)
        except FileNotFoundError:
            return False
        return same and self._staging.part_path(item.key).is_file()

    def staged_is(self, item: MediaItem) -> bool | None:
        """Whether the staged file that lies here of this message is exactly this file of
        Telegram's; ``None`` where nothing says so."""
        journal = _read_journal(self.journal_path(item.key))
        if journal is None or journal.partial_path != self._part_path(item.key):
            return None
        return journal.file == _file_of(item)

    def attempt(self, item: MediaItem) -> Attempt | None:
        """The hand-off of exactly this file that has begun, in this run or an earlier one, and of
        which it is not known that it has ended well."""
        file, attempt = self._attempts.get(item.key, (None, None))
        return attempt if file == _file_of(item) else None

    def attempt_of_another_file(self, item: MediaItem) -> Attempt | None:
        """The same of a file that the message held before it was edited to hold this one."""
        file, attempt = self._attempts.get(item.key, (None, None))
        return None if file == _file_of(item) else attempt

    def has_begun_attempts(self, chat_id: int) -> bool:
        """Of this chat: whether of a hand-off of this run it is not known that it ended well."""
        return any(key.chat_id == chat_id for key in tuple(self._begun))

    def begin_attempt(self, item: MediaItem, attempt: Attempt) -> None:
        """A hand-off of the item's staged file begins when this returns: that is durable then.
        Raises ``OSError``."""
        self._begun.add(item.key)
        if self.attempt(item) == attempt:
            return
        path = self.journal_path(item.key)
        line = json.dumps({"path": attempt.path, "sha256": attempt.sha256}).encode("ascii") + b"\n"
        first_line = self._first_line(item)
        if self.staged_is(item):
            with path.open("r+b", buffering=0) as journal:
                _write_at(journal, len(journal.readline(_MOST_FIRST_LINE_BYTES)), line)
                journal.truncate()
                os.fsync(journal.fileno())
        else:  # an earlier version kept none, or the data directory is another one
            _replace_durably(path, first_line + line)
        self._attempts[item.key] = (_file_of(item), attempt)

    @contextmanager
    def open(self, item: MediaItem, check: Callable[[], None]) -> Iterator[PartialFile]:
        """The item's partial file, with the parts that are there; made where there is none.

        On entry its journal is durable. All parts are read again, so that this may take a while:
        ``check`` is called before each, and may raise. Leaving the block closes both files, and
        removes them only where no part was written. Raises ``OSError``.
        """
        path, journal_path = self._staging.part_path(item.key), self.journal_path(item.key)
        records = []
        if self.is_partial(item):
            records = _verified(_records(journal_path, item.size_bytes), path, check)
        else:
            self.remove(item.key)
        content = self._first_line(item) + b"".join(record.to_bytes() for record in records)
        if not records or journal_path.read_bytes() != content:
            _replace_durably(journal_path, content)
        offsets = {record.offset_bytes for record in records}
        try:
            with _open_to_write(path) as file, journal_path.open("r+b", buffering=0) as journal:
                yield PartialFile(item.size_bytes, file, journal, len(content), offsets)
        finally:
            if not offsets:
                self.remove(item.key)

    def remove(self, key: MessageKey) -> None:
        """Remove the partial file and its journal, whichever is there."""
        remove_file(self._staging.part_path(key))
        self.forget(key)

    def forget(self, key: MessageKey) -> None:
        """Remove the journal of a file that is gone, or whose mark is written."""
        self._begun.discard(key)
        self._attempts.pop(key, None)
        path = self.journal_path(key)
        remove_file(path)
        remove_file(_new(path))

    def _first_line(self, item: MediaItem) -> bytes:
        location = item.location
        fields = {
            "format": 1,
            "part_bytes": PART_BYTES,
            "message": _message_of(item.key),
            "size_bytes": item.size_bytes,
            "file": [location.kind.value, location.file_id, location.thumb_size],
            "partial_file": str(self._part_path(item.key)),
        }
        return json.dumps(fields).encode("ascii") + b"\n"

    def _part_path(self, key: MessageKey) -> Path:
        return self._staging.part_path(key).absolute()

    def _look_through(self) -> None:
        """Learn which hand-offs have begun, and remove journals of files that are gone without one.

        Another staging directory's journals stay: its run may use this data directory too.
        """
        for path in self.directory.glob("*.parts"):
            journal = _read_journal(path)
            if journal is None:
                remove_file(path)
            elif journal.partial_path.parent == self._staging.directory.absolute():
                key = _key_of(journal)
                if journal.attempt is not None and key is not None:
                    self._attempts[key] = (journal.file, journal.attempt)
                elif not any(
                    journal.partial_path.with_suffix(suffix).exists()
                    for suffix in (".part", ".staged")
                ):
                    remove_file(path)


def _message_of(key: MessageKey) -> list[int]:
    """Of a message's first file as it was when messages had no other."""
    message = [key.chat_id, key.topic_id, key.message_id]
    return message if key.index == FIRST else [*message, key.index]


def _file_of(item: MediaItem) -> tuple[object, ...]:
    location = item.location
    return (
        tuple(_message_of(item.key)),
        item.size_bytes,
        (location.kind.value, location.file_id, location.thumb_size),
    )


def _read_journal(path: Path) -> _Journal | None:
    """``None`` where there is none, or its first line is broken."""
    try:
        with path.open("rb") as journal:
            record = json.loads(journal.readline(_MOST_FIRST_LINE_BYTES))
            partial_path = Path(record["partial_file"])
            os.fsencode(partial_path)
            if "\0" in str(partial_path):
                return None
            file = (
                tuple(record.get("message", ())),
                record.get("size_bytes"),
                tuple(record.get("file", ())),
            )
            is_text = journal.read(1) == b"{"
            attempt = _read_attempt(b"{" + journal.readline(_MOST_FIRST_LINE_BYTES))
    except (
        AttributeError,
        FileNotFoundError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ):
        return None
    return _Journal(partial_path, file, attempt if is_text else None)


def _read_attempt(line: bytes) -> Attempt:
    try:
        record = json.loads(line)
        path, sha256 = record["path"], record["sha256"]
    except (LookupError, RecursionError, TypeError, ValueError):
        return Attempt(None, None)
    known = isinstance(path, str) and isinstance(sha256, str)
    return Attempt(path, sha256) if known else Attempt(None, None)


def _key_of(journal: _Journal) -> MessageKey | None:
    match journal.file[0]:
        case (int(chat_id), int(topic_id), int(message_id)):
            return MessageKey(chat_id, topic_id, message_id)
        case (int(chat_id), int(topic_id), int(message_id), int(index)):
            return MessageKey(chat_id, topic_id, message_id, index)
    return None


def _records(journal_path: Path, size_bytes: int) -> Iterator[PartRecord]:
    """The records up to the first that is broken."""
    with journal_path.open("rb") as journal:
        journal.readline(_MOST_FIRST_LINE_BYTES)
        while len(record := journal.read(RECORD_BYTES)) == RECORD_BYTES:
            fields, checksum = record[: _PART.size], record[_PART.size :]
            if _CHECKSUM.pack(zlib.crc32(fields)) != checksum:
                return
            part = PartRecord(*_PART.unpack(fields))
            if part.offset_bytes % PART_BYTES or part.length_bytes != part_length(
                size_bytes, part.offset_bytes
            ):
                return
            yield part


def _verified(
    records: Iterator[PartRecord], path: Path, check: Callable[[], None]
) -> list[PartRecord]:
    """Those whose bytes are in the file, each once."""
    verified: dict[int, PartRecord] = {}
    with path.open("rb", buffering=0) as file:
        for record in records:
            check()
            file.seek(record.offset_bytes)
            part = _read(file, record.length_bytes)
            if len(part) == record.length_bytes and zlib.crc32(part) == record.crc32:
                verified[record.offset_bytes] = record
    return list(verified.values())


def _read(file: BinaryIO, length_bytes: int) -> bytes:
    pieces = []
    while length_bytes and (piece := file.read(length_bytes)):
        pieces.append(piece)
        length_bytes -= len(piece)
    return b"".join(pieces)


def _write_at(file: BinaryIO, offset_bytes: int, content: bytes) -> None:
    file.seek(offset_bytes)
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[file.write(remaining) :]


def _open_to_write(path: Path) -> BinaryIO:
    """Open for writing anywhere, unbuffered, and keep what is in it."""
    return os.fdopen(open_here(path, os.O_RDWR | os.O_CREAT), "r+b", buffering=0)


def _new(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _replace_durably(path: Path, content: bytes) -> None:
    new = _new(path)
    descriptor = open_here(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    replace_file(new, path)
    sync_directory(path.parent)
