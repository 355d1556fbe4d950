"""``--dedupe``: a file that a chat holds several times is moved once.

A copy is passed over only when the first one's done-mark is there and says that it is this very
file. It is never marked itself, so that a run without ``--dedupe`` moves it. Until then its message
stays open: the watermark does not pass it, and a run that ends leaves it to the next one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from enum import Enum
from functools import partial

from tdl_sync.core.errors import ItemFailed
from tdl_sync.core.model import DoneMark, FileIdentity, FileNumber, MediaItem, MessageKey
from tdl_sync.transfer.copies_in_sidecars import AlsoPosted
from tdl_sync.transfer.job import Job, Stages
from tdl_sync.transfer.ledger import Ledger

DUPLICATE = "duplicate"

MOST_UNSETTLED = 1000
"""So many copies may wait before no more of the chat is listed: they are held in memory."""


class Claim(Enum):
    """What becomes of an item."""

    LEADS = "it is moved"
    WAITS = "another message with its file is on its way"
    IS_COPY = "another message with its file has arrived"


class Copies:
    """Which of several messages with one file is moved, and which wait for it.

    Telegram keeps a file once, however often it is posted (``FileIdentity``). The message that
    comes first *leads*: it is moved like any other. The others wait until it has arrived, or until
    it is certain that it will not; then the next one leads. Not thread-safe: the caller holds a
    lock around every call.
    """

    def __init__(self) -> None:
        self._waiting: dict[FileIdentity, deque[MediaItem]] = {}
        self._next_leaders: deque[MediaItem] = deque()
        self.waiting = 0
        """How many items wait: nobody moves them, and they are not known to be copies."""

    def claim(self, item: MediaItem, *, arrived: bool) -> Claim:
        """``arrived``: a message with this file is done. Each item claims once."""
        if item.identity in self._waiting:
            self._waiting[item.identity].append(item)
            self.waiting += 1
            return Claim.WAITS
        if arrived:
            return Claim.IS_COPY
        self._waiting[item.identity] = deque()
        return Claim.LEADS

    def is_under_way(self, file: FileIdentity) -> bool:
        return file in self._waiting

    def arrived(self, file: FileIdentity) -> list[MediaItem]:
        """The leader is done, durably; returns its copies, which waited for that."""
        copies = list(self._waiting.pop(file))
        self.waiting -= len(copies)
        return copies

    def not_moved(self, file: FileIdentity) -> None:
        """The leader failed, is gone or was left: the copy that waits longest leads now."""
        waiting = self._waiting[file]
        if waiting:
            self._next_leaders.append(waiting.popleft())
        else:
            del self._waiting[file]

    def next_leader(self) -> MediaItem | None:
        """A copy that waited and is to be moved now, each once; ``None`` if there is none."""
        if not self._next_leaders:
            return None
        self.waiting -= 1
        return self._next_leaders.popleft()

    @property
    def has_next_leader(self) -> bool:
        return bool(self._next_leaders)


class EachByItself:
    """Without ``--dedupe``: every file is moved, whatever the others are."""

    def firsts(self, items: Iterator[MediaItem]) -> Iterator[MediaItem]:
        """Those of the items that are to be moved."""
        return items

    def leads(self, item: MediaItem) -> bool:
        """Whether an item that an earlier run has staged is to be handed off now."""
        return True

    def moved(self, item: MediaItem, mark: DoneMark) -> None:
        """An item that was to be moved is done. To be called before the ledger closes it."""

    def not_moved(self, item: MediaItem) -> None:
        """An item that was to be moved failed, is gone, or was left to the next run."""


class Duplicates(EachByItself):
    """For one run over one chat. All methods may be called from any thread."""

    def __init__(
        self,
        job: Job,
        stages: Stages,
        ledger: Ledger,
        also_posted: AlsoPosted,
        end_for: Callable[[BaseException], None],
    ) -> None:
        """``end_for`` is told of the errors that end more than one item."""
        self._remote = job.remote
        self._marks = stages.marks
        self._ledger = ledger
        self._also_posted = also_posted
        self._stop = stages.stop
        self._end_for = end_for
        self._chat_id = job.chat.id
        self._failed_before: set[MessageKey] = set()
        self._copies = Copies()
        self._being_settled = 0
        self._changed = threading.Condition()
        stages.stop.wakes(self._changed)

    def firsts(self, items: Iterator[MediaItem]) -> Iterator[MediaItem]:
        """The fate of each item is decided when it comes by. A copy whose first was not moved
        after all is among the firsts later, so at the end this blocks while copies wait.
        Raises ``Stopped``.
        """
        failures = self._marks.failures(self._remote, self._chat_id, 0)
        self._failed_before = {each.key for each in failures}
        for item in items:
            yield from self._next_leaders(MOST_UNSETTLED)
            if self._claim(item) is Claim.LEADS:
                yield item
        yield from self._next_leaders(0)

    def leads(self, item: MediaItem) -> bool:
        """One that does not lead claims when it is listed; what was staged of it is of no use."""
        with self._changed:
            if self._copies.is_under_way(item.identity) or self._first_of(item) is not None:
                return False
            return self._copies.claim(item, arrived=False) is Claim.LEADS

    def moved(self, item: MediaItem, mark: DoneMark) -> None:
        with self._changed:
            copies: list[MediaItem] = []
            if mark.file.identity == item.identity:
                copies = self._copies.arrived(item.identity)
                self._being_settled += len(copies)
            else:  # what was staged may have been another file, before its message was edited
                self._copies.not_moved(item.identity)
            self._changed.notify_all()
        self._pass_over(copies, item.number)

    def not_moved(self, item: MediaItem) -> None:
        with self._changed:
            self._copies.not_moved(item.identity)
            self._changed.notify_all()

    def _claim(self, item: MediaItem) -> Claim:
        with self._changed:
            # Under the lock: a first that is no longer under way has its mark, or has none.
            first = self._first_of(item)
            claim = self._copies.claim(item, arrived=first is not None)
            self._being_settled += claim is Claim.IS_COPY
        if claim is Claim.IS_COPY and first is not None:
            self._pass_over([item], first)
        return claim

    def _first_of(self, item: MediaItem) -> FileNumber | None:
        key = item.key
        return self._marks.file_with(self._remote, key.chat_id, key.topic_id, item.identity)

    def _next_leaders(self, most_unsettled: int) -> Iterator[MediaItem]:
        """The copies that are to be moved now; waits while more than so many are unsettled."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: (
                        self._stop.is_set
                        or self._copies.has_next_leader
                        or self._copies.waiting + self._being_settled <= most_unsettled
                    )
                )
                self._stop.check()
                item = self._copies.next_leader()
            if item is None:
                return
            yield item

    def _pass_over(self, copies: Sequence[MediaItem], first: FileNumber) -> None:
        """Before the copies are booked it is on record that they rely on the first."""
        if copies:
            number = MessageKey(self._chat_id, 0, first.message_id, first.index)
            self._marks.note_copies(self._remote, number)
        for _ in copies:
            self._ledger.opened()
        named = self._also_posted.name(first, copies)
        named.add_done_callback(partial(self._settle, copies))

    def _settle(self, copies: Sequence[MediaItem], named: Future[None]) -> None:
        """Book what became of copies. What can't even be booked ends the run."""
        try:
            for copy in copies:
                self._book(copy, named.exception())
        except Exception as error:  # noqa: BLE001 - a callback's exception would only be logged
            self._stop.set(error)
        with self._changed:
            self._being_settled -= len(copies)
            self._changed.notify_all()

    def _book(self, copy: MediaItem, error: BaseException | None) -> None:
        """What could not be named fails for now, or is left: it is not passed over unnamed."""
        if error is None:
            if copy.key in self._failed_before:
                self._marks.forget_failure(self._remote, copy.key)
            self._ledger.left_out(copy, DUPLICATE)
        elif isinstance(error, ItemFailed):
            self._ledger.failed(copy, error)
        else:
            self._end_for(error)
            self._ledger.left(copy)
