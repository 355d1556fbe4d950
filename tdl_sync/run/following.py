"""Staying with chats (``--follow``): what wakes a chat's next round, whose turn it is, and
the job of each round.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from copy import copy

from tdl_sync.core.errors import EXIT_COME_BACK_LATER, ComeBackLater, TdlSyncError
from tdl_sync.core.reports import RunReport
from tdl_sync.core.stop import Slots, StopFlag
from tdl_sync.core.text import human_bytes
from tdl_sync.run.resume import Resumption
from tdl_sync.state.lease import Lease
from tdl_sync.transfer.job import Job

POLL_SECONDS = 60.0
"""Telegram's updates get lost now and then, so each chat is looked at this often all the same."""

SETTLE_SECONDS = 1.0
"""After news: the other files of an album come right behind the first."""

GAP_SECONDS = 5.0
"""Between two looks at one chat: in a busy group every message is news, and Telegram asks who
looks too often to wait."""

MOST_EDITED = 10_000
"""So many messages of a chat that were edited are remembered until its next look."""

FIRST_RETRY_SECONDS = 300.0
LONGEST_RETRY_SECONDS = 3600.0


class News:
    """Which chats have something new. All threads may call everything."""

    def __init__(self, stop: StopFlag) -> None:
        self._stop = stop
        self._changed = threading.Condition()
        self._fresh: set[int] = set()
        self._edited: defaultdict[int, set[int]] = defaultdict(set)
        self._gaps = 0
        self._gaps_known: dict[int, int] = {}
        stop.wakes(self._changed)

    def tell(self, chat_id: int | None, edited_id: int | None = None) -> None:
        """There is something new in this chat; ``None``: any chat may have something new. With
        ``edited_id`` it is this message that holds something new."""
        with self._changed:
            if chat_id is None:
                self._gaps += 1
            else:
                self._fresh.add(chat_id)
                edited = self._edited[chat_id]
                if edited_id is not None and len(edited) < MOST_EDITED:
                    edited.add(edited_id)
            self._changed.notify_all()

    def take_edited(self, chat_id: int) -> frozenset[int]:
        """The messages of this chat that were edited, each told once."""
        with self._changed:
            return frozenset(self._edited.pop(chat_id, ()))

    def heed(self, stop: StopFlag) -> None:
        """Before the first ``wait`` that ends with this flag."""
        stop.wakes(self._changed)

    def wait(self, chat_id: int, seconds: float, stop: StopFlag | None = None) -> bool:
        """Block until this chat has news, or for so long; whether it has. Each news counts once,
        also one that came before this was called. Raises ``Stopped``."""
        stop = stop or self._stop
        with self._changed:
            self._changed.wait_for(lambda: stop.is_set or self._has_news(chat_id), seconds)
            stop.check()
            had_news = self._has_news(chat_id)
            self._fresh.discard(chat_id)
            self._gaps_known[chat_id] = self._gaps
        return had_news

    def _has_news(self, chat_id: int) -> bool:
        return chat_id in self._fresh or self._gaps_known.get(chat_id, 0) < self._gaps


class Following:
    """What all chats that are followed share: the news, and one turn, since they have one budget
    and one display."""

    def __init__(
        self,
        stop: StopFlag,
        poll_seconds: float = POLL_SECONDS,
        settle_seconds: float = SETTLE_SECONDS,
        gap_seconds: float = GAP_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.news = News(stop)
        self._stop = stop
        self._poll_seconds = poll_seconds
        self._settle_seconds = settle_seconds
        self._gap_seconds = gap_seconds
        self._clock = clock
        self._looked_at: dict[int, float] = {}
        self._turns = Slots(1, stop)
        self.telling = threading.Lock()
        """Held while the end of a chat is told: a stop ends several at once."""

    def until(self, stop: StopFlag) -> Following:
        """This one for what another flag ends, too."""
        if stop is self._stop:
            return self
        other = copy(self)
        other._stop = stop
        self.news.heed(stop)
        return other

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Move files while no other chat does. Raises ``Stopped`` instead of waiting on."""
        self._turns.take()
        try:
            yield
        finally:
            self._turns.give_back()

    def rest(self) -> None:
        """Something went wrong: wait until the next look. Raises ``Stopped``."""
        self._stop.sleep(self._poll_seconds)

    def wait(self, chat_id: int, at_most_seconds: float) -> None:
        """Until it is time to look at this chat again. Raises ``Stopped``."""
        poll_seconds = min(self._poll_seconds, max(0.0, at_most_seconds))
        if self.news.wait(chat_id, poll_seconds, self._stop):
            gap_ends_at = self._looked_at.get(chat_id, float("-inf")) + self._gap_seconds
            self._stop.sleep(max(self._settle_seconds, gap_ends_at - self._clock()))
            self.news.wait(chat_id, 0.0, self._stop)  # what came meanwhile is seen by the same look
        self._looked_at[chat_id] = self._clock()


class Retries:
    """When what failed for now is tried again by a run that stays: after 5 minutes, then after a
    pause that doubles up to an hour. Used by one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[int, int] = {}
        self._due_at: dict[int, float] = {}

    def round_ended(self, failing_ids: Collection[int], tried_ids: Collection[int]) -> None:
        """``failing_ids`` are all that failed for now, ``tried_ids`` those that this round tried;
        what failed for the first time counts as tried."""
        for message_id in [each for each in self._due_at if each not in failing_ids]:
            del self._due_at[message_id], self._tries[message_id]
        for message_id in failing_ids:
            if message_id in tried_ids or message_id not in self._due_at:
                tries = self._tries.get(message_id, 0)
                pause_seconds = min(FIRST_RETRY_SECONDS * 2 ** min(tries, 9), LONGEST_RETRY_SECONDS)
                self._tries[message_id] = tries + 1
                self._due_at[message_id] = self._clock() + pause_seconds

    def due(self) -> frozenset[int]:
        """The messages whose time has come."""
        now = self._clock()
        return frozenset(each for each, due_at in self._due_at.items() if due_at <= now)

    @property
    def seconds_left(self) -> float:
        """Until something is due; infinity where nothing failed."""
        return min(self._due_at.values(), default=float("inf")) - self._clock()


class LaterRounds:
    """Of one chat; made when its first round is over. Used by one thread."""

    def __init__(
        self,
        resumption: Resumption,
        first: Job,
        following: Following,
        on_line: Callable[[str], None],
        lease: Lease,
    ) -> None:
        self._resumption = resumption
        self._first = first
        self._following = following
        self._on_line = on_line
        self._lease = lease
        self._retries = Retries()
        self._edited_ids: set[int] = set()
        self._retries.round_ended(self._failing_ids(), ())

    def next_job(self, watermark: int) -> Job:
        """Block until there is something above the watermark, or something to try again.

        What may pass while it looks for that is told and tried again; anything else is raised,
        as is ``Stopped``, and ``HeldByAnotherRun`` when the lease was lost.
        """
        with self._lease.idle():
            return self._next_job(watermark)

    def _next_job(self, watermark: int) -> Job:
        while True:
            self._following.wait(self._first.chat.id, self._retries.seconds_left)
            self._lease.check_not_lost()
            due_ids = self._retries.due()
            self._edited_ids |= self._following.news.take_edited(self._first.chat.id)
            try:
                job = self._resumption.later_job(self._first, watermark, due_ids, self._edited_ids)
            except TdlSyncError as error:
                if isinstance(error, ComeBackLater) or error.exit_status != EXIT_COME_BACK_LATER:
                    raise
                self._on_line(f"warning: {error}; looking for new messages is tried again")
                self._following.rest()
                continue
            self._edited_ids.clear()
            if job is not None:
                return job
            self._retries.round_ended(self._failing_ids(), due_ids)

    def ended(self, job: Job, report: RunReport, watermark: int) -> None:
        """The round is over: say what it has moved, if anything, and plan what has failed."""
        self._retries.round_ended(self._failing_ids(), job.leftovers_of or ())
        if report.moved or report.failed:
            failed = f", {report.failed} failed" if report.failed else ""
            self._on_line(
                f"{self._first.chat.title!r}: {report.moved} moved "
                f"({human_bytes(report.uploaded_bytes)}){failed}, "
                f"up to message {watermark}"
            )

    def _failing_ids(self) -> frozenset[int]:
        """What failed and may pass."""
        failures = self._resumption.failures()
        return frozenset(each.key.message_id for each in failures if not each.for_good)
