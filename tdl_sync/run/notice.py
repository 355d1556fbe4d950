"""The note to the user's own Saved Messages that says how a run has ended (``--notify``)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass

from tdl_sync.core.errors import ComeBackLater, TdlSyncError, TimeIsUp
from tdl_sync.core.futures import in_thread
from tdl_sync.core.reports import RunReport
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import MOST_UNITS, cut_to_units, human_bytes, inert

_MOST_TITLE_UNITS = 80
_MOST_ERROR_UNITS = 300
_MOST_CHATS = 10
_MOST_ERRORS = 5


@dataclass(frozen=True)
class Ending:
    """How a run has ended. ``chats`` are titles, as they come from Telegram, and what was done.

    ``stopped``: by a person or a supervisor; ``time_is_up``: by ``--max-runtime``.
    """

    chats: Sequence[tuple[str, RunReport]]
    errors: Sequence[BaseException]
    stopped: bool
    time_is_up: bool
    host: str


def is_note(text: str) -> bool:
    """Whether a message in Saved Messages is one that ``note`` has made."""
    return re.match(r"\S{1,2} tdl_sync\b", text) is not None


def note(ending: Ending) -> str:
    """Plain text of at most 4,096 UTF-16 units, whatever titles and errors hold.

    It does not begin as a state message does, and has not the words by which those are found.
    """
    lines = [f"{_headline(ending)} ({inert(ending.host, _MOST_TITLE_UNITS)})"]
    lines += _some([inert(str(error), _MOST_ERROR_UNITS) for error in ending.errors], _MOST_ERRORS)
    lines += _some([_chat_line(title, report) for title, report in ending.chats], _MOST_CHATS)
    return cut_to_units("\n".join(lines), MOST_UNITS)


def _headline(ending: Ending) -> str:
    reports = [report for _, report in ending.chats]
    if any(isinstance(error, ComeBackLater) for error in ending.errors):
        return "⏳ tdl_sync: the remote takes no more for now"
    if ending.errors:
        return "❌ tdl_sync has failed"
    if ending.stopped:
        return "⏹ tdl_sync was stopped; start it again to go on"
    if any(report.failed_for_now for report in reports):
        return "⚠️ tdl_sync has ended, and some files failed; the next run tries them again"
    if ending.time_is_up or any(report.more for report in reports):
        return "⏱ tdl_sync has ended as it was told; there is more to move"
    return "✅ tdl_sync has moved everything"


def _chat_line(title: str, report: RunReport) -> str:
    parts = [f"{report.moved:,} moved ({human_bytes(report.uploaded_bytes)})"]
    others = (
        (report.done_before, "there before"),
        (report.skipped, "skipped"),
        (report.failed, "failed"),
        (report.unfinished, "unfinished"),
    )
    parts += [f"{count:,} {word}" for count, word in others if count]
    return f"{inert(title, _MOST_TITLE_UNITS) or 'a chat'}: {', '.join(parts)}"


def _some(lines: list[str], most: int) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[:most], f"and {len(lines) - most} more"]


SEND_SECONDS = 20.0
SEND_AFTER_STOP_SECONDS = 1.0
_LOOK_SECONDS = 0.05


def sent_in_time(send: Callable[[], None], stop: StopFlag) -> str | None:
    """Send, but let it delay the end of the run only so long; why it failed, if it did."""
    sending = in_thread(send, "note")
    began_at = time.monotonic()
    while not sending.done():
        # An error that has stopped the run is what the note is there to tell.
        hurried = stop.is_set and (stop.cause is None or isinstance(stop.cause, TimeIsUp))
        if time.monotonic() - began_at >= (SEND_AFTER_STOP_SECONDS if hurried else SEND_SECONDS):
            return "Telegram does not answer in time"
        wait((sending,), _LOOK_SECONDS)
    error = sending.exception()
    if error is None or isinstance(error, TdlSyncError):
        return None if error is None else str(error)
    raise error
