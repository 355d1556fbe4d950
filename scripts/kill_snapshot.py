"""What a killed program left behind, as seen from outside, and the step that each file is in."""

from __future__ import annotations

import json
import re
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from standins.demonstration import Places, key_on_remote
from standins.telegram.world.channel import ItemKey, WorldItem

PART_BYTES = 1024 * 1024
_RECORD = struct.Struct(">QIII")


class Step(str, Enum):
    """Where a file was when the program died. The order is the file's way."""

    NOTHING = "nothing under way: starting, listing"
    RESERVED = "reserved and in the journal, no part written"
    SOME_PARTS = "some parts written"
    ALL_PARTS = "all parts written, not renamed"
    STAGED = "staged"
    UPLOADING = "being uploaded"
    UPLOADED = "on the remote, not yet deleted here"
    DELETED = "on the remote, deleted here, no mark"
    MARKED = "marked since the last kill"


@dataclass(frozen=True)
class Part:
    """One part of one of Telegram's files."""

    file_id: int
    offset: int


@dataclass(frozen=True)
class OnRemote:
    """The files that are there, whole; and those of which one with other bytes is."""

    whole: frozenset[ItemKey]
    wrong: frozenset[ItemKey] = frozenset()


@dataclass(frozen=True)
class Snapshot:
    """``steps`` are of the files that are under way or were marked since the last kill.

    ``complete`` are the parts that must not be served again on this machine, ``on_remote`` those
    that must not be served again on any. ``lying_bytes`` is what lies in the staging directory.
    """

    steps: Mapping[ItemKey, Step]
    marked: set[ItemKey]
    complete: set[Part]
    on_remote: set[Part]
    lying_bytes: int


def look(
    places: Places,
    items: Mapping[ItemKey, WorldItem],
    marked_before: set[ItemKey],
    uploading: set[str],
    on_remote: OnRemote | None = None,
) -> Snapshot:
    """``uploading`` are the names of staged files that an rclone was working on; ``on_remote`` is
    what is there where that is not a directory of ``places``."""
    marked = _marked(places.root / "data" / "marks" / "cache.db")
    there = on_remote or in_directory(places.drive, items)
    files = _by_item(places.staging)
    journals = _by_item(places.root / "data" / "partial")
    steps: dict[ItemKey, Step] = {}
    complete: set[Part] = set()
    parts_there: set[Part] = set()
    for key, item in items.items():
        names = files.get(key, {})
        staged, part = names.get(".staged"), names.get(".part")
        journal = journals.get(key, {}).get(".parts")
        parts = _all_parts(item)
        whole_on_remote = key in there.whole
        if whole_on_remote:
            parts_there |= parts
        if key in marked or whole_on_remote or staged is not None:
            complete |= parts
            here = None if staged is None else staged.name in uploading
            step = _late_step(key in marked, whole_on_remote, here)
        elif part is not None and journal is not None:
            written = _written(part, journal, item)
            complete |= written
            step = _early_step(len(written), len(parts))
        elif part is not None or journal is not None:
            step = Step.RESERVED
        else:
            continue
        if key not in marked_before:
            steps[key] = step
    lying_bytes = sum(_size(path) for names in files.values() for path in names.values())
    return Snapshot(steps, marked, complete, parts_there, lying_bytes)


def _late_step(marked: bool, on_remote: bool, uploading: bool | None) -> Step:
    """``uploading`` is ``None`` where the staged file is gone."""
    if marked:
        return Step.MARKED
    if uploading is None:
        return Step.DELETED
    if on_remote:
        return Step.UPLOADED
    return Step.UPLOADING if uploading else Step.STAGED


def _early_step(written: int, parts: int) -> Step:
    if written == 0:
        return Step.RESERVED
    return Step.SOME_PARTS if written < parts else Step.ALL_PARTS


def _all_parts(item: WorldItem) -> set[Part]:
    """One more where only an empty answer shows the end."""
    offsets = range(0, item.file.size_bytes + 1, PART_BYTES)
    return {Part(item.file.file_id, offset) for offset in offsets}


def _written(part: Path, journal: Path, item: WorldItem) -> set[Part]:
    """The parts that are in the journal and really in the file."""
    written: set[Part] = set()
    try:
        content = part.read_bytes()
        _, _, records = journal.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return written
    whole = len(records) // _RECORD.size * _RECORD.size
    for offset, length, crc32, _ in _RECORD.iter_unpack(records[:whole]):
        if zlib.crc32(content[offset : offset + length]) == crc32:
            written.add(Part(item.file.file_id, offset))
    return written


_NAME = re.compile(r"m(-?\d+)_\d+_(\d+(?:\.\d+)?)(\.(?:part|parts|staged))")


def _by_item(directory: Path) -> dict[ItemKey, dict[str, Path]]:
    """The files ``m<chat>_<topic>_<number>.<ending>`` by item and ending.

    A journal that is being made has a further ending, and is none yet.
    """
    found: dict[ItemKey, dict[str, Path]] = {}
    for path in _children(directory):
        if (name := _NAME.fullmatch(path.name)) is not None:
            found.setdefault(ItemKey.of(int(name[1]), name[2]), {})[name[3]] = path
    return found


def _children(directory: Path) -> Iterable[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []


def in_directory(drive: Path, items: Mapping[ItemKey, WorldItem]) -> OnRemote:
    """By the sizes; rclone's unfinished copies have a name of their own and don't count."""
    sizes = {
        key_on_remote(path.parent.name, path.name): _size(path)
        for path in drive.rglob("*_*")
        if path.is_file() and path.suffix != ".partial"
    }
    whole = (key for key, item in items.items() if sizes.get(key) == item.file.size_bytes)
    return OnRemote(frozenset(whole))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _marked(database: Path) -> set[ItemKey]:
    if not database.exists():
        return set()
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        rows = connection.execute("SELECT key FROM Cache").fetchall()
    except sqlite3.OperationalError:
        return set()  # killed while it was being made
    finally:
        connection.close()
    keys = [json.loads(key) for (key,) in rows]
    first = {ItemKey(int(key[2]), int(key[4])) for key in keys if key[0] == "done"}
    further = {
        ItemKey(int(key[2]), int(key[4]), int(key[5])) for key in keys if key[0] == "done file"
    }
    return first | further
