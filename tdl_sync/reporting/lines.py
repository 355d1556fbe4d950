"""A snapshot of the numbers as lines of text, cut to a width. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdl_sync.core.steps import Direction
from tdl_sync.core.text import (
    columns_of,
    cut_to_columns,
    human_bytes,
    human_seconds,
    human_share,
    human_speed,
)
from tdl_sync.reporting.numbers import Snapshot, Transfer, Waiting
from tdl_sync.reporting.paint import Paint

STILL_SECONDS = 10.0
"""Where nothing has moved for so long it is said."""

_FILE_BAR_COLUMNS = 10
_LEAST_TITLE_COLUMNS = 12
_CLOCK_FROM_COLUMNS = 100
"""From this width on there is room for the time of day at which it will be over."""


@dataclass(frozen=True)
class Signs:
    """For the directions and the bars; plain ones where the stream can't show better."""

    down: str
    up: str
    full: str
    empty: str

    @classmethod
    def for_encoding(cls, encoding: str) -> Signs:
        best = cls("↓", "↑", "━", "╌")
        try:
            "↓↑━╌…".encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return cls("v", "^", "#", ".")
        return best

    def of(self, direction: Direction) -> str:
        return self.down if direction is Direction.DOWN else self.up


# --- facts, as a few words each ----------------------------------------------------------------


def files(numbers: Snapshot) -> str:
    return f"{numbers.finished} of {numbers.total_files} files"


def source(numbers: Snapshot) -> str:
    """Whose total ``files`` names: Telegram's, or only what was seen so far."""
    return " by Telegram's count" if numbers.counted_by_telegram else ""


def amount(numbers: Snapshot) -> str:
    """The bytes on the remote, of an estimate that is marked as one."""
    if numbers.total_bytes <= 0:
        return human_bytes(numbers.sent_bytes)
    return human_share(numbers.sent_bytes, numbers.total_bytes)


def percent(numbers: Snapshot) -> int:
    """Of the bytes, where they are known; 100 only when all is done."""
    part, whole = numbers.sent_bytes, numbers.total_bytes
    if whole <= 0:
        part, whole = numbers.finished, numbers.total_files
    if numbers.total_files and numbers.finished >= numbers.total_files and not numbers.transfers:
        return 100
    return min(99, 100 * part // max(whole, 1))


def disk(numbers: Snapshot) -> str:
    return f"disk {human_bytes(numbers.disk_bytes)} of {human_bytes(numbers.budget_bytes)}"


def time_left(numbers: Snapshot) -> str:
    """In steps that do not pretend: of five seconds, then of minutes. None while nothing moves."""
    seconds = numbers.remaining_seconds
    if seconds is None or stands_still(numbers):
        return ""
    if seconds < 57.5:
        return f"{max(5, 5 * round(seconds / 5))} s left"
    if seconds < 3570:
        return f"{max(1, round(seconds / 60))} min left"
    return f"{human_seconds(60 * round(seconds / 60))} left"


def over_at(numbers: Snapshot, now: datetime) -> str:
    """The time of day, with the day if it is not today. ``now`` is local time."""
    if numbers.remaining_seconds is None or stands_still(numbers):
        return ""
    end = now + timedelta(seconds=numbers.remaining_seconds)
    return f" ({end:%H:%M})" if end.date() == now.date() else f" ({end:%Y-%m-%d %H:%M})"


def waiting_line(waiting: Waiting) -> str:
    until = "" if waiting.until is None else f", until {waiting.until.astimezone():%H:%M:%S}"
    return f"{waiting.what} waits: {waiting.why}{until}"


def stands_still(numbers: Snapshot) -> bool:
    """Whether nothing moves, and for so long that it is said; others may move while one waits."""
    return numbers.still_seconds > 0 and bool(standstill(numbers))


def standstill(numbers: Snapshot) -> str:
    """What is waited for; empty while things move, or for a moment do not."""
    if numbers.waiting is not None:
        return waiting_line(numbers.waiting)
    if numbers.still_seconds < STILL_SECONDS:
        return ""
    directions = {transfer.direction for transfer in numbers.transfers}
    who = "the network"
    if len(directions) == 1:
        who = "Telegram" if Direction.DOWN in directions else "the remote"
    return f"nothing has moved for {human_seconds(numbers.still_seconds)}, waiting for {who}"


def counts_line(numbers: Snapshot) -> str:
    """The files that did not go the usual way, if there are any."""
    parts = [(numbers.skipped, "skipped"), (numbers.failed, "failed")]
    return ", ".join(f"{count} {word}" for count, word in parts if count)


def _in_flight(numbers: Snapshot, direction: Direction) -> int:
    return sum(transfer.direction is direction for transfer in numbers.transfers)


def log_line(numbers: Snapshot, now: datetime) -> str:
    """Everything in one line, for a log. Telegram's counters are named as the source."""
    left = time_left(numbers)
    parts = (
        f"{numbers.title}: {files(numbers)}{source(numbers)}",
        counts_line(numbers),
        f"{amount(numbers)}, {percent(numbers)} %",
        f"down {human_speed(numbers.download_speed)}, up {human_speed(numbers.upload_speed)}",
        f"{_in_flight(numbers, Direction.DOWN)} downloading, "
        f"{_in_flight(numbers, Direction.UP)} uploading",
        f"{numbers.staged_files} wait for their upload" if numbers.staged_files else "",
        disk(numbers),
        standstill(numbers),
        left and f"about {left}{over_at(numbers, now)}",
    )
    return "; ".join(part for part in parts if part)


# --- the block at the bottom of a terminal -----------------------------------------------------


def block(
    numbers: Snapshot, signs: Signs, paint: Paint, now: datetime, columns: int, rows: int
) -> list[str]:
    """The whole block, in so many rows at most: what is looked for first, a bar, the rest, and a
    bar for each file in flight."""
    if numbers.idle:
        return _titled(numbers.title, [idle_sentence(numbers)], paint, columns)
    lines = [*_main_lines(numbers, paint, now, columns)]
    lines.append(paint_bar(percent(numbers) / 100, columns, signs, paint))
    lines += [paint.dim(line) for line in _joined(_second_parts(numbers, signs), columns, "   ")]
    if waited_for := standstill(numbers):
        lines.append(paint.warning(cut_to_columns(waited_for, columns)))
    room = rows - len(lines)
    if room > 0:
        lines += _transfer_lines(numbers, signs, paint, columns, room)
    return lines[: max(1, rows)]


def idle_sentence(numbers: Snapshot) -> str:
    moved = numbers.done
    if not moved:
        return numbers.idle
    return f"{moved} file{'' if moved == 1 else 's'} there now, {numbers.idle}"


def _main_lines(numbers: Snapshot, paint: Paint, now: datetime, columns: int) -> list[str]:
    """What people look for first, and the title in what room that leaves."""
    left = time_left(numbers)
    if left and columns >= _CLOCK_FROM_COLUMNS:
        left += over_at(numbers, now)
    if not numbers.total_files and not numbers.total_bytes:
        facts = ["looking for files"]
    else:
        pace = human_speed(numbers.upload_speed)
        facts = [
            amount(numbers),
            f"{percent(numbers)} %",
            *(["waiting"] if stands_still(numbers) else [pace, left]),
        ]
    return _titled(numbers.title, [fact for fact in facts if fact], paint, columns)


def _titled(title: str, facts: list[str], paint: Paint, columns: int) -> list[str]:
    """One line, for which the title may be cut; or the title has one of its own."""
    told = ", ".join(facts)
    room = columns - columns_of(told) - 2
    if room >= min(columns_of(title), _LEAST_TITLE_COLUMNS):
        return [f"{paint.bold(cut_to_columns(title, room))}: {told}"]
    return [paint.bold(cut_to_columns(title, columns)), *_joined(facts, columns, ", ")]


def _second_parts(numbers: Snapshot, signs: Signs) -> list[str]:
    down, up = (_in_flight(numbers, direction) for direction in Direction)
    flights = f"{signs.down} {down}  {signs.up} {up}"
    if numbers.staged_files:
        flights += f"  {numbers.staged_files} wait"
    parts = [
        files(numbers),
        flights,
        f"{signs.down} {human_speed(numbers.download_speed)}",
        disk(numbers),
        counts_line(numbers),
    ]
    return [part for part in parts if part]


def _transfer_lines(
    numbers: Snapshot, signs: Signs, paint: Paint, columns: int, room: int
) -> list[str]:
    """In two groups, downloads first; what has no room is counted."""
    groups = [
        [transfer for transfer in numbers.transfers if transfer.direction is direction]
        for direction in Direction
    ]
    total = sum(map(len, groups))
    if total > room:
        downs = min(len(groups[0]), max((room - 1) // 2, room - 1 - len(groups[1])))
        groups = [groups[0][:downs], groups[1][: max(0, room - 1 - downs)]]
    lines = [transfer_line(each, signs, paint, columns) for group in groups for each in group]
    if total > len(lines):
        lines.append(paint.dim(cut_to_columns(f"and {total - len(lines)} more", columns)))
    return lines


def transfer_line(transfer: Transfer, signs: Signs, paint: Paint, columns: int) -> str:
    part = 1.0 if not transfer.size_bytes else transfer.done_bytes / transfer.size_bytes
    part = min(part, 1.0)
    figures = f"{int(100 * part):3} % {human_bytes(transfer.size_bytes):>6}"
    before = f"{signs.of(transfer.direction)} "
    bar = min(_FILE_BAR_COLUMNS, columns - columns_of(before))
    line = before + paint_bar(part, bar, signs, paint)
    used = columns_of(before) + bar
    for text, painted in ((figures, paint.dim), (transfer.name, str)):
        room = columns - used - 1
        if room < 4:
            break
        shown = cut_to_columns(text, room)
        line += " " + painted(shown)
        used += 1 + columns_of(shown)
    return line


def paint_bar(part: float, columns: int, signs: Signs, paint: Paint) -> str:
    full = min(columns, int(part * columns + 1e-9))
    return paint.good(signs.full * full) + paint.dim(signs.empty * (columns - full))


def _joined(parts: Iterable[str], columns: int, between: str) -> list[str]:
    """On as many lines as it takes; a part that is too long for a line is cut."""
    lines: list[str] = []
    for part in parts:
        if lines and columns_of(lines[-1] + between + part) <= columns:
            lines[-1] += between + part
        else:
            lines.append(cut_to_columns(part, columns))
    return lines
