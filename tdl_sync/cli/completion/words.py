"""What a shell can complete: commands, their options, and the values that are known.

All of it is read from ``usage``, and known values from where they are defined, so that the scripts
can't be out of date.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tdl_sync.cli.usage import OF_COMMAND, OPTIONS, SHELLS, Option
from tdl_sync.core.model import MediaType
from tdl_sync.core.program import INSTALLED, SCRIPT
from tdl_sync.options.choice import Replacing
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
    REMOTE = "a remote of rclone, or an absolute path"


@dataclass(frozen=True)
class Value:
    """``words`` are those that the value is made of, where they are known."""

    kind: ValueKind
    words: tuple[str, ...] = ()


_BY_PLACEHOLDER = {
    "FILE": ValueKind.FILE,
    "PATH": ValueKind.FILE,
    "DIR": ValueKind.DIRECTORY,
    "REMOTE:PATH": ValueKind.REMOTE,
}
_BY_OPTION = {
    "--type": Value(ValueKind.LIST_OF, tuple(kind.value for kind in MediaType)),
    "--replaced": Value(ValueKind.ONE_OF, tuple(way.value for way in Replacing)),
    "--on-quota": Value(ValueKind.ONE_OF, tuple(choice.value for choice in OnQuota)),
}


LIST_REMOTES = "listremotes --ask-password=false"
"""What rclone is called with: it reads its configuration and asks nobody, no network either."""


def value_of(option: Option) -> Value | None:
    """``None`` for a switch."""
    if option.value_name is None:
        return None
    kind = _BY_PLACEHOLDER.get(option.value_name, ValueKind.UNKNOWN)
    return _BY_OPTION.get(option.name, Value(kind))


def options_of(command: str) -> list[Option]:
    """In the order of the help text."""
    return [option for option in OPTIONS.values() if option.name in OF_COMMAND[command]]


def pattern_of(command: str) -> str:
    """What a script knows the command by."""
    return f"{NO_COMMAND}|{command}" if command == "sync" else command


def spellings(option: Option) -> list[str]:
    return [option.name] if option.short is None else [option.short, option.name]


def with_values() -> list[str]:
    """Every spelling of the options that take a value."""
    takers = [option for option in OPTIONS.values() if option.value_name is not None]
    return [spelling for option in takers for spelling in spellings(option)]


def filled(script: str, or_sign: str, **parts: str) -> str:
    """``@name@`` replaced, by the parts and by what each script has: braces and dollars have a
    sense of their own in a script. ``or_sign`` stands between the patterns of one case."""
    known = {
        "names": " ".join(NAMES),
        "first": NAMES[0],
        "none": NO_COMMAND,
        "shells": " ".join(SHELLS),
        "takers": or_sign.join(with_values()),
        "commands": or_sign.join(COMMANDS),
        "listremotes": LIST_REMOTES,
    }
    for name, text in {**known, **parts}.items():
        script = script.replace(f"@{name}@", text)
    return script
