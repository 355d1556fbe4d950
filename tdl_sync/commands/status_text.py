"""A scope's status as a few lines for a person, or as a record of JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from tdl_sync.commands.status_facts import Activity, ScopeShards, ScopeStatus
from tdl_sync.core.balance import Balance
from tdl_sync.core.model import Moved, path_at
from tdl_sync.core.text import (
    human_bytes,
    human_seconds,
    human_speed,
    printable,
    ranked,
    utc_text,
    wrapped,
)
from tdl_sync.state import id_ranges

COLUMNS = 80
"""What is not shown on a terminal is as wide as this."""

_LABEL_COLUMNS = 8
_MOST_RANGES = 20


def block(
    status: ScopeStatus | ScopeShards, now: datetime, columns: int = COLUMNS
) -> Iterator[str]:
    """The chat's name and, indented, what there is to say of it; ``now`` is Telegram's time.

    Only a word that is longer than a line makes a line longer than ``columns``.
    """
    if isinstance(status, ScopeShards):
        state, told = status.states[0], rows_of_shards(status, now)
    else:
        state, told = status.saved.state, rows(status, now)
    yield from wrapped(f"{printable(state.channel_name)} ({state.channel_id})".split(), columns)
    for label, text in told:
        words = printable(text).split()
        for number, line in enumerate(wrapped(words, columns - _LABEL_COLUMNS - 2)):
            yield f"  {label if number == 0 else '':<{_LABEL_COLUMNS - 1}} {line}"


def rows(status: ScopeStatus, now: datetime) -> list[tuple[str, str]]:
    """What there is to say, each with its label; an empty one belongs to the row before."""
    state = status.saved.state
    found = (
        ("to", path_at(state.remote, state.folder)),
        ("of it", _part(status)),
        ("state", _activity(status, now)),
        ("read", _read(status)),
        ("moved", _moved(status)),
        ("adopted", _adopted(state.adopted)),
        ("speed", _speed(status)),
        ("failed", _failed(state.failures_by_reason)),
        ("", _message_ids(state.failed_ids)),
        ("waiting", _waiting(state.waiting_ids)),
        *(("balance", line) for line in (status.balance.lines if status.balance else ())),
        ("saved", _saved(status)),
    )
    return [(label, text) for label, text in found if text]


def rows_of_shards(shards: ScopeShards, now: datetime) -> list[tuple[str, str]]:
    """The same of all shards of a scope: a row for each, and their sum."""
    states, first = shards.states, shards.statuses[0]
    failures: Counter[str] = Counter()
    for state in states:
        failures.update(state.failures_by_reason)
    moved = _amount(
        sum(state.total_uploaded for state in states),
        sum(state.total_size_bytes for state in states),
    )
    adopted = Moved(
        sum(state.adopted.files for state in states),
        sum(state.adopted.size_bytes for state in states),
    )
    found = (
        ("to", path_at(states[0].remote, states[0].folder)),
        ("of it", ", ".join([f"in {shards.count} parts (--shard)", *_filtered(first)])),
        *((str(each.saved.state.shard), _shard(each, now)) for each in shards.statuses),
        ("unknown", _without_state(shards)),
        ("moved", f"{moved} in all, since {_time(min(state.started for state in states))}"),
        ("adopted", _adopted(adopted)),
        ("failed", _failed(failures)),
        ("", _message_ids(each for state in states for each in state.failed_ids)),
        ("waiting", _waiting([each for state in states for each in state.waiting_ids])),
        *(("balance", line) for line in (first.balance.lines if first.balance else ())),
    )
    return [(label, text) for label, text in found if text]


def _without_state(shards: ScopeShards) -> str:
    numbers = {*range(1, shards.count + 1)} - shards.of_number.keys()
    ranges = ", ".join(map(str, id_ranges.to_ranges(numbers)))
    return f"no state is saved of part {ranges} of {shards.count}" if numbers else ""


def _shard(status: ScopeStatus, now: datetime) -> str:
    state = status.saved.state
    moved = _amount(state.total_uploaded, state.total_size_bytes)
    failed = sum(state.failures_by_reason.values())
    told = f"{_activity(status, now)}; read {_read(status)}; {moved} moved"
    return f"{told}; {failed:,} failed" if failed else told


def read_percent(status: ScopeStatus) -> int | None:
    """How far the chat was read, where that can be told."""
    last_id, newest_id = status.saved.state.last_message_id, status.newest_message_id
    if not newest_id or not status.counts_every_message:
        return None
    return min(100, 100 * last_id // newest_id)


def _part(status: ScopeStatus) -> str:
    shard = status.saved.state.shard
    parts = [] if shard.is_whole else [f"part {shard} (--shard)"]
    return ", ".join([*parts, *_filtered(status)])


def _filtered(status: ScopeStatus) -> list[str]:
    state = status.saved.state
    parts = []
    if not status.counts_every_message:
        parts.append(f"a part: filters, a topic, or comments (scope {state.scope_key})")
    if state.lower_bound:
        parts.append(f"from message {state.lower_bound} on")
    return parts


def _activity(status: ScopeStatus, now: datetime) -> str:
    run, heard_at = status.run, status.saved.heard_at
    who = f"process {run.pid} on {run.host}"
    ago = human_seconds((now - heard_at).total_seconds())
    match status.activity:
        case Activity.BEGINNING:
            return f"a run is beginning: {who}"
        case Activity.RUNNING:
            return f"running: {who}, last heard of {ago} ago"
        case Activity.DIED:
            return f"died: {who} is gone, last heard of at {_time(heard_at)} ({ago} ago)"
        case Activity.SILENT:
            return (
                f"silent, so it counts as dead: {who}, last heard of at {_time(heard_at)} "
                f"({ago} ago)"
            )
        case Activity.STOPPED:
            return f"stopped at {_time(heard_at)}, not complete ({who})"
        case Activity.QUOTA:
            return f"stopped at {_time(heard_at)}, as the remote took no more ({who})"
        case Activity.COMPLETE:
            return f"complete since {_time(heard_at)} ({who})"


def _read(status: ScopeStatus) -> str:
    state, newest_id = status.saved.state, status.newest_message_id
    last_id = state.last_message_id
    above = len(state.done_above_ids)
    more = f", and {_files(above)} above" if above else ""
    read = f"up to message {last_id}" if last_id else "nothing yet"
    if newest_id is None:
        return read + more
    if newest_id <= last_id:
        return f"{read}, the chat's newest"
    if last_id == 0 or not status.counts_every_message:
        return f"{read}{more} (the chat's newest is {newest_id})"
    return f"{read} of {newest_id} ({100 * last_id // newest_id} %){more}"


def _moved(status: ScopeStatus) -> str:
    state = status.saved.state
    moved = _amount(state.total_uploaded, state.total_size_bytes)
    return f"{moved}, since {_time(state.started)}"


def _adopted(adopted: Moved) -> str:
    if not adopted.files:
        return ""
    return f"{_amount(adopted.files, adopted.size_bytes)}, where another program has put them"


def _amount(files: int, size_bytes: int) -> str:
    return f"{_files(files)}, {human_bytes(size_bytes)}"


def _files(count: int) -> str:
    return f"{count:,} file" if count == 1 else f"{count:,} files"


def _speed(status: ScopeStatus) -> str:
    state, parts = status.saved.state, []
    if status.run_bytes_per_second is not None:
        which = "this" if status.activity is Activity.RUNNING else "the last"
        parts.append(
            f"{human_speed(status.run_bytes_per_second)} in {which} run of "
            f"{human_seconds(state.run_seconds)}"
        )
    several_runs = state.run_bytes < state.total_size_bytes
    if status.average_bytes_per_second is not None and several_runs:
        parts.append(f"{human_speed(status.average_bytes_per_second)} since the start")
    return ", ".join(parts)


def _failed(failures: Mapping[str, int]) -> str:
    total = sum(failures.values())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in ranked(failures))
    return f"{total:,}: {reasons}" if total else ""


def _message_ids(message_ids: Iterable[int]) -> str:
    ranges = id_ranges.to_ranges(message_ids)
    if not ranges:
        return ""
    shown = ", ".join(map(str, ranges[:_MOST_RANGES]))
    rest = sum(map(len, ranges[_MOST_RANGES:]))
    word = "message" if shown.isdecimal() else "messages"
    return f"{word} {shown}" + (f" and {rest:,} more" if rest else "")


def _waiting(message_ids: Sequence[int]) -> str:
    if not message_ids:
        return ""
    one = len(message_ids) == 1
    return (
        f"{len(message_ids):,} message{'' if one else 's'} of which something may be a file later "
        "(paid media that is not bought, a kind that can't be read): every run asks again"
    )


def _saved(status: ScopeStatus) -> str:
    saved = status.saved
    if saved.message_id is not None:
        return f"in Saved Messages (message {saved.message_id})"
    return "on this disk alone, as Saved Messages could not be written"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def record(status: ScopeStatus) -> dict[str, Any]:
    """For ``--json``; the keys are documented in docs/looking.md."""
    saved, run = status.saved, status.run
    state = saved.state
    return {
        "chat_id": state.channel_id,
        "chat_name": state.channel_name,
        "scope": state.scope_key,
        "whole_chat": status.is_whole_chat,
        "shard": None if state.shard.is_whole else str(state.shard),
        "from_message_id": state.lower_bound,
        "remote": state.remote,
        "folder": state.folder,
        "activity": status.activity.value,
        "host": run.host,
        "pid": run.pid,
        "last_message_id": state.last_message_id,
        "newest_message_id": status.newest_message_id,
        "files_above": len(state.done_above_ids),
        "files_moved": state.total_uploaded,
        "bytes_moved": state.total_size_bytes,
        "files_adopted": state.adopted.files,
        "bytes_adopted": state.adopted.size_bytes,
        "started": utc_text(state.started),
        "saved": utc_text(saved.heard_at),
        "saved_in": "local file" if saved.message_id is None else "saved messages",
        "message_id": saved.message_id,
        "run_bytes_per_second": _whole(status.run_bytes_per_second),
        "average_bytes_per_second": _whole(status.average_bytes_per_second),
        "failed": sum(state.failures_by_reason.values()),
        "failures": dict(state.failures_by_reason),
        "failed_message_ids": list(state.failed_ids),
        "waiting_message_ids": list(state.waiting_ids),
        "balance": balance_record(status.balance),
    }


def balance_record(balance: Balance | None) -> dict[str, Any] | None:
    """How a comparison with Telegram's counts is told; ``None`` where there was none."""
    if balance is None:
        return None
    return {
        "unseen": balance.unseen,
        "fewer": [
            {"kind": each.kind.value, "counted": each.counted, "seen": each.seen}
            for each in balance.fewer
        ],
        "not_compared": [kind.value for kind in balance.not_compared],
    }


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)
