"""What lies in the staging directory while nobody works on it, and when it gives way.

Keeping a file saves its second download; keeping it at any price would fill the budget and block
the run for ever. So what this run put back (its upload or download failed for now) gives way as
soon as somebody waits for room, and what earlier runs left gives way when the room of all work
under way would not do.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from tdl_sync.core.errors import LargerThanBudget
from tdl_sync.core.model import MediaItem, MessageKey, Reservation
from tdl_sync.core.operating_system import remove_file, sync_directory
from tdl_sync.core.ports import Notices
from tdl_sync.transfer.disk.budget import DiskBudget
from tdl_sync.transfer.disk.part_journal import Attempt, PartialFiles
from tdl_sync.transfer.disk.staging import Leftover, Staging


@dataclass(frozen=True)
class Kept:
    """A file that nobody works on and the room that it holds: at least its size in whole blocks."""

    leftover: Leftover
    reserved_bytes: int
    from_earlier_run: bool


class Leftovers:
    """All methods may be called from any thread."""

    def __init__(
        self,
        staging: Staging,
        partials: PartialFiles,
        budget: DiskBudget,
        notices: Notices,
    ) -> None:
        """Reserve what earlier runs left."""
        self._staging = staging
        self._partials = partials
        self._budget = budget
        self._notices = notices
        self._lock = threading.Lock()
        self._kept: dict[MessageKey, Kept] = {}
        self._foreign_bytes = 0
        for leftover in staging.leftovers:
            self._adopt(leftover)

    def leftovers_of(self, chat_id: int) -> list[Leftover]:
        """What lies here of this chat, oldest message first."""
        with self._lock:
            found = {key: kept for key, kept in self._kept.items() if key.chat_id == chat_id}
        return [found[key].leftover for key in sorted(found)]

    def staged_is(self, item: MediaItem) -> bool | None:
        """See ``PartialFiles``."""
        return self._partials.staged_is(item)

    def attempt(self, item: MediaItem) -> Attempt | None:
        """See ``PartialFiles``."""
        return self._partials.attempt(item)

    def attempt_of_another_file(self, item: MediaItem) -> Attempt | None:
        """See ``PartialFiles``."""
        return self._partials.attempt_of_another_file(item)

    def begin_attempt(self, item: MediaItem, attempt: Attempt) -> None:
        """See ``PartialFiles``."""
        self._partials.begin_attempt(item, attempt)

    def has_begun_attempts(self, chat_id: int) -> bool:
        """See ``PartialFiles``."""
        return self._partials.has_begun_attempts(chat_id)

    def marked(self, key: MessageKey) -> None:
        """The mark of this message is written: what was known of its file is in there."""
        self._partials.forget(key)

    def keep(self, reservation: Reservation) -> None:
        """Keep what there is of an item, staged or partial, together with its reservation."""
        key = reservation.item.key
        path = self._staging.staged_path(key)
        complete = path.exists()
        if not complete:
            path = self._staging.part_path(key)
        leftover = Leftover(path, reservation.item.size_bytes, key, complete)
        with self._lock:
            self._kept[key] = Kept(leftover, reservation.reserved_bytes, from_earlier_run=False)
        if self._budget.someone_waits:
            self._clear()

    def take(self, key: MessageKey) -> int:
        """Take a file, to work on it. The room that it holds is the caller's now;
        0 where nothing (more) lies here.
        """
        with self._lock:
            kept = self._kept.pop(key, None)
        return 0 if kept is None else kept.reserved_bytes

    def take_partial(self, item: MediaItem) -> int:
        """The same for what lies here of an item that is about to be downloaded.

        On return nothing lies in the staging directory that is not a part of exactly this file.
        """
        self.check_partial(item)
        return self.take(item.key)

    def check_partial(self, item: MediaItem) -> None:
        """Delete what lies here of this item if its download can't go on from there."""
        with self._lock:
            kept = self._kept.get(item.key)
        if kept is not None and (
            kept.leftover.complete
            or not self._budget.fits(item)
            or not self._partials.is_partial(item)
        ):
            self.delete(kept.leftover)

    def delete(self, leftover: Leftover, why: str = "") -> None:
        """Delete what an earlier run left, give its room back, and say so."""
        assert leftover.key is not None
        with self._lock:
            kept = self._kept.pop(leftover.key, None)
        if kept is not None:
            self._remove(kept)
            self._notices.message(
                f"deleted {leftover.path.name}, which an earlier run left behind{why}: "
                f"{leftover.size_bytes} bytes freed on the staging disk"
            )

    def make_room(self, item: MediaItem) -> None:
        """Somebody waits for room for this item.

        Raises ``LargerThanBudget`` where files that are not ours leave no room for it, ever.
        """
        wanted_bytes = self._budget.needed_bytes(item)
        available_bytes = self._budget.budget_bytes - self._foreign_bytes
        if wanted_bytes > available_bytes:
            raise LargerThanBudget(item.size_bytes, max(0, available_bytes))
        self._clear()
        for kept in self._oldest_first():
            with self._lock:
                idle_bytes = sum(each.reserved_bytes for each in self._kept.values())
            if wanted_bytes + idle_bytes <= available_bytes:
                return
            self.delete(
                kept.leftover, f" and beside which message {item.message_id} would never have room"
            )

    def _adopt(self, leftover: Leftover) -> None:
        """Two files of one message can be here after a download that was made twice."""
        reserved_bytes = self._budget.adopt(leftover.size_bytes)
        if leftover.key is None:
            self._foreign_bytes += reserved_bytes
            return
        if leftover.key in self._kept and leftover.complete:
            self.delete(self._kept[leftover.key].leftover, " beside the complete file")
        self._kept[leftover.key] = Kept(leftover, reserved_bytes, from_earlier_run=True)

    def _oldest_first(self) -> list[Kept]:
        """Partial files by the time of their last byte, then complete ones by their message."""
        with self._lock:
            everything = list(self._kept.values())
        return sorted(everything, key=lambda kept: (kept.leftover.complete, _time_of(kept)))

    def _clear(self) -> None:
        """Delete what this run put back; its items failed, so the next run tries them again."""
        with self._lock:
            failed = [key for key, kept in self._kept.items() if not kept.from_earlier_run]
            given = [self._kept.pop(key) for key in failed]
        for kept in given:
            self._remove(kept)
            key, complete = kept.leftover.key, kept.leftover.complete
            assert key is not None
            self._notices.message(
                f"deleted the {'staged' if complete else 'partial'} file of message "
                f"{key.message_id}, whose {'upload' if complete else 'download'} failed: "
                f"{kept.leftover.size_bytes} bytes freed for others"
            )

    def _remove(self, kept: Kept) -> None:
        assert kept.leftover.key is not None
        if kept.leftover.complete:
            remove_file(kept.leftover.path)
            # Else a power cut could bring it back beside the journal of another file.
            sync_directory(self._staging.directory)
            self._partials.forget(kept.leftover.key)
        else:
            self._partials.remove(kept.leftover.key)
        self._budget.give_back(kept.reserved_bytes)


def _time_of(kept: Kept) -> float:
    try:
        return kept.leftover.path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
