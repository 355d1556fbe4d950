"""A snapshot of the numbers as lines of text, cut to a width. Pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdl_sync.core.text import human_bytes, human_seconds, human_speed, wrapped
from tdl_sync.reporting.numbers import Direction, Snapshot, Transfer, Waiting


@dataclass(frozen=True)
class Arrows:
    """The signs for the two directions; plain letters where the stream can't show arrows."""

    down: str
    up: str

    @classmethod
    def for_encoding(cls, encoding: str) -> Arrows:
        try:
            "↓↑".encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return cls("v", "^")
        return cls("↓", "↑")


def files(numbers: Snapshot) -> str:
    return f"{numbers.finished} of {numbers.total_files} files"


def source(numbers: Snapshot) -> str:
    """Whose total ``files`` names: Telegram's, or only what was seen so far."""
    return " by Telegram's count" if numbers.counted_by_telegram else ""


def amount(numbers: Snapshot) -> str:
    """The bytes on the remote, of an estimate that is marked as one."""
    if numbers.total_bytes <= 0:
        return human_bytes(numbers.done_bytes)
    return f"{human_bytes(numbers.done_bytes)} of ~{human_bytes(numbers.total_bytes)}"


def disk(numbers: Snapshot) -> str:
    return f"disk {human_bytes(numbers.disk_bytes)} of {human_bytes(numbers.budget_bytes)}"


def forecast(numbers: Snapshot, now: datetime) -> str:
    """When it will be over; the day is named if it is not today. ``now`` is local time."""
    if numbers.remaining_seconds is None:
        return ""
    end = now + timedelta(seconds=numbers.remaining_seconds)
    clock = f"{end:%H:%M}" if end.date() == now.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"over in ~{human_seconds(numbers.remaining_seconds)} ({clock})"


def waiting_line(waiting: Waiting) -> str:
    until = "" if waiting.until is None else f", until {waiting.until.astimezone():%H:%M:%S}"
    return f"{waiting.what} waits: {waiting.why}{until}"


def counts_line(numbers: Snapshot) -> str:
    """The files that did not go the usual way, if there are any."""
    parts = [(numbers.skipped, "skipped"), (numbers.failed, "failed")]
    return ", ".join(f"{count} {word}" for count, word in parts if count)


def headline(numbers: Snapshot, width: int, cut: Callable[[str, int], str]) -> str:
    """The chat and its files; where the total comes from is said if there is room."""
    line = f"{cut(numbers.title, max(8, width // 3))}: {files(numbers)}"
    return f"{line}{source(numbers)}" if width >= 100 else line


def status_lines(numbers: Snapshot, arrows: Arrows, now: datetime, width: int) -> list[str]:
    """Speeds, amounts and forecast in as many lines as the width demands."""
    parts = (
        f"{arrows.down} {human_speed(numbers.download_speed)} "
        f"{arrows.up} {human_speed(numbers.upload_speed)}",
        amount(numbers),
        disk(numbers),
        forecast(numbers, now),
        counts_line(numbers),
    )
    return wrapped([part for part in parts if part], width, between="   ")


def transfer_line(transfer: Transfer, arrows: Arrows) -> str:
    arrow = arrows.down if transfer.direction is Direction.DOWN else arrows.up
    percent = 100 if not transfer.size_bytes else 100 * transfer.done_bytes // transfer.size_bytes
    return f"{arrow} {min(percent, 100):3}% {human_bytes(transfer.size_bytes):>6}  {transfer.name}"


def log_line(numbers: Snapshot, now: datetime) -> str:
    """Everything in one line, for a log. Telegram's counters are named as the source."""
    downloads = sum(transfer.direction is Direction.DOWN for transfer in numbers.transfers)
    parts = (
        f"{numbers.title}: {files(numbers)}{source(numbers)}",
        counts_line(numbers),
        amount(numbers),
        f"down {human_speed(numbers.download_speed)}, up {human_speed(numbers.upload_speed)}",
        f"{downloads} downloading, {len(numbers.transfers) - downloads} uploading",
        disk(numbers),
        forecast(numbers, now),
    )
    return "; ".join(part for part in parts if part)
