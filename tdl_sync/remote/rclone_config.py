"""A configuration of rclone that may only be read, as on many servers and CI machines.

rclone writes each token that it renews into its configuration. Where it can't, it tries for five
seconds and goes on, and each folder that it has opened asks for a token of its own. So it works on
a copy.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.remote.rclone import Rclone

COPY_NAME = "rclone.conf"


def use_writable_config(rclone: Rclone, directory: Path, tell: Callable[[str], None]) -> None:
    """Let it go on with a copy in ``directory``, 0600, if its configuration can't be written.

    Each run copies anew, so that what the user changes counts. To be called before anything else
    is asked of it. Raises ``ConfigurationError``.
    """
    config_file = rclone.config_file
    if config_file is None or is_writable(config_file):
        return
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
    rclone.use_config_copy(copy)


def is_writable(config_file: Path) -> bool:
    """Whether rclone can change it: by a new file in the place of the old one."""
    return os.access(config_file.resolve().parent, os.W_OK)
