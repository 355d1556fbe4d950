"""A chat's messages against what the remote lists: what is there, missing, wrong, double, unknown.

Pure: the listing comes first, the chat's entries pass by in any order, and ``findings`` is the end.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tdl_sync.core.doubles import Likeness, are_two, likeness
from tdl_sync.core.errors import LargerThanBudget
from tdl_sync.core.failures import OTHER_CONTENT, REPLACED, WRONG_SIZE, Failure
from tdl_sync.core.model import (
    AdoptedFile,
    FileIdentity,
    FileNumber,
    HistoryEntry,
    ListedFile,
    MarkedFile,
    MediaItem,
    MessageKey,
    SkippedItem,
    folder_and_name,
)
from tdl_sync.core.naming import file_name, number_of, path_of
from tdl_sync.remote.remnants import is_under_way
from tdl_sync.remote.surplus_removal import is_renamed
from tdl_sync.transfer.adopted import is_record, is_unchanged
from tdl_sync.transfer.duplicates import DUPLICATE
from tdl_sync.transfer.sidecar import is_sidecar

NO_ID = "its name begins with no message's id"
HELD_BEFORE = "its message holds another file by now, which is not here"
UNFINISHED = "an upload that rclone did not finish"
NO_MESSAGE = "the chat has no file with this message's id"

_OF_THE_CHAT = re.compile(r"(?:messages|catalogue)(?:-topic-[0-9]+)?\.(?:jsonl|sqlite)")
"""What ``--text`` and ``--catalogue`` write; ``adopt`` writes what ``is_record``."""


@dataclass(frozen=True)
class Missing:
    """A file that the remote does not have. ``failure`` is why, where an earlier run knew it."""

    key: MessageKey
    name: str
    size_bytes: int
    marked: bool
    failure: Failure | None
    identity: FileIdentity


@dataclass(frozen=True)
class GivenUp:
    """A file that the remote does not have, and that no run moves by itself: it failed for good, or
    is larger than the disk budget. ``--repair`` changes nothing about that."""

    key: MessageKey
    name: str
    size_bytes: int
    reason: str

    @property
    def is_too_large(self) -> bool:
        return self.reason == LargerThanBudget.reason


@dataclass(frozen=True)
class Wrong:
    """A file that is not what it should be. ``reason`` is ``WRONG_SIZE``, ``OTHER_CONTENT`` or
    ``REPLACED``.

    ``certainly_ours``: its mark names it, and it is the only one of its message. ``edited``: it is
    what was uploaded, and its message was given another file since.
    """

    key: MessageKey
    file: ListedFile
    expected_bytes: int
    reason: str
    marked: bool
    certainly_ours: bool
    edited: bool
    failure: Failure | None


@dataclass(frozen=True)
class Double:
    """One more file of a message. ``beside`` is the one that counts, and ``likeness`` what a
    comparison with it has shown.

    ``is_surplus``: the one beside it is right, as far as that can be told, and this one is the
    same; or has its very name and other content, and that one's is proven.
    """

    number: FileNumber
    file: ListedFile
    beside: ListedFile
    likeness: Likeness
    is_surplus: bool

    @property
    def message_id(self) -> int:
        return self.number.message_id


@dataclass(frozen=True)
class Unknown:
    """A file in the chat's folder that belongs to no message of the chat."""

    file: ListedFile
    why: str


@dataclass
class Findings:
    """``adopted`` of what is there lie where another program has put them. ``skipped`` counts by
    rule what filters leave out or Telegram does not give any more; ``not_compared`` are files of
    messages that were left out or not asked for."""

    there: int = 0
    there_bytes: int = 0
    adopted: int = 0
    compared_by_hash: int = 0
    missing: list[Missing] = field(default_factory=list)
    given_up: list[GivenUp] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    double: list[Double] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    not_compared: int = 0

    @property
    def compared_by_size_alone(self) -> int:
        return self.there - self.compared_by_hash

    @property
    def all_there(self) -> bool:
        return not self.missing and not self.given_up and not self.wrong


@dataclass(frozen=True)
class AdoptedThere:
    """What was taken for done where another program has put it. ``found`` is what lies there, with
    its whole path; ``None`` for nothing."""

    file: AdoptedFile
    found: ListedFile | None


class Comparison:
    """Give it each entry once, then ask once for the ``findings``. One thread."""

    def __init__(
        self,
        listing: list[ListedFile],
        folder: str,
        mark_of: Callable[[MessageKey], MarkedFile | None],
        failures: Mapping[MessageKey, Failure],
        hash_in_sidecar: Callable[[FileNumber], str | None] = lambda _: None,
        budget_bytes: int | None = None,
        former: Collection[str] = (),
        adopted_of: Callable[[FileNumber, MarkedFile | None], AdoptedThere | None] = (
            lambda number, mark: None
        ),
    ) -> None:
        """``hash_in_sidecar``, of a message's file, is asked for where there are several of it and
        no mark tells it: the SHA-256 of what was uploaded. What is larger than ``budget_bytes`` no
        run of these options can move. ``former`` are the paths of what messages held before: of
        what they hold now that is no proof. ``adopted_of``, of a message's file, is where another
        program has put it, if it was adopted: what its mark says, or the chat's record."""
        self._adopted_of = adopted_of
        self._former_paths = former
        self._budget_bytes = budget_bytes
        self._folder = folder
        self._mark_of = mark_of
        self._failures = failures
        self._hash_in_sidecar = hash_in_sidecar
        self._files: defaultdict[FileNumber, list[ListedFile]] = defaultdict(list)
        self._under_way: defaultdict[FileNumber | None, list[ListedFile]] = defaultdict(list)
        self._found = Findings()
        self._identities: set[FileIdentity] = set()
        self._given_up_files: dict[MessageKey, FileIdentity] = {}
        for file in listing:
            number = number_of(file.name)
            if is_under_way(file.name):
                self._under_way[number].append(file)
            elif number is not None:
                self._files[number].append(file)
            elif not (
                is_sidecar(file.name) or is_record(file.name) or _OF_THE_CHAT.fullmatch(file.name)
            ):
                self._found.unknown.append(Unknown(file, NO_ID))

    def take(self, entry: HistoryEntry) -> None:
        """Hold one message's file against the remote."""
        files = self._files.pop(entry.key.number, [])
        if isinstance(entry, SkippedItem):
            self._found.skipped[entry.rule] += 1
            self._found.not_compared += len(files)
            return
        mark = self._mark_of(entry.key)
        if mark is not None and self._is_of_before(entry, files, mark):
            mark = None
        adopted = self._adopted_of(entry.number, mark)
        if adopted is not None and self._is_adopted(entry, adopted, mark, files):
            return
        if mark is not None and mark.adopted_from is not None and files:
            mark = None  # of those it says nothing
        files += self._called_so(entry.number, mark)
        former = [each for each in files if f"{self._folder}/{path_of(each)}" in self._former_paths]
        files = [each for each in files if each not in former]
        if not files:
            self._found.unknown += [Unknown(each, HELD_BEFORE) for each in former]
            why = self._why_given_up(entry)
            if why is not None and mark is None:
                name = file_name(entry)
                self._found.given_up.append(GivenUp(entry.key, name, entry.size_bytes, why))
                self._given_up_files[entry.key] = entry.identity
                return
            self._found.missing.append(
                Missing(
                    entry.key,
                    file_name(entry),
                    entry.size_bytes,
                    mark is not None,
                    self._failures.get(entry.key),
                    entry.identity,
                )
            )
            return
        best = files[0] if len(files) == 1 else self._best(entry, files, mark)
        for file in former:
            double = Double(entry.number, file, best, likeness(file, best), is_surplus=False)
            self._found.double.append(double)
        self._judge(entry, best, mark, is_only=len(files) == 1)

    def _best(
        self, item: MediaItem, files: list[ListedFile], mark: MarkedFile | None
    ) -> ListedFile:
        """Of several the right one counts, by a hash if that is known, then the one that the mark
        names. The others are double."""
        sha256 = None if mark is None else mark.sha256
        if sha256 is None:
            sha256 = self._hash_in_sidecar(item.number)
        files.sort(
            key=lambda file: (
                _what_is_wrong(item, file, mark) is not None,
                sha256 is not None and file.sha256 != sha256,
                not self._is_named_by(mark, file),
                path_of(file),
                file.remote_id,
            )
        )
        best, *others = files
        is_right = _what_is_wrong(item, best, mark) is None
        if sha256 is not None and best.sha256 is not None and best.sha256 != sha256:
            is_right = False
        is_proven = is_right and sha256 is not None and best.sha256 == sha256
        for file in others:
            like = likeness(file, best)
            # Who was broken off while removing has left it with another name.
            of_its_name = path_of(file) == path_of(best) or (
                is_renamed(best.name) and self._is_named_by(mark, file)
            )
            is_surplus = (
                is_right
                and are_two(file, best)
                and (
                    like is Likeness.SAME or (is_proven and of_its_name and like is Likeness.OTHER)
                )
            )
            self._found.double.append(Double(item.key.number, file, best, like, is_surplus))
        return best

    def _why_given_up(self, item: MediaItem) -> str | None:
        failure = self._failures.get(item.key)
        if failure is not None and failure.for_good:
            return failure.reason
        too_large = self._budget_bytes is not None and item.size_bytes > self._budget_bytes
        return LargerThanBudget.reason if too_large else None

    def unclaimed(self) -> list[FileNumber]:
        """Of which files of messages some are there that no entry so far was about."""
        return sorted(self._files)

    def leave_out(self, number: FileNumber) -> None:
        """It belongs to a message that is not asked for."""
        self._found.not_compared += len(self._files.pop(number, []))

    def leave_out_copies(self) -> None:
        """After the last entry: what is missing is skipped where another message has brought the
        same file to the remote (``--dedupe``)."""
        found, identities = self._found, self._identities
        missing = [each for each in found.missing if each.marked or each.identity not in identities]
        files = self._given_up_files
        given_up = [each for each in found.given_up if files[each.key] not in identities]
        copies = len(found.missing) - len(missing) + len(found.given_up) - len(given_up)
        if copies:
            found.skipped[DUPLICATE] += copies
        found.missing, found.given_up = missing, given_up

    def findings(self) -> Findings:
        """The end: whose message was not seen is unknown."""
        unknown = self._found.unknown
        unknown += [Unknown(file, NO_MESSAGE) for each in self._files.values() for file in each]
        unknown += [Unknown(file, UNFINISHED) for each in self._under_way.values() for file in each]
        unknown.sort(key=lambda each: path_of(each.file))
        return self._found

    def _judge(
        self, item: MediaItem, file: ListedFile, mark: MarkedFile | None, *, is_only: bool
    ) -> None:
        reason = _what_is_wrong(item, file, mark)
        if reason is None:
            self._found.there += 1
            self._found.there_bytes += item.size_bytes
            self._identities.add(item.identity)
            self._found.compared_by_hash += _both_know_the_hash(file, mark)
            return
        self._found.wrong.append(
            Wrong(
                item.key,
                file,
                item.size_bytes,
                reason,
                marked=mark is not None,
                certainly_ours=is_only and self._is_named_by(mark, file),
                edited=self._is_as_uploaded(mark, file),
                failure=self._failures.get(item.key),
            )
        )

    def _is_adopted(
        self,
        item: MediaItem,
        adopted: AdoptedThere,
        mark: MarkedFile | None,
        others: list[ListedFile],
    ) -> bool:
        """Whether that decides: it is right, or wrong and all that there is. It is never ours to
        write over, and what is in the chat's folder beside it is no surplus."""
        file, found = adopted.file, adopted.found
        if found is None or (mark is None and not file.is_of(item)):
            return False
        as_marked = _marked_as(file)
        reason = _what_is_wrong(item, found, as_marked)
        if reason is not None and others:
            return False
        if reason is None:
            self._found.there += 1
            self._found.there_bytes += item.size_bytes
            self._found.adopted += 1
            self._identities.add(item.identity)
            self._found.compared_by_hash += _both_know_the_hash(found, as_marked)
            for other in others:
                like = likeness(other, found)
                double = Double(item.number, other, found, like, is_surplus=False)
                self._found.double.append(double)
            return True
        self._found.wrong.append(
            Wrong(
                item.key,
                found,
                item.size_bytes,
                reason,
                marked=mark is not None,
                certainly_ours=False,
                edited=is_unchanged(file, found),
                failure=self._failures.get(item.key),
            )
        )
        return True

    def _called_so(self, number: FileNumber, mark: MarkedFile | None) -> list[ListedFile]:
        """Files with names like rclone's for unfinished ones, that are called so on Telegram."""
        named = [each for each in self._under_way[number] if self._is_named_by(mark, each)]
        for file in named:
            self._under_way[number].remove(file)
        return named

    def _is_as_uploaded(self, mark: MarkedFile | None, file: ListedFile) -> bool:
        """By its hash, or, where that is not known, by its name and size."""
        if mark is None or mark.size_bytes != file.size_bytes:
            return False
        if _both_know_the_hash(file, mark):
            return mark.sha256 == file.sha256
        return self._is_named_by(mark, file)

    def _is_of_before(self, item: MediaItem, files: Iterable[ListedFile], mark: MarkedFile) -> bool:
        """Whether the mark is about a file that the message held before, and another machine has
        put the present one there: of that it says nothing."""
        if mark.identity is None or not mark.is_replaced_by(item):
            return False
        return any(
            file.size_bytes == item.size_bytes and not self._is_as_uploaded(mark, file)
            for file in files
        )

    def _is_named_by(self, mark: MarkedFile | None, file: ListedFile) -> bool:
        if mark is None:
            return False
        folder = f"{self._folder}/{file.subfolder}".rstrip("/")
        return (mark.folder, mark.name) == (folder, file.name)


def _marked_as(file: AdoptedFile) -> MarkedFile:
    folder, name = folder_and_name(file)
    return MarkedFile(folder, name, file.size_bytes, file.sha256, file.identity)


def _both_know_the_hash(file: ListedFile, mark: MarkedFile | None) -> bool:
    return mark is not None and mark.sha256 is not None and file.sha256 is not None


def _what_is_wrong(item: MediaItem, file: ListedFile, mark: MarkedFile | None) -> str | None:
    if file.size_bytes != item.size_bytes:
        return WRONG_SIZE
    if mark is not None and _both_know_the_hash(file, mark) and mark.sha256 != file.sha256:
        return OTHER_CONTENT
    if mark is not None and mark.identity is not None and mark.is_replaced_by(item):
        return REPLACED
    return None
