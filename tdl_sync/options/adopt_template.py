"""How another program has named what it moved (``adopt --template``): tdl's own notation, or fields
in braces.

    {{ .DialogID }}_{{ .MessageID }}_{{ filenamify .FileName }}
    {chat_id}/{message_id} - {file_name}

Of the fields only those that say which message it is are compared; any text may stand for the
others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

MOST_TEMPLATE_CHARACTERS = 300
MOST_IDS_IN_A_PATH = 16


class Field(Enum):
    """What stands in a template where names differ."""

    MESSAGE_ID = "message_id"
    CHAT_ID = "chat_id"
    ANYTHING = "*"


Piece = str | Field

_OF_TDL = {".MessageID": Field.MESSAGE_ID, ".DialogID": Field.CHAT_ID}
_BRACES = {
    "message_id": Field.MESSAGE_ID,
    "chat_id": Field.CHAT_ID,
    **dict.fromkeys(
        ("file_name", "stem", "ext", "date", "chat", "topic", "album", "type", "caption", "any"),
        Field.ANYTHING,
    ),
}
_ACTION = re.compile(r"\{\{-?\s*(?P<action>[^{}]*?)\s*-?\}\}")
_FIELD = re.compile(r"\{(?P<field>[a-z_]+)(?::[^{}]*)?\}")
_VARIABLE = re.compile(
    r"\.(?:DialogID|MessageID|MessageDate|FileName|FileCaption|FileSize|DownloadDate)\b"
)
_DIGITS = re.compile(r"(?<![0-9])[1-9][0-9]{0,9}(?![0-9])")

_EXPECTED = (
    "a template as tdl has it, or with fields such as {message_id} and {file_name}, that names the "
    "message, for example '{{ .DialogID }}_{{ .MessageID }}_{{ .FileName }}' or "
    "'{chat_id}/{message_id} - {file_name}'"
)


@dataclass(frozen=True)
class AdoptTemplate:
    """Made by ``parse_adopt_template`` only. It is about the end of a path."""

    parts: tuple[tuple[Piece, ...], ...]

    @property
    def names_chat(self) -> bool:
        return any(Field.CHAT_ID in part for part in self.parts)

    def message_ids(self, path: str, chat_ids: tuple[str, ...]) -> frozenset[int]:
        """All that this path may say by the template: one, or it says nothing for certain."""
        components = path.split("/")[-len(self.parts) :]
        if len(components) < len(self.parts):
            return frozenset()
        candidates = list(dict.fromkeys(_DIGITS.findall("/".join(components))))
        return frozenset(
            int(candidate)
            for candidate in candidates[:MOST_IDS_IN_A_PATH]
            if any(
                all(
                    _fits(_filled(part, candidate, chat_id), component)
                    for part, component in zip(self.parts, components, strict=True)
                )
                for chat_id in (chat_ids if self.names_chat else ("",))
            )
        )


def parse_adopt_template(text: str) -> AdoptTemplate:
    """Raises ``ValueError`` that says what is expected."""
    if len(text) > MOST_TEMPLATE_CHARACTERS or re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError(f"{_EXPECTED}, of at most {MOST_TEMPLATE_CHARACTERS} characters")
    pieces = list(_pieces(text))
    if Field.MESSAGE_ID not in pieces:
        raise ValueError(_EXPECTED)
    parts: list[list[Piece]] = [[]]
    for piece in pieces:
        if isinstance(piece, Field):
            parts[-1].append(piece)
            continue
        first, *others = piece.split("/")
        parts[-1] += [first] if first else []
        parts += [[other] if other else [] for other in others]
    if not all(parts):
        raise ValueError(f"{_EXPECTED}; with single slashes between the names of folders")
    for part in parts:
        _refuse_what_is_next_to_an_id(part)
    return AdoptTemplate(tuple(tuple(part) for part in parts))


def _pieces(text: str) -> Iterator[Piece]:
    of_tdl = "{{" in text
    pattern = _ACTION if of_tdl else _FIELD
    end = 0
    for match in pattern.finditer(text):
        yield from _literal(text[end : match.start()])
        yield _of_action(match["action"]) if of_tdl else _of_field(match["field"])
        end = match.end()
    yield from _literal(text[end:])


def _literal(text: str) -> Iterator[str]:
    if "{" in text or "}" in text:
        raise ValueError(f"{_EXPECTED}; a brace is not closed")
    if text:
        yield text


def _of_action(action: str) -> Field:
    """A function may change what it is given; of the ids none does that is of use."""
    if action in _OF_TDL:
        return _OF_TDL[action]
    if not _VARIABLE.search(action) and "now" not in action:
        raise ValueError(f"{_EXPECTED}; {{{{ {action[:40]} }}}} is not one of tdl's")
    return Field.ANYTHING


def _of_field(field: str) -> Field:
    if field not in _BRACES:
        known = ", ".join(f"{{{each}}}" for each in _BRACES)
        raise ValueError(f"a template with the fields {known} ({{any}} for any text)")
    return _BRACES[field]


def _refuse_what_is_next_to_an_id(part: list[Piece]) -> None:
    """Or nobody could say where the id begins and ends."""
    for before, after in pairwise(part):
        is_before_id, is_after_id = after in _IDS, before in _IDS
        if (is_before_id and (before in _IDS or _ends_in_a_digit(before, -1))) or (
            is_after_id and _ends_in_a_digit(after, 0)
        ):
            raise ValueError(f"{_EXPECTED}; beside the id there must be a sign that is no digit")


_IDS = (Field.MESSAGE_ID, Field.CHAT_ID)


def _ends_in_a_digit(piece: Piece, end: int) -> bool:
    """Or may do so."""
    return not isinstance(piece, str) or piece[end].isdigit()


def _filled(part: tuple[Piece, ...], message_id: str, chat_id: str) -> list[str | None]:
    """The texts that must stand there, with ``None`` for any text. What is beside an id is no
    digit, so that it is found as a whole number only."""
    filled: list[str | None] = []
    for piece in part:
        if piece is Field.ANYTHING:
            filled.append(None)
            continue
        text = piece
        if piece is Field.MESSAGE_ID:
            text = message_id
        elif piece is Field.CHAT_ID:
            text = chat_id
        assert isinstance(text, str)
        if filled and filled[-1] is not None:
            filled[-1] += text
        else:
            filled.append(text)
    return filled


def _fits(pieces: list[str | None], text: str) -> bool:
    """Whether the text is these, with any text for ``None``. What is between two of those is found
    where it comes first, so that this takes no longer than the text is long, times the pieces."""
    position = 0
    for index, piece in enumerate(pieces):
        if piece is None:
            continue
        is_last = index == len(pieces) - 1
        if index == 0 or is_last:
            start = 0 if index == 0 else len(text) - len(piece)
            if is_last and index == 0 and len(text) != len(piece):
                return False
        else:
            start = text.find(piece, position)
        if start < position or not text.startswith(piece, start):
            return False
        position = start + len(piece)
    return pieces[-1] is None or position == len(text)
