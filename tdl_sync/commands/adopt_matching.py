"""Which of the files that another program has moved are which of the chat's: those alone of which
that is certain.

A file is taken for a message's only if

- it has the very size that the message declares,
- its name says which message it is of, and of this chat; or, where it names no message, one file
  here and one in the whole chat have its name and size,
- no other file, and no other message, fits as well, unless they are known to be the same,
- and no hash speaks against it.

Pure: the listing comes first, the chat's files pass by in any order, and ``outcome`` is the end.
The chat may hold a million files: none is kept but those that something here fits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tdl_sync.commands.adopt_names import (
    BY_FILE_ID,
    BY_FILE_NAME,
    Claim,
    NameKey,
    Names,
    Said,
    evidence,
    name_keys,
)
from tdl_sync.core.doubles import Likeness, likeness
from tdl_sync.core.model import FileIdentity, FileNumber, ListedFile, MediaItem
from tdl_sync.core.naming import path_of

DONE_ALREADY = "its message is done already"
LEFT_OUT = "its message is left out by the filters"
NO_MESSAGE = "no message of the chat fits"
OTHER_CONTENT = "it has another content than its message's file, by its hash"
SIZE_UNKNOWN = "its size is not known"
TWO_OF_ITS_PATH = "the place lists this path twice"
SEVERAL_READINGS = "its name can be read in several ways"
NOT_THE_CHATS = (
    "its name says which message, and nothing says of which chat: neither the message's file name, "
    "nor a folder with the chat's title or id"
)

_MOST_NAMED = 3


@dataclass(frozen=True)
class Taken:
    """``why`` is fit for the end of a line."""

    item: MediaItem
    file: ListedFile
    why: str


@dataclass(frozen=True)
class Left:
    file: ListedFile
    why: str


@dataclass(frozen=True)
class Outcome:
    """Both by path."""

    taken: Sequence[Taken]
    left: Sequence[Left]

    @property
    def whys(self) -> Counter[str]:
        """How many were left, by kind of reason: numbers are left out of it."""
        return Counter(each.why.partition(":")[0] for each in self.left)


@dataclass(frozen=True)
class _Fit:
    """``why`` a file is an item's; ``reason_against`` taking it is ``None`` where there is none."""

    item: MediaItem
    why: str
    reason_against: str | None


@dataclass(slots=True)
class _File:
    file: ListedFile
    said: Said
    by_id: list[_Fit] = field(default_factory=list)
    by_name: list[_Fit] = field(default_factory=list)
    against: list[str] = field(default_factory=list)


class Matching:
    """Give it each file of the whole chat once, then ask once for the ``outcome``. One thread."""

    def __init__(
        self,
        listing: Iterable[ListedFile],
        names: Names,
        hash_of: Callable[[MediaItem], str | None] = lambda item: None,
    ) -> None:
        """``hash_of`` an item is the SHA-256 of its bytes, where that is known."""
        self._hash_of = hash_of
        self._files: list[_File] = []
        self._claims: defaultdict[int, list[tuple[Claim, _File]]] = defaultdict(list)
        self._named: defaultdict[tuple[int, NameKey], list[_File]] = defaultdict(list)
        self._with_id: defaultdict[int, list[_File]] = defaultdict(list)
        files = sorted(listing, key=lambda each: (path_of(each), each.remote_id, each.size_bytes))
        paths = Counter(path_of(each) for each in files)
        for listed in files:
            self._add(listed, names.said(listed), is_alone=paths[path_of(listed)] == 1)

    def _add(self, listed: ListedFile, said: Said, *, is_alone: bool) -> None:
        if listed.size_bytes < 0:
            said = Said(refusal=SIZE_UNKNOWN)
        elif not is_alone:
            said = Said(refusal=TWO_OF_ITS_PATH)
        elif len({(each.message_id, each.index) for each in said.claims}) > 1:
            said = Said(refusal=SEVERAL_READINGS)
        file = _File(listed, said)
        self._files.append(file)
        if said.refusal is not None:
            return
        for claim in said.claims:
            self._claims[claim.message_id].append((claim, file))
        for key in said.name_keys:
            self._named[listed.size_bytes, key].append(file)
        if said.file_id is not None:
            self._with_id[said.file_id].append(file)

    def take(self, item: MediaItem, *, is_done: bool = False, is_wanted: bool = True) -> None:
        """``is_done``: it is known to be on the remote. What is not ``is_wanted`` is not taken, but
        it may be what a file is."""
        reason = DONE_ALREADY if is_done else None if is_wanted else LEFT_OUT
        for claim, file in self._claims.get(item.message_id, ()):
            if claim.index is None or claim.index == item.key.index:
                self._claimed(file, claim, item, reason)
        for key in name_keys(item):
            for file in self._named.get((item.size_bytes, key), ()):
                file.by_name.append(_Fit(item, BY_FILE_NAME, reason))
        for file in self._with_id.get(item.location.file_id, ()):
            if file.file.size_bytes == item.size_bytes:
                file.by_name.append(_Fit(item, BY_FILE_ID, reason))
            else:
                file.against.append(_other_size(item))

    def _claimed(self, file: _File, claim: Claim, item: MediaItem, reason: str | None) -> None:
        if file.file.size_bytes != item.size_bytes:
            file.against.append(_other_size(item))
            return
        why = evidence(claim, file.said, item)
        if why is None:
            file.against.append(NOT_THE_CHATS)
        else:
            file.by_id.append(_Fit(item, why, reason))

    # --- the end ------------------------------------------------------------------------------

    def outcome(self) -> Outcome:
        taken: list[Taken] = []
        left: list[Left] = []
        for_item: defaultdict[FileNumber, list[tuple[_File, _Fit]]] = defaultdict(list)
        by_name: list[_File] = []
        for file in self._files:
            fits = self._without_other_content(file)
            if isinstance(fits, str):
                left.append(Left(file.file, fits))
            elif not file.by_id:
                by_name.append(file)
            else:
                for_item[fits[0].item.number].append((file, fits[0]))
        for candidates in for_item.values():
            self._settle(candidates, taken, left)
        self._settle_by_name(by_name, taken, left)
        return Outcome(
            sorted(taken, key=lambda each: path_of(each.file)),
            sorted(left, key=lambda each: path_of(each.file)),
        )

    def _without_other_content(self, file: _File) -> list[_Fit] | str:
        """What it fits; or why it is left."""
        if file.said.refusal is not None:
            return file.said.refusal
        fits = file.by_id or file.by_name
        right = [each for each in fits if not self._has_other_content(file.file, each.item)]
        if not fits:
            return file.against[0] if file.against else NO_MESSAGE
        if not right:
            return OTHER_CONTENT
        if file.by_id:
            # A file may be called on Telegram as another program calls that of another message.
            called_so = [
                each for each in file.by_name if each.item.identity != right[0].item.identity
            ]
            numbers = sorted({each.item.number for each in (*right, *called_so)})
            if len(numbers) > 1:
                return f"several messages' files fit: {_named(numbers)}"
        return right

    def _settle(
        self, candidates: list[tuple[_File, _Fit]], taken: list[Taken], left: list[Left]
    ) -> None:
        """Of the files of one item by its id: the one that there is, or one of those that are known
        to be the same."""
        first, fit = candidates[0]
        others = [file for file, _ in candidates[1:]]
        if fit.reason_against is not None:
            left += [Left(file.file, fit.reason_against) for file, _ in candidates]
        elif all(_is_same(first.file, each.file) for each in others):
            taken.append(self._taken(fit, first.file))
            left += [Left(each.file, _same_as(first.file)) for each in others]
        else:
            why = f"several files fit its message: for {fit.item.number} {_listed(candidates)}"
            left += [Left(file.file, why) for file, _ in candidates]

    def _settle_by_name(self, files: list[_File], taken: list[Taken], left: list[Left]) -> None:
        """What names no message. Of several messages that hold the one file the first takes it, the
        others have none."""
        settled = {each.item.number for each in taken}
        candidates: defaultdict[FileIdentity, list[_File]] = defaultdict(list)
        for file in files:
            identities = {each.item.identity for each in self._fits_of(file)}
            if len(identities) > 1:
                numbers = sorted({each.item.number for each in self._fits_of(file)})
                why = "several messages hold different files of its name and size"
                left.append(Left(file.file, f"{why}: {_named(numbers)}"))
            else:
                candidates[identities.pop()].append(file)
        for group in candidates.values():
            first, *others = group
            if not all(_is_same(first.file, each.file) for each in (*others, *self._alike(first))):
                numbers = sorted({each.item.number for each in self._fits_of(first)})
                why = f"several files are here of this name and size: for message {_named(numbers)}"
                left += [Left(each.file, why) for each in group]
                continue
            fits = sorted(self._fits_of(first), key=lambda each: each.item.number)
            free = [each for each in fits if each.reason_against is None]
            free = [each for each in free if each.item.number not in settled]
            if not free:
                why = next((f.reason_against for f in fits if f.reason_against), DONE_ALREADY)
                left += [Left(each.file, why) for each in group]
                continue
            settled.add(free[0].item.number)
            taken.append(self._taken(free[0], first.file))
            left += [Left(each.file, _same_as(first.file)) for each in others]

    def _fits_of(self, file: _File) -> list[_Fit]:
        """By Telegram's id of the file, if it has that; else by its name."""
        by_file_id = [each for each in file.by_name if each.why == BY_FILE_ID]
        fits = by_file_id or file.by_name
        return [each for each in fits if not self._has_other_content(file.file, each.item)]

    def _alike(self, file: _File) -> list[_File]:
        """All others here that have its name and size, whatever they were found to be."""
        if any(each.why == BY_FILE_ID for each in file.by_name):
            return []
        size_bytes = file.file.size_bytes
        alike = [each for key in file.said.name_keys for each in self._named[size_bytes, key]]
        return [each for each in alike if each is not file]

    def _taken(self, fit: _Fit, file: ListedFile) -> Taken:
        known = self._hash_of(fit.item) if file.sha256 is not None else None
        how = "size" if known is None else "size and SHA-256"
        return Taken(fit.item, file, f"{fit.why}, and {how}")

    def _has_other_content(self, file: ListedFile, item: MediaItem) -> bool:
        if file.sha256 is None:
            return False
        known = self._hash_of(item)
        return known is not None and known != file.sha256


def _is_same(one: ListedFile, other: ListedFile) -> bool:
    return one.size_bytes == other.size_bytes and likeness(one, other) is Likeness.SAME


def _same_as(file: ListedFile) -> str:
    return f"it is the same as another, which is taken: {path_of(file)}"


def _other_size(item: MediaItem) -> str:
    return f"its size differs: message {item.number} declares {item.size_bytes} bytes"


def _named(numbers: Sequence[FileNumber]) -> str:
    shown = ", ".join(map(str, numbers[:_MOST_NAMED]))
    return (
        shown if len(numbers) <= _MOST_NAMED else f"{shown} and {len(numbers) - _MOST_NAMED} more"
    )


def _listed(candidates: Sequence[tuple[_File, _Fit]]) -> str:
    shown = ", ".join(path_of(file.file) for file, _ in candidates[:_MOST_NAMED])
    more = len(candidates) - _MOST_NAMED
    return shown if more <= 0 else f"{shown} and {more} more"
