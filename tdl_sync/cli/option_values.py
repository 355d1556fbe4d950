"""What was given, or its default, converted; every error says where the text came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from tdl_sync.cli.arguments import SEE_HELP
from tdl_sync.cli.setting import Setting, Source
from tdl_sync.cli.usage import OF_CHAT, OPTIONS
from tdl_sync.core.errors import UsageError
from tdl_sync.options.directories import expand
from tdl_sync.options.units import parse_seconds

DEFAULT_REMOTE = OPTIONS["--remote"].default or ""

_EXCLUSIVE = (
    ("--resume-from", "--restart"),
    ("--resume-from", "--resume"),
    ("--restart", "--resume"),
    ("--retry-failed", "--restart"),
    ("--retry-failed", "--resume-from"),
    ("--resume-from", "--from-id"),
    ("--from-id", "--restart"),
    ("--from-id", "--resume"),
    ("--retry-failed", "--from-id"),
    ("--include", "--exclude"),
    ("--topic", "--comments"),
    ("--quiet", "--verbose"),
    ("--follow", "--dry-run"),
    ("--follow", "--retry-failed"),
    ("--follow", "--limit"),
    ("--follow", "--until"),
    ("--follow", "--to-id"),
)

T = TypeVar("T")


class Given:
    """Converts what was given, or its default, and says in every error where it came from."""

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        self._settings = settings

    def setting(self, name: str) -> Setting | None:
        return self._settings.get(name)

    def switch(self, name: str) -> bool:
        return name in self._settings

    def values(
        self, name: str, convert: Callable[[str], T], *, secret: bool = True
    ) -> tuple[T, ...]:
        """``convert`` raises ``ValueError`` with what it expected."""
        setting = self._settings.get(name)
        if setting is None:
            return ()
        converted = []
        for text in setting.texts:
            try:
                converted.append(convert(text))
            except ValueError as error:
                found = "" if secret else f", found {_shortened(text)!r}"
                raise UsageError(f"{setting.origin}: expected {error}{found}; {SEE_HELP}") from None
        return tuple(converted)

    def optional(self, name: str, convert: Callable[[str], T], *, secret: bool = False) -> T | None:
        converted = self.values(name, convert, secret=secret)
        return converted[0] if converted else None

    def value(self, name: str, convert: Callable[[str], T], *, secret: bool = False) -> T:
        """Of an option that has a default."""
        if name in self._settings:
            return self.values(name, convert, secret=secret)[0]
        default = OPTIONS[name].default
        assert default is not None, name
        return convert(default)


def after_exclusions(given: Mapping[str, Setting]) -> Mapping[str, Setting]:
    """Settings that exclude each other: the one of the higher source wins, else an error.

    A chat's table says what is to be moved of that chat. So where a setting of the whole run
    excludes one of a table, that is an error, too: neither is left out without a word.
    """
    settings = dict(given)
    remote = settings.get("--remote")
    pairs: tuple[tuple[str, str], ...] = _EXCLUSIVE
    if remote is not None and remote.texts[0].rstrip("/") != DEFAULT_REMOTE:
        pairs = (*_EXCLUSIVE, ("--gdrive", "--remote"))
    for first, second in pairs:
        if first not in settings or second not in settings:
            continue
        one, other = settings[first], settings[second]
        if one.source == other.source or _is_of_the_whole_run(first, second, one, other):
            means = f" ({first} means --remote {DEFAULT_REMOTE})" if first == "--gdrive" else ""
            raise UsageError(
                f"{one.origin} and {other.origin} exclude each other{means}; "
                f"give only one of them, or {SEE_HELP}"
            )
        del settings[second if one.source > other.source else first]
    return settings


def _is_of_the_whole_run(first: str, second: str, one: Setting, other: Setting) -> bool:
    """Whether one is a chat's own, and the other is none that a chat could have."""
    if Source.TABLE not in (one.source, other.source) or first == "--gdrive":
        return False
    return not {first, second} <= OF_CHAT


def path_given(given: Given, name: str, environ: Mapping[str, str]) -> Path | None:
    def path(text: str) -> Path:
        if text.startswith("-") or "\0" in text:
            raise ValueError("a path (one that begins with a dash: ./-name)")
        return expand(text, environ).absolute()

    return given.optional(name, path)


def whole(least: int, most: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        stripped = text.strip()
        if not (stripped.isascii() and stripped.isdigit() and len(stripped) < 20):
            raise ValueError(f"a whole number from {least} to {most}")
        if not least <= int(stripped) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(stripped)

    return convert


def seconds_between(least: float, most: float) -> Callable[[str], float]:
    def convert(text: str) -> float:
        seconds = parse_seconds(text)
        if not least <= seconds <= most:
            raise ValueError(f"a duration from {least:g} to {most:g} seconds")
        return seconds

    return convert


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"
