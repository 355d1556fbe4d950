"""Shows what a run does: bars on a terminal, a line now and then in a log.

No colours are used, so there is nothing for NO_COLOR to switch off. What comes from Telegram
passes ``naming.printable`` before it is shown.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from datetime import datetime
from typing import Any, TextIO

from tqdm import tqdm
from tqdm.utils import disp_len, disp_trim

from tdl_sync.model import (
    Chat,
    ChatKind,
    ChatTotals,
    Failure,
    MediaItem,
    MessageKey,
    RunReport,
)
from tdl_sync.naming import file_name, printable
from tdl_sync.progress_numbers import Direction, ProgressNumbers, Snapshot, Waiting
from tdl_sync.progress_text import (
    Arrows,
    headline,
    log_line,
    status_lines,
    transfer_line,
    waiting_line,
)
from tdl_sync.summary import summary

LOG_INTERVAL_SECONDS = 30.0

_REDRAW_SECONDS = 0.5
_SAME_WAIT_SECONDS = 60.0
_MOST_TRANSFER_LINES = 8
_SPARE_ROWS = 2
"""Rows of the terminal that the bars leave free."""


class NullProgress:
    """``ports.ProgressListener`` that shows nothing."""

    def started(self, chat: Chat, totals: ChatTotals, budget_bytes: int) -> None: ...
    def seen(self, items: int) -> None: ...
    def done_before(self, item: MediaItem) -> None: ...
    def skipped(self, key: MessageKey, rule: str) -> None: ...
    def download_started(self, item: MediaItem) -> None: ...
    def resumed(self, item: MediaItem, bytes_there: int) -> None: ...
    def downloaded(self, item: MediaItem, more_bytes: int) -> None: ...
    def download_finished(self, item: MediaItem) -> None: ...
    def upload_started(self, item: MediaItem) -> None: ...
    def uploaded(self, item: MediaItem, total_bytes: int) -> None: ...
    def upload_finished(self, item: MediaItem) -> None: ...
    def moved(self, item: MediaItem, freed_bytes: int) -> None: ...
    def failed(self, failure: Failure, name: str) -> None: ...
    def disk(self, used_bytes: int) -> None: ...
    def waiting(self, what: str, why: str, until: datetime | None) -> None: ...
    def message(self, line: str) -> None: ...
    def finished(self, report: RunReport) -> None: ...


class _Output:
    """A text stream that may vanish: when its terminal or pipe is gone, lines go nowhere.

    A listener must not raise, and a run goes on when the window that shows it was closed.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.encoding = stream.encoding or "utf-8"  # None: a stream that takes any text

    def showable(self, text: str) -> str:
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)

    def write(self, text: str) -> None:
        try:
            self.stream.write(self.showable(text) + "\n")
            self.stream.flush()
        except OSError:
            return


class _Counting:
    """What both displays share: the numbers, and what is worth a line of its own."""

    def __init__(self) -> None:
        nobody = Chat(0, "", ChatKind.CHANNEL)
        self._chat = nobody
        self._numbers = ProgressNumbers(nobody, ChatTotals(0, 0, 0), 0)
        self._said_waits: dict[tuple[str, str], float] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def started(self, chat: Chat, totals: ChatTotals, budget_bytes: int) -> None:
        self._chat = chat
        self._numbers = ProgressNumbers(chat, totals, budget_bytes)
        self._begin()

    def finished(self, report: RunReport) -> None:
        self.close()
        self._write(summary(report, self._chat))

    def close(self) -> None:
        """End the display without a summary. Again, or before ``started``: does nothing."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def seen(self, items: int) -> None:
        self._numbers.seen(items)

    def done_before(self, item: MediaItem) -> None:
        self._numbers.done(item)

    def moved(self, item: MediaItem, freed_bytes: int) -> None:
        self._numbers.done(item)

    def skipped(self, key: MessageKey, rule: str) -> None:
        self._numbers.skipped()

    def failed(self, failure: Failure, name: str) -> None:
        self._numbers.failed()
        self.message(f"failed: {failure.key.message_id} {name}: {failure.detail}")

    def download_started(self, item: MediaItem) -> None:
        self._numbers.transfer_started(Direction.DOWN, item)

    def resumed(self, item: MediaItem, bytes_there: int) -> None:
        self._numbers.resumed(item, bytes_there)
        self.message(
            f"message {item.message_id}: {bytes_there} of {item.size_bytes} bytes are there "
            "already, going on with the rest"
        )

    def downloaded(self, item: MediaItem, more_bytes: int) -> None:
        self._numbers.downloaded(item, more_bytes)

    def download_finished(self, item: MediaItem) -> None:
        self._numbers.transfer_finished(Direction.DOWN, item)

    def upload_started(self, item: MediaItem) -> None:
        self._numbers.transfer_started(Direction.UP, item)

    def uploaded(self, item: MediaItem, total_bytes: int) -> None:
        self._numbers.uploaded(item, total_bytes)

    def upload_finished(self, item: MediaItem) -> None:
        self._numbers.transfer_finished(Direction.UP, item)

    def disk(self, used_bytes: int) -> None:
        self._numbers.disk(used_bytes)

    def waiting(self, what: str, why: str, until: datetime | None) -> None:
        waiting = Waiting(printable(what), printable(why), until)
        self._numbers.waiting(waiting)
        # Many requests meet the same flood wait at once; one line says it.
        now = time.monotonic()
        if now - self._said_waits.get((what, why), float("-inf")) >= _SAME_WAIT_SECONDS:
            self._said_waits[what, why] = now
            self.message(waiting_line(waiting))

    def message(self, line: str) -> None:
        self._write(printable(line))

    def _begin(self) -> None:
        self.close()
        self._over.clear()
        self._thread = threading.Thread(target=self._display, name="progress", daemon=True)
        self._thread.start()

    def _display(self) -> None:
        """Show how far the run is, in a thread of its own, until ``_over`` is set."""
        raise NotImplementedError

    def _write(self, text: str) -> None:
        """Show ``text``, which may have several lines and is fit for a terminal."""
        raise NotImplementedError


class LogProgress(_Counting):
    """``ports.ProgressListener`` for a log: messages, and all numbers every 30 s.

    The numbers come from a thread of its own, so that a run in which nothing happens says so.
    """

    def __init__(self, stream: TextIO, interval_seconds: float = LOG_INTERVAL_SECONDS) -> None:
        super().__init__()
        self._output = _Output(stream)
        self._interval_seconds = interval_seconds

    def moved(self, item: MediaItem, freed_bytes: int) -> None:
        """A log names each deletion from the staging disk; on a terminal it would only scroll."""
        super().moved(item, freed_bytes)
        self.message(
            f"moved {printable(file_name(item))}: {freed_bytes} bytes freed on the staging disk"
        )

    def _display(self) -> None:
        while not self._over.wait(self._interval_seconds):
            self._write(log_line(self._numbers.snapshot(), datetime.now()))

    def _write(self, text: str) -> None:
        stamp = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
        self._output.write("\n".join(f"{stamp} {line}" for line in text.split("\n")))


class TerminalProgress(_Counting):
    """``ports.ProgressListener`` for a terminal: bars at the bottom, messages above them.

    Only a thread of its own writes while the bars are there, so that a terminal that was
    stopped (Ctrl-S) stops nothing else.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._output = _Output(stream)
        self._messages: queue.SimpleQueue[str] = queue.SimpleQueue()

    def _write(self, text: str) -> None:
        if self._thread is None:
            self._output.write(text)
        else:
            self._messages.put(text)

    def _display(self) -> None:
        try:
            bars = _Bars(self._output)
            try:
                while not self._over.wait(_REDRAW_SECONDS):
                    bars.write(self._waiting_messages())
                    bars.draw(self._numbers.snapshot())
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

    def __init__(self, output: _Output) -> None:
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
        lines = status_lines(numbers, self._arrows, datetime.now(), width, disp_len)
        if numbers.waiting is not None:
            lines.append(waiting_line(numbers.waiting))
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


def progress_for(stream: TextIO) -> LogProgress | TerminalProgress:
    """Bars if the stream is a terminal that can move its cursor, else lines for a log."""
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return TerminalProgress(stream)
    return LogProgress(stream)
