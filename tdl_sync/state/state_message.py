"""The text of a state message: one scope's state, for the next run and for a person.

    📊 TDL Progress
    {"version":1,"scope":"5f0c…","channel_id":"-100…", … }
    ▶️ Holidays: running on seedbox
    1,234 files moved (57 GB), up to message 12350.

The first line is the header, the second one JSON object, and the rest
(``lines_for_people``) is for people; nothing reads it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tdl_sync.core.balance import Balance, Shortfall
from tdl_sync.core.errors import ConfigurationError, StateUnreadable
from tdl_sync.core.model import FileNumber, MediaType, Moved
from tdl_sync.core.shards import WHOLE, Shard, parse_shard
from tdl_sync.core.text import MOST_UNITS, human_bytes, inert, ranked, utc_text, utf16_units
from tdl_sync.state import id_ranges
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus
from tdl_sync.state.strict_json import LAST_SECOND, Fields, Unexpected

HEADER = "📊 TDL Progress"
VERSION = 1

_MOST_NAME_UNITS = 80
_MOST_REMOTE_UNITS = 300
_MOST_HOST_UNITS = 100
_MOST_REASON_UNITS = 48
_MOST_REASONS = 8
OTHER_REASONS = "other"
"""Stands for all reasons that there is no room for."""

# What the lines for people show of each.
_SHOWN_TITLE_UNITS = 60
_SHOWN_HOST_UNITS = 40
_SHOWN_REASON_UNITS = 40
_SHOWN_REASONS = 3

_GREATEST_COUNT = 2**53
_GREATEST_CHAT_ID = 2**53
_GREATEST_GB = 1e9
_GREATEST_SECONDS = 2**40
_GREATEST_PROCESS_ID = 2**32 - 1
_GREATEST_INTERVAL_SECONDS = 86400
_BYTES_IN_A_GB = 10**9
SCOPE_KEY_DIGITS = 16
_FILES = re.compile(r"[1-9][0-9]{0,9}\.[1-9][0-9]{0,2}(?:,[1-9][0-9]{0,9}\.[1-9][0-9]{0,2})*")
_SCOPE_KEY = re.compile(rf'"scope"\s*:\s*"([0-9a-f]{{{SCOPE_KEY_DIGITS}}})"')

NEXT_STEP = (
    "Delete that message in Saved Messages and run again: what is done is known from the marks "
    "and from the remote's listing, and is not moved again"
)


def header_of(text: str) -> str:
    return text.partition("\n")[0].rstrip()


def is_state_message(text: str) -> bool:
    """Whether the first line is the header; any other text is simply a message of the user's."""
    return header_of(text) == HEADER


def scope_key_in(text: str) -> str | None:
    """The scope that a state message is about, even where the message can't be decoded."""
    match = _SCOPE_KEY.search(text)
    return match[1] if match else None


def json_in(text: str) -> str:
    """The JSON object of a state message: its second line."""
    return text.partition("\n")[2].partition("\n")[0]


def advance(state: RunState) -> tuple[int, int, int, int, datetime]:
    """A run goes on from the greatest: what the latest reader has read, the highest watermark, the
    most done, the latest."""
    return (
        state.reader,
        state.last_message_id,
        len(state.done_above_ids),
        state.total_uploaded,
        state.timestamp,
    )


def encode(state: RunState) -> str:
    """The whole text, at most 4,096 UTF-16 units, for any state.

    What is too long gives way in this order: the highest ids of ``done_above`` (they only spare
    work), then the highest of what is waited for, then the highest failed ids; there the watermark
    is written as low as the lowest of them that is left out requires, so that a later run finds it
    again. Names of more than some
    dozens of characters are cut, but for ``folder``, which must be exact: it is one file name
    of at most 255 bytes. ``ValueError`` for what can't be written or would not be read again.
    """
    short = replace(
        state,
        channel_name=_cut(state.channel_name, _MOST_NAME_UNITS),
        remote=_cut(state.remote, _MOST_REMOTE_UNITS),
        run=replace(
            state.run,
            host=_cut(state.run.host, _MOST_HOST_UNITS),
            run_id=_cut(state.run.run_id, _MOST_HOST_UNITS),
            machine=_cut(state.run.machine, _MOST_HOST_UNITS),
        ),
        failures_by_reason=_fewer_reasons(state),
    )
    room = MOST_UNITS - utf16_units(_text(short, _Ids(state.last_message_id, "", "", "", "")))
    if room < 0:
        raise ValueError(f"the state of {state.folder!r} is {-room} UTF-16 units too long")
    text = _text(short, _fit_ids(state, room))
    try:
        decode(text)
    except StateUnreadable as error:
        raise ValueError(f"a state that could not be read again: {error}") from error
    return text


@dataclass(frozen=True)
class _Ids:
    last_message_id: int
    done_above: str
    failed: str
    failed_files: str
    waiting: str


def _fit_ids(state: RunState, room: int) -> _Ids:
    """Failed ids first, the lowest of them; what is done above gets the room that is left."""
    files, without_files_ids = _fit_files(state.failed_files, room // 2)
    room -= len(_files_text(files))
    failed_ranges = id_ranges.to_ranges(set(state.failed_ids) - without_files_ids)
    failed_kept = id_ranges.lowest_that_fit(failed_ranges, room)
    kept_ids = id_ranges.Ids(failed_kept)
    files_text = _files_text([each for each in files if each.message_id in kept_ids])
    failed_text = id_ranges.encode(failed_kept)
    room -= len(failed_text)
    waiting_kept = id_ranges.lowest_that_fit(id_ranges.to_ranges(state.waiting_ids), room)
    waiting_text = id_ranges.encode(waiting_kept)
    room -= len(waiting_text)
    watermark = state.last_message_id
    left_out = {
        *set(state.failed_ids).difference(kept_ids),
        *set(state.waiting_ids).difference(id_ranges.Ids(waiting_kept)),
    }
    if left_out:
        watermark = min(watermark, min(left_out) - 1)
    # An id can be settled above the watermark because it failed; it is not done.
    done = set(state.done_above_ids) - set(state.failed_ids)
    done_ranges = id_ranges.to_ranges(one for one in done if one > watermark)
    done_kept = id_ranges.lowest_that_fit(done_ranges, room)
    return _Ids(watermark, id_ranges.encode(done_kept), failed_text, files_text, waiting_text)


def _fit_files(files: Sequence[FileNumber], room: int) -> tuple[list[FileNumber], set[int]]:
    """The lowest of them that fit, and the messages of which some do not."""
    kept: list[FileNumber] = []
    left_out_ids: set[int] = set()
    for number in sorted(files):
        room -= len(_files_text([number])) + 1
        if room + 1 < 0:
            left_out_ids.add(number.message_id)
        else:
            kept.append(number)
    return [each for each in kept if each.message_id not in left_out_ids], left_out_ids


def _files_text(files: Iterable[FileNumber]) -> str:
    """``4711.2,4712.1``"""
    return ",".join(f"{each.message_id}.{each.index}" for each in files)


def _files_in(text: str) -> tuple[FileNumber, ...]:
    if not text:
        return ()
    if not _FILES.fullmatch(text):
        raise Unexpected("failed_files is not a list of files")
    pairs = (each.split(".") for each in text.split(","))
    return tuple(FileNumber(int(message_id), int(index)) for message_id, index in pairs)


def _text(state: RunState, ids: _Ids) -> str:
    record: dict[str, object] = {
        "version": VERSION,
        "scope": state.scope_key,
        **_shard(state),
        "channel_id": str(state.channel_id),
        "channel_name": state.channel_name,
        "last_message_id": ids.last_message_id,
        "total_downloaded": state.total_downloaded,
        "total_uploaded": state.total_uploaded,
        "total_size_gb": state.total_size_bytes / _BYTES_IN_A_GB,
        "timestamp": utc_text(state.timestamp),
        "status": state.status.value,
        "remote": state.remote,
        "folder": state.folder,
        "started": utc_text(state.started),
        "done_above": ids.done_above,
        "failed": ids.failed,
        **({"failed_files": ids.failed_files} if state.failed_files else {}),
        **({"waiting": ids.waiting} if state.waiting_ids else {}),
        "failures": dict(state.failures_by_reason),
        "lower_bound": state.lower_bound,
        "upload_rate": state.upload_bytes_per_second,
        "run_bytes": state.run_bytes,
        "run_seconds": state.run_seconds,
        **_reading(state, ids.last_message_id),
        **_adopted(state.adopted),
        **({"cut_short": 1} if state.cut_short else {}),
        "run": run_record(state.run),
    }
    return f"{HEADER}\n{_json(record)}\n{lines_for_people(state, ids.last_message_id)}"


def _shard(state: RunState) -> dict[str, object]:
    """Earlier versions leave it alone: to them the scope is one of other filters, whose run holds
    the whole chat."""
    if state.shard.is_whole:
        return {}
    return {"shard": str(state.shard), "whole_scope": state.whole_scope_key}


def _adopted(adopted: Moved) -> dict[str, object]:
    """Earlier versions leave it alone, and write none; it serves people alone."""
    if not adopted.files:
        return {}
    return {"adopted": {"files": adopted.files, "bytes": adopted.size_bytes}}


def _adopted_in(fields: Fields) -> Moved:
    if not fields.has("adopted"):
        return Moved()
    counts = fields.object("adopted")
    return Moved(counts.whole("files", _GREATEST_COUNT), counts.whole("bytes", _GREATEST_COUNT))


def _reading(state: RunState, last_message_id: int) -> dict[str, object]:
    """Earlier versions leave it alone, and write none. What was seen up to a message says nothing
    of what was seen up to a lower one."""
    record: dict[str, object] = {}
    if state.reader > 1:
        record["reader"] = state.reader
    if state.seen is not None and last_message_id == state.last_message_id:
        record["seen"] = _by_kind(state.seen)
    if state.balance is not None:
        record["balance"] = {
            "counted": _by_kind({each.kind: each.counted for each in state.balance.fewer}),
            "seen": _by_kind({each.kind: each.seen for each in state.balance.fewer}),
            "not_compared": _by_kind(dict.fromkeys(state.balance.not_compared, 1)),
        }
    return record


def _by_kind(counts: Mapping[MediaType, int]) -> dict[str, int]:
    return {kind.value: counts[kind] for kind in MediaType if counts.get(kind)}


def names_remote(state: RunState, remote: str) -> bool:
    """Whether a state that was read is about this remote; a long name is only its beginning."""
    return state.remote == _cut(remote, _MOST_REMOTE_UNITS)


def run_record(run: RunIdentity) -> dict[str, str | int]:
    """What is written of a run, for JSON."""
    return {
        "host": run.host,
        "pid": run.pid,
        "id": run.run_id,
        "machine": run.machine,
        "process_started": run.process_started,
        "save_interval": run.save_interval_seconds,
    }


def _fewer_reasons(state: RunState) -> dict[str, int]:
    """The most frequent reasons; all others are added up as one."""
    by_count = sorted(
        state.failures_by_reason.items(),
        key=lambda entry: (entry[0] == OTHER_REASONS, -entry[1], entry[0]),
    )
    fewer: dict[str, int] = {}
    for position, (reason, count) in enumerate(by_count):
        name = _cut(reason, _MOST_REASON_UNITS) if position < _MOST_REASONS else OTHER_REASONS
        fewer[name] = fewer.get(name, 0) + count
    return fewer


def _json(value: object) -> str:
    """JSON on one line in which everything but plain, visible characters is escaped.

    Control, format and combining characters are what servers and clients strip or reorder, and
    the folder has to come back as it was.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "".join(
        char
        if char.isprintable() and not unicodedata.category(char).startswith("M")
        else json.dumps(char)[1:-1]
        for char in text
    )


def _cut(text: str, most_units: int) -> str:
    """The text, or its beginning and an ellipsis, in so many UTF-16 units of JSON at most."""
    if utf16_units(_json(text)) - 2 <= most_units:
        return text
    units, kept = 1, []
    for char in text:
        units += utf16_units(_json(char)) - 2
        if units > most_units:
            break
        kept.append(char)
    return "".join(kept) + "…"


def decode(text: str) -> RunState:
    """Read a text for which ``is_state_message`` holds.

    ``StateUnreadable`` for anything that ``encode`` does not write: no JSON, a later version,
    missing keys, numbers that can't be.
    """
    return decode_json(json_in(text), NEXT_STEP)


def decode_json(json_text: str, next_step: str) -> RunState:
    """Read the JSON object alone. ``next_step`` ends the message of ``StateUnreadable``."""
    try:
        return _state(Fields.load(json_text))
    except (Unexpected, id_ranges.BadIdRanges) as error:
        raise StateUnreadable(f"the saved state cannot be read: {error}. {next_step}") from error


def _state(fields: Fields) -> RunState:
    version = fields.whole("version", _GREATEST_COUNT)
    if version != VERSION:
        raise Unexpected(f"expected version {VERSION}, found {version} (a newer tdl_sync reads it)")
    shard = shard_in(fields)
    return RunState(
        scope_key=fields.hexadecimal("scope", SCOPE_KEY_DIGITS),
        channel_id=fields.whole_in_text("channel_id", _GREATEST_CHAT_ID),
        channel_name=fields.text("channel_name"),
        last_message_id=fields.whole("last_message_id", id_ranges.GREATEST_MESSAGE_ID),
        total_downloaded=fields.whole("total_downloaded", _GREATEST_COUNT),
        total_uploaded=fields.whole("total_uploaded", _GREATEST_COUNT),
        total_size_bytes=round(fields.number("total_size_gb", _GREATEST_GB) * _BYTES_IN_A_GB),
        timestamp=fields.moment("timestamp"),
        status=RunStatus(fields.one_of("status", [one.value for one in RunStatus])),
        remote=fields.text("remote"),
        folder=fields.file_name("folder"),
        started=fields.moment("started"),
        done_above_ids=_ids(fields, "done_above"),
        failed_ids=_ids(fields, "failed"),
        failed_files=_files_in(fields.text("failed_files", if_missing="")),
        waiting_ids=id_ranges.Ids(id_ranges.decode(fields.text("waiting", if_missing=""))),
        failures_by_reason=fields.object("failures").counts(_GREATEST_COUNT),
        run=run_in(fields.object("run")),
        lower_bound=fields.whole("lower_bound", id_ranges.GREATEST_MESSAGE_ID),
        upload_bytes_per_second=fields.whole("upload_rate", _GREATEST_COUNT),
        run_bytes=fields.whole("run_bytes", _GREATEST_COUNT, if_missing=0),
        run_seconds=fields.whole("run_seconds", _GREATEST_SECONDS, if_missing=0),
        reader=fields.whole("reader", _GREATEST_COUNT, if_missing=1),
        seen=_kinds_in(fields, "seen") if fields.has("seen") else None,
        balance=_balance_in(fields.object("balance")) if fields.has("balance") else None,
        adopted=_adopted_in(fields),
        shard=shard,
        whole_scope_key=(
            "" if shard.is_whole else fields.hexadecimal("whole_scope", SCOPE_KEY_DIGITS)
        ),
        cut_short=fields.whole("cut_short", 1, if_missing=0) == 1,
    )


def shard_in(fields: Fields) -> Shard:
    """The whole chat where none is named, as earlier versions name none. Raises ``Unexpected``."""
    if not fields.has("shard"):
        return WHOLE
    try:
        return parse_shard(fields.text("shard"))
    except ConfigurationError as error:
        raise Unexpected("expected 'shard' to be a part of the chat such as '2/4'") from error


def _kinds_in(fields: Fields, key: str) -> dict[MediaType, int]:
    """A kind that only a later version knows is none of ours."""
    counts = fields.object(key).counts(_GREATEST_COUNT)
    return {kind: counts[kind.value] for kind in MediaType if kind.value in counts}


def _balance_in(fields: Fields) -> Balance:
    counted, seen = _kinds_in(fields, "counted"), _kinds_in(fields, "seen")
    fewer = (Shortfall(kind, count, seen.get(kind, 0)) for kind, count in counted.items())
    return Balance(
        tuple(each for each in fewer if each.seen < each.counted),
        tuple(_kinds_in(fields, "not_compared")),
    )


def run_in(fields: Fields) -> RunIdentity:
    """The run that ``run_record`` has written. Raises ``Unexpected``."""
    return RunIdentity(
        host=fields.text("host"),
        pid=fields.whole("pid", _GREATEST_PROCESS_ID),
        run_id=fields.text("id"),
        machine=fields.text("machine"),
        process_started=fields.whole("process_started", LAST_SECOND),
        save_interval_seconds=fields.whole("save_interval", _GREATEST_INTERVAL_SECONDS),
    )


def _ids(fields: Fields, key: str) -> id_ranges.Ids:
    return id_ranges.Ids(id_ranges.decode(fields.text(key)))


def lines_for_people(state: RunState, last_message_id: int) -> str:
    """Two lines for a person, who reads them on a phone.

    Nothing in them is longer for a lower ``last_message_id``.
    """
    files = "1 file" if state.total_uploaded == 1 else f"{state.total_uploaded:,} files"
    figures = f"{files} moved ({human_bytes(state.total_size_bytes)})"
    return f"{_headline(state)}\n{figures}, up to message {last_message_id}.{_failed(state)}"


def _headline(state: RunState) -> str:
    title = inert(state.channel_name, _SHOWN_TITLE_UNITS)
    if not state.shard.is_whole:
        title += f", part {state.shard}"
    match state.status:
        case RunStatus.RUNNING:
            return f"▶️ {title}: running on {inert(state.run.host, _SHOWN_HOST_UNITS)}"
        case RunStatus.STOPPED:
            return f"⏸️ {title}: stopped; the next run goes on from here"
        case RunStatus.QUOTA:
            return f"⏳ {title}: stopped, as the remote takes no more for now; run it again later"
        case RunStatus.COMPLETE:
            return f"✅ {title}: complete"


def _failed(state: RunState) -> str:
    reasons = ranked(state.failures_by_reason)
    if not reasons:
        return ""
    named = [f"{inert(why, _SHOWN_REASON_UNITS)} {count:,}" for why, count in reasons]
    if len(named) > _SHOWN_REASONS:
        named[_SHOWN_REASONS:] = ["…"]
    return f" {sum(count for _, count in reasons):,} failed: {', '.join(named)}"
