"""Where a user's files live on each system, by the environment that is passed in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tdl_sync.core.errors import UsageError
from tdl_sync.core.operating_system import PLACES


def expand(text: str, environ: Mapping[str, str]) -> Path:
    """Variables of cron jobs and service files are not expanded by a shell, so ``~/`` is here."""
    if text == "~" or text.startswith(("~/", "~\\")):
        return _home(environ) / text[2:]
    return Path(text)


def _home(environ: Mapping[str, str]) -> Path:
    named = environ.get(PLACES.home_variable)
    try:
        return Path(named) if named else Path.home()
    except RuntimeError:
        raise UsageError(
            "no home directory is known to put the data directory in; give one with --data-dir DIR"
        ) from None


def default_settings_file(environ: Mapping[str, str]) -> Path | None:
    """Where each system keeps a user's settings; ``None`` where no home is known."""
    try:
        base = PLACES.settings(environ, lambda: _home(environ))
    except UsageError:
        return None
    return (base / "tdl-sync" / "config.toml").absolute()


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Where each system keeps a user's program data.

    By hand, since the library for it reads the process's environment and not ``environ``.
    """
    base = PLACES.data(environ, lambda: _home(environ))
    return (base / "tdl-sync").absolute()
