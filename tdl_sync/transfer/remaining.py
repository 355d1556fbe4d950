"""Which of a chat's files are still to be moved; the others are booked on the way.

Whoever only looks asks ``known`` itself and books nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from tdl_sync.core.model import (
    MAY_OPEN,
    MAY_OPEN_ANY_TIME,
    DoneMark,
    FormerFile,
    HistoryEntry,
    HistoryPage,
    MediaItem,
    MessageKey,
    RemoteFile,
    SkippedItem,
    Waiting,
)
from tdl_sync.core.naming import file_name, path_of
from tdl_sync.core.text import printable
from tdl_sync.transfer.again import not_moved_yet
from tdl_sync.transfer.disk.part_journal import Attempt
from tdl_sync.transfer.giving_way import GivingWay
from tdl_sync.transfer.job import Job, Stages
from tdl_sync.transfer.known import (
    Done,
    DoneByAdoption,
    DoneByListing,
    DoneByMark,
    GivenUp,
    KnownFiles,
)
from tdl_sync.transfer.ledger import Ledger
from tdl_sync.transfer.recovery import Found, take_up
from tdl_sync.transfer.sidecar_proofs import SidecarProofs

_MESSAGES_AT_ONCE = 100


class Remaining:
    """Of one job. Used by one thread, but for what says otherwise."""

    def __init__(self, job: Job, stages: Stages, ledger: Ledger, check: Callable[[], None]) -> None:
        """``check`` raises when no more of the chat is to be listed."""
        self._job = job
        self._stages = stages
        self._ledger = ledger
        self._check = check
        failures = stages.marks.failures(job.remote, job.chat.id, 0)
        self._giving_way = GivingWay(job, stages)
        self._known = KnownFiles(stages.marks, job, failures, self._giving_way.may)
        self._proofs = SidecarProofs(job, stages.hand_off)
        self._taken_up: set[MessageKey] = set()

    def path_before(self, item: MediaItem) -> str | None:
        """See ``KnownFiles``; any thread may ask. Of what was staged and is listed all the same it
        is where it is listed: it is compared with that, and not put beside it."""
        path = self._known.path_before(item) or self._proofs.wrong_path(item)
        if path is None and item.key in self._taken_up:
            twin = self._known.twin(item)
            return None if twin is None else path_of(twin)
        return path

    def former(self, file: RemoteFile) -> FormerFile | None:
        """What its message held before, which is to be on record with its mark: to be asked before
        that is written. Any thread may ask."""
        replaced = self._known.replaced(file.item)
        if replaced is None or (replaced.folder, replaced.name) == (file.folder, file.name):
            return None
        return self._giving_way.former(file.item, replaced)

    def is_marked(self, former: FormerFile | None) -> None:
        """The mark is written, with this. Any thread may say so."""
        if former is not None and former.gives_way:
            self._giving_way.remove(former)

    def staged(self, leads: Callable[[MediaItem], bool]) -> list[Found]:
        """What an earlier run had staged and not handed off, which is not listed again: see
        ``recovery`` for all that may lie there."""
        job, stages = self._job, self._stages
        found = take_up(
            job.chat,
            stages.reader,
            stages.leftovers,
            lambda item: isinstance(self._known.of(item), DoneByMark),
            self._is_done,
            leads,
            job.leftovers_of,
            job.choice.shard,
        )
        for each in found:
            self._judge_former(each.item)
        self._taken_up.update(each.item.key for each in found)
        return found

    def _judge_former(self, item: MediaItem) -> None:
        replaced = self._known.replaced(item)
        if replaced is not None:
            self._giving_way.judge(item, replaced)

    def files(self) -> Iterator[MediaItem]:
        """In the run's order; blocks for the reader's calls."""
        # What was staged and not handed off is among the leftovers and among the failures.
        again = [each for each in self._job.again if each.key not in self._taken_up]
        self._proofs.read_ahead(again)
        for entry in again:
            self._ledger.seen(1)
            if isinstance(entry, SkippedItem):
                self._ledger.skipped(entry)
            elif isinstance(known := self._look_up(entry), Done):
                self._stages.marks.forget_failures(self._job.remote, [entry.key])
                self._stages.on_there(entry)
                self._ledger.done_before(entry, believed=_is_believed(known))
            else:
                yield entry
        reader, job = self._stages.reader, self._job
        for page in job.choice.pages(reader, job.chat, job.after_id, job.up_to_id):
            yield from self._files_of(page)

    def begin(self) -> None:
        """Before anything is moved: no mark of one file of a message may be all that is known of
        the others. All at once: each would be durable by itself, and they may be a hundred
        thousand."""
        job, marks = self._job, self._stages.marks
        self._giving_way.finish()
        again = job.again
        gone = [entry.key for entry in again if isinstance(entry, SkippedItem)]
        if gone:
            marks.forget_failures(job.remote, gone)
        failed = {failure.key for failure in marks.failures(job.remote, job.chat.id, 0)}
        unknown = [
            not_moved_yet(entry)
            for entry in again
            if isinstance(entry, MediaItem)
            and entry.key not in failed
            and self._known.of(entry) is None
        ]
        if unknown:
            marks.record_failures(job.remote, unknown)
        if job.waited_for:
            marks.stop_waiting(job.remote, job.chat.id, 0, job.waited_for)
        self._wait_for_what_may_open(again)

    def _wait_for_what_may_open(self, entries: Iterable[HistoryEntry]) -> None:
        """Before the watermark passes it: such messages are looked at again by later runs."""
        job, reader = self._job, self._stages.reader
        rules: defaultdict[int, set[str]] = defaultdict(set)
        for entry in entries:
            if isinstance(entry, SkippedItem) and entry.rule in MAY_OPEN:
                rules[entry.key.message_id].add(entry.rule)
        if rules:
            waiting = [
                Waiting(id_, bool(rules[id_] & MAY_OPEN_ANY_TIME), reader.reads)
                for id_ in sorted(rules)
            ]
            self._stages.marks.wait_for(job.remote, job.chat.id, 0, waiting)

    def _files_of(self, page: HistoryPage) -> Iterator[MediaItem]:
        self._wait_for_what_may_open(page.entries)
        self._ledger.listed(page)
        self._proofs.read_ahead(page.entries)
        for entry in page.entries:
            if entry.key in self._taken_up:
                continue
            self._ledger.seen(1)
            self._check()
            if isinstance(entry, SkippedItem):
                self._ledger.skipped(entry)
                continue
            known = self._look_up(entry)
            if isinstance(known, Done):
                self._stages.on_there(entry)
                self._ledger.done_before(entry, believed=_is_believed(known))
            elif isinstance(known, GivenUp):
                self._ledger.failed_before(entry, known.failure)
            else:
                yield entry

    def learn_files(self) -> None:
        """Learn which of Telegram's files are on the remote where no mark says so.

        After a machine was lost only the remote's listing tells what is done: ids and sizes. Marks
        of before do not say it either. So before copies can be told, these messages are read once
        more; one that was edited since proves nothing, for it may hold another file than the one
        that was moved. Blocks for one or two calls in a hundred messages.
        """
        job, marks = self._job, self._stages.marks
        listed_ids = {number.message_id for number in job.on_remote}
        ids = sorted(listed_ids.union(marks.ids_of_unknown_files(job.remote, job.chat.id, 0)))
        if ids:
            self._stages.progress.message(
                f"reading {len(ids)} messages again whose files are on the remote, to know their "
                "copies"
            )
        for start in range(0, len(ids), _MESSAGES_AT_ONCE):
            entries = self._stages.reader.fetch(job.chat, ids[start : start + _MESSAGES_AT_ONCE])
            self._proofs.read_ahead(entries)
            for entry in entries:
                if isinstance(entry, MediaItem) and self._is_done(entry):
                    marks.learn_file(job.remote, entry)
        marks.files_are_known(job.remote, job.chat.id, 0)

    def _look_up(self, item: MediaItem) -> Done | GivenUp | None:
        """What is known of it; what the remote alone shows is marked."""
        known = self._known.of(item)
        if not isinstance(known, DoneByMark):
            self._judge_former(item)
        leftovers = self._stages.leftovers
        attempt = leftovers.attempt(item)
        if isinstance(known, DoneByAdoption):
            # What a run of ours has sent and did not live to mark counts before it.
            sent = None if attempt is None else self._compared(item, attempt, None)
            if not isinstance(sent, DoneByListing):
                self._stages.marks.write(DoneMark(self._job.remote, known.file))
                return known
            known = sent
        elif attempt is not None and not isinstance(known, DoneByMark):
            known = self._compared(item, attempt, known)
        elif isinstance(known, DoneByListing):
            former_attempt = leftovers.attempt_of_another_file(item)
            if former_attempt is None or not self._is_of(former_attempt, known.file):
                known = self._proven(item)
            else:
                known = None
        if isinstance(known, DoneByListing):
            self._stages.hand_off.keep_date(known.file)
            # A run of ours has moved it, and did not live to say so.
            moved_in = None if attempt is None else self._job.scope
            former = self.former(known.file)
            self._stages.marks.write(DoneMark(self._job.remote, known.file), moved_in, former)
            leftovers.marked(item.key)
            self.is_marked(former)
        return known

    def _is_of(self, former_attempt: Attempt, file: RemoteFile) -> bool:
        """Whether what is listed may be what the message held before: its hand-off had begun when
        a run was killed, and the message was edited since to hold a file of the same size."""
        if former_attempt.path is None:
            return True
        if f"{file.folder}/{file.name}" != f"{self._job.folder}/{former_attempt.path}":
            return False
        listed = self._stages.hand_off.look(file.folder, file.name)
        return listed is None or listed.sha256 in (None, former_attempt.sha256)

    def _proven(self, item: MediaItem) -> DoneByListing | None:
        """What is listed with its id and size, and not wrong by its sidecar; ``None``: it is moved
        again."""
        listed = self._proofs.compared(item, self._known.fitting(item))
        if listed is None:
            self._stages.progress.message(
                f"warning: {printable(file_name(item))} is on the remote with other content than "
                "its sidecar says: it is moved again"
            )
            return None
        file = RemoteFile.listed(item, self._job.folder, listed)
        return DoneByListing(replace(file, sha256=listed.sha256))

    def _compared(
        self, item: MediaItem, attempt: Attempt, known: DoneByListing | GivenUp | None
    ) -> DoneByListing | GivenUp | None:
        """A hand-off has begun, and what was staged is not here any more: rclone deletes it last,
        when the file is there and verified. (When it gives way its journal goes, too.) Waits until
        the remote lists it."""
        if attempt.path is None:
            return known
        subfolder, _, name = attempt.path.rpartition("/")
        folder = "/".join(filter(None, (self._job.folder, subfolder)))
        listed = self._stages.hand_off.look(folder, name)
        if listed is None or listed.size_bytes != item.size_bytes:
            return known
        if listed.sha256 is None and self._stages.staging.is_new:
            return known  # not rclone has deleted it
        if listed.sha256 is not None and listed.sha256 != attempt.sha256:
            return known if isinstance(known, GivenUp) else None
        file = RemoteFile.listed(item, folder, replace(listed, subfolder=""))
        return DoneByListing(replace(file, sha256=listed.sha256, identity=item.identity))

    def _is_done(self, item: MediaItem) -> bool:
        return isinstance(self._look_up(item), Done)


def _is_believed(known: Done) -> bool:
    return not isinstance(known, DoneByMark) and known.file.sha256 is None
