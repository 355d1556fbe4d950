"""The settings file: where it is, whether it may be believed, and what TOML makes of its text.

It says where data goes and which program is started, and may hold secrets: so it is read only if
nobody else can have written it, and secrets in it count only if nobody else can read them.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdl_sync.core.errors import UsageError
from tdl_sync.core.operating_system import HAS_OWNERS
from tdl_sync.core.private_directory import distrust_of_file
from tdl_sync.options.directories import default_settings_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_BYTES = 1_000_000
"""More is no settings file; a device may have no end."""


@dataclass(frozen=True)
class SettingsText:
    """What the file at ``path`` holds, as TOML has it. ``wider`` says why secrets in it would be
    none, ``None`` where it is the user's alone."""

    path: Path
    content: Mapping[str, Any]
    wider: str | None


def read_settings(named: Path | None, environ: Mapping[str, str]) -> SettingsText | None:
    """The file that was named, else the one in the user's own place if there is one.

    Raises ``UsageError``, which names the file and never prints what may be a secret.
    """
    path = named or default_settings_file(environ)
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISDIR(status.st_mode):  # where that can be opened
                raise IsADirectoryError
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        if named is None:
            return None
        raise UsageError(f"--config: there is no file {str(path)!r}") from None
    except IsADirectoryError:
        raise UsageError(
            f"the settings file {str(path)!r} is a directory; name the file in it with --config"
        ) from None
    except OSError as error:
        if named is None and not _is_there(path):
            return None
        raise UsageError(
            f"the settings file {str(path)!r} cannot be read ({error.strerror})"
        ) from None
    if (why := distrust_of_file(path, status)) is not None:
        raise UsageError(
            f"the settings file {str(path)!r} {why}: it could send your files anywhere; make it "
            f"yours alone (chmod 600), or name another one with --config"
        )
    return SettingsText(path, _parsed(path, data), _wider(status))


def _is_there(path: Path) -> bool:
    """A service may have a home that it cannot look into, or none."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _parsed(path: Path, data: bytes) -> Mapping[str, Any]:
    if len(data) > MOST_BYTES:
        raise UsageError(f"the settings file {str(path)!r} is larger than 1 MB, so it is none")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"the settings file {str(path)!r} is not UTF-8 text (at line {line}); save it as that"
        ) from None
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"the settings file {str(path)!r} is not TOML: {error}; texts are in quotes, such as "
            'remote = "gdrive:films"'
        ) from None
    except (ValueError, RecursionError):  # numbers of thousands of digits, lists in lists
        raise UsageError(f"the settings file {str(path)!r} holds what no option takes") from None


def _wider(status: os.stat_result) -> str | None:
    if not HAS_OWNERS or not status.st_mode & 0o077:
        return None
    return f"can be read by other users (its mode is {stat.S_IMODE(status.st_mode):o})"
