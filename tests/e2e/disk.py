"""What lies on the staging disk, looked at all the time; and a disk that is really full."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SAMPLE_SECONDS = 0.002


class Sampler:
    """Looks at a directory every few milliseconds while it is entered, in a thread of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="disk sampler", daemon=True)
        self.samples = 0
        self.longest_gap_seconds = 0.0
        self.most_bytes = 0
        self.most_files = 0

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        before = time.monotonic()
        while not self._over.wait(SAMPLE_SECONDS):
            sizes = list(self._sizes())
            self.most_bytes = max(self.most_bytes, sum(sizes))
            self.most_files = max(self.most_files, len(sizes))
            self.samples += 1
            now = time.monotonic()
            self.longest_gap_seconds = max(self.longest_gap_seconds, now - before)
            before = now

    def _sizes(self) -> Iterator[int]:
        """Of each file the larger of what it says and what it takes."""
        try:
            entries = list(os.scandir(self._directory))
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.name == ".lock":
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield max(status.st_size, status.st_blocks * 512)


@contextmanager
def small_disk(mount_point: Path, size_bytes: int) -> Iterator[Path]:
    """A disk of its own; skips the test where the machine allows none."""
    mount_point.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "tmpfs", str(mount_point)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", "--lazy", str(mount_point)], check=True)


def free_bytes(directory: Path) -> int:
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def fill(path: Path, size_bytes: int) -> None:
    """A file that really takes so many bytes. Raises ``OSError`` where they are not there."""
    with path.open("wb") as file:
        for begin in range(0, size_bytes, 1 << 20):
            file.write(bytes(min(1 << 20, size_bytes - begin)))
        file.flush()
        os.fsync(file.fileno())
