"""The whole line on fakes: what outlives a run, and runs over it that are watched all the time."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.model import (
    FIRST,
    Chat,
    ChatKind,
    FileNumber,
    HistoryEntry,
    ListedFile,
    MediaItem,
    MessageKey,
    RemoteFile,
    StagedFile,
)
from tdl_sync.core.naming import file_name, number_of
from tdl_sync.core.reports import RunReport
from tdl_sync.core.steps import DoneBefore, Failed, Moved, Seen, Skipped, Step, Steps
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.choice import WHOLE_CHAT, Replacing
from tdl_sync.options.name_template import PLAIN_KEEPING
from tdl_sync.transfer.admission import OpenGate
from tdl_sync.transfer.again import of_messages
from tdl_sync.transfer.disk.budget import DiskBudget, whole_blocks
from tdl_sync.transfer.disk.leftovers import Leftovers
from tdl_sync.transfer.disk.part_journal import PartialFiles
from tdl_sync.transfer.disk.staging import LOCK_NAME, Staging
from tdl_sync.transfer.download import Downloader
from tdl_sync.transfer.job import Job, Stages
from tdl_sync.transfer.known import given_up
from tdl_sync.transfer.ledger import Position
from tdl_sync.transfer.pipeline import Pipeline
from tdl_sync.transfer.sidecar import sidecar_folders
from tdl_sync.transfer.tally import Tally
from tests.fakes.chat import CHAT_ID, FakeChatReader
from tests.fakes.handoff import FakeHandOff
from tests.fakes.marks import FakeMarks
from tests.fakes.parts import FakePartSource, content_of
from tests.fakes.progress import RecordingProgress
from tests.waiting import finished

BLOCK = 4096
REMOTE = "fake:base"
CHAT = Chat(CHAT_ID, "A channel", ChatKind.CHANNEL)
FOLDER = f"A channel [{CHAT_ID}]"
PLENTY_BYTES = 100 * 1024 * 1024

Event = tuple[str, int]
"""``fetch``, ``move``, ``moved``, ``marked`` or ``remove``, and the ``event_id``."""


def event_id(key: MessageKey) -> int:
    """The message's id; of its further files another number for each."""
    return key.message_id if key.index == FIRST else -(key.message_id * 1000 + key.index)


MakeWait = Callable[[StopFlag, RecordingProgress], Callable[[], None]]


class Watch:
    """Looks at the disk at every event of a run, and keeps the order of the events."""

    def __init__(self, directory: Path, budget: DiskBudget) -> None:
        self.events: list[Event] = []
        self.wrong: list[str] = []
        self.most_bytes = 0
        self.on_event: Callable[[Event], None] = lambda event: None
        self._directory = directory
        self._budget = budget
        self._adopted_bytes = budget.used_bytes
        self._lock = threading.Lock()

    def see(self, name: str, message_id: int) -> None:
        """May be called from any thread; what is wrong is kept for the end of the test."""
        with self._lock:
            self.events.append((name, message_id))
        self._look_at_the_disk()
        self.on_event((name, message_id))

    def _look_at_the_disk(self) -> None:
        """A file that is there before and after was there in between, when we ask the budget."""
        before = _blocks_by_file(self._directory)
        used_bytes = self._budget.used_bytes
        after = _blocks_by_file(self._directory)
        present_bytes = sum(before[each] for each in before.keys() & after.keys())
        allowed_bytes = max(self._budget.budget_bytes, self._adopted_bytes)
        with self._lock:
            self.most_bytes = max(self.most_bytes, present_bytes)
            if not present_bytes <= used_bytes <= allowed_bytes:
                self.wrong.append(
                    f"{present_bytes} bytes on the disk, {used_bytes} reserved, "
                    f"{allowed_bytes} allowed"
                )

    def count(self, name: str) -> int:
        with self._lock:
            return sum(event == name for event, _ in self.events)


def _blocks_by_file(directory: Path) -> dict[str, int]:
    """What the file of each message takes, whichever of its names it has at the moment."""
    found: dict[str, int] = {}
    for path in directory.iterdir():
        if path.name != LOCK_NAME:
            try:
                size_bytes = path.stat().st_size
            except FileNotFoundError:
                continue
            found[path.stem] = max(found.get(path.stem, 0), whole_blocks(size_bytes, BLOCK))
    return found


class WatchedHandOff(FakeHandOff):
    def __init__(self, watch: Watch, seconds_per_move: float) -> None:
        super().__init__(seconds_per_move)
        self._watch = watch

    def move(
        self, staged: StagedFile, folder: str, name: str, on_bytes: Callable[[int], None]
    ) -> RemoteFile:
        self._watch.see("move", event_id(staged.item.key))
        remote_file = super().move(staged, folder, name, on_bytes)
        self._watch.see("moved", event_id(staged.item.key))
        return remote_file

    def remove(self, folder: str, name: str) -> None:
        number = number_of(name)
        assert number is not None
        self._watch.see("remove", number.message_id)
        if self.errors.get("remove"):
            raise self.errors["remove"].pop(0)
        super().remove(folder, name)


@dataclass(frozen=True)
class Ended:
    """What one run did, and how it ended.

    ``error`` is what ``Pipeline.run`` raised; ``settled`` counts the calls of ``on_settled``.
    """

    report: RunReport
    position: Position
    error: BaseException | None
    cause: BaseException | None
    used_bytes: int
    settled: int
    watch: Watch
    progress: RecordingProgress


@dataclass(frozen=True)
class Run:
    """A run that is about to begin, for what a test wants to change about it."""

    pipeline: Pipeline
    stages: Stages
    hand_off: WatchedHandOff
    watch: Watch
    stop: StopFlag
    tally: Tally


class Line:
    """A chat, a remote, the records and a staging directory: all that a run finds and leaves."""

    def __init__(self, directory: Path, entries: Iterable[HistoryEntry]) -> None:
        self.reader = FakeChatReader.of(entries, messages_per_page=7)
        self.parts = FakePartSource(most_seconds=0.002)
        self.marks = FakeMarks()
        self.directory = directory / "staging"
        self.remote: dict[str, dict[str, bytes]] = {}
        self.upload_errors: dict[str, list[TdlSyncError]] = {}
        self.seconds_per_move = 0.0
        self.lists_sha256 = False
        self.after_id = 0
        self.choice = WHOLE_CHAT
        self.keeping = PLAIN_KEEPING
        self.replacing: Replacing | None = None

    def close(self) -> None:
        self.parts.close()

    def run(
        self,
        *,
        budget_bytes: int = PLENTY_BYTES,
        downloads: int = 4,
        workers: int = 3,
        only_failed: bool = False,
        prepare: Callable[[Run], None] = lambda run: None,
        wait: MakeWait = lambda stop, progress: lambda: None,
        gate: OpenGate | None = None,
    ) -> Ended:
        """One run of the program, as far as the pipeline is concerned; its watermark is saved."""
        staging = Staging.open(self.directory, budget_bytes)
        try:
            ended = self._run(staging, downloads, workers, only_failed, prepare, wait, gate)
        finally:
            staging.close()
        self.after_id = ended.position.watermark
        return ended

    def _run(
        self,
        staging: Staging,
        downloads: int,
        workers: int,
        only_failed: bool,
        prepare: Callable[[Run], None],
        wait: MakeWait,
        gate: OpenGate | None,
    ) -> Ended:
        stop = StopFlag()
        budget = DiskBudget(staging.budget_bytes, BLOCK, stop)
        progress = RecordingProgress()
        partials = PartialFiles(staging, self.directory.parent / "partial")
        leftovers = Leftovers(staging, partials, budget, progress)
        watch = Watch(self.directory, budget)
        hand_off = WatchedHandOff(watch, self.seconds_per_move)
        hand_off.folders = self.remote
        hand_off.errors = self.upload_errors
        hand_off.lists_sha256 = self.lists_sha256
        self.parts.on_fetch = lambda item, offset: watch.see("fetch", event_id(item.key))
        self.marks.on_write = lambda mark: watch.see("marked", event_id(mark.key))
        stages = Stages(
            reader=self.reader,
            downloader=Downloader(self.parts, staging, partials, progress, stop),
            hand_off=hand_off,
            marks=self.marks,
            staging=staging,
            budget=budget,
            leftovers=leftovers,
            progress=progress,
            stop=stop,
        )
        settled: list[bool] = []
        job, tally = self._job(hand_off, only_failed), Tally()
        pipeline = Pipeline(
            job,
            stages,
            downloads,
            workers,
            lambda: settled.append(True),
            Steps(tally.told, progress.told),
            wait(stop, progress),
            gate,
        )
        prepare(Run(pipeline, stages, hand_off, watch, stop, tally))
        try:
            error = finished(lambda: _outcome(pipeline))
            if stop.is_set:
                finished(lambda: hand_off.terminate(0.0))
            finished(pipeline.wait_for_hand_offs)
        except AssertionError:
            # Nothing came back: without this the test process would not end after the failure.
            stop.set()
            hand_off.terminate(0.0)
            raise
        assert watch.wrong == []
        return Ended(
            report=tally.report(),
            position=pipeline.ledger.position(),
            error=error,
            cause=stop.cause,
            used_bytes=budget.used_bytes,
            settled=len(settled),
            watch=watch,
            progress=progress,
        )

    def _job(self, hand_off: FakeHandOff, only_failed: bool) -> Job:
        failures = self.marks.failures(REMOTE, CHAT_ID, 0)
        failed = {failure.key for failure in failures}
        wanted = {
            failure.key
            for failure in failures
            if only_failed or (not given_up(failure) and failure.key.message_id <= self.after_id)
        }
        ids = sorted({key.message_id for key in wanted})
        again = of_messages(
            self.reader.fetch(CHAT, ids) if ids else [],
            wanted,
            lambda entry: entry.key in failed or self.marks.is_done(REMOTE, entry.key),
        )
        listed = hand_off.prepare_folder(FOLDER)
        newest_id = max(self.reader.messages, default=0)
        return Job(
            chat=CHAT,
            remote=REMOTE,
            folder=FOLDER,
            after_id=self.after_id,
            up_to_id=self.after_id if only_failed else newest_id,
            again=tuple(again),
            on_remote=self._on_remote(listed),
            retry_failed_for_good=only_failed,
            choice=self.choice,
            keeping=self.keeping,
            replacing=self.replacing or Replacing.BESIDE,
            all_may_be_replaced=self.replacing is not None,
            sidecar_folders=sidecar_folders(FOLDER, listed),
        )

    def _on_remote(self, listed: Iterable[ListedFile]) -> dict[FileNumber, list[ListedFile]]:
        found: defaultdict[FileNumber, list[ListedFile]] = defaultdict(list)
        for file in listed:
            number = number_of(file.name)
            if number is None:
                continue
            key = MessageKey(CHAT_ID, 0, number.message_id, number.index)
            if not self.marks.is_done(REMOTE, key):
                found[number].append(file)
        return found

    # What a test looks at afterwards

    def items(self) -> list[MediaItem]:
        further = [each for files in self.reader.further.values() for each in files]
        everything = [*self.reader.messages.values(), *further]
        return [entry for entry in everything if isinstance(entry, MediaItem)]

    def is_done(self, item: MediaItem) -> bool:
        return self.marks.is_done(REMOTE, item.key)

    def staged(self) -> list[str]:
        """The names in the staging directory."""
        return sorted(path.name for path in self.directory.iterdir() if path.name != LOCK_NAME)

    def assert_all_moved(self, items: Iterable[MediaItem] | None = None) -> None:
        """Exactly these files are on the remote, each once, each with its bytes and its mark;
        sidecars may lie beside them."""
        expected = {
            file_name(item): content_of(item) for item in (self.items() if items is None else items)
        }
        sidecars = {name for name in self.remote[FOLDER] if number_of(name) is None}
        assert self.remote[FOLDER].keys() - sidecars == expected.keys()
        assert all(self.remote[FOLDER][name] == content for name, content in expected.items())
        marked = {file_name(item) for item in self.items() if self.is_done(item)}
        assert marked == expected.keys()


def _outcome(pipeline: Pipeline) -> BaseException | None:
    try:
        pipeline.run()
    except BaseException as error:  # noqa: BLE001 - it is what the test looks at
        return error
    return None


def assert_complete(ended: Ended) -> None:
    """The run ended by itself, and what it has seen it has accounted for."""
    assert ended.error is None
    assert ended.cause is None
    report = ended.report
    assert report.seen == report.done + report.skipped + report.failed
    assert report.unfinished == 0
    assert report.seen == sum(step.files for step in ended.progress.steps(Seen))
    fates: tuple[tuple[type[Step], int], ...] = (
        (Moved, report.moved),
        (DoneBefore, report.done_before),
        (Skipped, report.skipped),
        (Failed, report.failed),
    )
    for told, counted in fates:
        assert len(ended.progress.steps(told)) == counted
    assert ended.position.done_above == ()


def assert_order(ended: Ended, listed_before: Iterable[int] = ()) -> None:
    """No file is marked before its hand-off has returned, and none is handed off twice at once."""
    on_remote = set(listed_before)
    for name, message_id in ended.watch.events:
        if name == "moved":
            assert message_id not in on_remote
            on_remote.add(message_id)
        elif name == "marked":
            assert message_id in on_remote


def stop_at(name: str, count: int, cause: BaseException | None = None) -> Callable[[Run], None]:
    """Stop the run when the ``count``-th event of this name happens, from its own thread."""

    def prepare(run: Run) -> None:
        def on_event(event: Event) -> None:
            if event[0] == name and run.watch.count(name) >= count:
                run.stop.set(cause)

        run.watch.on_event = on_event

    return prepare
