"""Reports and lines whose texts are kept, for scripts and people who have got used to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from tdl_sync.core.errors import ConfigurationError, HeldByAnotherRun, QuotaExceeded
from tdl_sync.core.model import Chat, ChatKind
from tdl_sync.core.reports import FailedItem, Outcome, RunReport
from tdl_sync.reporting.events import Counts, Event, EventKind, Level
from tdl_sync.reporting.summary import result_line, summary
from tdl_sync.run.notice import Ending, note

CHAT = Chat(-1001234567890, "Лекции\n\x1b[31m \U0001f4da", ChatKind.CHANNEL)
MOMENT = datetime(2024, 5, 6, 12, 0, 0, 123_000, tzinfo=timezone.utc)

NOTHING = RunReport()
ALL_DONE = RunReport(
    seen=12,
    moved=7,
    done_before=5,
    downloaded_bytes=7_000_000_000,
    uploaded_bytes=7_000_000_001,
    seconds=3600.0,
)
WRONG = FailedItem(7, "7_a.mp4", "wrong size", "4 of 5 bytes\x1b[31m", False)
TOO_LARGE = FailedItem(8, "8_b.mp4", "larger than the disk budget", "raise --max-disk", True)
MIXED = RunReport(
    seen=1_000_000,
    moved=900_000,
    done_before=50_000,
    skipped_by_rule={"sticker": 3, "type": 40_000, "deleted": 3, "duplicate": 0},
    failed_by_reason={"wrong size": 2, "larger than the disk budget": 2},
    failed_items=(WRONG, TOO_LARGE),
    failed_for_now=2,
    downloaded_bytes=123,
    uploaded_bytes=2**42,
    seconds=86_400.5,
)
MANY_FAILED = replace(
    ALL_DONE,
    seen=37,
    failed_by_reason={"download failed": 25},
    failed_items=tuple(
        FailedItem(number, f"{number}_c.bin", "download failed", "no answer", False)
        for number in range(1, 26)
    ),
    failed_for_now=25,
)
UNFINISHED = replace(ALL_DONE, seen=20, more=True, seconds=0.0)

REPORTS = {
    "nothing": NOTHING,
    "all-done": ALL_DONE,
    "mixed": MIXED,
    "many-failed": MANY_FAILED,
    "unfinished": UNFINISHED,
}


def summaries() -> dict[str, str]:
    texts = {name: summary(report, CHAT) for name, report in REPORTS.items()}
    return {**texts, "no-title": summary(ALL_DONE, replace(CHAT, title="\u202e"))}


def result_lines() -> str:
    """One for each way to end, and the sums of several chats."""
    lines = [result_line(outcome, [MIXED]) for outcome in Outcome]
    lines += [result_line(Outcome.ERROR, []), result_line(Outcome.FAILED, REPORTS.values())]
    return "".join(f"{line}\n" for line in lines)


def notes() -> dict[str, str]:
    quota = QuotaExceeded(MOMENT, "userRateLimitExceeded")
    plain = Ending([("Лекции @all", ALL_DONE)], [], False, False, "seedbox")
    return {
        "complete": note(plain),
        "more": note(replace(plain, time_is_up=True)),
        "stopped": note(replace(plain, stopped=True)),
        "failed": note(replace(plain, chats=[("A", MIXED), ("B", MANY_FAILED)])),
        "quota": note(replace(plain, errors=[quota])),
        "error": note(
            replace(plain, errors=[ConfigurationError("no such remote"), HeldByAnotherRun("held")])
        ),
    }


def events() -> list[Event]:
    """One of each kind."""
    of_file = Event(
        EventKind.MOVED,
        Level.INFO,
        ("moved 7_a\x1b.mp4: 5 bytes freed",),
        chat_id=CHAT.id,
        message_id=7,
        name="7_a\u202e.mp4",
        size_bytes=5,
        seconds=1.23456,
        moment=MOMENT,
    )
    kinds = [EventKind.ADMITTED, EventKind.DOWNLOAD, EventKind.RESUMED, EventKind.STAGED]
    kinds += [EventKind.UPLOAD, EventKind.MARKED, EventKind.MOVED]
    plain = Event(EventKind.MESSAGE, Level.INFO, ("one", "two"), moment=MOMENT)
    counts = Counts(10, 7, 2, 1)
    return [
        *(replace(of_file, kind=kind, level=Level.DEBUG) for kind in kinds),
        replace(of_file, kind=EventKind.FAILED, level=Level.WARNING, reason="wrong size"),
        replace(of_file, kind=EventKind.RETRY, level=Level.DEBUG, reason="no answer"),
        replace(plain, kind=EventKind.WAITING, reason="flood wait", until=MOMENT, seconds=60.0),
        replace(plain, kind=EventKind.PROGRESS, counts=counts, size_bytes=2**40),
        replace(plain, kind=EventKind.SUMMARY, counts=counts, chat_id=CHAT.id),
        plain,
        replace(plain, kind=EventKind.ERROR, level=Level.ERROR, exit_status=75),
        replace(plain, kind=EventKind.BUG, level=Level.ERROR, exit_status=1),
        replace(plain, kind=EventKind.RESULT, counts=counts, status="complete", size_bytes=0),
    ]
