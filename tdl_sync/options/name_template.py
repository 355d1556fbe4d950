"""Where on the remote a file goes by the user's own template (``--name``).

    {date:%Y-%m}/{stem} ({type}).{ext}  ->  2024-05/4711_beach (video).mp4

The template is the user's and the values are hostile: a value is never read as a template, and
each follows the rules of ``naming``. A slash in the template makes a folder; one in a value does
not. Every file's name begins with its message's id, which is put there if the template does not:
by it a machine that has lost everything finds in the remote's listing what is done, and by it no
two files have one name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from string import Formatter

from tdl_sync.core.model import Chat, MediaItem
from tdl_sync.core.naming import name_without_id, portable_folder, portable_name

FIELDS = (
    "message_id",
    "file_name",
    "stem",
    "ext",
    "date",
    "chat",
    "topic",
    "topic_name",
    "album",
    "type",
    "caption",
    "sender",
    "views",
)
MOST_TEMPLATE_CHARACTERS = 300
MOST_FOLDERS = 8
DATE_FORMAT = "%Y-%m-%d"

_ID_IN_FRONT = "{message_id}_"
_TEXT_FORMAT = re.compile(r"(?:\.[0-9]{1,3})?")
_DATE_DIRECTIVES = re.compile(r"(?:[^%{}/]|%[YmdHMSyjUWVGuab%-])*")


@dataclass(frozen=True)
class RemotePlace:
    """``folders`` lie below the chat's folder."""

    folders: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class NameTemplate:
    """A template that was checked. Made by ``parse_name_template`` only."""

    folders: tuple[str, ...]
    name: str

    @property
    def names_topics(self) -> bool:
        return any("{topic_name" in part for part in (*self.folders, self.name))

    def place(self, item: MediaItem, chat: Chat) -> RemotePlace:
        values = _values(item, chat)
        folders = tuple(portable_folder(_filled(part, values)) for part in self.folders)
        rest = _filled(self.name.removeprefix(_ID_IN_FRONT), values)
        return RemotePlace(folders, portable_name(item, rest))

    def path(self, item: MediaItem, chat: Chat) -> str:
        """The same as a path below the chat's folder."""
        place = self.place(item, chat)
        return "/".join((*place.folders, place.name))


def parse_name_template(text: str) -> NameTemplate:
    """Raises ``ValueError`` that says what is expected."""
    if len(text) > MOST_TEMPLATE_CHARACTERS:
        raise ValueError(f"a template of at most {MOST_TEMPLATE_CHARACTERS} characters")
    *folders, name = text.split("/")
    if not name or not all(folders) or len(folders) > MOST_FOLDERS:
        raise ValueError(
            "a template for a name, with single slashes between the names of folders, of which "
            f"there are at most {MOST_FOLDERS}; for example {{date:%Y-%m}}/{{file_name}}"
        )
    for part in (*folders, name):
        _check(part)
    return NameTemplate(tuple(folders), name)


def _check(part: str) -> None:
    if part.strip(" ") in (".", ".."):
        raise ValueError("a template whose folders are names, not '.' or '..'")
    try:
        pieces = list(Formatter().parse(part))
    except ValueError as error:
        raise ValueError(f"a template with fields in braces ({error})") from None
    for _, field, form, conversion in pieces:
        if field is None:
            continue
        if field not in FIELDS or conversion:
            known = ", ".join(f"{{{each}}}" for each in FIELDS)
            raise ValueError(f"a template with the fields {known}, such as {{date:%Y-%m}}")
        _check_format(field, form or "")


def _check_format(field: str, form: str) -> None:
    if field == "date":
        if not _DATE_DIRECTIVES.fullmatch(form):
            raise ValueError("a {date} with directives such as {date:%Y-%m-%d} and no slash")
    elif not _TEXT_FORMAT.fullmatch(form):
        raise ValueError("a field that is cut to a length at most, such as {caption:.60}")


def _filled(part: str, values: dict[str, str | datetime]) -> str:
    filled = []
    for literal, field, form, _ in Formatter().parse(part):
        filled.append(literal)
        if field is not None:
            value = values[field]
            if isinstance(value, datetime):
                filled.append(value.strftime(form or DATE_FORMAT))
            else:
                filled.append(format(value, form or ""))
    return "".join(filled)


def _values(item: MediaItem, chat: Chat) -> dict[str, str | datetime]:
    file_name = name_without_id(item)
    stem, dot, ext = file_name.rpartition(".")
    if not dot or not stem:
        stem, ext = file_name, ""
    details = item.details
    return {
        "message_id": str(item.message_id),
        "file_name": file_name,
        "stem": stem,
        "ext": ext,
        "date": item.date,
        "chat": chat.title,
        "topic": "" if details.topic_id is None else str(details.topic_id),
        "topic_name": details.topic_name or str(details.topic_id or ""),
        "album": "" if details.album_id is None else str(details.album_id),
        "type": item.media_type.value,
        "caption": " ".join((details.caption or details.album_caption).split()),
        "sender": details.sender_name or chat.title,
        "views": "" if details.views is None else str(details.views),
    }


PLAIN_NAMES = parse_name_template("{message_id}_{file_name}")
"""What files are called without a template."""


@dataclass(frozen=True)
class Keeping:
    """How a file is kept: ``template`` says where in the chat's folder, ``with_sidecar`` whether
    what its message says lies beside it."""

    template: NameTemplate = PLAIN_NAMES
    with_sidecar: bool = False

    @property
    def things(self) -> int:
        """So many are put on the remote for each file."""
        return 2 if self.with_sidecar else 1


PLAIN_KEEPING = Keeping()
