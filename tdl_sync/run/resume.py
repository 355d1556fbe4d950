"""Where a run over a chat goes on, by what earlier runs on any machine have left; and the state
that it leaves in its turn.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from tdl_sync.core.errors import ConfigurationError, TdlSyncError
from tdl_sync.core.failures import Failure, is_distrusting, reasons_for_others
from tdl_sync.core.model import (
    Chat,
    HistoryEntry,
    ListedFile,
    MessageKey,
    Moved,
    Scope,
    scope_key,
)
from tdl_sync.core.naming import folder_name, message_id_of
from tdl_sync.core.ports import ChatReader, MarkReader, Marks, SavedMessages
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import Task
from tdl_sync.run.time_left import TimeLeft
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus
from tdl_sync.state.state_message import OTHER_REASONS
from tdl_sync.state.state_store import LoadedState, StateStore
from tdl_sync.transfer.job import Job
from tdl_sync.transfer.known import given_up
from tdl_sync.transfer.ledger import Ledger, Tally
from tdl_sync.transfer.sidecar import sidecar_folders


@dataclass(frozen=True)
class ResumePoint:
    """Where a run of a scope goes on: what earlier runs, on any machine, have left.

    ``told_failures`` are those that only the state message knows of. A run records them at once
    (``inherit``): its own message would forget them if it ended before it came to try them.
    """

    scope: Scope
    loaded: LoadedState | None
    folder: str
    after_id: int
    recorded_failures: tuple[Failure, ...]
    told_failures: tuple[Failure, ...]

    @property
    def failures(self) -> tuple[Failure, ...]:
        return (*self.recorded_failures, *self.told_failures)


def failed_elsewhere(state: RunState) -> Iterator[Failure]:
    """What a state message says of failures: which messages, and all the reasons together.

    If one of the reasons speaks against the remote's file, or is not told, no file is believed.
    """
    reasons = state.failures_by_reason
    distrusted = OTHER_REASONS in reasons or any(map(is_distrusting, reasons))
    for message_id in state.failed_ids:
        yield Failure(
            MessageKey(state.channel_id, 0, message_id),
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
    if point.loaded is not None and point.loaded.stale_ids:
        saved_messages.delete(point.loaded.stale_ids)


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
    ) -> None:
        """``find_folder`` gives the folder of the chat with this id on the remote."""
        self._chat = chat
        self._scope = scope
        self._task = task
        self._reader = reader
        self._marks = marks
        self._states = states
        self._find_folder = find_folder

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
        watermarks = [max(scope.lower_bound - 1, 0)]
        if not task.restart:
            watermarks.append(self._marks.watermark(scope))
            watermarks.extend([loaded.state.last_message_id] if loaded else [])
        folder = loaded.state.folder if loaded else self._find_folder(self._chat.id)
        recorded = self._marks.failures(scope.remote, self._chat.id, 0)
        return ResumePoint(
            scope=scope,
            loaded=loaded,
            folder=folder or folder_name(self._chat),
            after_id=max(watermarks),
            recorded_failures=tuple(recorded),
            told_failures=tuple(self._told_failures(loaded, recorded)),
        )

    def _told_failures(
        self, loaded: LoadedState | None, recorded: Iterable[Failure]
    ) -> Iterator[Failure]:
        """Without those of messages that the chat never had: what says so was edited."""
        if loaded is None or not loaded.state.failed_ids:
            return
        known = {failure.key for failure in recorded}
        newest_id = self._reader.newest_message_id(self._chat)
        for failure in failed_elsewhere(loaded.state):
            if failure.key.message_id > newest_id:
                return
            if failure.key not in known and not self._marks.is_done(
                self._scope.remote, failure.key
            ):
                yield failure

    def job(self, point: ResumePoint, listing: list[ListedFile]) -> Job:
        """What is to be moved; ``listing`` is the chat's folder on the remote."""
        task = self._task
        after_id = up_to_id = point.after_id
        if not task.retry_failed:
            after_id, up_to_id = task.choice.bounds(self._reader, self._chat, after_id)
        return Job(
            chat=self._chat,
            remote=task.remote,
            folder=point.folder,
            after_id=after_id,
            up_to_id=up_to_id,
            again=tuple(self._again(point)),
            on_remote=self._on_remote(listing),
            retry_failed_for_good=task.retry_failed,
            choice=task.choice,
            keeping=task.keeping,
            sidecar_folders=sidecar_folders(point.folder, listing),
            lower_bound=self._scope.lower_bound,
        )

    def later_job(self, first: Job, after_id: int, due_ids: Collection[int]) -> Job | None:
        """A further round of a run that stays: what came after ``after_id``, oldest first, and
        what failed in these messages. ``None`` if there is nothing; one call to Telegram then.

        The remote is not listed again: of what failed, it is where the ``first`` round saw it."""
        choice = replace(first.choice, newest_first=False)
        after_id, up_to_id = choice.bounds(self._reader, self._chat, after_id)
        again = self._entries(sorted(due_ids))
        if up_to_id == after_id and not again:
            return None
        return replace(
            first,
            after_id=after_id,
            up_to_id=up_to_id,
            again=tuple(again),
            on_remote={id_: first.on_remote[id_] for id_ in due_ids if id_ in first.on_remote},
            retry_failed_for_good=False,
            choice=choice,
            leftovers_of=frozenset(due_ids),
        )

    def _again(self, point: ResumePoint) -> list[HistoryEntry]:
        """The files that failed before and deserve another try; the history is past them."""
        wanted_ids = sorted(
            failure.key.message_id
            for failure in point.failures
            if self._task.retry_failed or not given_up(failure)
        )
        if not self._task.retry_failed:
            wanted_ids = [each for each in wanted_ids if each <= point.after_id]
        return self._entries(wanted_ids)

    def _entries(self, message_ids: list[int]) -> list[HistoryEntry]:
        entries = self._reader.fetch(self._chat, message_ids) if message_ids else []
        return self._task.choice.filters.without_left_out(entries)

    def _on_remote(self, listing: list[ListedFile]) -> dict[int, list[ListedFile]]:
        """What is on the remote by message id, if no mark says so: all of it on a new machine."""
        found: defaultdict[int, list[ListedFile]] = defaultdict(list)
        for file in listing:
            message_id = message_id_of(file.name)
            if message_id is not None:
                key = MessageKey(self._chat.id, 0, message_id)
                if not self._marks.is_done(self._scope.remote, key):
                    found[message_id].append(file)
        return dict(found)


@dataclass
class ChatState:
    """``ledger`` is the one of the round that is on. ``status`` may be set by any thread, and
    ``save_watermark_and_snapshot`` be called by any."""

    chat: Chat
    resume_point: ResumePoint
    identity: RunIdentity
    marks: Marks
    stop: StopFlag
    tally: Tally
    ledger: Ledger
    time_left: TimeLeft | None
    status: RunStatus = RunStatus.RUNNING
    begun_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def save_watermark_and_snapshot(self) -> RunState:
        """What to save now. The watermark is on this disk when this returns."""
        scope = self.resume_point.scope
        report, position = self.tally.report(), self.ledger.position()
        earlier = self.resume_point.loaded.state if self.resume_point.loaded else None
        failures = self.marks.failures(scope.remote, self.chat.id, 0)
        self._save_watermark(position.watermark)
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
            failed_ids=tuple(sorted(failure.key.message_id for failure in failures)),
            failures_by_reason=Counter(reasons_for_others(failures)),
            run=self.identity,
            lower_bound=scope.lower_bound,
            upload_bytes_per_second=self._upload_bytes_per_second(earlier),
            run_bytes=report.uploaded_bytes,
            run_seconds=round(report.seconds),
        )

    def _upload_bytes_per_second(self, earlier: RunState | None) -> int:
        if self.time_left is not None:
            return self.time_left.upload_bytes_per_second
        return earlier.upload_bytes_per_second if earlier else 0

    def _save_watermark(self, message_id: int) -> None:
        """On this disk. Where it can't be written the run ends, but its state is still saved."""
        try:
            self.marks.save_watermark(self.resume_point.scope, message_id)
        except TdlSyncError as error:
            self.stop.set(error)
