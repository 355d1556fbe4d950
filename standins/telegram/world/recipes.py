"""The histories that chats start with, as rules: a message is computed when it is asked for."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import accumulate

from .content import derived_number
from .names import HOSTILE_NAMES
from .plan import DELETED, FILE_KINDS, FilePlan, MessagePlan

FIRST_DATE = int(datetime(2021, 3, 4, 5, 6, 7, tzinfo=timezone.utc).timestamp())
_SPAN_SECONDS = 3 * 365 * 86400
_LONGEST_STEP_SECONDS = 600

EQUAL_NAME = "report.pdf"
NAMED_KINDS = frozenset({"document", "video", "audio", "animation"})
STICKER_NAME = "sticker.webp"

_MIME_TYPES = {
    "document": "application/octet-stream",
    "video": "video/mp4",
    "audio": "audio/mpeg",
    "voice": "audio/ogg",
    "video_note": "video/mp4",
    "animation": "video/mp4",
    "photo": "image/jpeg",
    "sticker": "image/webp",
}
_EXTENSIONS = {"document": "pdf", "video": "mp4", "audio": "mp3", "animation": "mp4"}
_SIZE_WEIGHTS = {
    "document": 1.2,
    "video": 2.4,
    "audio": 1.0,
    "voice": 0.1,
    "video_note": 0.4,
    "animation": 0.4,
    "photo": 0.15,
    "sticker": 0.02,
}
_GREATEST_DEVIATION = 5.0


def message_date(message_id: int, newest_id: int, seed: int) -> int:
    """Ascending with the id, from 2021 to 2024 at the latest."""
    step = max(1, min(_LONGEST_STEP_SECONDS, _SPAN_SECONDS // max(newest_id, 1)))
    return FIRST_DATE + message_id * step + derived_number("date", seed, message_id) % step


@dataclass(frozen=True)
class Slot:
    """One place in a deck; the slots of an album share its number."""

    kind: str
    album: int | None = None


def shuffled_deck(seed: int, units: Sequence[Sequence[str]]) -> tuple[Slot, ...]:
    """The units (an album has several kinds) in the seed's order, the first one left in place."""
    order = list(range(1, len(units)))
    random.Random(derived_number("deck", seed)).shuffle(order)
    return tuple(
        Slot(kind, unit if len(units[unit]) > 1 else None)
        for unit in (0, *order)
        for kind in units[unit]
    )


@dataclass(frozen=True)
class SizesAndPlaces:
    """How large files are and where they lie.

    `mean_bytes` is about the mean over all files of `mixed`; no file is larger than twelve times
    that, except the one of `too_large_bytes` (None for no such file).
    """

    mean_bytes: int
    too_large_bytes: int | None
    home_dc_id: int
    foreign_dc_ids: tuple[int, ...]


@dataclass(frozen=True)
class DeckRecipe:
    """A deck of kinds that is dealt again and again, so that counting kinds costs no message.

    Files are numbered in order; the number picks name, size and data centre.
    """

    seed: int
    newest_id: int
    deck: tuple[Slot, ...]
    sizes: SizesAndPlaces
    _files_before: tuple[int, ...] = field(init=False, repr=False)
    _named_before: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        kinds = [slot.kind for slot in self.deck]
        files = accumulate((kind in FILE_KINDS for kind in kinds), initial=0)
        named = accumulate((kind in NAMED_KINDS for kind in kinds), initial=0)
        object.__setattr__(self, "_files_before", tuple(files))
        object.__setattr__(self, "_named_before", tuple(named))

    def kinds(self) -> list[str]:
        kinds = [slot.kind for slot in self.deck]
        return (kinds * (self.newest_id // len(kinds) + 1))[: self.newest_id]

    def kind(self, message_id: int) -> str:
        return self.deck[(message_id - 1) % len(self.deck)].kind

    def date(self, message_id: int) -> int:
        return message_date(message_id, self.newest_id, self.seed)

    def plan(self, message_id: int) -> MessagePlan:
        turn, position = divmod(message_id - 1, len(self.deck))
        slot = self.deck[position]
        grouped_id = None
        if slot.album is not None:
            grouped_id = derived_number("album", self.seed, turn, slot.album)
        file = None
        text = _text(slot.kind, message_id)
        if slot.kind in FILE_KINDS:
            number = turn * self._files_before[-1] + self._files_before[position]
            named = turn * self._named_before[-1] + self._named_before[position]
            file = self._file(slot.kind, number, named)
            text = _caption(number)
        return MessagePlan(slot.kind, self.date(message_id), text, file, grouped_id)

    def _file(self, kind: str, number: int, named: int) -> FilePlan:
        dc_id = self.sizes.home_dc_id
        if self.sizes.foreign_dc_ids and number % 9 == 4:
            dc_id = self.sizes.foreign_dc_ids[number // 9 % len(self.sizes.foreign_dc_ids)]
        return FilePlan(
            kind=kind,
            size_bytes=self._size_bytes(kind, number, named),
            name=_name(kind, named),
            mime_type=_MIME_TYPES[kind],
            dc_id=dc_id,
        )

    def _size_bytes(self, kind: str, number: int, named: int) -> int:
        if kind in NAMED_KINDS and named == 8 and self.sizes.too_large_bytes is not None:
            return self.sizes.too_large_bytes
        if kind in NAMED_KINDS and named % 29 == 17:
            return 0
        chance = (derived_number("size", self.seed, number, bits=32) + 1) / 2**32
        deviation = min(-math.log(chance), _GREATEST_DEVIATION)
        return max(1, round(self.sizes.mean_bytes * _SIZE_WEIGHTS[kind] * deviation))


def _name(kind: str, named: int) -> str | None:
    """The name of the n-th file whose sender names it.

    Two of three are hostile until each hostile name was there once; equal names, files without
    a name and ordinary ones come between them.
    """
    if kind not in NAMED_KINDS:
        return STICKER_NAME if kind == "sticker" else None
    hostile = named // 3 * 2 + named % 3
    if named % 3 < 2 and hostile < len(HOSTILE_NAMES):
        return HOSTILE_NAMES[hostile]
    if named % 4 == 0:
        return EQUAL_NAME
    if named % 4 == 1:
        return None
    return f"{kind} number {named}.{_EXTENSIONS[kind]}"


def _text(kind: str, message_id: int) -> str:
    if kind in ("link", "web_page"):
        return f"\U0001f517 Look: https://example.org/{message_id} and more"
    if kind == "text":
        return f"Text of message {message_id}"
    return ""


def _caption(number: int) -> str:
    if number % 3:
        return ""
    if number % 2:
        return f"Caption {number}\x1b[31m\n../../{number} $(touch x)"
    return f"Caption {number} \U0001f3b5"


@dataclass(frozen=True)
class ListedFiles:
    """Message 1 holds the first file, and each ``apart`` messages later one holds the next; between
    them is talk."""

    seed: int
    files: tuple[FilePlan, ...]
    apart: int = 1

    @property
    def newest_id(self) -> int:
        return max(0, len(self.files) - 1) * self.apart + min(1, len(self.files))

    def kinds(self) -> list[str]:
        return [self.kind(message_id) for message_id in range(1, self.newest_id + 1)]

    def kind(self, message_id: int) -> str:
        number, rest = divmod(message_id - 1, self.apart)
        return "text" if rest else self.files[number].kind

    def date(self, message_id: int) -> int:
        return message_date(message_id, self.newest_id, self.seed)

    def plan(self, message_id: int) -> MessagePlan:
        number, rest = divmod(message_id - 1, self.apart)
        if rest:
            return MessagePlan("text", self.date(message_id), _text("text", message_id))
        file = self.files[number]
        return MessagePlan(file.kind, self.date(message_id), file=file)


def listed_file(kind: str, size_bytes: int, name: str | None, dc_id: int) -> FilePlan:
    return FilePlan(kind, size_bytes, name, _MIME_TYPES[kind], dc_id)


@functools.cache
def mixed_units() -> tuple[tuple[str, ...], ...]:
    """Fifty messages as a busy channel has them; 41 hold a file."""
    singles = {
        "document": 12,
        "video": 7,
        "audio": 5,
        "animation": 2,
        "photo": 3,
        "voice": 3,
        "video_note": 2,
        "sticker": 1,
        "text": 2,
        "link": 1,
        "web_page": 1,
        "poll": 1,
        "geo": 1,
        DELETED: 2,
    }
    units: list[tuple[str, ...]] = [("service",)]
    for kind, count in singles.items():
        units.extend([(kind,)] * count)
    units.append(("photo", "photo", "video"))
    units.append(("document", "audio", "photo"))
    return tuple(units)


def sparse_units(media_every: int) -> tuple[tuple[str, ...], ...]:
    """One file (each kind in turn) in `media_every` messages, and a gap here and there."""
    kinds = [kind for kind in FILE_KINDS if kind != "sticker"]
    units: list[tuple[str, ...]] = [("service",)]
    for kind in kinds:
        texts = media_every - 1
        gaps = texts // 40
        units.extend([("text",)] * (texts - gaps) + [(DELETED,)] * gaps + [(kind,)])
    return tuple(units)
