"""The copy of a scope's state on this disk, for when Saved Messages could not be written."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError, StateUnreadable
from tdl_sync.core.operating_system import open_here, remove_file, replace_file, sync_directory
from tdl_sync.state.run_state import RunState
from tdl_sync.state.state_message import decode_json

_MOST_BYTES = 65_536
"""Several times what fits into a state message."""


class LocalStates:
    """One file ``<scope key>.json`` for each scope, 0600. All threads may call all methods."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writing = threading.Lock()

    def path(self, scope_key: str) -> Path:
        return self._directory / f"{scope_key}.json"

    def scope_keys(self) -> list[str]:
        """The scopes of which there is a copy."""
        return sorted(path.stem for path in self._directory.glob("*.json"))

    def write(self, scope_key: str, json_text: str) -> None:
        """Replace the file. On return the new content outlives a loss of power; an ``OSError``
        or a kill before that leaves the old file as it was.
        """
        path = self.path(scope_key)
        new = path.with_suffix(".new")
        with self._writing:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = open_here(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(json_text)
                file.flush()
                os.fsync(file.fileno())
            replace_file(new, path)
            sync_directory(self._directory)

    def read(self, scope_key: str) -> RunState | None:
        """The state, ``None`` if there is no file. ``StateUnreadable`` for a damaged one, and for
        one that is another scope's."""
        path = self.path(scope_key)
        try:
            with path.open("rb") as file:
                content = file.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(
                f"the saved state {path} cannot be read: {error.strerror}. "
                "Make it readable for you, or remove it"
            ) from error
        if len(content) > _MOST_BYTES:
            raise self.unreadable(scope_key, f"expected {_MOST_BYTES} bytes at most, found more")
        state = decode_json(content.decode("utf-8", "replace"), self._next_step(path))
        if state.scope_key != scope_key:
            why = f"expected 'scope' to be {scope_key!r}, found {state.scope_key!r}"
            raise self.unreadable(scope_key, why)
        return state

    def unreadable(self, scope_key: str, why: str) -> StateUnreadable:
        """What ``read`` raises, for who finds that the copy can't be this scope's."""
        next_step = self._next_step(self.path(scope_key))
        return StateUnreadable(f"the saved state cannot be read: {why}. {next_step}")

    @staticmethod
    def _next_step(path: Path) -> str:
        return (
            f"Remove the file {path} and run again: what is done is known from the marks and "
            "from the remote's listing, and is not moved again"
        )

    def remove(self, scope_key: str) -> None:
        """Forget the copy, if there is one. Raises ``OSError``."""
        remove_file(self.path(scope_key))
