"""``adopt``: takes for done what another program has moved, where that is certain, and leaves it
where it is.

What is taken is written down three times, in this order: in the chat's folder on the remote, for
machines that have no marks; as done-marks on this machine; and the scope's state, so that
``--resume`` and ``status`` know of the chat. Whatever ends this half-way leaves less known than is
there, never more, and adopting again goes on. ``adopt_undo`` takes it back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tdl_sync.commands.adopt_matching import Left, Matching, Outcome, Taken
from tdl_sync.commands.adopt_names import Names, where
from tdl_sync.commands.adopt_record import (
    Saving,
    opened_hand_off,
    write_record,
    writer_of,
)
from tdl_sync.commands.adopt_undo import undo
from tdl_sync.commands.output import StandardOutput
from tdl_sync.core.errors import ConfigurationError, TdlSyncError, UsageError
from tdl_sync.core.model import (
    FIRST,
    AdoptedFile,
    Chat,
    DoneMark,
    ListedFile,
    MediaItem,
    Moved,
    RemoteFile,
    Scope,
    path_at,
)
from tdl_sync.core.naming import path_of
from tdl_sync.core.ports import ChatReader, MarkReader, RemoteFiles, SavedMessages
from tdl_sync.core.reports import Outcome as Result
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import counted, human_bytes, printable
from tdl_sync.options.choice import Choice
from tdl_sync.options.config import Config
from tdl_sync.reporting.stderr import teller
from tdl_sync.run.in_turn import FoundChat, InTurn
from tdl_sync.run.parts import PartsToLook, parts_to_look
from tdl_sync.run.resume import (
    Adopted,
    ResumePoint,
    Resumption,
    inherit,
)
from tdl_sync.run.wanted_chats import wanted_chats
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.exclusive import exclusive
from tdl_sync.state.lease import Lease
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.read_only import MarksToRead
from tdl_sync.state.run_identity import this_run
from tdl_sync.state.state_store import StateStore
from tdl_sync.transfer.adopted import (
    Adoption,
    AdoptionRecord,
    read_records,
)
from tdl_sync.transfer.job import Job
from tdl_sync.transfer.known import Done, KnownFiles


def adopt(config: Config, output: StandardOutput) -> Sequence[TdlSyncError]:
    """Print what is taken for done and what is left, each with why; what went wrong is returned."""
    errors: list[TdlSyncError] = []
    try:
        wanted = list(wanted_chats(config))
        if len(wanted) != 1:
            raise UsageError(
                "adopt takes one chat at a time: what lies there may be taken for one alone; name "
                "it with -u, and no comments"
            )
        on_line = teller(config.telling)
        with parts_to_look(config, on_a_copy=config.dry_run) as parts:
            for found in InTurn(wanted, parts.telegram, on_line, errors.append):
                if config.undo:
                    undo(found, parts, on_line, output)
                else:
                    _adopt_one(found, parts, on_line, output)
    except TdlSyncError as error:
        errors.append(error)
    return errors


def _adopt_one(
    found: FoundChat,
    parts: PartsToLook,
    on_line: Callable[[str], None],
    output: StandardOutput,
) -> None:
    config, chat = found.config, found.chat
    look = parts.files(config.task.remote)
    report = Report(config, chat, output)
    if config.dry_run:
        with closing(MarksToRead(config.places.marks)) as marks:
            adopter = Adopter(config, chat, found.lower_bound, parts.telegram.reader, look, marks)
            report.tell(adopter.looked(parts.telegram.saved_messages).outcome)
        return
    with DoneMarks(config.places.marks) as marks:
        adopter = Adopter(config, chat, found.lower_bound, parts.telegram.reader, look, marks)
        saved_messages = parts.telegram.saved_messages
        # As a run: what another one moves meanwhile would be moved and adopted. All of the chat,
        # whatever part is adopted: there is one record of it.
        with exclusive(
            chat,
            config.task.remote,
            this_run(config.running.save_interval_seconds),
            saved_messages,
            config.places.locks,
            StopFlag(),
            take_over=config.running.take_over,
        ) as lease:
            if lease.warning is not None:
                on_line(lease.warning)
            looked = adopter.looked(saved_messages, lease)
            inherit(looked.point, marks, saved_messages)
            if looked.outcome.taken:
                lease.check_claim()
                hand_off = opened_hand_off(config, parts.control, on_line)
                writer = writer_of(parts.telegram.client.account_id, adopter.scope)
                record = write_record(looked.point.folder, hand_off, writer, looked.added_to)
                lease.check_claim()
                write_marks(looked, config.task.remote, marks)
                saving = Saving(config, chat, adopter.scope, looked.point, marks, adopter.holds)
                done_ids = {each.item.message_id for each in looked.outcome.taken}
                saving.save(saved_messages, record, looked.known, done_ids)
            report.tell(looked.outcome)


@dataclass(frozen=True)
class Looked:
    """What was found: nothing is changed yet."""

    chat: Chat
    source: str
    point: ResumePoint
    outcome: Outcome
    known: Collection[AdoptedFile] = ()
    """What was adopted before, and no mark on this machine knows."""

    @property
    def adopted(self) -> list[AdoptedFile]:
        return [
            AdoptedFile(
                each.item.number,
                self.source,
                path_of(each.file),
                each.file.size_bytes,
                each.file.sha256,
                each.item.identity_if_unedited,
            )
            for each in self.outcome.taken
        ]

    def added_to(self, record: AdoptionRecord) -> list[Adoption]:
        return [record.adopted(file) for file in self.adopted]


@dataclass(frozen=True)
class Adopter:
    """The parts that a look at a chat and a place needs. Where it may write marks it forgets those
    that another machine has taken back; else it writes nothing. Blocks."""

    config: Config
    chat: Chat
    lower_bound: int
    reader: ChatReader
    look: RemoteFiles
    marks: MarkReader

    @property
    def scope(self) -> Scope:
        task = self.config.task
        return task.choice.scope(task.remote, self.chat, self.lower_bound)

    @property
    def source(self) -> str:
        source = self.config.adopt_from
        assert source is not None
        return source

    def looked(self, saved_messages: SavedMessages, lease: Lease | None = None) -> Looked:
        """Raises what the beginning of a run raises."""
        task, scope = self.config.task, self.scope
        states = StateStore(
            saved_messages,
            LocalStates(self.config.places.states),
            None if lease is None else lease.found,
        )
        resumption = Resumption(
            self.chat, scope, task, self.reader, self.marks, states, self.look.find_folder
        )
        point = resumption.point()
        own_folder = path_at(path_at(task.remote, point.folder), "")
        if path_at(self.source, "").startswith(own_folder):
            raise ConfigurationError(
                f"--from {self.source!r} is the chat's own folder, whose files are known by their "
                "names: a run without adopt takes those for done that are there"
            )
        listing = self.look.files(point.folder)
        record = read_records(listing, partial(self.look.read, point.folder))
        adopted = Adopted(self.chat, task.remote, self.marks, record)
        if isinstance(self.marks, DoneMarks):
            for failure in adopted.taken_back():
                self.marks.replace_mark(task.remote, failure)
        unmarked = adopted.unmarked(self.look.elsewhere)
        job = replace(resumption.job(point, listing), adopted=unmarked)
        names = Names(self.chat, self.source, self.config.adopt_template)
        lying = [
            each
            for each in self.look.elsewhere(self.source)
            if not where(self.source, each).startswith(own_folder)
        ]
        if not lying:
            raise ConfigurationError(
                f"there are no files in {self.source!r}; is it spelt as rclone has it? "
                f"(rclone lsf {self.source!r} shows what is there)"
            )
        outcome = self._matched(lying, names, job)
        return Looked(self.chat, self.source, point, outcome, unmarked.values())

    def holds(self, message_id: int) -> bool:
        """Whether a message belongs to the part that was asked for."""
        return self.reader.holds(self.chat, self.scope.shard, message_id)

    def _matched(self, lying: Sequence[ListedFile], names: Names, job: Job) -> Outcome:
        """The whole chat is read, whatever is left out: a file that nothing else fits is only of
        one message if nothing left out fits it."""
        remote, chat = self.config.task.remote, replace(self.chat, topic_id=0)
        known = KnownFiles(self.marks, job, self.marks.failures(remote, chat.id, 0))
        matching = Matching(lying, names, self._hash_of)
        for page in self.reader.pages(chat, 0, self.reader.newest_message_id(chat)):
            wanted = {
                each.key for each in _wanted(page.entries, self.config.task.choice, self.chat)
            }
            for entry in page.entries:
                if isinstance(entry, MediaItem):
                    is_wanted = (
                        entry.key in wanted
                        and entry.message_id >= self.lower_bound
                        and self.holds(entry.message_id)
                    )
                    is_done = isinstance(known.of(entry), Done)
                    matching.take(entry, is_done=is_done, is_wanted=is_wanted)
        return matching.outcome()

    def _hash_of(self, item: MediaItem) -> str | None:
        """Of the same file of Telegram's, as another message's mark has it."""
        remote, chat_id = self.config.task.remote, self.chat.id
        number = self.marks.file_with(remote, chat_id, 0, item.identity)
        if number is None:
            return None
        key = replace(item.key, message_id=number.message_id, index=number.index)
        marked = self.marks.marked(remote, key)
        return None if marked is None or marked.adopted_from is not None else marked.sha256


def _wanted(entries: Sequence[Any], choice: Choice, chat: Chat) -> list[MediaItem]:
    return [
        entry
        for entry in entries
        if isinstance(entry, MediaItem)
        and choice.filters.rule_against(entry) is None
        and chat.topic_id in (0, entry.details.topic_id)
    ]


def write_marks(looked: Looked, remote: str, marks: DoneMarks) -> None:
    marks.write_all(
        DoneMark(remote, RemoteFile.adopted(taken.item, adopted))
        for taken, adopted in zip(looked.outcome.taken, looked.adopted, strict=True)
    )


# --- what is told ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """On standard output: a line for each file, or with ``--json`` an object."""

    config: Config
    chat: Chat
    output: StandardOutput

    def tell(self, outcome: Outcome) -> None:
        if self.config.as_json:
            records = [*map(self._taken_record, outcome.taken)]
            self.output.json_array([*records, *map(self._left_record, outcome.left)])
            return
        for each in outcome.taken:
            self.output.line(printable(self._taken_line(each)))
        for left in outcome.left:
            self.output.line(printable(self._left_line(left)))
        for line in self._last_lines(outcome):
            self.output.line(line)

    def _taken_line(self, taken: Taken) -> str:
        size = human_bytes(taken.file.size_bytes)
        return f"done  {path_of(taken.file)} ({size}): message {taken.item.number}, by {taken.why}"

    def _left_line(self, left: Left) -> str:
        size = human_bytes(max(left.file.size_bytes, 0))
        return f"left  {path_of(left.file)} ({size}): {left.why}"

    def _last_lines(self, outcome: Outcome) -> list[str]:
        taken, dry = outcome.taken, self.config.dry_run
        amount = Moved(len(taken), sum(each.file.size_bytes for each in taken))
        title = printable(self.chat.title or str(self.chat.id))
        verb = "would be taken" if dry else "taken"
        lines = [
            f"{title}: {amount.files} files ({human_bytes(amount.size_bytes)}) {verb} for done, "
            "where they lie"
        ]
        if outcome.left:
            lines.append(
                f"left, for the next run to move if a message holds them: {counted(outcome.whys)}"
            )
        status = Result.MORE if dry else Result.COMPLETE
        lines.append(
            f"result: status={status.value} taken={amount.files} left={len(outcome.left)} "
            f"bytes={amount.size_bytes}"
        )
        return lines

    def _taken_record(self, taken: Taken) -> Mapping[str, Any]:
        index = {} if taken.item.key.index == FIRST else {"index": taken.item.key.index}
        return {
            "path": self._whole_path(taken.file),
            "size_bytes": taken.file.size_bytes,
            "done": True,
            "message_id": taken.item.message_id,
            **index,
            "why": taken.why,
        }

    def _left_record(self, left: Left) -> Mapping[str, Any]:
        return {
            "path": self._whole_path(left.file),
            "size_bytes": left.file.size_bytes,
            "done": False,
            "message_id": None,
            "why": left.why,
        }

    def _whole_path(self, file: ListedFile) -> str:
        return where(self.config.adopt_from or "", file)
