"""The bars on a terminal: one for the whole, one for each file that is on its way."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TextIO

from tqdm import tqdm

from tdl_sync.core.program import PROGRAM
from tdl_sync.reporting.events import Event, EventKind, Level
from tdl_sync.reporting.lines import Signs, block, percent
from tdl_sync.reporting.numbers import Snapshot
from tdl_sync.reporting.outlets import Output
from tdl_sync.reporting.paint import Paint, has_title

_REDRAW_SECONDS = 0.5
_MOST_ROWS = 14
_SPARE_ROWS = 2
"""Rows of the terminal that the bars leave free."""

_KEEP_TITLE, _RESTORE_TITLE = "\x1b[22;2t", "\x1b[23;2t"
_WIPE_LINE, _WIPE_BELOW = "\x1b[K", "\x1b[J"


class BarsOutlet:
    """``reporter.Outlet`` for a terminal: bars at the bottom, messages above them.

    Only a thread of its own writes while the bars are there, so that a terminal that was
    stopped (Ctrl-S) stops nothing else. What the bars show has no line.
    """

    def __init__(self, stream: TextIO, least: Level) -> None:
        self._output = Output(stream)
        self._least = least
        self._paint = Paint.for_terminal()
        self._told_by_bars = {EventKind.PROGRESS, EventKind.MOVED}
        self._messages: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, numbers: Callable[[], Snapshot]) -> None:
        self.end()
        self._over.clear()
        self._thread = threading.Thread(
            target=self._display, args=(numbers,), name="bars", daemon=True
        )
        self._thread.start()

    def show(self, event: Event) -> None:
        if event.level < self._least or event.kind in self._told_by_bars:
            return
        text = self._painted(event)
        if self._thread is None:
            self._output.write(text)
        else:
            self._messages.put(text)

    def end(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        self.end()

    def _painted(self, event: Event) -> str:
        """What is wrong in colour, details dim; a summary has its figures to speak for it."""
        paint = self._paint
        as_it_is: Callable[[str], str] = str
        colour = as_it_is
        if event.level >= Level.ERROR or event.kind is EventKind.FAILED:
            colour = paint.bad
        elif event.level >= Level.WARNING and event.kind is not EventKind.SUMMARY:
            colour = paint.warning
        elif event.level < Level.INFO:
            colour = paint.dim
        return "\n".join(colour(line) for line in event.shown_lines)

    def _display(self, numbers: Callable[[], Snapshot]) -> None:
        try:
            bars = _Bars(self._output, self._paint)
            try:
                while not self._over.wait(_REDRAW_SECONDS):
                    bars.write(self._waiting_messages())
                    bars.draw(numbers())
            finally:
                bars.close()
        except OSError:
            # The terminal is gone (its window was closed); the run is told by SIGHUP, not here.
            return
        for text in self._waiting_messages():
            self._output.write(text)

    def _waiting_messages(self) -> list[str]:
        messages = []
        while not self._messages.empty():
            messages.append(self._messages.get())
        return messages


class _Screen:
    """What tqdm writes to: the terminal, on which the rest of each line is wiped.

    tqdm would do that with blanks, as many as it takes the line before for; but it knows neither
    the width of every sign, nor that the terminal may have become narrower.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self.encoding = output.encoding
        self.is_muted = False

    def write(self, text: str) -> None:
        if self.is_muted:
            return
        if text.startswith("\r"):
            text = "\r" + text[1:].rstrip(" ") + _WIPE_LINE
        self._output.stream.write(text)

    def flush(self) -> None:
        if not self.is_muted:
            self._output.stream.flush()


class _Bars:
    """The block of lines at the bottom of the terminal. Used by one thread."""

    def __init__(self, output: Output, paint: Paint) -> None:
        self._output = output
        self._screen = _Screen(output)
        self._paint = paint
        self._signs = Signs.for_encoding(output.encoding)
        self._has_title = has_title()
        self._title = ""
        # Its default lock is also one between processes, and its monitor a thread that redraws
        # bars which nobody moved: neither is needed here.
        tqdm.set_lock(threading.RLock())
        tqdm.monitor_interval = 0
        self._size = _terminal_size(output.stream)
        self._lines: list[Any] = []
        if self._has_title:
            self._send(_KEEP_TITLE)

    def draw(self, numbers: Snapshot) -> None:
        size = _terminal_size(self._output.stream)
        if size != self._size:
            self._begin_anew(size)
        columns = size.columns - 1  # a sign in the last one makes some terminals break the line
        rows = min(_MOST_ROWS, max(1, size.lines - _SPARE_ROWS))
        lines = block(numbers, self._signs, self._paint, datetime.now(), columns, rows)
        while len(self._lines) < len(lines):
            self._lines.append(self._line(len(self._lines)))
        while len(self._lines) > len(lines):
            self._lines.pop().close()
        for bar, line in zip(self._lines, lines, strict=True):
            bar.set_description_str(self._output.showable(line))
        self._show_title(numbers)

    def write(self, messages: list[str]) -> None:
        if messages:
            text = self._output.showable("\n".join(messages))
            tqdm.write(text, file=self._screen)

    def close(self) -> None:
        while self._lines:
            self._lines.pop().close()
        if self._has_title:
            self._send(_RESTORE_TITLE)

    def _show_title(self, numbers: Snapshot) -> None:
        """Nothing but our own words: what comes from Telegram could drive the terminal."""
        title = PROGRAM if numbers.idle else f"{percent(numbers)} % {PROGRAM}"
        if self._has_title and title != self._title:
            self._title = title
            self._send(f"\x1b]2;{title}\x07")

    def _begin_anew(self, size: os.terminal_size) -> None:
        """Wipe what a terminal of another size made of the lines; the cursor is at their top."""
        self._size = size
        self._send("\r" + _WIPE_BELOW)
        self._screen.is_muted = True
        while self._lines:
            self._lines.pop().close()
        self._screen.is_muted = False

    def _send(self, escapes: str) -> None:
        self._output.stream.write(escapes)
        self._output.stream.flush()

    def _line(self, position: int) -> Any:
        return tqdm(
            file=self._screen,
            bar_format="{desc}",
            leave=False,
            position=position,
            ncols=self._size.columns,
            nrows=self._size.lines,
        )


def _terminal_size(stream: TextIO) -> os.terminal_size:
    """Asked of the very stream: standard output may be a file while this is a terminal."""
    size = os.get_terminal_size(stream.fileno())
    # Terminals that nobody looks at (of a CI runner, of `script`) say 0 by 0.
    return os.terminal_size((size.columns or 80, size.lines or 24))
