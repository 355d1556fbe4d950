"""Windows replaces and removes no file that is open: here, what this process has open itself."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_refusing: list[Path] = []
_refused: list[str] = []
_hooks: list[object] = []


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: it can't be taken away again, so it looks whether it is wanted."""
    if not _refusing or event not in ("os.remove", "os.rename", "os.rmdir"):
        return
    paths = [each for each in arguments if isinstance(each, str | bytes | os.PathLike)]
    for path in map(os.path.realpath, map(os.fsdecode, paths)):
        if Path(path).is_relative_to(_refusing[-1]) and path in _open_here():
            _refused.append(f"{event} {path}")
            raise PermissionError(errno.EACCES, "it is used by another process", path)


def _open_here() -> set[str]:
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        except OSError:  # the one of the listing itself
            continue
    return found


@contextmanager
def what_is_open_stays(directory: Path) -> Iterator[list[str]]:
    """For files below the directory: what was refused. Linux only."""
    if sys.platform != "linux":
        pytest.skip("asks Linux what is open")
    if not _hooks:
        sys.addaudithook(_refuse)
        _hooks.append(_refuse)
    _refused.clear()
    _refusing.append(directory.resolve())
    try:
        yield _refused
    finally:
        _refusing.pop()
