"""The user's own programs, which a run calls (``--exec``, ``--exec-file``)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

_EXPECTED = "a program and its arguments, quoted as in a shell"


@dataclass(frozen=True)
class HookCommands:
    """Each is a program and its arguments, which may hold secrets; empty for none."""

    at_end: tuple[str, ...] = field(default=(), repr=False)
    for_file: tuple[str, ...] = field(default=(), repr=False)


NO_HOOKS = HookCommands()


def parse_command(text: str) -> tuple[str, ...]:
    """Raises ``ValueError`` with what is expected."""
    try:
        words = tuple(shlex.split(text))
    except ValueError:
        raise ValueError(f"{_EXPECTED}; a quotation mark is not closed") from None
    if not words or not words[0] or "\0" in text:
        raise ValueError(_EXPECTED)
    return words
