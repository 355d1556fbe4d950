"""``--dry-run``: goes the way of a run up to the first byte, and writes nothing anywhere.

No folder and no probe on the remote, no claim and no state in Saved Messages, nothing in the data
and staging directories, which need not even exist. The Telegram session is a copy in memory.
(rclone itself keeps a renewed token in its own configuration.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

from tdl_sync.commands.dry_run_counts import Listed, Prospect
from tdl_sync.commands.dry_run_json import Fate, FileFate, record
from tdl_sync.commands.dry_run_text import UNKNOWN_TARGET, Target, last_lines, prospect_lines
from tdl_sync.commands.output import StandardOutput
from tdl_sync.core.errors import ChatError, LargerThanBudget, TdlSyncError
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    Chat,
    HistoryEntry,
    MarkedFile,
    MediaItem,
    MessageKey,
    RemoteFile,
    SkippedItem,
    path_at,
)
from tdl_sync.core.ports import ChatReader, RemoteFiles, SavedMessagesReader
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import Config
from tdl_sync.remote.remnants import is_under_way
from tdl_sync.reporting.stderr import teller
from tdl_sync.run.in_turn import InTurn
from tdl_sync.run.parts import PartsToLook, parts_to_look
from tdl_sync.run.resume import Adopted, Resumption
from tdl_sync.run.wanted_chats import chats_to_move
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.read_only import MarksToRead
from tdl_sync.state.state_store import StateStore
from tdl_sync.transfer.adopted import read_records
from tdl_sync.transfer.disk.budget import DiskBudget
from tdl_sync.transfer.disk.staging import Room
from tdl_sync.transfer.duplicates import DUPLICATE
from tdl_sync.transfer.job import Job
from tdl_sync.transfer.known import (
    DoneByAdoption,
    DoneByListing,
    DoneByMark,
    GivenUp,
    KnownFiles,
)


def dry_run(config: Config, output: StandardOutput) -> tuple[TdlSyncError, ...]:
    """Print what would be moved, chat by chat; with ``--json`` file by file, and nothing else."""
    prospects: list[Prospect] = []
    errors: list[TdlSyncError] = []
    lookers: Mapping[str, Looker] = {}
    try:
        with (
            parts_to_look(config, on_a_copy=True) as parts,
            closing(MarksToRead(config.places.marks)) as marks,
        ):
            telegram, on_line = parts.telegram, teller(config.telling)
            lookers = _lookers(config, parts, marks, on_line)
            wanted = chats_to_move(config, telegram.saved_messages, on_line)
            for found in InTurn(wanted, telegram, on_line, errors.append):
                remote = found.config.task.remote
                try:
                    look = replace(
                        lookers[remote],
                        config=found.config,
                        on_file=output.json_line if config.as_json else None,
                    )
                    prospect = look.prospect(found.chat, found.lower_bound)
                except ChatError as error:
                    errors.append(error)
                    continue
                prospects.append(prospect)
                for line in () if config.as_json else prospect_lines(prospect):
                    output.line(line)
    except TdlSyncError as error:
        errors.append(error)
    if not config.as_json:
        targets = {name: each.target for name, each in lookers.items()}
        disk_decides = any(each.budget.disk_decides for each in lookers.values())
        failed = bool(errors)
        for line in last_lines(prospects, targets, disk_decides=disk_decides, failed=failed):
            output.line(line)
    return tuple(errors)


def _lookers(
    config: Config, parts: PartsToLook, marks: MarksToRead, on_line: Callable[[str], None]
) -> dict[str, Looker]:
    """One for each remote, all with the budget of the one staging directory."""
    room = Room.to_be_had(config.places.staging_dir, config.running.max_disk_bytes)
    if room.warning is not None:
        on_line(f"warning: {room.warning}")
    budget = DiskBudget(
        room.budget_bytes, room.block_bytes, StopFlag(), disk_decides=room.warning is not None
    )
    return {
        name: Looker(
            config=config,
            reader=parts.telegram.reader,
            remote_files=parts.files(name),
            marks=marks,
            saved_messages=parts.telegram.saved_messages,
            budget=budget,
            target=Target(remote.free_bytes, remote.on_drive),
            most_in_folder=remote.most_in_folder,
        )
        for name, remote in parts.remotes.items()
    }


@dataclass(frozen=True)
class Looker:
    """A run's parts as far as they only read, for one remote. Blocks.

    ``on_file`` is told of each file, as a record for JSON.
    """

    config: Config
    reader: ChatReader
    remote_files: RemoteFiles
    marks: MarksToRead
    saved_messages: SavedMessagesReader
    budget: DiskBudget
    target: Target = UNKNOWN_TARGET
    most_in_folder: int | None = None
    on_file: Callable[[Mapping[str, Any]], None] | None = None
    listed: dict[int, Listed] = field(default_factory=dict)

    def prospect(self, chat: Chat, lower_bound: int) -> Prospect:
        """Raises what the beginning of a run raises."""
        task = self.config.task
        scope = task.choice.scope(task.remote, chat, lower_bound)
        local_states = LocalStates(self.config.places.states)
        resumption = Resumption(
            chat,
            scope,
            task,
            self.reader,
            self.marks,
            StateStore(self.saved_messages, local_states),
            self.remote_files.find_folder,
        )
        point = resumption.point()
        listing = self.remote_files.files(point.folder)
        whole = [file for file in listing if not is_under_way(file.name)]
        files = self.remote_files
        record = read_records(whole, partial(files.read, point.folder))
        adopted = Adopted(chat, task.remote, self.marks, record)
        job = replace(
            resumption.job(point, whole, self.most_in_folder),
            adopted=adopted.unmarked(files.elsewhere),
        )
        prospect = Prospect(
            chat,
            task.remote,
            point.folder,
            job.path,
            passed_id=point.after_id if point.after_id >= max(lower_bound, 1) else 0,
            listed=self.listed.setdefault(chat.id, Listed()),
        )
        prospect.limit_reached = self._count(job, point.failures, prospect)
        prospect.folder_exists = bool(listing) or self.remote_files.find_folder(chat.id) is not None
        return prospect

    def _count(self, job: Job, failures: Iterable[Failure], prospect: Prospect) -> bool:
        """Whether the run would end by its limit, and not by the end of the chat."""
        known_files = KnownFiles(self.marks, job, failures)
        for entry in self._entries(job, frozenset(prospect.listed.keys)):
            fate = self._fate(entry, job, known_files, prospect)
            if self.on_file is not None:
                path = self._path(fate, job, known_files, prospect)
                self.on_file(record(replace(fate, path=path), job.remote))
            if fate.fate is Fate.MOVE and prospect.to_move.files == job.choice.limit:
                return True
        return False

    def _fate(
        self, entry: HistoryEntry, job: Job, known_files: KnownFiles, prospect: Prospect
    ) -> FileFate:
        """What would become of it, which is counted."""
        if isinstance(entry, SkippedItem):
            prospect.would_skip(entry)
            return FileFate(entry.key, Fate.SKIP, reason=entry.rule)
        known = known_files.of(entry)
        if isinstance(known, DoneByListing | DoneByAdoption):
            prospect.is_listed(known.file)
            return FileFate(entry.key, Fate.THERE, entry, path=_path_of(known.file))
        if isinstance(known, DoneByMark):
            prospect.is_there(entry)
            return FileFate(entry.key, Fate.THERE, entry)
        if isinstance(known, GivenUp):
            prospect.would_fail(entry, known.failure.reason)
            return FileFate(entry.key, Fate.FAIL, entry, known.failure.reason)
        if job.choice.dedupe and self._is_copy(entry, job, prospect):
            prospect.would_skip(SkippedItem(entry.key, DUPLICATE))
            return FileFate(entry.key, Fate.SKIP, entry, DUPLICATE)
        if not self.budget.fits(entry):
            prospect.would_never_fit(entry)
            return FileFate(entry.key, Fate.FAIL, entry, LargerThanBudget.reason)
        prospect.would_move(entry)
        return FileFate(entry.key, Fate.MOVE, entry)

    def _path(
        self, fate: FileFate, job: Job, known_files: KnownFiles, prospect: Prospect
    ) -> str | None:
        """Where on the remote it is, or would go; ``None`` where neither holds."""
        if fate.item is not None and fate.fate is Fate.MOVE:
            path = known_files.path_before(fate.item) or prospect.path_of(fate.item)
            job.room.put(path.split("/")[:-1], job.keeping.things)
            return f"{job.folder}/{path}"
        if fate.path is None and fate.fate is Fate.THERE:
            marked = self.marks.marked(job.remote, fate.key)
            return None if marked is None else _path_of(marked)
        return fate.path

    def _entries(self, job: Job, listed_before: Collection[MessageKey]) -> Iterator[HistoryEntry]:
        pages = job.choice.pages(self.reader, job.chat, job.after_id, job.up_to_id)
        again = [entry for entry in job.again if entry.key not in listed_before]
        return chain(again, chain.from_iterable(page.entries for page in pages))

    def _is_copy(self, item: MediaItem, job: Job, prospect: Prospect) -> bool:
        key = item.key
        first = self.marks.file_with(job.remote, key.chat_id, key.topic_id, item.identity)
        return first is not None or (
            item.identity in prospect.arriving or item.identity in prospect.listed.files
        )


def _path_of(file: RemoteFile | MarkedFile) -> str:
    return path_at(file.folder, file.name) if file.folder else file.name
