"""A remote in memory, for who only looks."""

from __future__ import annotations

from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.model import ListedFile
from tdl_sync.core.naming import chat_id_of_folder


class FakeRemoteFiles:
    """``ports.RemoteFiles`` without a process. ``folders`` is the remote; ``errors`` is what the
    next calls raise, one each. Hashes are shown to those alone who ask for them."""

    def __init__(self) -> None:
        self.folders: dict[str, list[ListedFile]] = {}
        self.texts: dict[str, bytes] = {}
        self.errors: list[TdlSyncError] = []

    def find_folder(self, chat_id: int) -> str | None:
        self._call()
        return min((f for f in self.folders if chat_id_of_folder(f) == chat_id), default=None)

    def files(self, folder: str, *, with_hashes: bool = False) -> list[ListedFile]:
        self._call()
        return [
            file if with_hashes else ListedFile(file.name, file.size_bytes, file.subfolder)
            for file in self.folders.get(folder, [])
        ]

    def read(self, folder: str, name: str) -> bytes | None:
        self._call()
        return self.texts.get(f"{folder}/{name}")

    def elsewhere(self, source: str) -> list[ListedFile]:
        return self.files(source, with_hashes=True)

    def _call(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
