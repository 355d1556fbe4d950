"""What differs between POSIX and Windows, in one place, each with its substitute."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import io
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

DEFAULT_BLOCK_BYTES = 4096
_M_ARENA_MAX = -8
_ARENAS = 2


def share_freed_memory() -> None:
    """Let threads share what they free; to be called before they are started.

    By default glibc gives each of many threads an arena of its own, in which the copies of parts
    of a file stay after they were freed. Other C libraries do not, and are left alone
    (https://man7.org/linux/man-pages/man3/mallopt.3.html).
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def in_utf8(path: Path) -> Path:
    """The path whose name on the disk is this text in UTF-8, as rclone writes names whatever the
    locale is. Where that is another encoding Python would look for another name, or for none."""
    if sys.platform == "win32":
        return path
    return Path(os.fsdecode(str(path).encode("utf-8", "surrogateescape")))


def unspellable(error: BaseException) -> UnicodeEncodeError | None:
    """Whether an error came of a text that the locale's encoding has no signs for."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UnicodeEncodeError) and not cause.encoding.lower().startswith("utf"):
            return cause
        cause = cause.__cause__
    return None


def write_whatever_comes() -> None:
    """Let what goes to standard output be escaped where its encoding lacks a sign."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def steady_seconds() -> float:
    """A clock that nobody sets and that goes on while the machine sleeps. It begins anywhere."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":  # there `monotonic` stands still in sleep, and this does not
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


def open_here(path: Path, flags: int) -> int:
    """Open a file of our own, or make it for the owner alone: by its very name, for a link in its
    place was made by somebody else. ``O_NOFOLLOW``; on Windows, where a link needs an
    administrator, a look before. Children do not inherit the descriptor. Raises ``OSError``.
    """
    no_follow = getattr(os, "O_NOFOLLOW", 0)
    flags |= no_follow | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        if not no_follow and path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        return os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        why = f"{path.name} is a link, which this program does not make: remove it"
        raise OSError(errno.ELOOP, why, str(path)) from None


class LockHeld(Exception):
    """Another process holds the lock."""


class FileLock:
    """A lock on a file, which ends with the process that holds it, however it ends.

    ``flock`` on POSIX, ``msvcrt.locking`` of one byte on Windows.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path) -> FileLock:
        """Take the lock for us alone, without waiting. Raises ``LockHeld`` or ``OSError``."""
        return cls._taken(path, _lock)

    @classmethod
    def share(cls, path: Path) -> FileLock:
        """Take it together with others who share it: nobody has it alone meanwhile, which on
        Windows is certain only for the moment in which this is called. Raises as ``acquire``."""
        return cls._taken(path, _lock_shared)

    @classmethod
    def _taken(cls, path: Path, lock: Callable[[int], None]) -> FileLock:
        descriptor = open_here(path, os.O_RDWR | os.O_CREAT)
        try:
            lock(descriptor)
        except (BlockingIOError, PermissionError) as error:
            os.close(descriptor)
            raise LockHeld from error
        except OSError:
            os.close(descriptor)
            raise
        return cls(descriptor)

    @property
    def inheritable_descriptors(self) -> tuple[int, ...]:
        """What children must inherit so that the lock is held until the last of them is gone.

        None on Windows, where a lock belongs to one process.
        """
        return () if sys.platform == "win32" else (self._descriptor,)

    def release(self) -> None:
        os.close(self._descriptor)


def machine_id() -> str:
    """The same text on this machine at all times, and another one on every other.

    A host name alone is shared by many: laptops that are called ``ubuntu``, containers with a
    fixed name. A container sees other processes than its host, so it counts as a machine.
    """
    facts = (socket.gethostname(), _installation(), _process_space())
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def _process_space() -> str:
    """Where process ids mean the same processes (Linux: the pid namespace)."""
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return ""


if sys.platform == "linux":

    def _installation() -> str:
        # https://www.freedesktop.org/software/systemd/man/latest/machine-id.html
        try:
            return Path("/etc/machine-id").read_text().strip()
        except (OSError, UnicodeDecodeError):
            return ""

else:

    def _installation() -> str:
        return f"{uuid.getnode():x}"


def _sync(path: Path, access: int) -> None:
    descriptor = os.open(path, access | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _lock_shared(descriptor: int) -> None:
        """``msvcrt`` has no such lock."""
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def disk_block_bytes(directory: Path) -> int:
        """The unit in which the disk gives out space. NTFS's default, since Python has no call."""
        return DEFAULT_BLOCK_BYTES

    def sync_directory(directory: Path) -> None:
        """Windows has no way to sync a directory; NTFS journals its renames."""

    def sync_file(path: Path) -> None:
        """Make what lies in a file survive a power cut: Windows syncs only what may be written."""
        _sync(path, os.O_RDWR | os.O_BINARY)

    def sync_all_disks() -> None:
        """Windows has no call for that without an administrator."""

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _lock_shared(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def disk_block_bytes(directory: Path) -> int:
        """The unit in which the disk gives out space."""
        return max(os.statvfs(directory).f_frsize, DEFAULT_BLOCK_BYTES)

    def sync_directory(directory: Path) -> None:
        """Make a rename in this directory survive a power cut."""
        _sync(directory, os.O_RDONLY)

    def sync_file(path: Path) -> None:
        """Make what lies in a file survive a power cut, whoever has written it."""
        _sync(path, os.O_RDONLY)

    def sync_all_disks() -> None:
        """Make all that was written on this machine survive a power cut."""
        os.sync()
