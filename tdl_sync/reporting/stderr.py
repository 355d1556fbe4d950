"""What is told when no display is there: before a run's has begun and after it has ended."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import TextIO

from tdl_sync.core import open_files
from tdl_sync.core.errors import EXIT_BUG, UsageError
from tdl_sync.options.config import Telling
from tdl_sync.reporting.events import (
    WARNING_PREFIX,
    Event,
    EventKind,
    Level,
    as_json,
    as_text,
    told_lines,
)
from tdl_sync.reporting.log_file import LogFile


def tell(event: Event, telling: Telling) -> None:
    """On standard error, without a time unless it is JSON, and in the log file."""
    say(sys.stderr, (as_json(event) if telling.lines_as_json else "\n".join(told_lines(event))))
    keep(event, telling)


def teller(telling: Telling) -> Callable[[str], None]:
    """What a look has to say beside what it prints."""
    return lambda line: tell(Event.of_message(line), telling)


def keep(event: Event, telling: Telling) -> None:
    """In the log file alone. What went wrong there was said, and is no reason for a new error."""
    if telling.log_file is None:
        return
    with contextlib.suppress(UsageError):
        file = LogFile(telling.log_file)
        file.write(as_json(event) if telling.lines_as_json else as_text(event))
        file.close()


def say(stream: TextIO, line: str) -> None:
    """Write, if there is still anybody to read it: a terminal or a pipe may be closed by now."""
    try:
        stream.write(line + "\n")
        stream.flush()
    except (OSError, ValueError):
        give_up(stream)


def give_up(stream: TextIO) -> None:
    """After a failure to write. What is left in the buffer would make the interpreter's own flush
    fail, and with it the exit status: https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def of_bug(error: BaseException) -> Event:
    """Where it came from, for whoever mends it; or what it is, where it is none of ours."""
    limit = open_files.named(error)
    if limit is not None:
        return Event(EventKind.ERROR, Level.ERROR, (str(limit),), exit_status=limit.exit_status)
    lines = "".join(traceback.format_exception(error)).splitlines()
    lines.append("tdl_sync: this is a bug in tdl_sync; please report the lines above")
    return Event(EventKind.BUG, Level.ERROR, tuple(lines), exit_status=EXIT_BUG)


def tell_what_nobody_caught(telling: Telling) -> None:
    """From now on: a thread that dies of an error, and what libraries log, which may quote names
    from Telegram. Python by itself would write both to standard error as they are."""

    def of_thread(dying: threading.ExceptHookArgs) -> None:
        if dying.exc_value is not None:
            tell(of_bug(dying.exc_value), telling)

    threading.excepthook = of_thread
    logging.getLogger().addHandler(_LibraryLines(telling))


class _LibraryLines(logging.Handler):
    def __init__(self, telling: Telling) -> None:
        super().__init__(logging.WARNING)
        self._telling = telling

    def emit(self, record: logging.LogRecord) -> None:
        lines = f"{WARNING_PREFIX}{record.name}: {self.format(record)}".splitlines()
        tell(Event(EventKind.MESSAGE, Level.WARNING, tuple(lines)), self._telling)


def check_log_file(telling: Telling) -> None:
    """Raises ``UsageError`` if it can't be written; it is there afterwards."""
    if telling.log_file is not None:
        LogFile(telling.log_file).close()
