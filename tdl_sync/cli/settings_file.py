"""The settings file's keys -> the texts that the user gave: each option by its name, and a table
``[[chat]]`` for chats with options of their own.

Nothing is converted here either (``option_values`` does, as for the command line), but what no
option could be is found here, with the table in which it stands and the nearest right name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from pathlib import Path
from typing import Any

from tdl_sync.cli.setting import Setting, Source
from tdl_sync.cli.usage import ABOUT_THE_PROGRAM, OF_CHAT, OPTIONS, Option
from tdl_sync.core.errors import UsageError
from tdl_sync.core.program import VARIABLE_PREFIX
from tdl_sync.options.settings_text import SettingsText, read_settings

CREDENTIAL_VARIABLES = tuple(
    VARIABLE_PREFIX + name for name in ("API_ID", "API_HASH", "SESSION_STRING")
)
CHAT_TABLE = "chat"

_CREDENTIALS = {
    variable.removeprefix(VARIABLE_PREFIX).lower().replace("_", "-"): variable
    for variable in CREDENTIAL_VARIABLES
}
_OPTION_OF_KEY = {
    name.removeprefix("--"): option
    for name, option in OPTIONS.items()
    if name not in ABOUT_THE_PROGRAM and name != "--config"
}
_SECRET_FLAG = re.compile(r"pass|token|secret|key|auth|header|cookie|user", re.IGNORECASE)


@dataclass(frozen=True)
class ChatTable:
    """One ``[[chat]]``. ``name`` is how errors call it; ``settings`` are its own alone."""

    name: str
    settings: Mapping[str, Setting]


@dataclass(frozen=True)
class SettingsFile:
    """``settings`` are those of the whole run, ``credentials`` by the variable they stand for."""

    path: Path | None
    settings: Mapping[str, Setting]
    tables: tuple[ChatTable, ...]
    credentials: Mapping[str, Setting]


NO_FILE = SettingsFile(None, {}, (), {})


def settings_file(named: Path | None, environ: Mapping[str, str]) -> SettingsFile:
    """What the file that was named holds, or else the user's own, or nothing.

    Raises ``UsageError``.
    """
    text = read_settings(named, environ)
    if text is None:
        return NO_FILE
    settings: dict[str, Setting] = {}
    credentials: dict[str, Setting] = {}
    for key, value in text.content.items():
        if key == CHAT_TABLE:
            continue
        origin = f"{text.path}, {key}"
        if key in _CREDENTIALS:
            found = Setting((_text(value, origin),), origin, Source.FILE)
            credentials[_CREDENTIALS[key]] = found
        else:
            option = _option_of(key, value, str(text.path))
            settings[option.name] = _setting(option, value, origin, Source.FILE)
    tables = tuple(
        _table(text, number, table) for number, table in enumerate(_chat_tables(text), 1)
    )
    everywhere = [settings, *(table.settings for table in tables)]
    secrets = [*credentials.values(), *(each for found in everywhere for each in _secrets(found))]
    if secrets and text.wider is not None:
        raise UsageError(
            f"{secrets[0].origin}: this is, or may hold, a secret, and the file {text.wider}; run "
            f"'chmod 600 {text.path}'"
        )
    return SettingsFile(text.path, settings, tables, credentials)


def may_hold_secrets(name: str, texts: tuple[str, ...]) -> bool:
    """Whether what was given for the option is never to be shown."""
    if name == "--proxy":
        return any("@" in text for text in texts)
    if name == "--remote":
        return any("," in text for text in texts)
    if name in ("--exec", "--exec-file"):
        return True
    return name == "--rclone-arg" and any(map(_SECRET_FLAG.search, texts))


def _secrets(settings: Mapping[str, Setting]) -> list[Setting]:
    return [each for name, each in settings.items() if may_hold_secrets(name, each.texts)]


def _chat_tables(text: SettingsText) -> list[Mapping[str, Any]]:
    tables = text.content.get(CHAT_TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise UsageError(
            f"{text.path}: a chat with options of its own is a table that begins with "
            "[[chat]], in double brackets"
        )
    return tables


def _table(text: SettingsText, number: int, table: Mapping[str, Any]) -> ChatTable:
    name = f"{text.path}, [[chat]] {number}"
    url = table.get("url")
    first = url[0] if isinstance(url, list) and url else url
    if isinstance(first, str):
        name += f" ({first[:60]!r})"
    settings = {}
    for key, value in table.items():
        if key in _CREDENTIALS:
            raise _of_the_whole_run(name, key)
        option = _option_of(key, value, name, frozenset(OF_CHAT))
        if option.name not in OF_CHAT:
            raise _of_the_whole_run(name, key)
        settings[option.name] = _setting(option, value, f"{name}, {key}", Source.TABLE)
    if "--url" not in settings:
        raise UsageError(f'{name}: it names no chat; add a line such as url = "@channel"')
    return ChatTable(name, settings)


def _of_the_whole_run(name: str, key: str) -> UsageError:
    return UsageError(
        f"{name}: {key!r} is of the whole run, not of one chat; put it above the first [[chat]]"
    )


def _option_of(key: str, value: Any, where: str, names: frozenset[str] | None = None) -> Option:
    """``names`` are the options that are offered for a wrong key; without them all."""
    option = _OPTION_OF_KEY.get(key)
    if option is not None:
        return option
    offered = [
        each for each, option in _OPTION_OF_KEY.items() if names is None or option.name in names
    ]
    if names is None:
        offered += [*_CREDENTIALS]
    near = difflib.get_close_matches(key.lower().replace("_", "-"), offered, n=1, cutoff=0.6)
    if isinstance(value, (dict, list)) and names is None:
        near = near if not isinstance(value, dict) and value and isinstance(value[0], str) else []
        near = near or [f"[[{CHAT_TABLE}]]"]
    hint = f"did you mean {near[0]!r}?" if near else "it is no option's name"
    raise UsageError(f"{where}: unknown key {key[:60]!r}; {hint} (docs/settings.md)")


def _setting(option: Option, value: Any, origin: str, source: Source) -> Setting:
    if option.value_name is None:
        if not isinstance(value, bool):
            raise UsageError(f"{origin}: expected true or false{_found(option, value)}")
        return Setting((), origin, source, is_off=not value)
    if option.repeatable or option.value_name == "LIST":
        values = value if isinstance(value, list) else [value]
        texts = tuple(_text(each, origin) for each in values)
        if option.value_name == "LIST":
            texts = (",".join(texts),) if texts else ()
        if not texts:
            raise UsageError(f"{origin}: the list is empty; leave the line out for none")
        return Setting(texts, origin, source)
    if option.name == "--chats" and isinstance(value, (list, dict)):
        raise UsageError(
            f"{origin}: expected a file with a chat in each line; chats themselves are named with "
            "url, and those with options of their own in tables [[chat]]"
        )
    return Setting((_text(value, origin),), origin, source)


def _text(value: Any, origin: str) -> str:
    """As it would be typed. What is none of these is not shown: it may be a secret."""
    if isinstance(value, str):
        if not value.strip():
            raise UsageError(f"{origin}: the value is empty; leave the line out for none")
        return value
    if isinstance(value, (bool, list, dict, time)):
        raise UsageError(
            f'{origin}: expected a text in quotes ("…") or a number, found {_kind_of(value)}'
        )
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(timezone.utc).replace(tzinfo=None)
        return str(value.isoformat())
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _kind_of(value: bool | list[Any] | dict[str, Any] | time) -> str:
    match value:
        case bool():
            return "true or false"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a time"


def _found(option: Option, value: Any) -> str:
    return f", found {value!r}" if isinstance(value, (str, int)) and len(str(value)) < 40 else ""
