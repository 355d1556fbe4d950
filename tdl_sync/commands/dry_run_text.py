"""What ``--dry-run`` prints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tdl_sync.commands.dry_run_counts import Amount, Prospect
from tdl_sync.core.reports import Outcome, RunReport
from tdl_sync.core.text import counted, human_bytes, printable
from tdl_sync.reporting.summary import result_line

DRIVES_DAY_BYTES = 750 * 10**9
"""https://support.google.com/a/answer/172541"""


def prospect_lines(prospect: Prospect) -> list[str]:
    """The table of one chat; every line fit for a terminal."""
    made = "" if prospect.folder_exists else ", which would be made"
    limited = "and then stop (--limit)" if prospect.limit_reached else ""
    rows = [("would move", prospect.to_move, limited)]
    rows += [(f"  {kind}", amount, "") for kind, amount in _largest_first(prospect.by_type)]
    rows += [(f"  {year}", amount, "") for year, amount in sorted(prospect.by_year.items())]
    rows.append(("there", prospect.there, ""))
    rows += [("would fail", amount, reason) for reason, amount in _largest_first(prospect.failing)]
    where = f"{prospect.remote}, {prospect.folder!r}{made}"
    lines = [f"{prospect.chat.title or prospect.chat.id} -> {where}"]
    if prospect.passed_id:
        lines.append(
            f"  from message {prospect.passed_id + 1} on, where earlier runs have ended "
            "(--restart looks at all)"
        )
    lines += _table(rows)
    if prospect.skipped:
        lines.append(f"  left out: {counted(prospect.skipped)}")
    lines += [f"  would be named: {path}" for path in prospect.examples]
    return [printable(line) for line in lines]


@dataclass(frozen=True)
class Target:
    """A remote that files would go to. ``free_bytes`` is ``None`` where it does not say."""

    free_bytes: int | None
    on_drive: bool


UNKNOWN_TARGET = Target(None, on_drive=False)


def last_lines(
    prospects: Sequence[Prospect],
    targets: Mapping[str, Target],
    *,
    disk_decides: bool = False,
    failed: bool,
) -> list[str]:
    """What holds for all chats together, and the result line. ``targets`` are by remote."""
    total = sum((prospect.to_move for prospect in prospects), Amount())
    lines = []
    if len(prospects) > 1:
        lines.append(f"in all: {_files(total.files)}, {human_bytes(total.size_bytes)}")
    too_large_bytes = max((each.too_large_bytes for each in prospects), default=0)
    if too_large_bytes:
        lines.append(_more_disk(too_large_bytes, disk_decides=disk_decides))
    for remote, target in targets.items():
        there = sum((each.to_move for each in prospects if each.remote == remote), Amount())
        named = "the remote" if len(targets) == 1 else remote
        if target.on_drive and there.size_bytes > DRIVES_DAY_BYTES:
            lines.append(_days(there.size_bytes))
        if target.free_bytes is not None and target.free_bytes < there.size_bytes:
            lines.append(printable(f"{named} has only {human_bytes(target.free_bytes)} free"))
    does_it = "; the same command without --dry-run does it" if total.files else ""
    lines.append(f"nothing was written{does_it}")
    return [*lines, _result(prospects, total, failed=failed)]


def _result(prospects: Iterable[Prospect], total: Amount, *, failed: bool) -> str:
    outcome = Outcome.MORE if total.files else Outcome.COMPLETE
    reports = [
        RunReport(
            seen=each.seen,
            done_before=each.there.files,
            skipped_by_rule=each.skipped,
            failed_by_reason={reason: amount.files for reason, amount in each.failing.items()},
        )
        for each in prospects
    ]
    return result_line(Outcome.ERROR if failed else outcome, reports)


def _more_disk(largest_bytes: int, *, disk_decides: bool) -> str:
    mend = "raise --max-disk above that"
    if disk_decides:
        mend = "free some of the disk, or choose a larger one with --staging"
    return f"what is too large has up to {human_bytes(largest_bytes)}: {mend} to move it, too"


def _days(size_bytes: int) -> str:
    days = math.ceil(size_bytes / DRIVES_DAY_BYTES)
    return f"Google Drive takes that in {days} days at the soonest (750 GB a day)"


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"


def _largest_first(amounts: Mapping[str, Amount]) -> list[tuple[str, Amount]]:
    return sorted(amounts.items(), key=lambda entry: (-entry[1].size_bytes, entry[0]))


def _table(rows: Sequence[tuple[str, Amount, str]]) -> list[str]:
    label_width = max(len(label) for label, _, _ in rows)
    count_width = max(len(str(amount.files)) for _, amount, _ in rows)
    return [
        f"  {label:<{label_width}}  {amount.files:>{count_width}}  "
        f"{human_bytes(amount.size_bytes):>7}  {remark}".rstrip()
        for label, amount, remark in rows
    ]
