"""What other programs had moved, and ``adopt`` has taken for done: the records of it in the chat's
folder on the remote, and whether it lies where it lay.

Such files lie wherever their program has put them, under names of its own, so that no listing of
the chat's folder shows them. The records are for machines that have no marks of them. They are not
believed alone: what they name is looked for, and no file is done by them that is gone or changed.

Two accounts know nothing of each other, and may adopt at once. So each has a record of its own,
which nobody else writes, and all of them count together: of each message's file the line of the
highest revision. One that is taken back is such a line, too.

A line for each file, in JSON (docs/adopt.md); whoever changes it here changes ``VERSION`` and that.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.model import (
    AdoptedFile,
    FileIdentity,
    FileNumber,
    ListedFile,
    LocationKind,
)
from tdl_sync.core.naming import path_of

VERSION = 1

_RECORD_NAME = re.compile(r"adopted(?:-[0-9a-f]{8}){0,2}\.jsonl")
_SHA256 = re.compile("[0-9a-f]{64}")
_MOST_REVISIONS = 2**53
_NOT_OURS = (AttributeError, LookupError, TypeError, ValueError, RecursionError)


@dataclass(frozen=True)
class RecordWriter:
    """Whoever holds the claim of an account on a chat and remote. Nobody else writes its records at
    the same time."""

    key: str

    @classmethod
    def of(cls, account_id: int, scope_key: str) -> RecordWriter:
        return cls(hashlib.sha256(f"{account_id} {scope_key}".encode()).hexdigest()[:8])

    def record_among(self, listing: Iterable[ListedFile]) -> str | None:
        """Its name, where one is listed."""
        names = (each.name for each in listing if not each.subfolder and is_record(each.name))
        return min(
            (name for name in names if name.startswith(f"adopted-{self.key}-")), default=None
        )

    def new_record(self) -> str:
        """One of before may be there and not be listed yet, as on Drive, where a second one of its
        name would hide it."""
        return f"adopted-{self.key}-{secrets.token_hex(4)}.jsonl"


def is_record(name: str) -> bool:
    return _RECORD_NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class Adoption:
    """What a record says of a message's file: ``file`` is ``None`` where it was taken back."""

    number: FileNumber
    file: AdoptedFile | None
    revision: int = 0

    @property
    def rank(self) -> tuple[int, bool]:
        """Of several the greatest counts. Where two were written at once, rather one that is there:
        it is looked for."""
        return self.revision, self.file is not None


@dataclass(frozen=True)
class AdoptionRecord:
    """What records say together."""

    by_number: Mapping[FileNumber, Adoption] = field(default_factory=dict)

    @classmethod
    def of(cls, adoptions: Iterable[Adoption]) -> AdoptionRecord:
        by_number: dict[FileNumber, Adoption] = {}
        for each in adoptions:
            before = by_number.get(each.number)
            if before is None or each.rank >= before.rank:
                by_number[each.number] = each
        return cls(by_number)

    @property
    def files(self) -> list[AdoptedFile]:
        return [each.file for each in self.by_number.values() if each.file is not None]

    @property
    def taken_back(self) -> frozenset[FileNumber]:
        return frozenset(each.number for each in self.by_number.values() if each.file is None)

    def adopted(self, file: AdoptedFile) -> Adoption:
        """What is to be written of a file, so that it counts."""
        return Adoption(file.number, file, self._next_revision(file.number))

    def without(self, number: FileNumber) -> Adoption:
        """It counts even if there is one more that is not listed yet."""
        return Adoption(number, None, self._next_revision(number) + 1)

    def _next_revision(self, number: FileNumber) -> int:
        before = self.by_number.get(number)
        return 1 if before is None else before.revision + 1


def read_records(
    listing: Iterable[ListedFile], read: Callable[[str], bytes | None]
) -> AdoptionRecord:
    """``listing`` is that of the chat's folder, where ``read`` reads. Raises what that raises, and
    ``ConfigurationError``: what a record names may be all that there is of it."""
    names = sorted({each.name for each in listing if is_record(each.name) and not each.subfolder})
    return AdoptionRecord.of(
        adoption for name in names for adoption in read_record(read(name) or b"", name)
    )


def record_text(adoptions: Iterable[Adoption]) -> bytes:
    by_number = AdoptionRecord.of(adoptions).by_number
    head = {"adopted": "by tdl_sync", "version": VERSION}
    records = [head, *(_record(by_number[number]) for number in sorted(by_number))]
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def read_record(text: bytes, name: str) -> list[Adoption]:
    """Raises ``ConfigurationError``."""
    try:
        head, *lines = text.decode().splitlines()
        if json.loads(head)["version"] != VERSION:
            raise ValueError("it was written by another version")
        return [_adoption(json.loads(line)) for line in lines if line]
    except _NOT_OURS as error:
        raise ConfigurationError(
            f"{name} in the chat's folder on the remote, which says what was adopted, can't "
            f"be read ({error}); put back what was there, or remove it: then what it named is "
            "moved again, unless this machine knows it"
        ) from error


def _record(adoption: Adoption) -> dict[str, Any]:
    number, file = adoption.number, adoption.file
    record: dict[str, Any] = {"message": [number.message_id, number.index]}
    if adoption.revision:
        record["revision"] = adoption.revision
    if file is None:
        return {**record, "taken_back": True}
    identity = file.identity
    return {
        **record,
        "from": file.source,
        "path": file.path,
        "size_bytes": file.size_bytes,
        **({} if file.sha256 is None else {"sha256": file.sha256}),
        **({} if identity is None else {"file": [identity.kind.value, identity.file_id]}),
    }


def _adoption(record: Any) -> Adoption:
    message_id, index = record["message"]
    revision = record.get("revision", 0)
    _check(all(type(each) is int for each in (message_id, index, revision)))
    _check(message_id >= 1 and index >= 1 and 0 <= revision <= _MOST_REVISIONS)
    number = FileNumber(message_id, index)
    if "taken_back" in record:
        _check(record["taken_back"] is True)
        return Adoption(number, None, revision)
    return Adoption(number, _file(number, record), revision)


def _file(number: FileNumber, record: Any) -> AdoptedFile:
    source, path, size_bytes = record["from"], record["path"], record["size_bytes"]
    sha256, file = record.get("sha256"), record.get("file")
    texts = [source, path] if sha256 is None else [source, path, sha256]
    numbers = [size_bytes, *([] if file is None else [file[1]])]
    _check(all(isinstance(each, str) for each in texts))
    _check(all(type(each) is int for each in numbers))
    _check(size_bytes >= 0 and (sha256 is None or _SHA256.fullmatch(sha256) is not None))
    identity = None if file is None else FileIdentity(LocationKind(file[0]), file[1], size_bytes)
    return AdoptedFile(number, source, path, size_bytes, sha256, identity)


def _check(is_ours: bool) -> None:
    if not is_ours:
        raise ValueError("a line that this program does not write")


class Places:
    """Where adopted files lie; each place is listed once, when it is first asked for."""

    def __init__(self, list_place: Callable[[str], Sequence[ListedFile]]) -> None:
        """``list_place`` raises ``TdlSyncError`` classes; nothing is there where there is no such
        folder any more."""
        self._list_place = list_place
        self._listed: dict[str, Mapping[str, list[ListedFile]]] = {}

    def at(self, source: str, path: str) -> list[ListedFile]:
        """What has this path there: one file, or none; on Drive there may be several."""
        if source not in self._listed:
            by_path: defaultdict[str, list[ListedFile]] = defaultdict(list)
            for file in self._list_place(source):
                by_path[path_of(file)].append(file)
            self._listed[source] = by_path
        return self._listed[source].get(path, [])

    def shows(self, file: AdoptedFile) -> bool:
        """Whether it lies there as it lay, and alone."""
        found = self.at(file.source, file.path)
        return len(found) == 1 and is_unchanged(file, found[0])


def is_unchanged(file: AdoptedFile, listed: ListedFile) -> bool:
    if listed.size_bytes != file.size_bytes:
        return False
    return None in (listed.sha256, file.sha256) or listed.sha256 == file.sha256


def adopted_files(
    record: AdoptionRecord, places: Places, is_known: Callable[[FileNumber], bool]
) -> dict[FileNumber, AdoptedFile]:
    """What was adopted of a chat and lies where it lay, without what ``is_known`` to be done: for
    that alone nothing is asked. Raises what listing the places raises."""
    files = [each for each in record.files if not is_known(each.number)]
    return {each.number: each for each in files if places.shows(each)}
