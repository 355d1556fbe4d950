"""The staging directory: one run owns it, and its names are ours alone.

A name in it is made of ids, never of anything that Telegram sent:

    m<chat>_<topic>_<message>.part      a download under way
    m<chat>_<topic>_<message>.staged    complete, its size checked, synced

A message's second file has ``.2`` after its id, and so on.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tdl_sync.core.errors import ConfigurationError, HeldByAnotherRun
from tdl_sync.core.model import FIRST, MessageKey
from tdl_sync.core.operating_system import FileLock, LockHeld, disk_block_bytes, remove_file
from tdl_sync.core.private_directory import PrivateDirectory
from tdl_sync.core.text import human_bytes
from tdl_sync.transfer.disk.budget import whole_blocks

LOCK_NAME = ".lock"
PROBE_PREFIX = ".probe-"
"""Of the file by which a start proves that rclone can move what lies here."""

LOST_AND_FOUND = "lost+found"
"""A disk of one's own begins with it."""

ORPHANS_END_WITHIN_SECONDS = 5.0
"""An rclone whose parent was killed ends within about a second, at its next line of output."""

LOCK_POLL_SECONDS = 0.1
_NAME = re.compile(r"m(-?\d+)_(\d+)_(\d+)(?:\.(\d{1,3}))?\.(part|staged)")


@dataclass(frozen=True)
class Leftover:
    """A file of an earlier run. ``key`` is ``None`` where the name is not one of ours."""

    path: Path
    size_bytes: int
    key: MessageKey | None
    complete: bool


def margin_bytes(free_bytes: int) -> int:
    """What is left free on the disk for everybody else: 5 %, at most 1 GB."""
    return min(free_bytes // 20, 1_000_000_000)


@dataclass(frozen=True)
class Room:
    """What the staging directory may take: what was asked for, or less where the disk has less."""

    budget_bytes: int
    block_bytes: int
    warning: str | None

    @classmethod
    def on(cls, directory: Path, left_bytes: int, max_disk_bytes: int) -> Room:
        """``left_bytes`` lie there already. Raises ``OSError``."""
        free_bytes = psutil.disk_usage(str(directory)).free
        room_bytes = free_bytes - margin_bytes(free_bytes) + left_bytes
        budget_bytes = max(0, min(max_disk_bytes, room_bytes))
        warning = None
        if room_bytes < max_disk_bytes:
            warning = (
                f"--max-disk asks for {human_bytes(max_disk_bytes)}, but the disk of {directory} "
                f"has only {human_bytes(free_bytes)} free: at most {human_bytes(budget_bytes)} "
                "are used; free some of it, or choose a larger disk with --staging"
            )
        return cls(budget_bytes, disk_block_bytes(directory), warning)

    @classmethod
    def to_be_had(cls, directory: Path, max_disk_bytes: int) -> Room:
        """The same of a directory that need not exist, and is not made. Raises
        ``ConfigurationError``."""
        try:
            there = next(path for path in (directory, *directory.parents) if path.is_dir())
            left = directory.rglob("*") if there == directory else ()
            left_bytes = sum(path.lstat().st_size for path in left if path.is_file())
            return cls.on(there, left_bytes, max_disk_bytes)
        except (OSError, StopIteration) as error:  # on Windows a drive may not be there
            why = error.strerror if isinstance(error, OSError) else "there is no such drive"
            raise ConfigurationError(
                f"the staging directory {directory} cannot be read: {why}; "
                "choose another with --staging"
            ) from error


def _is_our_name(name: str) -> bool:
    is_file_of_ours = name.startswith(PROBE_PREFIX) or _NAME.fullmatch(name) is not None
    return name in (LOCK_NAME, LOST_AND_FOUND) or is_file_of_ours


def _patiently_locked(path: Path) -> FileLock:
    """The lock, once the last rclone of a run that was killed has noticed and ended."""
    deadline = time.monotonic() + ORPHANS_END_WITHIN_SECONDS
    while True:
        try:
            return FileLock.acquire(path)
        except LockHeld:
            if time.monotonic() >= deadline:
                raise
            time.sleep(LOCK_POLL_SECONDS)


class Staging:
    """The locked directory. Create with ``Staging.open``; ``close`` gives the lock back.

    ``budget_bytes`` is the smaller of what was asked for and what the disk can hold;
    ``warning`` says so in one line where the disk decided. ``is_new``: no run has used it before,
    or somebody has emptied it.
    """

    def __init__(
        self, directory: Path, lock: FileLock, max_disk_bytes: int, *, is_new: bool
    ) -> None:
        self.directory = directory
        self.is_new = is_new
        self.lines: list[str] = []
        """What to tell the user of how the directory was found."""

        self._lock = lock
        self.remove_probes()
        self.leftovers = self._scan()
        left_bytes = sum(leftover.size_bytes for leftover in self.leftovers)
        room = Room.on(directory, left_bytes, max_disk_bytes)
        self.block_bytes = room.block_bytes
        self.budget_bytes = room.budget_bytes
        self.warning = room.warning
        left_whole_bytes = sum(
            whole_blocks(leftover.size_bytes, self.block_bytes) for leftover in self.leftovers
        )
        self.has_room_for_a_probe = left_whole_bytes + self.block_bytes <= self.budget_bytes

    @classmethod
    def open(cls, directory: Path, max_disk_bytes: int) -> Staging:
        """Make the directory (0700) and lock it.

        Raises ``HeldByAnotherRun``, or ``ConfigurationError`` where it can't be made, is not ours
        alone, or has no room at all.
        """
        private = PrivateDirectory(directory, "the staging directory", "--staging")
        try:
            lines = private.make(_is_our_name)
            is_new = not (directory / LOCK_NAME).exists()
            lock = _patiently_locked(directory / LOCK_NAME)
        except LockHeld:
            raise HeldByAnotherRun(
                f"another run uses the staging directory {directory}: wait for it, or give this "
                "one another --staging"
            ) from None
        except OSError as error:
            raise ConfigurationError(
                f"the staging directory {directory} cannot be used: {error.strerror}; "
                "choose another with --staging"
            ) from error
        try:
            staging = cls(directory, lock, max_disk_bytes, is_new=is_new)
        except OSError as error:
            lock.release()
            raise ConfigurationError(
                f"the staging directory {directory} cannot be read: {error.strerror}; "
                "choose another with --staging"
            ) from error
        staging.lines.extend(lines)
        if staging.budget_bytes == 0:
            lock.release()
            raise ConfigurationError(
                f"the disk of {directory} is full: nothing can be staged there; free some space "
                "or choose another with --staging"
            )
        return staging

    @property
    def lock_descriptors(self) -> tuple[int, ...]:
        """For children that work on staged files, so that the lock outlives us with them."""
        return self._lock.inheritable_descriptors

    def close(self) -> None:
        self._lock.release()

    def stage_probe(self, content: bytes) -> Path:
        """A file of at most a block, to be removed before anything is downloaded; only where there
        ``has_room_for_a_probe``. Raises ``ConfigurationError``."""
        path = self.directory / f"{PROBE_PREFIX}{secrets.token_hex(4)}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except OSError as error:
            raise ConfigurationError(
                f"the staging directory {self.directory} cannot be written to: {error.strerror}; "
                "choose another with --staging"
            ) from error
        return path

    def remove_probes(self) -> None:
        """Those of a start that was killed, too."""
        for path in self.directory.glob(f"{PROBE_PREFIX}*"):
            remove_file(path)

    def part_path(self, key: MessageKey) -> Path:
        return self.directory / f"{_stem(key)}.part"

    def staged_path(self, key: MessageKey) -> Path:
        return self.directory / f"{_stem(key)}.staged"

    def holds(self, key: MessageKey) -> bool:
        """Whether anything of this file lies here, staged or partial."""
        return self.staged_path(key).exists() or self.part_path(key).exists()

    def _scan(self) -> tuple[Leftover, ...]:
        self._remove_links()
        return tuple(
            self._leftover(path)
            for path in sorted(self.directory.rglob("*"))
            if path.name != LOCK_NAME and path.is_file() and not path.is_symlink()
        )

    def _remove_links(self) -> None:
        """We make none: who made them wants something else to be sent, or to be written to."""
        for path in sorted(self.directory.iterdir()):
            if _NAME.fullmatch(path.name) and path.is_symlink():
                path.unlink()
                self.lines.append(
                    f"warning: removed the link {path}, which this program has not made"
                )

    def _leftover(self, path: Path) -> Leftover:
        match = _NAME.fullmatch(path.name)
        size_bytes = path.stat().st_size
        if match is None or path.parent != self.directory:
            return Leftover(path, size_bytes, None, complete=False)
        chat_id, topic_id, message_id, index, ending = match.groups()
        key = MessageKey(int(chat_id), int(topic_id), int(message_id), int(index or FIRST))
        return Leftover(path, size_bytes, key, complete=ending == "staged")


def _stem(key: MessageKey) -> str:
    return f"m{key.chat_id}_{key.topic_id}_{key.number}"
