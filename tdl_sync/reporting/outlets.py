"""Where what a run tells is shown: bars on a terminal, lines on a stream and in a file.

The bars alone write escape sequences: they move the cursor, wipe lines, colour, and set the
terminal's title. Events and numbers are fit for a terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO, TypeAlias

from tdl_sync.reporting.events import Event, Level
from tdl_sync.reporting.log_file import LogFile
from tdl_sync.reporting.numbers import Snapshot

Style: TypeAlias = Callable[[Event], str]


class Output:
    """A text stream that may vanish: when its terminal or pipe is gone, lines go nowhere.

    A listener must not raise, and a run goes on when the window that shows it was closed.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.encoding = stream.encoding or "utf-8"  # None: a stream that takes any text

    def showable(self, text: str) -> str:
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            text = text.replace("…", "...")
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)

    def write(self, text: str) -> None:
        try:
            self.stream.write(self.showable(text) + "\n")
            self.stream.flush()
        except OSError:
            return

    def close(self) -> None:
        """The stream is not ours to close."""


class LineOutlet:
    """``reporter.Outlet`` for a log, on a stream or in a file: every event from a level on, written
    at once."""

    def __init__(self, log: Output | LogFile, style: Style, least: Level) -> None:
        self._log = log
        self._style = style
        self._least = least

    def begin(self, numbers: Callable[[], Snapshot]) -> None: ...

    def show(self, event: Event) -> None:
        if event.level >= self._least:
            self._log.write(self._style(event))

    def end(self) -> None: ...

    def close(self) -> None:
        self._log.close()
