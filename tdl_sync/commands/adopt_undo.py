"""``adopt --undo``: takes back what was taken for done, so that the next run moves it. Nothing is
moved or deleted where it lies.

It is written down in the order in which ``adopt`` does it. What ends this half-way leaves marks,
and undoing again goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from tdl_sync.commands.adopt_record import Saving, opened_hand_off, write_record, writer_of
from tdl_sync.commands.output import StandardOutput
from tdl_sync.core.model import FIRST, AdoptedFile, Chat, MessageKey, Moved, path_at
from tdl_sync.core.ports import ChatReader, RemoteFiles, SavedMessages
from tdl_sync.core.reports import Outcome
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import human_bytes, printable
from tdl_sync.options.config import Config
from tdl_sync.run.in_turn import FoundChat
from tdl_sync.run.parts import PartsToLook
from tdl_sync.run.resume import ResumePoint, Resumption, failure_of_taken_back, inherit
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.exclusive import exclusive
from tdl_sync.state.lease import Lease
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.read_only import MarksToRead
from tdl_sync.state.recorded_marks import RecordedMarks
from tdl_sync.state.run_identity import this_run
from tdl_sync.state.state_store import StateStore
from tdl_sync.transfer.adopted import Adoption, AdoptionRecord, read_records

WHY = "taken back"


def undo(
    found: FoundChat, parts: PartsToLook, on_line: Callable[[str], None], output: StandardOutput
) -> None:
    """Raises ``TdlSyncError``."""
    config, chat = found.config, found.chat
    look = parts.files(config.task.remote)
    saved_messages = parts.telegram.saved_messages
    if config.dry_run:
        with closing(MarksToRead(config.places.marks)) as marks:
            looker = Undoing(config, chat, found.lower_bound, parts.telegram.reader, look, marks)
            _tell(config, chat, output, looker.found(saved_messages).files)
        return
    with (
        DoneMarks(config.places.marks) as marks,
        exclusive(
            chat,
            config.task.remote,
            this_run(config.running.save_interval_seconds),
            saved_messages,
            config.places.locks,
            StopFlag(),
            take_over=config.running.take_over,
        ) as lease,
    ):
        if lease.warning is not None:
            on_line(lease.warning)
        undoing = Undoing(config, chat, found.lower_bound, parts.telegram.reader, look, marks)
        what = undoing.found(saved_messages, lease)
        if what.files:
            inherit(what.point, marks, saved_messages)
            lease.check_claim()
            hand_off = opened_hand_off(config, parts.control, on_line)
            writer = writer_of(parts.telegram.client.account_id, what.point.scope)
            record = write_record(what.point.folder, hand_off, writer, what.taken_from)
            lease.check_claim()
            undoing.write_marks(what, marks)
            scope = what.point.scope
            saving = Saving(config, chat, scope, what.point, marks, partial(undoing.holds, what))
            saving.save(saved_messages, record, what.kept)
        _tell(config, chat, output, what.files)


@dataclass(frozen=True)
class Found:
    """``files`` are to be taken back; ``kept`` are adopted, not asked for, and not marked here."""

    point: ResumePoint
    files: list[AdoptedFile]
    kept: list[AdoptedFile]

    def taken_from(self, record: AdoptionRecord) -> list[Adoption]:
        return [record.without(each.number) for each in self.files]


@dataclass(frozen=True)
class Undoing:
    """Blocks."""

    config: Config
    chat: Chat
    lower_bound: int
    reader: ChatReader
    look: RemoteFiles
    marks: RecordedMarks

    def holds(self, what: Found, message_id: int) -> bool:
        return self.reader.holds(self.chat, what.point.scope.shard, message_id)

    def found(self, saved_messages: SavedMessages, lease: Lease | None = None) -> Found:
        """By the records on the remote, and by the marks of this machine. It writes nothing."""
        task, chat = self.config.task, self.chat
        scope = task.choice.scope(task.remote, chat, self.lower_bound)
        states = StateStore(
            saved_messages,
            LocalStates(self.config.places.states),
            None if lease is None else lease.found,
        )
        resumption = Resumption(
            chat, scope, task, self.reader, self.marks, states, self.look.find_folder
        )
        point = resumption.point()
        listing = self.look.files(point.folder)
        record = read_records(listing, partial(self.look.read, point.folder))
        by_number = {each.number: each for each in record.files if not self._is_ours(each)}
        by_number.update({each.number: each for each in self._marked()})
        files = [by_number[number] for number in sorted(by_number)]
        return Found(
            point,
            [each for each in files if self._is_asked_for(each)],
            [each for each in files if not self._is_asked_for(each)],
        )

    def write_marks(self, what: Found, marks: DoneMarks) -> None:
        for file in what.files:
            marks.replace_mark(self.config.task.remote, failure_of_taken_back(self._key(file)))

    def _is_asked_for(self, file: AdoptedFile) -> bool:
        asked = self.config.adopt_from
        return asked is None or path_at(asked, "") == path_at(file.source, "")

    def _is_ours(self, file: AdoptedFile) -> bool:
        """It was moved since."""
        marked = self.marks.marked(self.config.task.remote, self._key(file))
        return marked is not None and marked.adopted_from is None

    def _marked(self) -> Iterator[AdoptedFile]:
        remote, chat_id = self.config.task.remote, self.chat.id
        for number in self.marks.all_done(remote, chat_id, 0):
            key = MessageKey(chat_id, 0, number.message_id, number.index)
            mark = self.marks.marked(remote, key)
            if mark is not None and mark.adopted_from is not None and mark.adopted_path is not None:
                yield AdoptedFile(
                    number,
                    mark.adopted_from,
                    mark.adopted_path,
                    mark.size_bytes,
                    mark.sha256,
                    mark.identity,
                )

    def _key(self, file: AdoptedFile) -> MessageKey:
        return MessageKey(self.chat.id, 0, file.number.message_id, file.number.index)


def _tell(config: Config, chat: Chat, output: StandardOutput, files: list[AdoptedFile]) -> None:
    if config.as_json:
        output.json_array(map(_record, files))
        return
    for file in files:
        size = human_bytes(file.size_bytes)
        output.line(printable(f"back  {file.whole_path} ({size}): message {file.number}"))
    amount = Moved(len(files), sum(each.size_bytes for each in files))
    title = printable(chat.title or str(chat.id))
    verb = "would be taken back" if config.dry_run else "taken back"
    then = ": the next run moves them; where they lie nothing was touched" if files else ""
    output.line(f"{title}: {amount.files} files ({human_bytes(amount.size_bytes)}) {verb}{then}")
    status = Outcome.MORE if config.dry_run and files else Outcome.COMPLETE
    output.line(
        f"result: status={status.value} taken_back={amount.files} bytes={amount.size_bytes}"
    )


def _record(file: AdoptedFile) -> Mapping[str, Any]:
    index = {} if file.number.index == FIRST else {"index": file.number.index}
    return {
        "path": file.whole_path,
        "size_bytes": file.size_bytes,
        "done": False,
        "message_id": file.number.message_id,
        **index,
        "why": WHY,
    }
