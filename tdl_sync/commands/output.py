"""What a command prints on standard output: lines for people, or one JSON array for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.operating_system import is_closed_pipe
from tdl_sync.reporting.stderr import give_up


class NobodyReads(Exception):
    """The other end of the pipe is closed, as by ``| head``: there is no sense in going on."""


class StandardOutput:
    """Each line is written out at once. Raises ``NobodyReads``."""

    def __init__(self, stream: TextIO | None) -> None:
        """``None`` is what Python has for a standard output that was closed from the start."""
        if stream is None:
            raise NobodyReads
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"

    @property
    def columns(self) -> int | None:
        """How wide the terminal is, ``None`` where it is none."""
        try:
            if not self._stream.isatty():
                return None
            # Terminals that nobody looks at (of a CI runner, of `script`) say 0 by 0.
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return None

    def line(self, text: str) -> None:
        """What the stream's encoding has no sign for is shown as an escape.

        Raises ``ConfigurationError`` where it can't be written, as on a full disk.
        """
        shown = text.encode(self._encoding, "backslashreplace").decode(self._encoding)
        try:
            self._stream.write(shown + "\n")
            self._stream.flush()
        except OSError as error:
            give_up(self._stream)
            if is_closed_pipe(error):
                raise NobodyReads from None
            raise ConfigurationError(
                f"standard output cannot be written: {error.strerror}; make room, or write it "
                "to another place"
            ) from error

    def json_line(self, record: Mapping[str, Any]) -> None:
        """One object on a line of its own, in ASCII, as in ``json_array``."""
        self.line(json.dumps(record))

    def json_array(self, records: Iterable[Mapping[str, Any]]) -> None:
        """One array with an object on each line, printed when the next one is known.

        All but ASCII is escaped, so that it is the same in any encoding and a terminal that
        shows it does not obey it.
        """
        self.line("[")
        waiting: str | None = None
        for record in records:
            if waiting is not None:
                self.line(f"  {waiting},")
            waiting = json.dumps(record)
        if waiting is not None:
            self.line(f"  {waiting}")
        self.line("]")
