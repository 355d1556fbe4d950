"""``verify --repair``: what is missing or wrong on the remote is recorded as failed for now.

The next run would find neither: the history is read from the watermark on, which is past them, and
a done-mark is believed. So the mark is replaced by a failure, which every run tries again, in the
records of this machine and in the state message, for those that have no others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from types import MappingProxyType

from tdl_sync.commands.verify_comparison import Findings, Missing, Wrong
from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.failures import NOT_RIGHT, REPLACED, Failure, is_distrusting
from tdl_sync.core.naming import path_of
from tdl_sync.core.ports import SavedMessages
from tdl_sync.core.shards import Shard
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_state import RunState, RunStatus, files_of_several
from tdl_sync.state.state_message import encode, json_in
from tdl_sync.state.state_store import LoadedState, StateMessage

MISSING = "missing on the remote"


def recorded(
    findings: Findings,
    marks: DoneMarks,
    remote: str,
    passed_id: int,
    *,
    replaced: bool = False,
    passed_in_shards: Mapping[Shard, int] = MappingProxyType({}),
) -> tuple[Failure, ...]:
    """Record what the next run is to move again, durably, and return it.

    That is what was marked as done, and what the watermark ``passed_id`` has passed, or that of a
    shard which holds it, and no failure stands for yet. What no run has come to yet is moved in its
    turn. A file that is as it was uploaded, though its message has another one now, is left alone,
    since it may be the only copy, unless what was ``replaced`` is asked for: then its mark stays,
    and the next run moves the new one beside it, or over it.
    """

    def is_passed(message_id: int) -> bool:
        return message_id <= passed_id or any(
            message_id <= up_to_id and shard.holds(message_id)
            for shard, up_to_id in passed_in_shards.items()
        )

    failures = []
    found_bad: tuple[Missing | Wrong, ...] = (*findings.missing, *findings.wrong)
    for found in found_bad:
        if isinstance(found, Wrong) and found.edited:
            if not replaced or not found.marked:
                continue
            failure = marks.record_failure(remote, _replaced(found))
        elif found.marked:
            failure = _failure(found)
            marks.replace_mark(remote, failure)
        elif found.failure is None and is_passed(found.key.message_id):
            failure = marks.record_failure(remote, _failure(found))
        else:
            continue
        failures.append(failure)
    return tuple(failures)


def _failure(found: Missing | Wrong) -> Failure:
    if isinstance(found, Missing):
        return Failure(found.key, MISSING, f"{MISSING}, verify found", attempts=0, for_good=False)
    reason = found.reason if found.certainly_ours else NOT_RIGHT
    detail = (
        f"{found.reason}, verify found: {path_of(found.file)!r} has {found.file.size_bytes} bytes, "
        f"the message declares {found.expected_bytes}"
    )
    return Failure(
        found.key,
        reason,
        detail,
        attempts=0,
        for_good=False,
        distrusted=is_distrusting(reason),
        overwrites=path_of(found.file) if found.certainly_ours else None,
    )


def _replaced(found: Wrong) -> Failure:
    detail = f"{REPLACED}, verify found: {path_of(found.file)!r} is the file of before"
    return Failure(found.key, REPLACED, detail, attempts=0, for_good=False)


def save_state(
    loaded: LoadedState,
    failures: Sequence[Failure],
    saved_messages: SavedMessages,
    local_states: LocalStates,
) -> None:
    """Write the failures into the scope's state, wherever that is kept. The chat must be held.

    Raises ``TdlSyncError``.
    """
    text = encode(_with_failures(loaded.state, failures))
    key = loaded.state.scope_key
    if local_states.read(key) is not None or loaded.message_id is None:
        try:
            local_states.write(key, json_in(text))
        except OSError as error:
            raise ConfigurationError(
                f"the saved state {local_states.path(key)} cannot be written: {error.strerror}. "
                "Make it writable for you, and repair again"
            ) from error
    if loaded.message_id is not None:
        StateMessage(saved_messages, key, loaded.message_id).write(text)


def _with_failures(state: RunState, failures: Sequence[Failure]) -> RunState:
    ids = {failure.key.message_id for failure in failures}
    before = state.failed_numbers
    new = [failure for failure in failures if failure.key.number not in before]
    numbers = [*before, *(failure.key.number for failure in failures)]
    reasons = Counter(state.failures_by_reason)
    reasons.update(failure.reason for failure in new)
    # Of a file that was among the failed ones the old reason is not known here. Other machines
    # go by the new one, so rather one too many.
    reasons |= Counter({failure.reason for failure in failures})
    return replace(
        state,
        failed_ids=tuple(sorted({*state.failed_ids, *ids})),
        failed_files=files_of_several(numbers),
        failures_by_reason=dict(reasons),
        done_above_ids=tuple(each for each in state.done_above_ids if each not in ids),
        status=RunStatus.STOPPED,
        timestamp=datetime.now(timezone.utc),
    )
