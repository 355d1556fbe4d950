"""What ``adopt``, and ``adopt --undo``, write: the record in the chat's folder on the remote, and
the scope's state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.failures import reasons_for_others
from tdl_sync.core.model import READER, AdoptedFile, Chat, Scope, scope_key
from tdl_sync.core.ports import HandOff, MarkReader, SavedMessages
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import Config
from tdl_sync.remote.begun_folder import BegunFolder
from tdl_sync.remote.check import prove_remote
from tdl_sync.remote.handoff import RcloneHandOff
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.remote_control import RemoteControl
from tdl_sync.reporting.lines import waiting_line
from tdl_sync.reporting.numbers import Waiting as WaitsFor
from tdl_sync.run.resume import (
    Adopted,
    ResumePoint,
    failures_of,
    waiting_of,
    whole_scope_key,
)
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_identity import this_run
from tdl_sync.state.run_state import RunState, RunStatus, files_of_several
from tdl_sync.state.state_message import encode, json_in
from tdl_sync.state.state_store import StateMessage
from tdl_sync.transfer.adopted import (
    Adoption,
    AdoptionRecord,
    RecordWriter,
    read_record,
    read_records,
    record_text,
)


def writer_of(account_id: int, scope: Scope) -> RecordWriter:
    """The claim, under which it writes, is on all scopes of a chat on a remote."""
    return RecordWriter.of(account_id, scope_key(Scope(scope.remote, scope.chat_id)))


def opened_hand_off(
    config: Config, control: RemoteControl, on_line: Callable[[str], None]
) -> RcloneHandOff:
    """The way to the remote, which is proven as for a run: its folder is made."""
    remote, stop = config.task.remote, StopFlag()
    proven = prove_remote(
        control,
        remote,
        must_be_drive=config.rclone.must_be_drive,
        begun=BegunFolder(config.places.begun_folders, remote),
    )
    for warning in proven.cleaning.result():
        on_line(f"warning: {warning}")

    def on_wait(what: str, why: str, until: datetime | None) -> None:
        on_line(waiting_line(WaitsFor(what, why, until)))

    return RcloneHandOff(
        control, proven.remote, Pace(stop, on_wait), on_line, config.running.on_quota
    )


def write_record(
    folder: str,
    hand_off: HandOff,
    writer: RecordWriter,
    added_to: Callable[[AdoptionRecord], Sequence[Adoption]],
) -> AdoptionRecord:
    """Add to our own record, which nobody else writes, what is to count from now on beside all
    that is on record; all of it is returned."""
    listing = hand_off.prepare_folder(folder)
    before = read_records(listing, partial(hand_off.read, folder))
    name = writer.record_among(listing)
    own_before = [] if name is None else read_record(hand_off.read(folder, name), name)
    added = added_to(before)
    text = record_text([*own_before, *added])
    hand_off.put(text, folder, name or writer.new_record())
    return AdoptionRecord.of([*before.by_number.values(), *added])


@dataclass(frozen=True)
class Saving:
    """Writes the scope's state, wherever that is kept: the next run goes on from where it would
    have gone on, and what has failed by now is what the marks say."""

    config: Config
    chat: Chat
    scope: Scope
    point: ResumePoint
    marks: MarkReader
    holds: Callable[[int], bool]

    def save(
        self,
        saved_messages: SavedMessages,
        record: AdoptionRecord,
        unmarked: Iterable[AdoptedFile],
        done_ids: Iterable[int] = (),
    ) -> None:
        """What is adopted is told of the ``record`` and the marks, and of what is ``unmarked``
        here; ``done_ids`` are done since. Raises ``TdlSyncError``."""
        point, scope, now = self.point, self.scope, datetime.now(timezone.utc)
        failures = failures_of(scope, self.marks, self.holds)
        waiting = waiting_of(scope, self.marks, self.holds)
        failed_ids = tuple(sorted({each.key.message_id for each in failures}))
        before = point.loaded.state if point.loaded else self._new(now)
        done = {*before.done_above_ids, *done_ids}
        done_above = {each for each in done if each > before.last_message_id}
        adopted = Adopted(self.chat, scope.remote, self.marks, record)
        state = replace(
            before,
            done_above_ids=tuple(sorted(done_above.difference(failed_ids))),
            failed_ids=failed_ids,
            failed_files=files_of_several(each.key.number for each in failures),
            failures_by_reason=Counter(reasons_for_others(failures)),
            waiting_ids=tuple(each.message_id for each in waiting),
            adopted=adopted.amount(unmarked, self.holds),
            status=RunStatus.STOPPED,
            run=this_run(self.config.running.save_interval_seconds),
            timestamp=now,
        )
        text, key = encode(state), state.scope_key
        local_states = LocalStates(self.config.places.states)
        message_id = point.loaded.message_id if point.loaded else None
        if local_states.read(key) is not None:
            try:
                local_states.write(key, json_in(text))
            except OSError as error:
                raise ConfigurationError(
                    f"the saved state {local_states.path(key)} cannot be written: "
                    f"{error.strerror}. Make it writable for you, and adopt again"
                ) from error
        StateMessage(saved_messages, key, message_id).write(text)

    def _new(self, now: datetime) -> RunState:
        point, scope = self.point, self.scope
        return RunState(
            scope_key=scope_key(scope),
            channel_id=self.chat.id,
            channel_name=self.chat.title,
            last_message_id=point.after_id,
            total_downloaded=0,
            total_uploaded=0,
            total_size_bytes=0,
            timestamp=now,
            status=RunStatus.STOPPED,
            remote=scope.remote,
            folder=point.folder,
            started=now,
            done_above_ids=(),
            failed_ids=(),
            failures_by_reason={},
            run=this_run(self.config.running.save_interval_seconds),
            lower_bound=scope.lower_bound,
            reader=READER,
            seen=point.seen,
            shard=scope.shard,
            whole_scope_key=whole_scope_key(scope),
        )
