"""The parts, opened: those of a run, whose remote is proven while Telegram is asked, and those of
a command that only looks at both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from tdl_sync.core import open_files
from tdl_sync.core.errors import Stopped, TdlSyncError
from tdl_sync.core.futures import in_thread
from tdl_sync.core.imports import nothing_collected
from tdl_sync.core.model import DoneMark
from tdl_sync.core.ports import OnNews, SavedMessages
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import human_bytes
from tdl_sync.options.config import Config
from tdl_sync.remote.check import CheckedRemote
from tdl_sync.remote.listing import RemoteLook
from tdl_sync.remote.program import told_of_dropped_variables
from tdl_sync.remote.rclone_config import use_writable_config
from tdl_sync.remote.remote_control import RemoteControl
from tdl_sync.reporting.reporter import Reporter
from tdl_sync.reporting.stderr import teller
from tdl_sync.run.remote_side import (
    OpenedRemote,
    OpeningRemotes,
    RemoteStops,
    looked_at,
    opened_rclone,
)
from tdl_sync.run.telegram_session import make_data_dir
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.telegram.session.event_loop import EventLoopThread
from tdl_sync.transfer.disk.budget import DiskBudget
from tdl_sync.transfer.disk.leftovers import Leftovers
from tdl_sync.transfer.disk.part_journal import PartialFiles
from tdl_sync.transfer.disk.staging import Staging
from tdl_sync.transfer.download import Downloader
from tdl_sync.transfer.job import Stages
from tdl_sync.transfer.pools import most_downloads

if TYPE_CHECKING:
    from tdl_sync.run.telegram_side import TelegramSide, TelegramToMove

Result = TypeVar("Result")

CLOSE_AFTER_STOP_SECONDS = 1.0

_SOON_SECONDS = 3.0
"""So long a remote whose folder is missing waits for Telegram, which usually is there before; and
what is wrong with it is told so much later at most."""


@dataclass(frozen=True)
class PartsToLook:
    """Both sides, for a command that moves nothing. ``remotes`` is what was found of each."""

    telegram: TelegramSide
    control: RemoteControl
    remotes: Mapping[str, CheckedRemote]

    def files(self, remote: str) -> RemoteLook:
        return RemoteLook(self.control, self.remotes[remote])


@contextmanager
def parts_to_look(config: Config, *, on_a_copy: bool = False) -> Iterator[PartsToLook]:
    """Closed on leaving; what there is to say is told. With ``on_a_copy`` of the session nothing is
    written on this machine, and no export session is begun.

    Raises as ``TelegramClient.start``, ``Rclone.open`` and ``look_at_remote`` do.
    """
    from tdl_sync.run.telegram_side import opened_to_look

    on_line = teller(config.telling)
    with ExitStack() as closing:
        telegram = closing.enter_context(opened_to_look(config, on_a_copy=on_a_copy))
        for line in told_of_dropped_variables():
            on_line(line)
        control = closing.enter_context(opened_rclone(config))
        if not on_a_copy:
            use_writable_config(control.rclone, config.places.data_dir, on_line)
        remotes = looked_at(config, control)
        if config.running.takeout and not on_a_copy:
            telegram.begin_takeout(closing, on_line, success=lambda: True)
        yield PartsToLook(telegram, control, remotes)


@dataclass(frozen=True)
class Parts:
    """What all chats of a run share that go to one remote, whose proof may be under way."""

    telegram: TelegramSide
    stages: Stages
    remote: OpenedRemote


@dataclass(frozen=True)
class AllParts:
    """What all chats of a run share, wherever they go."""

    telegram: TelegramSide
    stages: Stages
    remotes: Mapping[str, OpenedRemote]
    stops: RemoteStops

    def of(self, remote: str) -> Parts:
        """With the way to this remote, which must not be out."""
        opened = self.remotes[remote]
        stages = replace(
            self.stages,
            hand_off=opened.hand_off,
            downloader=self.stages.downloader.until(opened.stop),
            stop=opened.stop,
            most_in_folder=opened.most_in_folder,
        )
        return Parts(self.telegram, stages, opened)

    def wait_until_proven(self) -> None:
        """Raises ``Stopped`` where a remote can't be proven: that ends the run."""
        for opened in self.remotes.values():
            opened.wait_until_proven()


def _budget(staging: Staging, stop: StopFlag, on_line: Callable[[str], None]) -> DiskBudget:
    if staging.warning is not None:
        on_line(f"warning: {staging.warning}")
    on_line(f"staging at most {human_bytes(staging.budget_bytes)} in {staging.directory}")
    return DiskBudget(
        staging.budget_bytes,
        staging.block_bytes,
        stop,
        disk_decides=staging.warning is not None,
    )


class Opening:
    """``parts`` once; ``abandon`` from any thread."""

    def __init__(
        self,
        config: Config,
        stop: StopFlag,
        progress: Reporter,
        on_news: OnNews | None,
        success: Callable[[], bool],
        on_moved: Callable[[DoneMark], None] = lambda mark: None,
    ) -> None:
        """With ``on_news`` Telegram tells of new messages. ``success`` says how the run went.
        ``on_moved`` is told of each file that was moved."""
        self._on_moved = on_moved
        self._config = config
        self._stop = stop
        self._progress = progress
        self._on_news = on_news
        self._success = success
        self._remotes = OpeningRemotes(config, stop, progress, self._saved_messages_soon)
        self.telegram: Future[TelegramToMove] | None = None
        """As soon as it is begun to be opened."""

    @property
    def stops(self) -> RemoteStops:
        return self._remotes.stops

    def abandon(self) -> None:
        """End rclone now; what it was sending is kept and taken up next time."""
        self._remotes.abandon()

    def parts(self, closing: ExitStack) -> AllParts:
        """All that can be wrong is found here, before the first byte is downloaded.

        ``closing`` closes them. After a stop it waits for nothing that hangs.
        """
        places, progress, stop = self._config.places, self._progress, self._stop
        running = self._config.running
        open_files.check(
            open_files.needed_by_run(
                most_downloads(running.downloads), running.workers, running.connections
            )
        )
        for line in make_data_dir(places):
            progress.message(line)
        # At once: both may take long, and a proxy that is dead a minute.
        progress.message(f"checking {', '.join(self._config.by_remote)} …")
        progress.message(self._config.telegram.connecting_line)
        staging = Staging.open(places.staging_dir, self._config.running.max_disk_bytes)
        closing.callback(staging.close)
        for line in staging.lines:
            progress.message(line)
        closing.callback(self._remotes.close)
        opening = self._opening_telegram(closing)
        closing.callback(self._remotes.release_claims)
        proving = in_thread(partial(self._remotes.found, staging), "remote check")
        # What is wrong with the remote is told first, whatever Telegram says meanwhile.
        remotes = self._result(proving)
        for remote in remotes.values():
            closing.callback(remote.wait_until_cleaned)
        budget = _budget(staging, stop, progress.message)
        for remote in remotes.values():
            budget.heed(remote.stop)
        marks = closing.enter_context(DoneMarks(places.marks))
        telegram = self._telegram_unless_unproven(opening, remotes.values())
        if self._config.running.takeout:
            telegram.begin_takeout(closing, progress.message, self._success)
        partials = PartialFiles(staging, places.partial)
        stages = Stages(
            reader=telegram.reader,
            downloader=Downloader(telegram.parts, staging, partials, progress, stop),
            hand_off=next(iter(remotes.values())).hand_off,
            marks=marks,
            staging=staging,
            budget=budget,
            leftovers=Leftovers(staging, partials, budget, progress),
            progress=progress,
            stop=stop,
            on_moved=self._on_moved,
        )
        return AllParts(telegram, stages, remotes, self.stops)

    def _saved_messages_soon(self) -> SavedMessages | None:
        """``None`` where Telegram is not there in time."""
        assert self.telegram is not None
        self._stop.wait_beside(self.telegram, _SOON_SECONDS)
        if not self.telegram.done() or self.telegram.exception() is not None:
            return None
        return self.telegram.result().saved_messages

    def _telegram_unless_unproven(
        self, opening: Future[TelegramToMove], remotes: Iterable[OpenedRemote]
    ) -> TelegramToMove:
        try:
            return self._result(opening)
        except Stopped:
            raise
        except TdlSyncError:
            for remote in remotes:
                remote.wait_until_proven()
            raise

    def _result(self, work: Future[Result]) -> Result:
        """Wait for what goes on in another thread. Raises ``Stopped`` as soon as the run stops."""
        self._stop.wait_beside(work)
        if not work.done():
            self._stop.check()
        return work.result()

    def _opening_telegram(self, closing: ExitStack) -> Future[TelegramToMove]:
        loop = EventLoopThread()
        loop.start()
        closing.callback(self._close, loop.stop)
        given_up = Event()

        def check() -> None:
            self._stop.check()
            if given_up.is_set():
                raise Stopped("the run has ended")

        def open_it() -> TelegramToMove:
            # Only now: while the library is imported, rclone starts.
            with nothing_collected():
                from tdl_sync.run.telegram_side import TelegramToMove
                from tdl_sync.telegram.messages.known_chats import KnownChats
                from tdl_sync.telegram.session.client import TelegramClient
                from tdl_sync.telegram.session.session_watch import watch_session

            check()
            config, stop, progress = self._config, self._stop, self._progress
            client = TelegramClient(
                loop, config.telegram, stop, progress.waiting, progress.message, self._on_news
            )
            # The chat's own question shows as much; a run without one asks for its state first.
            beside = config.names_chats and not config.running.takeout
            client.start(check, account_beside=beside)
            watch_session(client, stop)
            known = KnownChats(config.places.chats)
            return TelegramToMove(client, config.running, known, names_topics=config.names_topics)

        def close() -> None:
            given_up.set()
            wait([opening])
            if opening.exception() is None:
                opening.result().client.stop()

        self.telegram = opening = in_thread(open_it, "Telegram")
        closing.callback(self._close, close)
        return opening

    def _close(self, close: Callable[[], None]) -> None:
        """After a stop nothing that hangs is waited for: all that matters was saved before."""
        closing = in_thread(close, "closing")
        wait([closing], CLOSE_AFTER_STOP_SECONDS if self._stop.is_set else None)
        if closing.done():
            closing.result()
