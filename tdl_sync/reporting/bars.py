"""The bars on a terminal: one for the whole, one for each file that is on its way."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TextIO

from tqdm import tqdm
from tqdm.utils import disp_trim

from tdl_sync.reporting.events import Event, EventKind, Level
from tdl_sync.reporting.lines import Arrows, headline, status_lines, transfer_line, waiting_line
from tdl_sync.reporting.numbers import Snapshot
from tdl_sync.reporting.outlets import Output

_REDRAW_SECONDS = 0.5
_MOST_TRANSFER_LINES = 8
_SPARE_ROWS = 2
"""Rows of the terminal that the bars leave free."""


class BarsOutlet:
    """``reporter.Outlet`` for a terminal: bars at the bottom, messages above them.

    Only a thread of its own writes while the bars are there, so that a terminal that was
    stopped (Ctrl-S) stops nothing else. What the bars show has no line.
    """

    def __init__(self, stream: TextIO, least: Level) -> None:
        self._output = Output(stream)
        self._least = least
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
        text = "\n".join(event.shown_lines)
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

    def _display(self, numbers: Callable[[], Snapshot]) -> None:
        try:
            bars = _Bars(self._output)
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


class _Bars:
    """The block of lines at the bottom of the terminal. Used by one thread."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._arrows = Arrows.for_encoding(output.encoding)
        # Its default lock is also one between processes, and its monitor a thread that redraws
        # bars which nobody moved: neither is needed here.
        tqdm.set_lock(threading.RLock())
        tqdm.monitor_interval = 0
        self._files = self._line("{desc} {percentage:3.0f}%|{bar}|", total=1)
        self._texts = [self._line("{desc}")]
        self._size = _terminal_size(output.stream)

    def draw(self, numbers: Snapshot) -> None:
        size = _terminal_size(self._output.stream)
        if size != self._size:
            self._size = size
            self._begin_anew()
        width = size.columns - 1  # a sign in the last column makes some terminals break the line
        self._files.total = max(1, numbers.total_files)
        self._files.n = min(numbers.finished, self._files.total)
        self._files.set_description_str(
            self._output.showable(headline(numbers, width, disp_trim)), refresh=False
        )
        self._files.refresh()
        lines = self._lines(numbers, width, self._text_rows())
        while len(self._texts) < len(lines):
            self._texts.append(self._line("{desc}"))
        lines += [""] * (len(self._texts) - len(lines))
        for bar, line in zip(self._texts, lines, strict=True):
            bar.set_description_str(disp_trim(self._output.showable(line), width))

    def write(self, messages: list[str]) -> None:
        if messages:
            tqdm.write(self._output.showable("\n".join(messages)), file=self._output.stream)

    def close(self) -> None:
        for bar in reversed(self._texts):
            bar.close()
        self._files.close()

    def _begin_anew(self) -> None:
        """Wipe what a terminal of another size made of the lines; the cursor is at their top.

        tqdm would pad with blanks to the length of the old lines, which may be too long now, and
        never looks at the height again once it has hidden a line.
        """
        self._output.stream.write("\r\x1b[J")
        while len(self._texts) > max(1, self._text_rows()):
            self._texts.pop().close()
        for bar in (self._files, *self._texts):
            bar.sp = tqdm.status_printer(self._output.stream)
            bar.nrows = self._size.lines

    def _text_rows(self) -> int:
        return self._size.lines - _SPARE_ROWS - 1

    def _lines(self, numbers: Snapshot, width: int, rows: int) -> list[str]:
        lines = status_lines(numbers, self._arrows, datetime.now(), width)
        if numbers.waiting is not None:
            lines.append(waiting_line(numbers.waiting))
        if numbers.idle:
            lines.append(numbers.idle)
        room = min(_MOST_TRANSFER_LINES, rows - len(lines))
        shown = numbers.transfers
        if len(shown) > room:
            shown = shown[: max(0, room - 1)]
        lines += [transfer_line(transfer, self._arrows) for transfer in shown]
        hidden = len(numbers.transfers) - len(shown)
        if hidden:
            lines.append(f"and {hidden} more in flight")
        return lines[: max(1, rows)]

    def _line(self, bar_format: str, total: int | None = None) -> Any:
        return tqdm(
            total=total,
            file=self._output.stream,
            bar_format=bar_format,
            leave=False,
            dynamic_ncols=True,
        )


def _terminal_size(stream: TextIO) -> os.terminal_size:
    """Asked of the very stream: standard output may be a file while this is a terminal."""
    size = os.get_terminal_size(stream.fileno())
    # Terminals that nobody looks at (of a CI runner, of `script`) say 0 by 0.
    return os.terminal_size((size.columns or 80, size.lines or 24))
