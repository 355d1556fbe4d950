"""Which of a chat's files a run is about. Pure; the reader's pages pass through it.

A filter leaves items out by a rule, which is counted, and never marks them as done: a run with
wider filters picks them up. Each set of filters is a scope of its own (``canonical_text``), so
that none goes on from a watermark that another has moved past what it left out.

A moment that is given by its age (``30d``) is named by that age in the scope, not by the date that
it means today: the scope would be another every day. That is sound, since such a bound only moves
forward: what was too old stays so, and a run reads no further than to what is old enough, so that
the watermark never passes what is not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from tdl_sync.core.model import HistoryEntry, HistoryPage, MediaItem, MediaType, SkippedItem
from tdl_sync.core.naming import name_without_id
from tdl_sync.options.expressions import Expression
from tdl_sync.options.file_filter import FileFilter
from tdl_sync.options.units import parse_seconds

MOST_SEARCHED_CHARACTERS = 1024
"""So much of a caption is searched, the limit of a caption's own length without Premium."""

STICKER_RULE = "sticker"
POST_RULE = "the post itself"

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATE_AND_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(Z?)")
_AGE = re.compile(r"[0-9.]+[dhms0-9.]*[dhms]", re.IGNORECASE)
_EXTENSION = re.compile(r"\w{1,16}(?:\.\w{1,16})?")


@dataclass(frozen=True)
class Moment:
    """A point in time as the user named it: ``text`` is the same on every day, ``at`` is UTC."""

    text: str
    at: datetime


@dataclass(frozen=True)
class Filters:
    """``None`` and empty mean: no such filter. Without ``types`` all but stickers pass.

    The name that ``name`` and the extensions are held against is the one on the remote, without
    the id in front.
    """

    types: frozenset[MediaType] = frozenset()
    included_extensions: frozenset[str] = frozenset()
    excluded_extensions: frozenset[str] = frozenset()
    least_bytes: int | None = None
    most_bytes: int | None = None
    since: Moment | None = None
    until: Moment | None = None
    to_id: int | None = None
    name: Expression | None = None
    caption: Expression | None = None
    expression: FileFilter | None = None

    @property
    def change(self) -> bool:
        """Whether they may let a message pass tomorrow that they leave out today: no watermark may
        pass what they leave out."""
        return self.expression is not None and self.expression.changes

    def rule_against(self, item: MediaItem) -> str | None:
        """The rule that leaves the item out, ``None`` if it is wanted. Raises
        ``ExpressionTooSlow``.
        """
        if item.media_type is MediaType.STICKER and not self.types:
            return STICKER_RULE
        if self.types and item.media_type not in self.types:
            return "type"
        if self.to_id is not None and item.message_id > self.to_id:
            return "id"
        if not self._extension_is_wanted(item):
            return "extension"
        if not _within(item.size_bytes, self.least_bytes, self.most_bytes):
            return "size"
        if (self.since and item.date < self.since.at) or (
            self.until and item.date >= self.until.at
        ):
            return "date"
        if self.name and not self.name.is_in(name_without_id(item), item.message_id):
            return "name"
        if self.caption and not self.caption.is_in(_searched(item), item.message_id):
            return "caption"
        if self.expression and not self.expression.passes(item):
            return "filter"
        return None

    @property
    def canonical_text(self) -> str:
        """The same for the same filters, however they were written; empty without any."""
        given = {
            "types": sorted(each.value for each in self.types),
            "include": sorted(self.included_extensions),
            "exclude": sorted(self.excluded_extensions),
            "min": self.least_bytes,
            "max": self.most_bytes,
            "since": self.since and self.since.text,
            "until": self.until and self.until.text,
            "to": self.to_id,
            "name": self.name and self.name.pattern,
            "caption": self.caption and self.caption.pattern,
            "filter": self.expression and self.expression.text,
        }
        wanted = {key: value for key, value in given.items() if value not in (None, [])}
        return json.dumps(wanted, sort_keys=True) if wanted else ""

    def page(self, page: HistoryPage) -> HistoryPage:
        """The page with what is left out as skipped."""
        return replace(page, entries=tuple(self._judged(entry) for entry in page.entries))

    def without_left_out(self, entries: list[HistoryEntry]) -> list[HistoryEntry]:
        """The entries without the files that a rule is against: what is gone stays among them."""
        return [
            entry
            for entry in entries
            if isinstance(entry, SkippedItem) or self.rule_against(entry) is None
        ]

    def _judged(self, entry: HistoryEntry) -> HistoryEntry:
        rule = self.rule_against(entry) if isinstance(entry, MediaItem) else None
        return entry if rule is None else SkippedItem(entry.key, rule)

    def _extension_is_wanted(self, item: MediaItem) -> bool:
        if not self.included_extensions and not self.excluded_extensions:
            return True
        name = name_without_id(item).casefold()
        if any(name.endswith(f".{each}") for each in self.excluded_extensions):
            return False
        return not self.included_extensions or any(
            name.endswith(f".{each}") for each in self.included_extensions
        )


ALL_BUT_STICKERS = Filters()


def without_posts(page: HistoryPage, channel_id: int) -> HistoryPage:
    """The page of a discussion group without the copies of the channel's own posts.

    Telegram puts one in the group for each post, sent in the channel's name
    (https://core.telegram.org/api/discussion); what people forward is theirs.
    """
    return replace(
        page,
        entries=tuple(
            SkippedItem(entry.key, POST_RULE)
            if isinstance(entry, MediaItem)
            and entry.details.sender_id == entry.details.forwarded_from_id == channel_id
            else entry
            for entry in page.entries
        ),
    )


def parse_types(text: str) -> frozenset[MediaType]:
    """``video,photo``. Raises ``ValueError`` with what is expected, like all that follow."""
    known = {each.value: each for each in MediaType}
    words = [word.strip().lower() for word in text.split(",")]
    if any(word not in known for word in words):
        raise ValueError(f"some of {','.join(known)}, with commas between them")
    return frozenset(known[word] for word in words)


def parse_extensions(text: str) -> frozenset[str]:
    """``mp4,.MKV,tar.gz``."""
    words = [word.strip().removeprefix(".").casefold() for word in text.split(",")]
    if not all(_EXTENSION.fullmatch(word) for word in words):
        raise ValueError("endings of names such as mp4,mkv, with commas between them")
    return frozenset(words)


def parse_since(text: str, now: datetime) -> Moment:
    """``2024-01-31`` (its beginning), ``2024-01-31T12:00``, or an age such as ``30d``; UTC."""
    return _moment(text, now, whole_day=timedelta())


def parse_until(text: str, now: datetime) -> Moment:
    """The same; a day counts whole."""
    return _moment(text, now, whole_day=timedelta(days=1))


def _moment(text: str, now: datetime, whole_day: timedelta) -> Moment:
    stripped = text.strip()
    try:
        if _DATE.fullmatch(stripped):
            at = datetime.fromisoformat(stripped).replace(tzinfo=timezone.utc) + whole_day
            return Moment(at.isoformat(), at)
        match = _DATE_AND_TIME.fullmatch(stripped)
        if match:
            at = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3] or ''}")
            at = at.replace(tzinfo=timezone.utc)
            return Moment(at.isoformat(), at)
        if _AGE.fullmatch(stripped):
            seconds = parse_seconds(stripped)
            return Moment(f"{seconds:g} s ago", now - timedelta(seconds=seconds))
    except (ValueError, OverflowError):
        pass
    raise ValueError("a date such as 2024-01-31 or 2024-01-31T12:00 (UTC), or an age such as 30d")


def _within(size_bytes: int, least_bytes: int | None, most_bytes: int | None) -> bool:
    return (least_bytes is None or size_bytes >= least_bytes) and (
        most_bytes is None or size_bytes <= most_bytes
    )


def _searched(item: MediaItem) -> str:
    """Only the beginning of what may be a long hostile text."""
    details = item.details
    return f"{details.caption}\n{details.album_caption}".strip()[:MOST_SEARCHED_CHARACTERS]
