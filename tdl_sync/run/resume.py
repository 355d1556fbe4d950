"""Where a run over a chat goes on, by what earlier runs on any machine have left; and the state
that it leaves in its turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from tdl_sync.core.balance import Balance
from tdl_sync.core.errors import ConfigurationError, TdlSyncError
from tdl_sync.core.failures import TAKEN_BACK, Failure, is_distrusting, reasons_for_others
from tdl_sync.core.model import (
    MAY_OPEN,
    READER,
    AdoptedFile,
    Chat,
    FileNumber,
    HistoryEntry,
    ListedFile,
    MediaItem,
    MediaType,
    MessageKey,
    Moved,
    Reading,
    Scope,
    SkippedItem,
    Waiting,
    scope_key,
)
from tdl_sync.core.naming import folder_name, number_of, path_of
from tdl_sync.core.ports import ChatReader, MarkReader, Marks, SavedMessages
from tdl_sync.core.shards import WHOLE
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.choice import Replacing
from tdl_sync.options.config import Task
from tdl_sync.run.time_left import TimeLeft
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus, files_of_several
from tdl_sync.state.state_message import OTHER_REASONS
from tdl_sync.state.state_store import LoadedState, StateStore
from tdl_sync.transfer.adopted import AdoptionRecord, Places, adopted_files
from tdl_sync.transfer.again import of_messages
from tdl_sync.transfer.folder_room import FolderRoom
from tdl_sync.transfer.job import Job
from tdl_sync.transfer.known import given_up
from tdl_sync.transfer.ledger import Ledger, Position
from tdl_sync.transfer.sidecar import sidecar_folders
from tdl_sync.transfer.tally import Tally


@dataclass(frozen=True)
class ResumePoint:
    """Where a run of a scope goes on: what earlier runs, on any machine, have left.

    ``told_failures`` are those that only the state message knows of. A run records them at once
    (``inherit``): its own message would forget them if it ended before it came to try them. So it
    is with ``told_waiting``, messages that may hold a file by now. ``disputed`` are told, too, and
    marked as done here: what they say may be older than the mark, or what ``verify --repair`` has
    found elsewhere since.
    ``seen`` are the messages up to ``after_id`` by kind. ``is_read_again``: a version that may not
    have seen all had come further, so the chat is listed once more.
    ``adopted`` is how much was taken for done that another program has moved (``Adopted.amount``).
    """

    scope: Scope
    loaded: LoadedState | None
    folder: str
    after_id: int
    recorded_failures: tuple[Failure, ...]
    told_failures: tuple[Failure, ...]
    disputed: tuple[Failure, ...] = ()
    recorded_waiting: tuple[Waiting, ...] = ()
    told_waiting: tuple[Waiting, ...] = ()
    seen: Mapping[MediaType, int] | None = None
    is_read_again: bool = False
    adopted: Moved = field(default_factory=Moved)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        return (*self.recorded_waiting, *self.told_waiting)

    @property
    def failures(self) -> tuple[Failure, ...]:
        return (*self.recorded_failures, *self.told_failures)


def failures_of(scope: Scope, marks: MarkReader, holds: Callable[[int], bool]) -> list[Failure]:
    """What is on record of the chat's files, whatever scope they failed in, of the messages that
    the scope ``holds``: those of a shard."""
    failures = marks.failures(scope.remote, scope.chat_id, 0)
    return [each for each in failures if holds(each.key.message_id)]


def whole_scope_key(scope: Scope) -> str:
    """What all shards of a scope have in common; empty for what is none."""
    return "" if scope.shard.is_whole else scope_key(replace(scope, shard=WHOLE))


def waiting_of(scope: Scope, marks: MarkReader, holds: Callable[[int], bool]) -> list[Waiting]:
    """The same of messages that may hold a file at another time."""
    waiting = marks.waiting(scope.remote, scope.chat_id, 0)
    return [each for each in waiting if holds(each.message_id)]


def failed_elsewhere(state: RunState) -> Iterator[Failure]:
    """What a state message says of failures: which messages, and all the reasons together.

    If one of the reasons speaks against the remote's file, or is not told, no file is believed.
    """
    reasons = state.failures_by_reason
    distrusted = OTHER_REASONS in reasons or any(map(is_distrusting, reasons))
    for number in state.failed_numbers:
        yield Failure(
            MessageKey(state.channel_id, 0, number.message_id, number.index),
            "failed on another machine",
            "failed in an earlier run on another machine",
            attempts=1,
            for_good=False,
            distrusted=distrusted,
        )


def inherit(point: ResumePoint, marks: Marks, saved_messages: SavedMessages) -> None:
    """Make what earlier runs left this run's own, before it does anything else: the failures that
    only their message tells of are on record here, and of several messages one is left."""
    if point.loaded is not None:
        state = point.loaded.state
        marks.learn_moved(point.scope, Moved(state.total_uploaded, state.total_size_bytes))
    if point.told_failures:
        marks.record_failures(point.scope.remote, point.told_failures)
    if point.told_waiting:
        scope = point.scope
        marks.wait_for(scope.remote, scope.chat_id, 0, point.told_waiting)
    if point.loaded is not None and point.loaded.stale_ids:
        saved_messages.delete(point.loaded.stale_ids)


@dataclass(frozen=True)
class Adopted:
    """What the chat's records say of files that other programs have moved, beside the marks of this
    machine."""

    chat: Chat
    remote: str
    marks: MarkReader
    record: AdoptionRecord

    def unmarked(
        self, elsewhere: Callable[[str], list[ListedFile]]
    ) -> dict[FileNumber, AdoptedFile]:
        """For a job: what no mark knows. See ``adopted_files``."""
        return adopted_files(self.record, Places(elsewhere), self._is_marked)

    def taken_back(self) -> list[Failure]:
        """What is marked as adopted here, and was taken back, on whatever machine: of such a file
        the mark is not to be believed any more."""
        found = []
        for number in sorted(self.record.taken_back):
            marked = self.marks.marked(self.remote, self._key(number))
            if marked is not None and marked.adopted_from is not None:
                found.append(failure_of_taken_back(self._key(number)))
        return found

    def amount(self, unmarked: Iterable[AdoptedFile], holds: Callable[[int], bool]) -> Moved:
        """How much of the scope's messages is done by that, and by no upload of ours."""
        files = [*unmarked, *(each for each in self.record.files if self._is_marked_so(each))]
        own = {each.number: each.size_bytes for each in files if holds(each.number.message_id)}
        return Moved(len(own), sum(own.values()))

    def _is_marked(self, number: FileNumber) -> bool:
        return self.marks.is_done(self.remote, self._key(number))

    def _is_marked_so(self, file: AdoptedFile) -> bool:
        marked = self.marks.marked(self.remote, self._key(file.number))
        return marked is not None and marked.adopted_from is not None

    def _key(self, number: FileNumber) -> MessageKey:
        return MessageKey(self.chat.id, 0, number.message_id, number.index)


def failure_of_taken_back(key: MessageKey) -> Failure:
    """By which every run finds the file again, whatever its watermark has passed."""
    detail = f"{TAKEN_BACK}: what another program has moved counts no more"
    return Failure(key, TAKEN_BACK, detail, attempts=0, for_good=False)


class Resumption:
    """Finds where one chat's run goes on, and makes its jobs. It asks, in any worker thread, and
    writes nothing: who only looks asks the same."""

    def __init__(
        self,
        chat: Chat,
        scope: Scope,
        task: Task,
        reader: ChatReader,
        marks: MarkReader,
        states: StateStore,
        find_folder: Callable[[int], str | None],
        newest: Future[int] | None = None,
    ) -> None:
        """``find_folder`` gives the folder of the chat with this id on the remote; ``newest`` the
        id of its newest message, where that was asked for already, beside something else."""
        self._chat = chat
        self._scope = scope
        self._task = task
        self._reader = reader
        self._marks = marks
        self._states = states
        self._find_folder = find_folder
        self._newest = newest

    def point(self) -> ResumePoint:
        """Load the state and choose the folder. Raises ``ConfigurationError`` where a saved state
        was demanded and there is none, ``StateUnreadable``, and what the remote's listing raises.
        """
        task, scope = self._task, self._scope
        loaded = self._states.load(scope)
        if loaded is None and task.resume:
            raise ConfigurationError(
                f"there is no saved state of {self._chat.title!r} for {task.remote} to resume "
                "(looked in Saved Messages and in the data directory); run without --resume to "
                "start from the first message"
            )
        readings = [Reading(max(scope.lower_bound - 1, 0), READER, {})]
        if not task.restart and task.replaced is None:
            readings.append(self._marks.reading(scope))
            readings.extend([loaded.state.reading] if loaded else [])
        read = max(
            (each for each in readings if each.is_whole),
            key=lambda each: (each.up_to_id, each.seen is not None),
        )
        folder = loaded.state.folder if loaded else self._find_folder(self._chat.id)
        others = self._states.of_other_parts(scope, loaded)
        told = [*([loaded.state] if loaded else []), *others]
        self._learn_posts(told)
        recorded = self.failures()
        told_failures = list(self._told_failures(told, recorded))
        marked = {each.key for each in told_failures if self._marks.is_done(scope.remote, each.key)}
        waiting = waiting_of(scope, self._marks, self.holds)
        return ResumePoint(
            scope=scope,
            loaded=loaded,
            folder=folder or folder_name(self._chat),
            after_id=read.up_to_id,
            recorded_failures=tuple(recorded),
            told_failures=tuple(each for each in told_failures if each.key not in marked),
            disputed=tuple(each for each in told_failures if each.key in marked),
            recorded_waiting=tuple(waiting),
            told_waiting=tuple(_told_waiting(loaded, waiting)),
            seen=read.seen,
            is_read_again=any(each.up_to_id > read.up_to_id for each in readings),
        )

    def holds(self, message_id: int) -> bool:
        return self._reader.holds(self._chat, self._scope.shard, message_id)

    def failures(self) -> list[Failure]:
        """Of the scope's own messages."""
        return failures_of(self._scope, self._marks, self.holds)

    def _learn_posts(self, told: Iterable[RunState]) -> None:
        """Of comments on record, whoever's: under which posts they stand, and so whose they are."""
        scope = self._scope
        if scope.shard.is_whole or self._chat.comments_on_id is None:
            return
        ids = {each.key.message_id for each in self._marks.failures(scope.remote, scope.chat_id, 0)}
        ids.update(each.message_id for each in self._marks.waiting(scope.remote, scope.chat_id, 0))
        for state in told:
            ids.update(number.message_id for number in state.failed_numbers)
            ids.update(state.waiting_ids)
        if ids:
            self._reader.fetch(self._chat, sorted(ids), scope.shard)

    def _told_failures(
        self, told: Sequence[RunState], recorded: Iterable[Failure]
    ) -> Iterator[Failure]:
        """Of the scope's own messages, without those that the chat never had: what says so was
        edited. Where the chat was parted otherwise before, the states of those parts tell, too:
        else a file that is not to be believed would be, by its name and size."""
        if not any(state.failed_ids for state in told):
            return
        known = {failure.key for failure in recorded}
        newest_id = self._reader.newest_message_id(self._chat)
        failures: dict[MessageKey, Failure] = {}
        for failure in (each for state in told for each in failed_elsewhere(state)):
            if failure.key not in failures or failure.distrusted:
                failures[failure.key] = failure
        for key, failure in sorted(failures.items()):
            if key.message_id > newest_id:
                return
            if key not in known and self.holds(key.message_id):
                yield failure

    def lost(self, point: ResumePoint, listing: Iterable[ListedFile]) -> list[Failure]:
        """Of what is disputed, that of which the chat's folder does not show what its mark says:
        that mark is not to be believed any more."""
        claimed: dict[Failure, tuple[str, int]] = {}
        for failure in point.disputed:
            marked = self._marks.marked(self._scope.remote, failure.key)
            if marked is not None and marked.adopted_from is None:
                claimed[failure] = (f"{marked.folder}/{marked.name}", marked.size_bytes)
        # Of a large folder the few that are asked for are kept, not a set of all paths.
        asked_for = set(claimed.values())
        there = {
            shown
            for each in (listing if asked_for else ())
            if (shown := (f"{point.folder}/{path_of(each)}", each.size_bytes)) in asked_for
        }
        return [failure for failure, what in claimed.items() if what not in there]

    def job(
        self,
        point: ResumePoint,
        listing: list[ListedFile],
        most_in_folder: int | None = None,
    ) -> Job:
        """What is to be moved; ``listing`` is the chat's folder on the remote, of which one takes
        ``most_in_folder``."""
        task = self._task
        after_id = up_to_id = point.after_id
        if not task.retry_failed:
            newest_id = None if self._newest is None else self._newest.result()
            after_id, up_to_id = task.choice.bounds(self._reader, self._chat, after_id, newest_id)
        again, waited_for = self._again(point)
        return Job(
            chat=self._chat,
            remote=task.remote,
            folder=point.folder,
            after_id=after_id,
            up_to_id=up_to_id,
            again=tuple(again),
            waited_for=waited_for,
            replacing=task.replaced or Replacing.BESIDE,
            all_may_be_replaced=task.replaced is not None,
            on_remote=self._on_remote(listing),
            retry_failed_for_good=task.retry_failed,
            choice=task.choice,
            keeping=task.keeping,
            sidecar_folders=sidecar_folders(point.folder, listing),
            seen=point.seen if after_id == point.after_id else None,
            lower_bound=self._scope.lower_bound,
            room=FolderRoom(most_in_folder, listing),
        )

    def later_job(
        self,
        first: Job,
        after_id: int,
        due_ids: Collection[int],
        edited_ids: Collection[int] = (),
    ) -> Job | None:
        """A further round of a run that stays: what came after ``after_id``, oldest first, what
        failed in the messages that are due, and what other files those hold that were edited.
        ``None`` if there is nothing; one call to Telegram then, two where any was edited.

        The remote is not listed again: of what failed, it is where the ``first`` round saw it."""
        choice = replace(first.choice, newest_first=False)
        after_id, up_to_id = choice.bounds(self._reader, self._chat, after_id)
        failures = self.failures()
        due = {each.key for each in failures if each.key.message_id in due_ids}
        passed_ids = [each for each in edited_ids if each <= after_id]
        again, waited_for = self._looked_at_again(due, failures, passed_ids)
        if up_to_id == after_id and not again:
            return None
        return replace(
            first,
            after_id=after_id,
            up_to_id=up_to_id,
            again=tuple(again),
            waited_for=waited_for,
            on_remote={
                number: files
                for number, files in first.on_remote.items()
                if number.message_id in due_ids
            },
            retry_failed_for_good=False,
            choice=choice,
            all_may_be_replaced=False,
            leftovers_of=frozenset(due_ids).union(entry.key.message_id for entry in again),
        )

    def _again(self, point: ResumePoint) -> tuple[list[HistoryEntry], frozenset[int]]:
        """The files that failed before and deserve another try, and what may be a file by now; the
        history is past them. And which messages need not be waited for any more."""
        if self._task.retry_failed:
            return self._looked_at_again({each.key for each in point.failures}, point.failures, ())
        wanted = {
            failure.key
            for failure in point.failures
            if not given_up(failure) and failure.key.message_id <= point.after_id
        }
        waiting_ids = [
            each.message_id
            for each in point.waiting
            if each.message_id <= point.after_id and each.is_due(self._reader.reads)
        ]
        return self._looked_at_again(wanted, point.failures, waiting_ids)

    def _looked_at_again(
        self,
        wanted: Collection[MessageKey],
        failures: Iterable[Failure],
        waiting_ids: Collection[int],
    ) -> tuple[list[HistoryEntry], frozenset[int]]:
        ids = sorted({*(key.message_id for key in wanted), *waiting_ids})
        entries = self._reader.fetch(self._chat, ids, self._scope.shard) if ids else []
        failed = {failure.key for failure in failures}
        found = of_messages(
            entries,
            wanted,
            lambda entry: entry.key in failed or self._is_done(entry),
        )
        again = self._task.choice.filters.without_left_out(found)
        # What a filter leaves out, a run of another scope may want.
        left_out_ids = {each.key.message_id for each in found if each not in again}
        closed_ids = {
            entry.key.message_id
            for entry in entries
            if isinstance(entry, SkippedItem) and entry.rule in MAY_OPEN
        }
        own_ids = frozenset(filter(self.holds, waiting_ids))
        return again, own_ids - closed_ids - left_out_ids

    def _is_done(self, entry: HistoryEntry) -> bool:
        """As it is now: what was moved of a message may have been replaced since."""
        marked = self._marks.marked(self._scope.remote, entry.key)
        if marked is None:
            return False
        return not (isinstance(entry, MediaItem) and marked.is_replaced_by(entry))

    def _on_remote(self, listing: list[ListedFile]) -> dict[FileNumber, tuple[ListedFile, ...]]:
        """What is on the remote, if no mark says so: all of it on a new machine."""
        found: dict[FileNumber, tuple[ListedFile, ...]] = {}
        for file in listing:
            number = number_of(file.name)
            if number is not None:
                key = MessageKey(self._chat.id, 0, number.message_id, number.index)
                if not self._marks.is_done(self._scope.remote, key):
                    found[number] = (*found.get(number, ()), file)
        return found


def _told_waiting(loaded: LoadedState | None, recorded: Iterable[Waiting]) -> Iterator[Waiting]:
    """What only the state message knows of: it says nothing but which messages."""
    known_ids = {each.message_id for each in recorded}
    for message_id in loaded.state.waiting_ids if loaded is not None else ():
        if message_id not in known_ids:
            yield Waiting(message_id, locked=True, seen_by="")


@dataclass
class ChatState:
    """``ledger`` is the one of the round that is on. ``status`` may be set by any thread, and
    ``save_watermark_and_snapshot`` be called by any. ``holds`` says which messages are the
    scope's; ``is_sending``, whether hand-offs of this run have begun of which nobody knows how they
    ended."""

    chat: Chat
    resume_point: ResumePoint
    identity: RunIdentity
    marks: Marks
    stop: StopFlag
    tally: Tally
    ledger: Ledger
    time_left: TimeLeft | None
    holds: Callable[[int], bool]
    is_sending: Callable[[], bool] = lambda: False
    status: RunStatus = RunStatus.RUNNING
    balance: Balance | None = None
    begun_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def save_watermark_and_snapshot(self) -> RunState:
        """What to save now. The watermark is on this disk when this returns."""
        scope = self.resume_point.scope
        report, position = self.tally.report(), self.ledger.position()
        earlier = self.resume_point.loaded.state if self.resume_point.loaded else None
        failures = failures_of(scope, self.marks, self.holds)
        waiting = waiting_of(scope, self.marks, self.holds)
        self._save_watermark(position)
        moved = self.marks.moved(scope)
        downloaded = report.downloaded_files + (earlier.total_downloaded if earlier else 0)
        return RunState(
            scope_key=scope_key(scope),
            channel_id=self.chat.id,
            channel_name=self.chat.title,
            last_message_id=position.watermark,
            # Some runs may not have lived to tell what they had downloaded.
            total_downloaded=max(downloaded, moved.files),
            total_uploaded=moved.files,
            total_size_bytes=moved.size_bytes,
            timestamp=datetime.now(timezone.utc),
            status=self.status,
            remote=scope.remote,
            folder=self.resume_point.folder,
            started=earlier.started if earlier else self.begun_at,
            done_above_ids=position.done_above,
            failed_ids=tuple(sorted({failure.key.message_id for failure in failures})),
            failed_files=files_of_several(each.key.number for each in failures),
            failures_by_reason=Counter(reasons_for_others(failures)),
            waiting_ids=tuple(each.message_id for each in waiting),
            run=self.identity,
            lower_bound=scope.lower_bound,
            upload_bytes_per_second=self._upload_bytes_per_second(earlier),
            run_bytes=report.uploaded_bytes,
            run_seconds=round(report.seconds),
            reader=READER,
            seen=position.seen,
            balance=self.balance or (earlier.balance if earlier else None),
            adopted=self.resume_point.adopted,
            shard=scope.shard,
            whole_scope_key=whole_scope_key(scope),
            cut_short=self.status is not RunStatus.RUNNING and self.is_sending(),
        )

    def _upload_bytes_per_second(self, earlier: RunState | None) -> int:
        if self.time_left is not None:
            return self.time_left.upload_bytes_per_second
        return earlier.upload_bytes_per_second if earlier else 0

    def _save_watermark(self, position: Position) -> None:
        """On this disk. Where it can't be written the run ends, but its state is still saved."""
        try:
            self.marks.save_watermark(self.resume_point.scope, position.watermark, position.seen)
        except TdlSyncError as error:
            self.stop.set(error)
