"""What a power cut can't undo: files that are made, synced, renamed and removed, in their order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

StrPath: TypeAlias = "str | os.PathLike[str]"


class DurableSteps:
    """Sees the real calls below a directory from now on, and keeps them as ``steps``:

        make a.new          it was not there; only what ``os.open`` makes is seen
        sync a.new          as it is now, its bytes and its date outlive a power cut
        rename a.new to a   all of its bytes, and its date, were synced before
        rename a.new to a, not synced
        sync folder/        names that were made, renamed or removed in it outlive a power cut
        remove a            it was there
        note text           what the test has seen in between, by ``note``

    Names are relative to the directory; its own is ``./``.
    """

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        self._directory = directory.resolve()
        self._synced: dict[tuple[int, int], tuple[bytes, int]] = {}
        self._real_open = os.open
        self._real_fsync = os.fsync
        self._real_unlink = os.unlink
        patch.setattr(os, "open", self._open)
        patch.setattr(os, "fsync", self._fsync)
        for name in ("replace", "rename"):
            patch.setattr(os, name, self._moving(getattr(os, name)))
            patch.setattr(Path, name, _path_method(name))
        for name in ("unlink", "remove"):
            patch.setattr(os, name, self._unlink)
        patch.setattr(Path, "unlink", _path_unlink)

    def note(self, text: str) -> None:
        self.steps.append(f"note {text}")

    def of(self, *words: str) -> list[str]:
        """The steps in which one of these words occurs."""
        return [step for step in self.steps if any(word in step for word in words)]

    def _name(self, path: StrPath) -> str | None:
        """``None`` for what does not lie below the directory."""
        whole = Path(os.path.abspath(path))
        if not whole.is_relative_to(self._directory):
            return None
        return whole.relative_to(self._directory).as_posix() + ("/" if whole.is_dir() else "")

    def _open(self, path: StrPath, flags: int, *mode: int, **more: Any) -> int:
        there = os.path.lexists(path)
        descriptor = self._real_open(path, flags, *mode, **more)
        if not there and not more and (name := self._name(path)):
            self.steps.append(f"make {name}")
        return descriptor

    def _fsync(self, descriptor: int) -> None:
        self._real_fsync(descriptor)
        found = os.fstat(descriptor)
        for path in (self._directory, *self._directory.rglob("*")):
            if os.path.samestat(path.lstat(), found):
                self.steps.append(f"sync {self._name(path)}")
                if path.is_file():
                    self._synced[found.st_dev, found.st_ino] = _content_and_date(path)

    def _moving(self, real: Callable[..., None]) -> Callable[..., None]:
        def move(source: StrPath, target: StrPath, **more: Any) -> None:
            path, name = Path(source), self._name(source)
            unsynced = ""
            if path.is_file():
                found = path.stat()
                synced = self._synced.get((found.st_dev, found.st_ino))
                unsynced = "" if synced == _content_and_date(path) else ", not synced"
            real(source, target, **more)
            if name is not None:
                self.steps.append(f"rename {name} to {self._name(target)}{unsynced}")

        return move

    def _unlink(self, path: StrPath, **more: Any) -> None:
        self._real_unlink(path, **more)
        if not more and (name := self._name(path)):
            self.steps.append(f"remove {name}")


def _content_and_date(path: Path) -> tuple[bytes, int]:
    return path.read_bytes(), path.stat().st_mtime_ns


def _path_method(name: str) -> Callable[[Path, StrPath], Path]:
    """Python 3.10's ``Path`` keeps the functions that ``os`` had when it was imported."""

    def method(path: Path, target: StrPath) -> Path:
        getattr(os, name)(path, target)
        return Path(target)

    return method


def _path_unlink(path: Path, missing_ok: bool = False) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        if not missing_ok:
            raise
