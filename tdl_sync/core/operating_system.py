"""What differs between systems, in one place: each call that not all of them have, and what stands
for it elsewhere.

No other module asks which system this is, or uses what only some have; ``pyproject.toml`` and
``tests/unit/core/test_operating_system.py`` hold that. What stands in for a call, and needs nothing
of Windows itself, has a name of its own, so that it is tested everywhere:

| what | POSIX | Windows |
| --- | --- | --- |
| a lock that ends with its process | ``flock`` | ``msvcrt.locking`` of one byte |
| the same of a directory | of the directory itself | ``lock_in_its_name`` |
| to open a file by its very name | ``O_NOFOLLOW`` | ``open_after_a_look`` |
| paths of 260 signs and more | as ever | ``of_any_length`` |
| to replace or remove what another has open | as ever | ``patiently``, some seconds |
| that a rename outlives a power cut | the directory is synced | NTFS's own journal |
| whose a file is, and who may write it | owner and mode | not asked: access lists |
| how many files may be open | ``setrlimit`` | no limit that a run meets |
| all that a child has started | its process group | ``kill_descendants`` |
| to ask a child to end | SIGTERM | Ctrl-Break |
| to be asked to end | SIGHUP, SIGINT, SIGTERM | Ctrl-C, Ctrl-Break |
| a clock that goes on in sleep | ``CLOCK_BOOTTIME``; of macOS ``CLOCK_MONOTONIC`` | ``monotonic`` |
| where a user's files are | ``XDG_PLACES``; ``MAC_PLACES`` | ``WINDOWS_PLACES`` |
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import io
import ntpath
import os
import signal
import socket
import stat
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

DEFAULT_BLOCK_BYTES = 4096
_M_ARENA_MAX = -8
_ARENAS = 1
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 4 * 1024 * 1024
"""Larger than any copy of a part of a file, smaller than a listing."""

_M_TRIM_THRESHOLD = -1
_KEPT_BYTES = 16 * 1024 * 1024
"""So much may lie free at the end of the memory before some of it is given back at once."""

T = TypeVar("T")


# The machine and this process.


def share_freed_memory() -> None:
    """Let threads share what they free, so that the next copy of a part of a file lies where one
    lay before; to be called before they are started.

    By default glibc gives each of many threads an arena of its own, in which such copies stay
    after they were freed. And what is large it takes from the system and gives back each time: the
    kernel then clears all its pages anew, which took a third of what a download costs of the
    processor. What is kept so is given back by ``give_back_freed_memory``, or memory would grow
    for hours. Other C libraries are left alone
    (https://man7.org/linux/man-pages/man3/mallopt.3.html).
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):
            library = ctypes.CDLL(None)
            library.mallopt(_M_ARENA_MAX, _ARENAS)
            library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
            library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def give_back_freed_memory() -> None:
    """To the system, which of itself glibc does only with what lies above all that is in use. Takes
    a few milliseconds. Other C libraries can't be told, and are left alone
    (https://man7.org/linux/man-pages/man3/malloc_trim.3.html).
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)


def steady_seconds() -> float:
    """A clock that nobody sets and that goes on while the machine sleeps. It begins anywhere."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":  # there `monotonic` stands still in sleep, and this does not
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


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


if sys.platform == "win32":

    def allow_open_files(wanted: int) -> bool:
        return True

    def most_open_files() -> int | None:
        return None

else:
    import resource

    def allow_open_files(wanted: int) -> bool:
        """As many as may be had without asking anybody, ``wanted`` at most; whether that is done.
        A limit that is higher stays."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft == resource.RLIM_INFINITY or soft >= most:
            return True
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (OSError, ValueError):
            return False
        return True

    def most_open_files() -> int | None:
        """How many this process may have open at once; ``None`` for no limit."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return None if soft == resource.RLIM_INFINITY else soft


# Names and texts.


def in_utf8(path: Path) -> Path:
    """The path whose name on the disk is this text in UTF-8, as rclone writes names whatever the
    locale is. Where that is another encoding Python would look for another name, or for none. On
    Windows, where rclone writes paths of any length, the one by which others find it."""
    if sys.platform == "win32":
        return Path(of_any_length(str(path)))
    return Path(os.fsdecode(str(path).encode("utf-8", "surrogateescape")))


def of_any_length(path: str) -> str:
    r"""A whole path of Windows, spelt so that its calls find it with 260 signs and more, too:
    ``\\?\C:\…`` and ``\\?\UNC\server\share\…``
    (https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation). Such a path is
    taken as it stands: without ``/``, ``.`` and ``..``."""
    whole = ntpath.normpath(path)
    drive, rest = ntpath.splitdrive(whole)
    if whole.startswith(("\\\\?\\", "\\\\.\\")) or not rest.startswith("\\"):
        return whole
    return f"\\\\?\\UNC{whole[1:]}" if drive.startswith("\\\\") else f"\\\\?\\{whole}"


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


def is_closed_pipe(error: OSError) -> bool:
    """Nobody reads what is written. Windows has another error for it
    (https://bugs.python.org/issue35754)."""
    on_windows = sys.platform == "win32" and error.errno == errno.EINVAL
    return isinstance(error, BrokenPipeError) or on_windows


def is_drive_letter(name: str) -> bool:
    """Whether what stands before a path's colon is a disk of this machine, and not a remote."""
    return sys.platform == "win32" and len(name) == 1


# Files.


def open_here(path: Path, flags: int) -> int:
    """Open a file of our own, or make it for the owner alone: by its very name, for a link in its
    place was made by somebody else. Children do not inherit the descriptor. Raises ``OSError``.
    """
    if sys.platform == "win32":
        return open_after_a_look(path, flags)
    try:
        return _opened(path, flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise _planted(path) from None


def open_after_a_look(path: Path, flags: int) -> int:
    """The same where a link needs an administrator: between the look and the opening nobody else
    could make one."""
    if path.is_symlink():
        raise _planted(path)
    return _opened(path, flags)


def _opened(path: Path, flags: int) -> int:
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o600)


def _planted(path: Path) -> OSError:
    why = f"{path.name} is a link, which this program does not make: remove it"
    return OSError(errno.ELOOP, why, str(path))


_PATIENCE_SECONDS = 2.0
"""As long as Go's own tools wait for those who look into each new file: scanners, indexers, backups
(https://pkg.go.dev/cmd/internal/robustio)."""
_PATIENCE_LOOK_SECONDS = 0.02


def patiently(act: Callable[[], T]) -> T:
    """Do what Windows refuses while anybody has the file open, until it is done, or for that long.

    What is refused for another reason is refused as late. Raises what ``act`` raised last.
    """
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return act()
        except PermissionError:
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(_PATIENCE_LOOK_SECONDS)


def replace_file(source: Path, target: Path) -> None:
    """Put a file in the place of another, at once and whole. Raises ``OSError``."""
    if sys.platform == "win32":
        patiently(lambda: os.replace(source, target))
    else:
        os.replace(source, target)


def remove_file(path: Path) -> None:
    """Remove a file, or find that it is not there. Raises ``OSError``."""
    with contextlib.suppress(FileNotFoundError):
        if sys.platform == "win32":
            patiently(lambda: os.unlink(path))
        else:
            os.unlink(path)


def _sync(path: Path, access: int) -> None:
    descriptor = os.open(path, access | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if sys.platform == "win32":

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


# Locks.


class LockHeld(Exception):
    """Another process holds the lock."""


class FileLock:
    """A lock on a file, which ends with the process that holds it, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path) -> FileLock:
        """Take the lock for us alone, without waiting. Raises ``LockHeld`` or ``OSError``."""
        return cls._of(open_here(path, os.O_RDWR | os.O_CREAT), _lock)

    @classmethod
    def share(cls, path: Path) -> FileLock:
        """Take it together with others who share it: nobody has it alone meanwhile, which on
        Windows is certain only for the moment in which this is called. Raises as ``acquire``."""
        return cls._of(open_here(path, os.O_RDWR | os.O_CREAT), _lock_shared)

    @classmethod
    def acquire_directory(cls, directory: Path) -> FileLock:
        """Of a directory, in which nothing is made for it. Raises ``LockHeld`` or ``OSError``."""
        if sys.platform == "win32":
            return cls.acquire(lock_in_its_name(directory))
        return cls._of(os.open(directory, os.O_RDONLY | os.O_CLOEXEC), _lock)

    @classmethod
    def _of(cls, descriptor: int, lock: Callable[[int], None]) -> FileLock:
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


def lock_in_its_name(directory: Path) -> Path:
    """The file to lock where a directory can't be: among the user's temporary ones, the same for
    each spelling of the directory."""
    spelling = os.path.normcase(os.path.realpath(directory))
    digest = hashlib.sha256(spelling.encode("utf-8", "surrogatepass")).hexdigest()
    return Path(tempfile.gettempdir(), f"tdl-sync-{digest[:32]}.lock")


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _lock_shared(descriptor: int) -> None:
        """``msvcrt`` has no such lock."""
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _lock_shared(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


# Users.

HAS_OWNERS = sys.platform != "win32"
"""Whether files have owners and a mode. On Windows a directory has the access list of the one that
it was made in, which is the user's own for all that lies in a profile; and a link needs an
administrator."""

if sys.platform == "win32":

    def user_id() -> int:
        """Who we are. Without owners everything is root's."""
        return 0

    def name_of_user(user: int) -> str:
        return f"user {user}"

    def others_may_write(status: os.stat_result) -> bool:
        return False

else:
    import grp
    import pwd

    def user_id() -> int:
        """Who we are, to files."""
        return os.geteuid()

    def name_of_user(user: int) -> str:
        try:
            return f"the user {pwd.getpwuid(user).pw_name!r}"
        except KeyError:
            return f"user {user}"

    def others_may_write(status: os.stat_result) -> bool:
        """A group that is nobody else's, as many systems give each user one, is no other."""
        if status.st_mode & stat.S_IWOTH:
            return True
        return bool(status.st_mode & stat.S_IWGRP) and not _is_own_group(status.st_gid)

    def _is_own_group(group_id: int) -> bool:
        own_ids = {os.geteuid(), 0}
        try:
            own_names = {pwd.getpwuid(each).pw_name for each in own_ids}
            members = set(grp.getgrgid(group_id).gr_mem)
        except KeyError:  # as in containers: nobody is known to be in it but who it was given to
            return group_id == os.getegid()
        others = (each for each in pwd.getpwall() if each.pw_uid not in own_ids)
        return members <= own_names and all(each.pw_gid != group_id for each in others)


# Children, and signals.

CREATION_FLAGS: int = 0x200 if sys.platform == "win32" else 0
"""For a child that Ctrl-C in our terminal does not reach: ``CREATE_NEW_PROCESS_GROUP``. POSIX has
``start_new_session`` for it, which Windows takes and ignores."""

KILLED_WITHOUT_A_SIGN = sys.platform == "win32"
"""Whether the status of a process does not tell that it was killed."""


def ask_to_end(process_id: int) -> None:
    """A child that was started in a session or group of its own and was not waited for, and what
    it has started (ssh, a command for a password)."""
    if sys.platform == "win32":
        # There may be no console to send it by, or the process has just ended.
        with contextlib.suppress(OSError):
            os.kill(process_id, signal.CTRL_BREAK_EVENT)
    else:
        _signal_group(process_id, signal.SIGTERM)


def kill_all(process_id: int) -> None:
    """The same, without being asked. What it has started would hold its pipes open."""
    if sys.platform == "win32":
        kill_descendants(process_id)
    else:
        _signal_group(process_id, signal.SIGKILL)


def kill_descendants(process_id: int) -> None:
    """A process and all that it has started, and these, by what the system tells of parents: a
    process whose parent has ended is not found."""
    try:
        process = psutil.Process(process_id)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            each.kill()


if sys.platform != "win32":

    def _signal_group(process_id: int, number: signal.Signals) -> None:
        # A child that was not waited for keeps its id, so the id can't be another process's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process_id, number)


def stop_signals() -> dict[signal.Signals, int]:
    """What ends this program, and the number by which its exit status tells it.

    ``nohup`` starts a program with SIGHUP ignored, and means it to outlive its terminal. SIGINT is
    heeded all the same: shells have it ignored for what a script puts in the background, and
    whoever sends it to this very process means a stop.

    Windows tells of Ctrl-Break by SIGBREAK, which nothing else knows: it counts as SIGTERM. A
    window that is closed ends its programs at once, whatever they heed.
    """
    stop = {signal.SIGINT: int(signal.SIGINT), signal.SIGTERM: int(signal.SIGTERM)}
    if sys.platform == "win32":
        stop[signal.SIGBREAK] = int(signal.SIGTERM)
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        stop[signal.SIGHUP] = int(signal.SIGHUP)
    return stop


# Where a user's files are.


@dataclass(frozen=True)
class UserPlaces:
    """The variables that name a directory of the user's, and where it is without them.

    ``only_absolute``: a relative path in a variable is to be ignored, as
    https://specifications.freedesktop.org/basedir-spec/ wants it.
    """

    home_variable: str
    settings_variable: str | None
    settings_below_home: str
    data_variable: str | None
    data_below_home: str
    only_absolute: bool = False

    def settings(self, environ: Mapping[str, str], home: Callable[[], Path]) -> Path:
        return self._place(environ, self.settings_variable, self.settings_below_home, home)

    def data(self, environ: Mapping[str, str], home: Callable[[], Path]) -> Path:
        return self._place(environ, self.data_variable, self.data_below_home, home)

    def _place(
        self,
        environ: Mapping[str, str],
        variable: str | None,
        below_home: str,
        home: Callable[[], Path],
    ) -> Path:
        named = environ.get(variable, "") if variable else ""
        if named and (named.startswith("/") or not self.only_absolute):
            return Path(named)
        return home() / below_home


XDG_PLACES = UserPlaces(
    "HOME", "XDG_CONFIG_HOME", ".config", "XDG_DATA_HOME", ".local/share", only_absolute=True
)
MAC_PLACES = UserPlaces(
    "HOME", None, "Library/Application Support", None, "Library/Application Support"
)
WINDOWS_PLACES = UserPlaces(
    "USERPROFILE", "APPDATA", "AppData/Roaming", "LOCALAPPDATA", "AppData/Local"
)

PLACES = (
    WINDOWS_PLACES
    if sys.platform == "win32"
    else MAC_PLACES
    if sys.platform == "darwin"
    else XDG_PLACES
)
