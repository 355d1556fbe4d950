"""What a run did, in words: the table for people and the last line for scripts."""

from __future__ import annotations

from collections.abc import Iterable

from tdl_sync.core.balance import Balance
from tdl_sync.core.model import Chat
from tdl_sync.core.reports import FailedItem, Outcome, RunReport
from tdl_sync.core.text import counted, human_bytes, human_seconds, human_speed, printable

_MOST_FAILED_ITEMS = 20


def summary(report: RunReport, chat: Chat) -> str:
    """The table at the end of a run over one chat, or its one line where there is nothing to tell;
    without a line break at its end."""
    title = printable(chat.title) or str(chat.id)
    if report.has_nothing_new:
        return f"{title}: {_nothing_new(report)}"
    rows = [
        ("seen", str(report.seen), ""),
        ("done", str(report.done), _how_done(report)),
        ("skipped", str(report.skipped), counted(report.skipped_by_rule)),
        ("failed", str(report.failed), counted(report.failed_by_reason)),
    ]
    if report.unfinished:
        rows.append(("unfinished", str(report.unfinished), "left for the next run"))
    rows += [
        ("downloaded", *_amount(report.downloaded_bytes, report)),
        ("uploaded", *_amount(report.uploaded_bytes, report)),
        ("time", human_seconds(report.seconds), ""),
    ]
    if report.balance is not None and report.balance.unseen:
        rows.append(("not seen", str(report.balance.unseen), "; ".join(report.balance.lines)))
    width = max(len(figure) for _, figure, _ in rows)
    lines = [title]
    lines += [
        f"  {label:<10}  {figure:>{width}}  {remark}".rstrip() for label, figure, remark in rows
    ]
    return "\n".join(lines + _failed_lines(report.failed_items))


def result_line(
    outcome: Outcome,
    reports: Iterable[RunReport],
    failed_hooks: int = 0,
    remotes_out: int = 0,
) -> str:
    """The last line on standard output. ``bytes`` are those that were uploaded by this run;
    ``remotes_out`` of several remotes took nothing more."""
    reports = list(reports)
    return (
        f"result: status={outcome.value} "
        f"seen={sum(report.seen for report in reports)} "
        f"done={sum(report.done for report in reports)} "
        f"skipped={sum(report.skipped for report in reports)} "
        f"failed={sum(report.failed for report in reports)} "
        f"bytes={sum(report.uploaded_bytes for report in reports)}"
        f"{unseen_words(report.balance for report in reports)}"
        + (f" remotes_out={remotes_out}" if remotes_out else "")
        + (f" hooks_failed={failed_hooks}" if failed_hooks else "")
    )


def unseen_words(balances: Iterable[Balance | None]) -> str:
    """What the result line says where Telegram counts more than was seen, or nothing exact."""
    found = [balance for balance in balances if balance is not None]
    unseen = sum(balance.unseen for balance in found)
    words = f" unseen={unseen}" if unseen else ""
    return words + (" uncompared=1" if any(balance.not_compared for balance in found) else "")


def _nothing_new(report: RunReport) -> str:
    there = report.there
    left_out = f"; left out: {counted(report.skipped_by_rule)}" if report.skipped else ""
    if not there.files:
        return f"nothing to move{_as_before(report)}{left_out}"
    files, are = ("file", "is") if there.files == 1 else ("files", "are")
    known = f"{there.files} {files} ({human_bytes(there.bytes)})"
    line = f"nothing new; {known} {are} there"
    if report.none_is_there:  # somebody has taken them away, or it is another folder than it was
        line = f"nothing new; of {known} that earlier runs have moved none is there now"
    return f"{line}{_as_before(report)}{left_out}"


def _as_before(report: RunReport) -> str:
    return f", {report.failed} failed for good, as before" if report.failed else ""


def _how_done(report: RunReport) -> str:
    text = f"{report.moved} moved now, {report.done_before} there before"
    if report.believed:
        text += f" ({report.believed} of them by name and size alone)"
    return text


def _amount(transferred_bytes: int, report: RunReport) -> tuple[str, str]:
    amount = human_bytes(transferred_bytes)
    if transferred_bytes == 0 or report.seconds <= 0:
        return amount, ""
    return amount, f"{human_speed(transferred_bytes / report.seconds)} on average"


def _failed_lines(items: tuple[FailedItem, ...]) -> list[str]:
    if not items:
        return []
    lines = ["  failed items:"]
    for item in items[:_MOST_FAILED_ITEMS]:
        lines.append(f"    {item.message_id}  {printable(item.name)}: {printable(item.detail)}")
    if len(items) > _MOST_FAILED_ITEMS:
        lines.append(f"    and {len(items) - _MOST_FAILED_ITEMS} more")
    return lines
