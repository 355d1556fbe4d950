"""What rclone answers, parsed as it comes in: a listing is tens of megabytes of text, which beside
what is made of it need not be there as well."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from json import JSONDecodeError, JSONDecoder
from typing import Any

ReadObject = Callable[[dict[str, Any]], object]
"""Makes something of an object of an answer; raises ``ValueError`` if it is not as expected."""

_LIST_BEGINS = re.compile(r'\s*\{\s*"(?P<name>[a-z]+)"\s*:\s*\[')
_HEAD_CHARACTERS = 64
_ENDS = re.compile(r"\s*\]\s*\}\s*")
_BETWEEN = re.compile(r"[\s,]*")


def json_object(pieces: Iterable[str], read: ReadObject | None = None) -> dict[str, Any] | None:
    """The one that the pieces of a text are together; ``None`` if they are none.

    ``read`` makes something of each object in it, and of the whole if that is not one list of
    objects; what it refuses is no answer.
    """
    try:
        if read is not None:
            return _with_a_list(pieces, read)
        answer = json.loads("".join(pieces))
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _with_a_list(pieces: Iterable[str], read: ReadObject) -> dict[str, Any]:
    """Raises ``ValueError``."""
    pieces = iter(pieces)
    text = ""
    while len(text) < _HEAD_CHARACTERS and (piece := next(pieces, None)) is not None:
        text += piece
    begins = _LIST_BEGINS.match(text)
    if begins is None:
        whole = json.loads(text + "".join(pieces), object_hook=read)
        if isinstance(whole, dict):
            return whole
        raise ValueError("no object")
    decoder = JSONDecoder(object_hook=read)
    entries: list[Any] = []
    text = text[begins.end() :]
    for piece in pieces:
        text = _taken(text, decoder, entries) + piece
    if not _ENDS.fullmatch(_taken(text, decoder, entries)):
        raise ValueError("it has no end")
    return {begins["name"]: entries}


def _taken(text: str, decoder: JSONDecoder, entries: list[Any]) -> str:
    """Parse what is whole in ``text``; returns the rest."""
    at = 0
    while True:
        between = _BETWEEN.match(text, at)
        begins_at = between.end() if between else at
        if not text.startswith("{", begins_at):
            return text[begins_at:]
        try:
            entry, at = decoder.raw_decode(text, begins_at)
        except JSONDecodeError:
            return text[begins_at:]
        entries.append(entry)
