"""The file of ``--log-file``: kept small by rotation, and never a reason for a run to end."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from tdl_sync.core.errors import UsageError
from tdl_sync.core.private_directory import planted_link

MOST_BYTES = 10_000_000
KEPT_FILES = 5
"""Beside the one that is written: ``FILE.1`` is the latest of them."""


class LogFile:
    """Open for appending, readable by its owner alone. All threads may call."""

    def __init__(self, path: Path, on_failure: Callable[[str], None] = lambda line: None) -> None:
        """Raises ``UsageError`` if it can't be written. ``on_failure`` is called at most once,
        with a line for the user, when a later write fails; what is written then is lost.
        """
        planted = planted_link(path)
        if planted is not None:
            raise UsageError(
                f"--log-file: {str(path)!r} is reached by the link {planted}, which another user "
                "made; name a file in a directory that exists and is yours"
            )
        try:
            self._handler = _Handler(path, on_failure)
        except OSError as error:
            raise UsageError(
                f"--log-file: {str(path)!r} cannot be written ({error.strerror}); name a file in a "
                "directory that exists and is yours"
            ) from None

    def write(self, text: str) -> None:
        """Append these lines; they are with the operating system when this returns."""
        self._handler.handle(logging.makeLogRecord({"msg": text}))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._handler.close()


class _Handler(RotatingFileHandler):
    def __init__(self, path: Path, on_failure: Callable[[str], None]) -> None:
        self._on_failure = on_failure
        self._has_failed = False
        super().__init__(
            path,
            maxBytes=MOST_BYTES,
            backupCount=KEPT_FILES,
            encoding="utf-8",
            errors="backslashreplace",
        )

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        if os.path.isfile(self.baseFilename):  # not a pipe or a device
            with contextlib.suppress(PermissionError):  # somebody else's, who lets us write
                os.chmod(self.baseFilename, 0o600)
        return stream

    def handleError(self, record: logging.LogRecord) -> None:
        """Called by the standard library within ``except``."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            raise
        if not self._has_failed:
            self._has_failed = True
            self._on_failure(
                f"warning: the log file {self.baseFilename} cannot be written "
                f"({error.strerror or error}); the run goes on, and lines are missing there"
            )
