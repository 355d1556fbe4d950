"""The copy of a scope's state on this disk, for when Saved Messages could not be written."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.operating_system import sync_directory
from tdl_sync.state.run_state import RunState
from tdl_sync.state.state_message import decode_json


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
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(json_text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
            sync_directory(self._directory)

    def read(self, scope_key: str) -> RunState | None:
        """The state, ``None`` if there is no file. ``StateUnreadable`` for a damaged one."""
        path = self.path(scope_key)
        try:
            json_text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(
                f"the saved state {path} cannot be read: {error.strerror}. "
                "Make it readable for you, or remove it"
            ) from error
        return decode_json(
            json_text,
            f"Remove the file {path} and run again: what is done is known from the marks and "
            "from the remote's listing, and is not moved again",
        )

    def remove(self, scope_key: str) -> None:
        """Forget the copy, if there is one. Raises ``OSError``."""
        self.path(scope_key).unlink(missing_ok=True)
