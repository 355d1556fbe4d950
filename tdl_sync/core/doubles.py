"""A file of a message that is on the remote several times: whether they are the same, as far as it
can tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum

from tdl_sync.core.model import FileNumber, ListedFile
from tdl_sync.core.naming import number_of, path_of
from tdl_sync.core.text import printable


class Likeness(str, Enum):
    """Of two files of one listing."""

    SAME = "same"
    """By their size and a hash that the remote lists."""

    OTHER = "other"
    UNKNOWN = "unknown"
    """They have one size, and no hash that both list."""


def likeness(one: ListedFile, other: ListedFile) -> Likeness:
    if one.size_bytes != other.size_bytes:
        return Likeness.OTHER
    for of_one, of_other in (
        (one.sha256, other.sha256),
        (one.other_hash, other.other_hash),
    ):
        if of_one is not None and of_other is not None:
            return Likeness.SAME if of_one == of_other else Likeness.OTHER
    return Likeness.UNKNOWN


def are_two(one: ListedFile, other: ListedFile) -> bool:
    """Whether it is certain that they are two files: Drive can list one in two folders, and a
    shortcut, of which rclone tells both ids, as the file that it leads to."""
    if not one.remote_id and not other.remote_id:
        return path_of(one) != path_of(other)
    ids = {one.remote_id, other.remote_id}
    return len(ids) == 2 and not any("\t" in each or not each for each in ids)


def told_of_doubles(listing: Sequence[ListedFile], remote: str) -> str | None:
    """One line, if a listing has what may be the same file of one message twice. ``None`` where it
    has only what people put beside a file, under another name and with another size."""
    files = _several_of_one(listing)
    counts: Counter[Likeness] = Counter()
    messages, example, removable = 0, "", 0
    for several in files:
        first, *others = several
        found = [
            other
            for other in others
            if other.size_bytes == first.size_bytes or path_of(other) == path_of(first)
        ]
        if found:
            counts.update(likeness(first, other) for other in found)
            removable += sum(_may_be_surplus(first, other) for other in found)
            messages += 1
            example = example or path_of(several[0])
    if not messages:
        return None
    hows = ", ".join(f"{counts[each]} {_HOW[each]}" for each in Likeness if counts[each])
    return (
        f"warning: of {messages} message{'s' if messages != 1 else ''} there is more than one file "
        f"in {remote}, as of {printable(example)!r}; compared with the first there are {hows}. "
        "verify lists them"
    ) + (", and verify --repair removes what is there twice" if removable else "")


def _several_of_one(listing: Sequence[ListedFile]) -> Iterator[Sequence[ListedFile]]:
    """The files of each message's file of which there are several. In a listing of a whole chat
    those are few: only they are put together."""
    once: set[FileNumber] = set()
    again: dict[FileNumber, list[ListedFile]] = {}
    for file in listing:
        number = number_of(file.name)
        if number in once:
            again.setdefault(number, [])
        elif number is not None:
            once.add(number)
    for file in listing if again else ():
        number = number_of(file.name)
        if number is not None and number in again:
            again[number].append(file)
    return iter(again.values())


_HOW = {
    Likeness.SAME: "with the same content by their hash",
    Likeness.OTHER: "with other content",
    Likeness.UNKNOWN: "of the same size, without a hash to compare",
}


def _may_be_surplus(first: ListedFile, other: ListedFile) -> bool:
    """Other content under another name is somebody's file: no repair removes that."""
    return likeness(first, other) is not Likeness.OTHER or path_of(first) == path_of(other)
