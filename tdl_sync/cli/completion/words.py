"""What a shell can complete: commands, their options, and the values that are known.

All of it is read from ``usage``, and known values from where they are defined, so that the scripts
can't be out of date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from tdl_sync.cli.usage import OF_COMMAND, OPTIONS, Option
from tdl_sync.core.model import MediaType
from tdl_sync.core.program import INSTALLED, SCRIPT
from tdl_sync.options.config import OnQuota

NAMES = (INSTALLED, SCRIPT)
"""The names that the program is called by."""

NO_COMMAND = "none"
"""How the scripts call a line without a command, which means ``sync``."""

COMMANDS = tuple(OF_COMMAND)


class ValueKind(Enum):
    """What a shell can say about an option's value."""

    UNKNOWN = "unknown"
    FILE = "file"
    DIRECTORY = "directory"
    ONE_OF = "one of some words"
    LIST_OF = "some of some words, with commas between"


@dataclass(frozen=True)
class Value:
    """``words`` are those that the value is made of, where they are known."""

    kind: ValueKind
    words: tuple[str, ...] = ()


_BY_PLACEHOLDER = {"FILE": ValueKind.FILE, "PATH": ValueKind.FILE, "DIR": ValueKind.DIRECTORY}
_BY_OPTION = {
    "--type": Value(ValueKind.LIST_OF, tuple(kind.value for kind in MediaType)),
    "--on-quota": Value(ValueKind.ONE_OF, tuple(choice.value for choice in OnQuota)),
}


def value_of(option: Option) -> Value | None:
    """``None`` for a switch."""
    if option.value_name is None:
        return None
    kind = _BY_PLACEHOLDER.get(option.value_name, ValueKind.UNKNOWN)
    return _BY_OPTION.get(option.name, Value(kind))


def options_of(command: str) -> list[Option]:
    """In the order of the help text. ``NO_COMMAND`` means ``sync``."""
    names = OF_COMMAND["sync" if command == NO_COMMAND else command]
    return [option for option in OPTIONS.values() if option.name in names]


def spellings(option: Option) -> list[str]:
    return [option.name] if option.short is None else [option.short, option.name]


def with_values() -> list[str]:
    """Every spelling of the options that take a value."""
    takers = [option for option in OPTIONS.values() if option.value_name is not None]
    return [spelling for option in takers for spelling in spellings(option)]


def filled(script: str, parts: Mapping[str, str]) -> str:
    """``@name@`` replaced: braces and dollars have a sense of their own in a script."""
    for name, text in parts.items():
        script = script.replace(f"@{name}@", text)
    return script
