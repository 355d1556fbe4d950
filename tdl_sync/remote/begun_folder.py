"""That a run has begun to make the remote's base folder, and has not seen it there yet.

It is on record, since a run that is killed meanwhile has told nobody, and the next one may not see
the folder either.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.operating_system import open_here, remove_file, sync_directory


class BegunFolder:
    """Of one remote, for all runs of this data directory."""

    def __init__(self, directory: Path, remote: str) -> None:
        """The text of a remote may hold secrets, so it names nothing."""
        self._directory = directory
        self._path = directory / hashlib.sha256(os.fsencode(remote)).hexdigest()[:16]

    @property
    def is_begun(self) -> bool:
        return self._path.exists()

    def begin(self) -> None:
        """It is on disk when this returns. Raises ``ConfigurationError``."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(open_here(self._path, os.O_WRONLY | os.O_CREAT))
            sync_directory(self._directory)
            sync_directory(self._directory.parent)
        except OSError as error:
            raise ConfigurationError(
                f"the data directory {self._directory.parent} cannot be written: "
                f"{error.strerror}; make room there, or choose another with --data-dir"
            ) from error

    def end(self) -> None:
        """What can't be forgotten costs the next start that finds no folder some seconds."""
        with contextlib.suppress(OSError):
            remove_file(self._path)
