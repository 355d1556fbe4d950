"""The file of ``--metrics``: written anew every 10 s and at the end, whole or not at all."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tdl_sync.core.errors import UsageError
from tdl_sync.core.private_directory import planted_link
from tdl_sync.core.reports import Outcome
from tdl_sync.core.steps import Step
from tdl_sync.reporting.metrics import Figures
from tdl_sync.reporting.rates import refuse_what_is_no_file, write_whole

RENEWED_SECONDS = 10.0
MODE = 0o644
"""node_exporter, which reads it, is another user."""


def write_metrics(path: Path, text: bytes | None) -> None:
    """``None`` tries whether it could be written, and leaves what is there.

    Raises ``UsageError`` if it can't be written.
    """
    planted = planted_link(path)
    if planted is not None:
        raise UsageError(
            f"--metrics: {str(path)!r} is reached by the link {planted}, which another user made; "
            "name a file in a directory that exists and is yours"
        )
    try:
        real = Path(os.path.realpath(path))
        refuse_what_is_no_file(real)
        if text is None:
            with tempfile.TemporaryFile(dir=real.parent):
                return
        write_whole(real, text, MODE)
    except OSError as error:
        raise UsageError(
            f"--metrics: {str(path)!r} cannot be written ({error.strerror}); name a file in a "
            "directory that exists and is yours"
        ) from None


class MetricsFile:
    """``reporter.Counting`` that keeps the file. Raises ``UsageError`` if it can't be written.

    Nothing is written before a chat is this run's, nor by a run that finds that another one has
    them: the file is the other one's then.
    """

    def __init__(
        self,
        path: Path,
        figures: Figures,
        on_line: Callable[[str], None],
        outcome: Callable[[], Outcome | None],
        renewed_seconds: float = RENEWED_SECONDS,
    ) -> None:
        """``outcome`` says, at the end, how the run went, ``None`` where that is another's to
        tell."""
        self._path = path
        self._figures = figures
        self._on_line = on_line
        self._outcome = outcome
        self._renewed_seconds = renewed_seconds
        self._has_chats = threading.Event()
        self._over = threading.Event()
        write_metrics(path, None)
        self._thread = threading.Thread(target=self._renew, name="metrics", daemon=True)
        self._thread.start()

    def held(self, chat_id: int, *, is_ours: bool) -> None:
        self._figures.held(chat_id, is_ours=is_ours)
        self._has_chats.set()

    def started(self, chat_id: int, budget_bytes: int) -> None:
        self._figures.started(chat_id, budget_bytes)

    def told(self, chat_id: int, step: Step) -> None:
        self._figures.told(chat_id, step)

    def waiting(self, what: str, until: datetime | None) -> None:
        self._figures.waiting(what, until)

    def close(self) -> None:
        """The last figures, with how it went. Again: does nothing."""
        if self._over.is_set():
            return
        self._over.set()
        self._has_chats.set()
        self._thread.join()
        outcome = self._outcome()
        if outcome is not None:
            self._figures.status(outcome.value)
            self._write()

    def _renew(self) -> None:
        has_failed = False
        self._has_chats.wait()
        while not self._over.is_set():
            error = self._write()
            if error is not None and not has_failed:
                self._on_line(f"warning: {error}; the figures stay as they were")
            has_failed = error is not None
            self._over.wait(self._renewed_seconds)

    def _write(self) -> UsageError | None:
        try:
            write_metrics(self._path, self._figures.text())
        except UsageError as error:
            return error
        return None
