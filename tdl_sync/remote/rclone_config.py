"""A configuration of rclone that may only be read, as on many servers and CI machines.

rclone writes each token that it renews into its configuration. Where it can't, it tries for five
seconds and goes on; but each file has a process of its own, so from the first hour on each file
would take that long and ask for a token of its own. So it works on a copy.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.remote.rclone import Rclone

COPY_NAME = "rclone.conf"


def with_writable_config(rclone: Rclone, directory: Path, tell: Callable[[str], None]) -> Rclone:
    """The same rclone; on a copy in ``directory``, 0600, if its configuration can't be written.

    Each run copies anew, so that what the user changes counts. Raises ``ConfigurationError``.
    """
    config_file = used_config(rclone)
    if config_file is None or is_writable(config_file):
        return rclone
    copy = directory / COPY_NAME
    try:
        copy.unlink(missing_ok=True)
        copy.touch(mode=0o600)
        copy.write_bytes(config_file.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"rclone's configuration {str(config_file)!r} can't be written by rclone, and not be "
            f"copied to {str(copy)!r}: {error.strerror}; make one of the two possible"
        ) from error
    tell(f"rclone's configuration {config_file} can't be written; renewed tokens go into a copy")
    return replace(rclone, config_copy=copy)


def is_writable(config_file: Path) -> bool:
    """Whether rclone can change it: by a new file in the place of the old one."""
    return os.access(config_file.resolve().parent, os.W_OK)


def used_config(rclone: Rclone) -> Path | None:
    """The file that was named to rclone, else its own choice; ``None`` if it is not there."""
    config_file = rclone.config_file or _own_choice(rclone)
    return config_file if config_file is not None and config_file.is_file() else None


def _own_choice(rclone: Rclone) -> Path | None:
    """https://rclone.org/commands/rclone_config_file/"""
    answer = rclone.ask(["config", "file"])
    lines = answer.stdout.decode("utf-8", "replace").split("\n")
    named = [line for line in lines if line.strip()][-1:]
    return Path(named[0]) if answer.exit_status == 0 and named else None
