"""A configuration of rclone that may only be read, as on many servers and CI machines.

rclone writes each token that it renews into its configuration. Where it can't, it tries for five
seconds and goes on, and each folder that it has opened asks for a token of its own. So it works on
a copy.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.operating_system import HAS_OWNERS, remove_file, user_id
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
        remove_file(copy)
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
    """Whether rclone can change it: by a new file in the place of the old one.

    A file that is mounted by itself, as into a container, can't be replaced though its directory
    may be written. There rclone leaves a file behind with each try.
    """
    path = config_file.resolve()
    return (
        os.access(path.parent, os.W_OK)
        and not _is_mounted(path)
        and not _is_anothers_in_a_sticky_directory(path)
        and not _is_immutable(path)
    )


def _is_mounted(path: Path) -> bool:
    # Mounted from the same disk it has the same device as its directory.
    try:
        mounts = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return os.path.ismount(path)
    # https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    points = (_unescaped(fields[4]) for fields in map(bytes.split, mounts) if len(fields) > 4)
    return os.fsencode(path) in points


def _unescaped(field: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), field)


def _is_anothers_in_a_sticky_directory(path: Path) -> bool:
    if not HAS_OWNERS:
        return False
    directory = path.parent.stat()
    return bool(directory.st_mode & stat.S_ISVTX) and user_id() not in (
        0,
        directory.st_uid,
        path.stat().st_uid,
    )


def _is_immutable(path: Path) -> bool:
    """Not writable though its mode says so, and its owner asks."""
    if not HAS_OWNERS or os.access(path, os.W_OK):
        return False
    found, user = path.stat(), user_id()
    return user == 0 or (found.st_uid == user and bool(found.st_mode & stat.S_IWUSR))
