"""What ``verify`` found, in words: for people, as JSON, and as the last line for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tdl_sync.commands.verify_comparison import (
    Double,
    Findings,
    GivenUp,
    Missing,
    Unknown,
    Wrong,
)
from tdl_sync.core.failures import OTHER_CONTENT
from tdl_sync.core.model import Chat, ListedFile
from tdl_sync.core.naming import path_of
from tdl_sync.core.reports import Outcome
from tdl_sync.core.text import counted, human_bytes, printable

VERSION = 1
MOST_SHOWN = 100
"""So many of each kind are shown to people; ``--json`` has them all."""


@dataclass(frozen=True)
class Verdict:
    """What was found of one chat. ``folder`` is ``None`` where the remote has none for it."""

    chat: Chat
    remote: str
    folder: str | None
    findings: Findings
    repaired: int = 0


def report_lines(verdict: Verdict) -> list[str]:
    """The table and the lists; every line fit for a terminal."""
    findings = verdict.findings
    where = (
        f"{verdict.remote}, in {verdict.folder!r}"
        if verdict.folder
        else f"{verdict.remote}, which has no folder of this chat"
    )
    rows = [
        ("there", findings.there, _how_compared(findings)),
        ("missing", len(findings.missing), _marked(findings.missing)),
        ("given up", len(findings.given_up), "no run moves them by itself"),
        ("wrong", len(findings.wrong), _marked(findings.wrong)),
        ("double", len(findings.double), ""),
        ("unknown", len(findings.unknown), ""),
        ("skipped", sum(findings.skipped.values()), counted(findings.skipped)),
        ("not compared", findings.not_compared, "of messages that were not asked for"),
    ]
    width = max(len(str(count)) for _, count, _ in rows)
    lines = [f"{verdict.chat.title or verdict.chat.id} on {where}"]
    lines += [
        f"  {label:<12}  {count:>{width}}  {remark if count else ''}".rstrip()
        for label, count, remark in rows
        if count or label not in ("given up", "skipped", "not compared")
    ]
    lines += _listed("missing", [_missing_text(each) for each in findings.missing])
    lines += _listed("given up", [_given_up_text(each) for each in findings.given_up])
    lines += _listed("wrong", [_wrong_text(each) for each in findings.wrong])
    lines += _listed("double", [_double_text(each) for each in findings.double])
    lines += _listed("unknown", [_unknown_text(each) for each in findings.unknown])
    if verdict.repaired:
        lines.append(f"  {verdict.repaired} recorded, for the next run to move again")
    return [printable(line) for line in lines]


def result_line(verdicts: Iterable[Verdict], *, failed: bool) -> str:
    """The last line on standard output."""
    all_findings = [verdict.findings for verdict in verdicts]
    outcome = Outcome.COMPLETE
    if failed:
        outcome = Outcome.ERROR
    elif not all(findings.all_there for findings in all_findings):
        outcome = Outcome.FAILED
    return (
        f"result: status={outcome.value} "
        f"there={sum(each.there for each in all_findings)} "
        f"missing={sum(len(each.missing) for each in all_findings)} "
        f"wrong={sum(len(each.wrong) for each in all_findings)} "
        f"double={sum(len(each.double) for each in all_findings)} "
        f"unknown={sum(len(each.unknown) for each in all_findings)} "
        f"by_hash={sum(each.compared_by_hash for each in all_findings)} "
        f"by_size={sum(each.compared_by_size_alone for each in all_findings)} "
        f"given_up={sum(len(each.given_up) for each in all_findings)}"
    )


def json_record(verdict: Verdict) -> dict[str, Any]:
    """One chat's object. Names are as Telegram and the remote have them, in JSON's escapes."""
    findings = verdict.findings
    return {
        "version": VERSION,
        "chat": {"id": verdict.chat.id, "title": verdict.chat.title},
        "topic_id": verdict.chat.topic_id or None,
        "remote": verdict.remote,
        "folder": verdict.folder,
        "there": findings.there,
        "there_bytes": findings.there_bytes,
        "compared_by_hash": findings.compared_by_hash,
        "compared_by_size": findings.compared_by_size_alone,
        "skipped": dict(findings.skipped),
        "not_compared": findings.not_compared,
        "missing": [
            {
                "message_id": each.key.message_id,
                "name": each.name,
                "size_bytes": each.size_bytes,
                "marked_done": each.marked,
                "failed_before": each.failure and each.failure.reason,
            }
            for each in findings.missing
        ],
        "given_up": [
            {
                "message_id": each.key.message_id,
                "name": each.name,
                "size_bytes": each.size_bytes,
                "why": each.reason,
            }
            for each in findings.given_up
        ],
        "wrong": [
            {
                "message_id": each.key.message_id,
                **_file_record(each.file),
                "expected_bytes": each.expected_bytes,
                "why": each.reason,
                "marked_done": each.marked,
                "message_edited": each.edited,
            }
            for each in findings.wrong
        ],
        "double": [
            {
                "message_id": each.message_id,
                **_file_record(each.file),
                "beside": path_of(each.beside),
            }
            for each in findings.double
        ],
        "unknown": [{**_file_record(each.file), "why": each.why} for each in findings.unknown],
        "repaired": verdict.repaired,
    }


def _file_record(file: ListedFile) -> dict[str, Any]:
    return {"path": path_of(file), "size_bytes": file.size_bytes}


def _how_compared(findings: Findings) -> str:
    return (
        f"{human_bytes(findings.there_bytes)}; {findings.compared_by_hash} compared by size and "
        f"SHA-256, {findings.compared_by_size_alone} by size alone"
    )


def _marked(found: Sequence[Missing | Wrong]) -> str:
    return f"{sum(each.marked for each in found)} of them marked as done on this machine"


def _listed(kind: str, texts: list[str]) -> list[str]:
    lines = [f"  {kind}: {text}" for text in texts[:MOST_SHOWN]]
    if len(texts) > MOST_SHOWN:
        lines.append(f"  {kind}: and {len(texts) - MOST_SHOWN} more (--json shows all)")
    return lines


def _missing_text(missing: Missing) -> str:
    text = f"{missing.name} ({human_bytes(missing.size_bytes)})"
    if missing.marked:
        return f"{text}, marked as done on this machine"
    if missing.failure is not None:
        return f"{text}, failed before: {missing.failure.reason}"
    return text


def _given_up_text(given_up: GivenUp) -> str:
    return f"{given_up.name} ({human_bytes(given_up.size_bytes)}): {given_up.reason}"


def _wrong_text(wrong: Wrong) -> str:
    path = path_of(wrong.file)
    if wrong.reason == OTHER_CONTENT:
        return f"{path} has another content than was uploaded (SHA-256), of the same size"
    text = f"{path} has {wrong.file.size_bytes} bytes, its message declares {wrong.expected_bytes}"
    if wrong.edited:
        return f"{text} (it was edited since; the file is as it was uploaded, and is left alone)"
    return text


def _double_text(double: Double) -> str:
    return f"{path_of(double.file)}, beside {path_of(double.beside)}"


def _unknown_text(unknown: Unknown) -> str:
    return f"{path_of(unknown.file)} ({human_bytes(unknown.file.size_bytes)}): {unknown.why}"
