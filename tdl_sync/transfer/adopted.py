"""What other programs had moved, and ``adopt`` has taken for done: the record of it in the chat's
folder on the remote, and whether it lies where it lay.

Such files lie wherever their program has put them, under names of its own, so that no listing of
the chat's folder shows them. The record is for machines that have no marks of them. It is not
believed alone: what it names is looked for, and no file is done by it that is gone or changed.

A line for each file, in JSON (docs/adopt.md); whoever changes it here changes ``VERSION`` and that.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
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

RECORD_NAME = "adopted.jsonl"
VERSION = 1

_SHA256 = re.compile("[0-9a-f]{64}")
_NOT_OURS = (AttributeError, LookupError, TypeError, ValueError, RecursionError)


def has_record(listing: Iterable[ListedFile]) -> bool:
    """``listing`` is that of the chat's folder."""
    return any(each.name == RECORD_NAME and not each.subfolder for each in listing)


def record_text(files: Iterable[AdoptedFile]) -> bytes:
    """Of each message's file the last one counts."""
    by_number = {each.number: each for each in files}
    head = {"adopted": "by tdl_sync", "version": VERSION}
    records = [head, *(_record(by_number[number]) for number in sorted(by_number))]
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def read_record(text: bytes) -> list[AdoptedFile]:
    """Raises ``ConfigurationError``: what it names may be all that there is of it."""
    try:
        head, *lines = text.decode().splitlines()
        if json.loads(head)["version"] != VERSION:
            raise ValueError("it was written by another version")
        return [_file(json.loads(line)) for line in lines if line]
    except _NOT_OURS as error:
        raise ConfigurationError(
            f"{RECORD_NAME} in the chat's folder on the remote, which says what was adopted, can't "
            f"be read ({error}); put back what was there, or remove it: then what it named is "
            "moved again, unless this machine knows it"
        ) from error


def _record(file: AdoptedFile) -> dict[str, Any]:
    number, identity = file.number, file.identity
    return {
        "message": [number.message_id, number.index],
        "from": file.source,
        "path": file.path,
        "size_bytes": file.size_bytes,
        **({} if file.sha256 is None else {"sha256": file.sha256}),
        **({} if identity is None else {"file": [identity.kind.value, identity.file_id]}),
    }


def _file(record: Any) -> AdoptedFile:
    message_id, index = record["message"]
    source, path, size_bytes = record["from"], record["path"], record["size_bytes"]
    sha256, file = record.get("sha256"), record.get("file")
    texts = [source, path] if sha256 is None else [source, path, sha256]
    numbers = [message_id, index, size_bytes, *([] if file is None else [file[1]])]
    if not all(isinstance(each, str) for each in texts) or not all(
        type(each) is int for each in numbers
    ):
        raise ValueError("a line that this program does not write")
    if message_id < 1 or index < 1 or size_bytes < 0 or not (sha256 is None or _is_hash(sha256)):
        raise ValueError("a line that this program does not write")
    identity = None if file is None else FileIdentity(LocationKind(file[0]), file[1], size_bytes)
    return AdoptedFile(FileNumber(message_id, index), source, path, size_bytes, sha256, identity)


def _is_hash(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None


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
    listing: Iterable[ListedFile],
    read: Callable[[str], bytes],
    places: Places,
    is_known: Callable[[FileNumber], bool],
) -> dict[FileNumber, AdoptedFile]:
    """What was adopted of a chat and lies where it lay, without what ``is_known`` to be done: for
    that alone nothing is asked. ``listing`` is of the chat's folder, where ``read`` reads.

    Raises what these raise, and ``ConfigurationError``.
    """
    if not has_record(listing):
        return {}
    files = [each for each in read_record(read(RECORD_NAME)) if not is_known(each.number)]
    return {each.number: each for each in files if places.shows(each)}
