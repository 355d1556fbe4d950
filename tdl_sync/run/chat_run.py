"""One run over one chat: the chat is made ours, and where it goes on is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from threading import Event

from tdl_sync.core.doubles import told_of_doubles
from tdl_sync.core.errors import ChatUnreadable, Stopped, TdlSyncError
from tdl_sync.core.futures import in_thread
from tdl_sync.core.model import NOT_COUNTED, Chat, ChatTotals, DoneMark, ListedFile, scope_key
from tdl_sync.core.naming import path_of
from tdl_sync.core.reports import RunReport
from tdl_sync.core.text import human_bytes
from tdl_sync.options.config import Config
from tdl_sync.options.filters import Filters
from tdl_sync.run.books import Counts, is_whole, reads_on_to_the_end
from tdl_sync.run.cataloguing import Cataloguing, ChatCatalogue, NoCatalogue
from tdl_sync.run.chat_session import ChatSession, ChatStart
from tdl_sync.run.following import Following
from tdl_sync.run.look_ahead import look_ahead
from tdl_sync.run.parts import Parts
from tdl_sync.run.resume import Adopted, ResumePoint, Resumption, inherit
from tdl_sync.run.time_left import Deadline
from tdl_sync.run.unexplained import unexplained_line
from tdl_sync.run.unlisted import Known, is_as_it_was_left, one_of_many
from tdl_sync.state.exclusive import exclusive
from tdl_sync.state.lease import Lease
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_identity import this_run
from tdl_sync.state.state_store import StateMessage, StateStore
from tdl_sync.transfer.adopted import read_records
from tdl_sync.transfer.job import Job
from tdl_sync.transfer.text_archive import TextArchive


class ChatRun:
    """``run`` once; ``report`` may be called from any thread at any time."""

    def __init__(
        self,
        chat: Chat,
        lower_bound: int,
        config: Config,
        parts: Parts,
        deadline: Deadline | None = None,
        following: Following | None = None,
    ) -> None:
        """With ``following`` the run stays with the chat until it is stopped."""
        self._chat = chat
        self._config = config
        self._scope = config.task.choice.scope(config.task.remote, chat, lower_bound)
        self._parts = parts
        self._deadline = deadline
        self._local_states = LocalStates(config.places.states)
        self._identity = this_run(config.running.save_interval_seconds)
        self._session: ChatSession | None = None
        self._has_ended = False
        self._following = following and following.until(parts.stages.stop)
        self.stays = Event()
        """Set when all that was there at the start was moved and the chat is followed."""

    @property
    def chat(self) -> Chat:
        return self._chat

    @property
    def remote(self) -> str:
        return self._config.task.remote

    def report(self) -> RunReport:
        return RunReport() if self._session is None else self._session.report()

    @property
    def is_moving(self) -> bool:
        """Whether there is a state to save when the run is stopped."""
        return self._session is not None and not self._has_ended

    def run(self) -> None:
        """Move the chat's files; on return, and whatever is raised, the state has been saved.

        Raises ``Stopped``, ``ConfigurationError``, ``ChatUnreadable`` and what else ends a run.
        """
        try:
            self._run_held()
        finally:
            self._has_ended = True

    def _run_held(self) -> None:
        newest = look_ahead(self._chat, self._scope, self._config.task, self._parts.stages)
        with exclusive(
            self._chat,
            self._config.task.remote,
            self._identity,
            self._parts.telegram.saved_messages,
            self._config.places.locks,
            self._parts.stages.stop,
            take_over=self._config.running.take_over,
            shard=self._scope.shard,
        ) as lease:
            in_thread(self._parts.remote.folder_claim.release, "release of the folder's claim")
            if lease.warning is not None:
                self._parts.stages.progress.message(lease.warning)
            progress = self._parts.stages.progress
            progress.held(self._chat, is_ours=True)
            try:
                self._session = session = self._begun(lease, newest)
                session.run()
            finally:
                progress.held(self._chat, is_ours=False)

    def _begun(self, lease: Lease, newest: Future[int] | None) -> ChatSession:
        """Find where the run goes on. Nothing of the chat was moved when this returns."""
        task, stages = self._config.task, self._parts.stages
        saved_messages = self._parts.telegram.saved_messages
        resumption = Resumption(
            self._chat,
            self._scope,
            task,
            stages.reader,
            stages.marks,
            StateStore(saved_messages, self._local_states, lease.found),
            stages.hand_off.find_folder,
            newest,
        )
        hand_off = stages.hand_off
        if not lease.before.all_ended:
            hand_off.expect_more()
        point = resumption.point()
        if lease.before.was_quiet and self._scope.shard.is_whole:
            # Another account's runs are not known; but unless they move another part each, all that
            # they move is moved twice, whatever the folder.
            hand_off.nobody_else_makes(point.folder)
        inherit(point, stages.marks, saved_messages)
        if point.is_read_again:
            first_id = point.after_id + 1
            where = (
                "the start" if first_id <= self._scope.lower_bound + 1 else f"message {first_id}"
            )
            stages.progress.message(
                f"{self._chat.title!r} was read by a version of this program that may have missed "
                f"messages where Telegram's pages were short: it is listed once more from {where} "
                "on; what was moved is known, and not moved again"
            )
        # Beside all else, and never waited for: it serves the display alone.
        counting: Future[ChatTotals] = Future()
        if reads_on_to_the_end(self._scope, task):
            counting = in_thread(partial(stages.reader.totals, self._chat), "totals")
            counting.add_done_callback(self._compare_with_room)
        else:
            counting.set_result(NOT_COUNTED)
        for_balance = self._counted_early(point, newest)
        is_listed = not self._needs_no_listing(point, lease, newest)
        listing = hand_off.prepare_folder(point.folder) if is_listed else []
        record = read_records(listing, partial(hand_off.read, point.folder))
        adopted = Adopted(self._chat, task.remote, stages.marks, record)
        if lost := [*resumption.lost(point, listing), *adopted.taken_back()]:
            for failure in lost:
                stages.marks.replace_mark(task.remote, failure)
            point = replace(point, recorded_failures=(*point.recorded_failures, *lost))
        known = stages.marks.former_files(task.remote, self._chat.id, 0)
        former = {f"{each.file.folder}/{each.file.name}" for each in known}
        told = [each for each in listing if f"{point.folder}/{path_of(each)}" not in former]
        if (line := told_of_doubles(told, task.remote)) is not None:
            stages.progress.message(line)
        message_id = point.loaded.message_id if point.loaded else None
        lease.hold_by(StateMessage(saved_messages, scope_key(self._scope), message_id))
        texts = TextArchive(self._chat, task.remote, point.folder, listing)
        unmarked = adopted.unmarked(hand_off.elsewhere)
        point = replace(point, adopted=adopted.amount(unmarked.values(), resumption.holds))
        job = replace(resumption.job(point, listing, stages.most_in_folder), adopted=unmarked)
        if (line := _told_of_what_is_there(job, lease, point)) is not None:
            stages.progress.message(line)
        # All that can be wrong with the remote is found before the first byte is downloaded.
        self._parts.remote.wait_until_proven()
        catalogue = self._catalogue(point.folder, listing)
        start = ChatStart(
            self._chat,
            resumption,
            point,
            job,
            counting,
            texts,
            lease,
            self._identity,
            for_balance,
            none_is_there=is_listed and not listing,
            catalogue=catalogue,
        )
        stages = replace(
            stages,
            on_moved=partial(_both, stages.on_moved, catalogue.moved),
            on_there=catalogue.there,
        )
        return ChatSession(
            start,
            self._config,
            stages,
            self._local_states,
            self._deadline,
            self._following,
            self.stays,
        )

    def _needs_no_listing(
        self, point: ResumePoint, lease: Lease, newest: Future[int] | None
    ) -> bool:
        stages, task = self._parts.stages, self._config.task
        known = Known(
            point,
            lease.before.all_ended,
            None if newest is None else newest.result(),
            has_leftovers=bool(stages.leftovers.leftovers_of(self._chat.id)),
        )
        if self._following is not None or not is_as_it_was_left(task, known):
            return False
        one = one_of_many(stages.marks, task.remote, self._chat.id)
        # Whether somebody has emptied the folder is seen by any one of its files.
        return one is not None and stages.hand_off.shows(one)

    def _counted_early(
        self, point: ResumePoint, newest: Future[int] | None
    ) -> Future[Counts] | None:
        """For the balance, beside the remote's listing: where the chat has nothing new, nothing is
        read before the books are balanced."""
        if newest is None or not is_whole(self._scope, self._config.task.choice):
            return None
        if newest.result() > point.after_id:
            return None
        return in_thread(partial(self._parts.stages.reader.counts, self._chat), "counts")

    def _catalogue(self, folder: str, listing: Sequence[ListedFile]) -> Cataloguing:
        task, stages = self._config.task, self._parts.stages
        if not task.catalogue:
            return NoCatalogue()
        directory = self._config.places.catalogues
        is_all = self._scope.shard.is_whole and task.choice.filters == Filters()
        whole = self._scope.lower_bound <= 1 and is_all
        return ChatCatalogue(
            self._chat, task.remote, folder, directory, stages, listing, is_whole=whole
        )

    def _compare_with_room(self, counting: Future[ChatTotals]) -> None:
        """Name a remote that is too small now, not after days."""
        error = counting.exception()
        if error is not None:
            self._not_counted(error)
            return
        try:
            totals, free_bytes = counting.result(), self._parts.remote.free_bytes()
        except Stopped:
            return
        leaves_out = bool(self._scope.filters)  # then less is to come, and nobody knows how much
        if free_bytes is not None and free_bytes < totals.estimated_bytes and not leaves_out:
            self._parts.stages.progress.message(
                f"warning: {self._config.task.remote} has {human_bytes(free_bytes)} free, and "
                f"{self._chat.title!r} holds about {human_bytes(totals.estimated_bytes)} "
                "(an estimate): it will be full before the end unless most is there already"
            )

    def _not_counted(self, error: BaseException) -> None:
        """What makes more of it than that is told by those who need an answer."""
        if not isinstance(error, TdlSyncError):
            self._parts.stages.stop.set(error)
        elif isinstance(error, ChatUnreadable):
            self._parts.stages.progress.message(
                f"how much {self._chat.title!r} holds is not known, and not shown: {error}"
            )


def _told_of_what_is_there(job: Job, lease: Lease, point: ResumePoint) -> str | None:
    """What of the chat this run is about, or what in its folder it can't explain."""
    shard = job.choice.shard
    if not shard.is_whole:
        return f"only part {shard} of {job.chat.title!r} is moved (--shard)"
    if not lease.before.all_ended:
        return None
    return unexplained_line(job, lease.found, point.loaded.state if point.loaded else None)


def _both(
    first: Callable[[DoneMark], None], second: Callable[[DoneMark], None], mark: DoneMark
) -> None:
    first(mark)
    second(mark)
