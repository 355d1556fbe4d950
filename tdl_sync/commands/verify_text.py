"""What ``verify`` found, in words: for people, as JSON, and as the last line for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tdl_sync.commands.status_text import balance_record
from tdl_sync.commands.verify_comparison import (
    Double,
    Findings,
    GivenUp,
    Missing,
    Unknown,
    Wrong,
)
from tdl_sync.core.balance import Balance
from tdl_sync.core.doubles import Likeness
from tdl_sync.core.failures import OTHER_CONTENT, REPLACED
from tdl_sync.core.model import FIRST, Chat, FileNumber, ListedFile
from tdl_sync.core.naming import path_of
from tdl_sync.core.reports import Outcome
from tdl_sync.core.text import counted, human_bytes, printable
from tdl_sync.remote.double_folders import EmptyDoubles
from tdl_sync.reporting.summary import unseen_words

VERSION = 1
MOST_SHOWN = 100
"""So many of each kind are shown to people; ``--json`` has them all."""


@dataclass(frozen=True)
class Verdict:
    """What was found of one chat. ``folder`` is ``None`` where the remote has none for it.

    ``repaired`` are recorded for the next run, ``removed`` were surplus copies; ``left`` says why
    others were not. ``empty_folders`` stand beside the chat's or the remote's; ``removed_folders``
    of them were put into the bin, and ``left_folders`` says why others were not.
    """

    chat: Chat
    remote: str
    folder: str | None
    findings: Findings
    repaired: int = 0
    removed: int = 0
    left: str = ""
    balance: Balance | None = None
    empty_folders: tuple[EmptyDoubles, ...] = ()
    removed_folders: int = 0
    left_folders: tuple[str, ...] = ()


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
        ("double", len(findings.double), _surplus(findings.double)),
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
    lines += _listed("double", [double_text(each) for each in findings.double])
    lines += _listed("unknown", [_unknown_text(each) for each in findings.unknown])
    if verdict.balance is not None:
        lines += [f"  {line}" for line in verdict.balance.lines]
    if verdict.repaired:
        lines.append(f"  {verdict.repaired} recorded, for the next run to move again")
    if verdict.removed:
        lines.append(f"  {verdict.removed} surplus copies removed from the remote")
    if verdict.left:
        lines.append(f"  {verdict.left}")
    lines += [f"  beside it: {empty_folders_text(each)}" for each in verdict.empty_folders]
    if verdict.removed_folders:
        lines.append(f"  {verdict.removed_folders} empty folders put into the bin")
    lines += [f"  {line}" for line in verdict.left_folders]
    return [printable(line) for line in lines]


def result_line(verdicts: Sequence[Verdict], *, failed: bool) -> str:
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
        f"{unseen_words(verdict.balance for verdict in verdicts)}"
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
        **({"adopted": findings.adopted} if findings.adopted else {}),
        "compared_by_hash": findings.compared_by_hash,
        "compared_by_size": findings.compared_by_size_alone,
        "skipped": dict(findings.skipped),
        "not_compared": findings.not_compared,
        "missing": [
            {
                **_which(each.key.number),
                "name": each.name,
                "size_bytes": each.size_bytes,
                "marked_done": each.marked,
                "failed_before": each.failure and each.failure.reason,
            }
            for each in findings.missing
        ],
        "given_up": [
            {
                **_which(each.key.number),
                "name": each.name,
                "size_bytes": each.size_bytes,
                "why": each.reason,
            }
            for each in findings.given_up
        ],
        "wrong": [
            {
                **_which(each.key.number),
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
                **_which(each.number),
                **_file_record(each.file),
                "beside": path_of(each.beside),
                "content": each.likeness.value,
                "surplus": each.is_surplus,
            }
            for each in findings.double
        ],
        "unknown": [{**_file_record(each.file), "why": each.why} for each in findings.unknown],
        "repaired": verdict.repaired,
        **({"removed": verdict.removed} if verdict.removed else {}),
        **_folders_record(verdict),
        "balance": balance_record(verdict.balance),
    }


def empty_folders_text(doubles: EmptyDoubles) -> str:
    count = len(doubles.empty_ids)
    folders = "an empty folder" if count == 1 else f"{count} empty folders"
    note = doubles.kept_because and f" ({doubles.kept_because})"
    return f"{folders} of the same path {doubles.path!r}{note or ', which --repair removes'}"


def _folders_record(verdict: Verdict) -> dict[str, Any]:
    if not verdict.empty_folders:
        return {}
    folders = {each.path: len(each.empty_ids) for each in verdict.empty_folders}
    return {"empty_folders": folders, "removed_folders": verdict.removed_folders}


def _file_record(file: ListedFile) -> dict[str, Any]:
    return {"path": path_of(file), "size_bytes": file.size_bytes}


def _how_compared(findings: Findings) -> str:
    adopted = f"; {findings.adopted} adopted, where they lie" if findings.adopted else ""
    return (
        f"{human_bytes(findings.there_bytes)}; {findings.compared_by_hash} compared by size and "
        f"SHA-256, {findings.compared_by_size_alone} by size alone{adopted}"
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
    if wrong.reason == REPLACED:
        return f"{path} is as it was uploaded, and its message holds another file by now"
    text = f"{path} has {wrong.file.size_bytes} bytes, its message declares {wrong.expected_bytes}"
    if wrong.edited:
        return f"{text} (it was edited since; the file is as it was uploaded, and is left alone)"
    return text


def _surplus(doubles: Sequence[Double]) -> str:
    surplus = sum(each.is_surplus for each in doubles)
    return f"{surplus} of them surplus, which --repair removes" if surplus else ""


def double_text(double: Double) -> str:
    text = f"{path_of(double.file)}, beside {path_of(double.beside)}"
    if double.likeness is Likeness.SAME:
        how = "the same content"
    elif double.likeness is Likeness.UNKNOWN:
        how = "of the same size, not compared"
    else:
        how = "other content"
    return f"{text}: {how}"


def _unknown_text(unknown: Unknown) -> str:
    return f"{path_of(unknown.file)} ({human_bytes(unknown.file.size_bytes)}): {unknown.why}"


def _which(number: FileNumber) -> dict[str, int]:
    index = {} if number.index == FIRST else {"index": number.index}
    return {"message_id": number.message_id, **index}
