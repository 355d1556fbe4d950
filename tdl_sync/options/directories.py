"""Where a user's files live on each system, by the environment that is passed in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tdl_sync.core.errors import UsageError


def expand(text: str, environ: Mapping[str, str]) -> Path:
    """Variables of cron jobs and service files are not expanded by a shell, so ``~/`` is here."""
    if text == "~" or text.startswith(("~/", "~\\")):
        return _home(environ) / text[2:]
    return Path(text)


def _home(environ: Mapping[str, str]) -> Path:
    named = environ.get("USERPROFILE" if sys.platform == "win32" else "HOME")
    try:
        return Path(named) if named else Path.home()
    except RuntimeError:
        raise UsageError(
            "no home directory is known to put the data directory in; give one with --data-dir DIR"
        ) from None


def default_settings_file(environ: Mapping[str, str]) -> Path | None:
    """Where each system keeps a user's settings; ``None`` where no home is known."""
    try:
        if sys.platform == "win32":
            roaming = environ.get("APPDATA")
            base = Path(roaming) if roaming else _home(environ) / "AppData" / "Roaming"
        elif sys.platform == "darwin":
            base = _home(environ) / "Library" / "Application Support"
        else:
            named = environ.get("XDG_CONFIG_HOME", "")
            base = Path(named) if named.startswith("/") else _home(environ) / ".config"
    except UsageError:
        return None
    return (base / "tdl-sync" / "config.toml").absolute()


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Where each system keeps a user's program data.

    By hand, since the library for it reads the process's environment and not ``environ``.
    """
    if sys.platform == "win32":
        local = environ.get("LOCALAPPDATA")
        base = Path(local) if local else _home(environ) / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = _home(environ) / "Library" / "Application Support"
    else:
        # https://specifications.freedesktop.org/basedir-spec/: a relative path is to be ignored.
        named = environ.get("XDG_DATA_HOME", "")
        base = Path(named) if named.startswith("/") else _home(environ) / ".local" / "share"
    return (base / "tdl-sync").absolute()
