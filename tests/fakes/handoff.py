"""A remote in memory that meets the contract tests of the hand-off, with errors to inject."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from tdl_sync.core.errors import StagingFailed, Stopped, TdlSyncError
from tdl_sync.core.model import ListedFile, MarkedFile, RemoteFile, StagedFile


class FakeHandOff:
    """``ports.HandOff`` without a process. All threads may call everything.

    ``folders`` is the remote. ``errors`` holds, by the remote name, what the next moves of that
    file raise; ``"*"`` stands for any name. ``seconds_per_move`` is how long a move takes,
    which begins with half the file sent. ``look`` tells hashes where the remote ``lists_sha256``.
    """

    def __init__(self, seconds_per_move: float = 0.0) -> None:
        self.folders: dict[str, dict[str, bytes]] = {}
        self.errors: dict[str, list[TdlSyncError]] = {}
        self.seconds_per_move = seconds_per_move
        self.lists_sha256 = False
        self.moves: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._ended = threading.Event()

    def move(
        self, staged: StagedFile, folder: str, name: str, on_bytes: Callable[[int], None]
    ) -> RemoteFile:
        if not staged.path.is_file():
            raise StagingFailed(f"{staged.path.name} is not in the staging directory any more")
        with self._changed:
            if self._stopping:
                raise Stopped("the run is stopping")
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self._move(staged, folder, name, on_bytes)
        finally:
            with self._changed:
                self._at_once -= 1
                self._changed.notify_all()

    def prepare_folder(self, folder: str) -> list[ListedFile]:
        with self._changed:
            self.folders.setdefault(folder, {})
            return [
                ListedFile(name, len(content), path.removeprefix(folder).removeprefix("/"))
                for path, files in self.folders.items()
                if f"{path}/".startswith(f"{folder}/")
                for name, content in files.items()
            ]

    def renew_folder(self, folder: str) -> None:
        self.prepare_folder(folder)

    def seconds_until_listed(self) -> float:
        return 0.0

    def look(self, folder: str, name: str) -> ListedFile | None:
        with self._changed:
            content = self.folders.get(folder, {}).get(name)
        if content is None:
            return None
        digest = hashlib.sha256(content).hexdigest() if self.lists_sha256 else None
        return ListedFile(name, len(content), sha256=digest)

    def keep_date(self, file: RemoteFile) -> None:
        pass

    def expect_more(self) -> None:
        """All is listed at once."""

    def nobody_else_makes(self, folder: str) -> None:
        """Nobody does here."""

    def shows(self, file: MarkedFile) -> bool:
        with self._changed:
            content = self.folders.get(file.folder, {}).get(file.name)
        return content is not None and len(content) == file.size_bytes

    def held_back_while(self, is_so: Callable[[], bool]) -> AbstractContextManager[None]:
        return nullcontext()

    def cut(self) -> None:
        """Nothing sleeps here."""

    def remove(self, folder: str, name: str) -> None:
        with self._changed:
            self.folders.get(folder, {}).pop(name, None)

    def put(self, content: bytes, folder: str, name: str) -> None:
        with self._changed:
            if self._stopping:
                raise Stopped("the run is stopping")
            self.folders.setdefault(folder, {})[name] = content

    def read(self, folder: str, name: str) -> bytes:
        with self._changed:
            return self.folders[folder][name]

    def elsewhere(self, source: str) -> list[ListedFile]:
        with self._changed:
            return [
                ListedFile(name, len(content), path.removeprefix(source).removeprefix("/"))
                for path, files in self.folders.items()
                if f"{path}/".startswith(f"{source}/")
                for name, content in files.items()
            ]

    def find_folder(self, chat_id: int) -> str | None:
        with self._changed:
            return min((f for f in self.folders if f.endswith(f"[{chat_id}]")), default=None)

    def terminate(self, grace_seconds: float) -> None:
        with self._changed:
            self._stopping = True
            self._changed.wait_for(lambda: self._at_once == 0, grace_seconds)
        self._ended.set()
        with self._changed:
            self._changed.wait_for(lambda: self._at_once == 0)

    def _move(
        self, staged: StagedFile, folder: str, name: str, on_bytes: Callable[[int], None]
    ) -> RemoteFile:
        if self.seconds_per_move:
            on_bytes(staged.path.stat().st_size // 2)
        if self._ended.wait(self.seconds_per_move):
            raise Stopped("the hand-off was ended; the file is kept")
        with self._changed:
            for waiting in (self.errors.get(name), self.errors.get("*")):
                if waiting:
                    raise waiting.pop(0)
            content = staged.path.read_bytes()
            on_bytes(len(content))
            self.folders.setdefault(folder, {})[name] = content
            self.moves.append(name)
            staged.path.unlink()
        return RemoteFile.moved(staged, folder, name)
