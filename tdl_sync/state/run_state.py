"""What a run leaves of a scope for the next one, on whatever machine: plain records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from tdl_sync.core.balance import Balance
from tdl_sync.core.failures import is_for_good
from tdl_sync.core.model import FIRST, FileNumber, MediaType, Moved, Reading
from tdl_sync.core.shards import WHOLE, Shard


class RunStatus(str, Enum):
    """The ``status`` of a state message."""

    RUNNING = "running"
    STOPPED = "stopped"
    QUOTA = "quota"
    COMPLETE = "complete"


@dataclass(frozen=True)
class RunIdentity:
    """Which process on which machine wrote a state message, and how long its silence may last.

    ``host`` is for people, and many machines are called the same: ``machine`` tells them apart.
    ``process_started`` is in seconds since 1970 and tells a process from a later one with its id.
    """

    host: str
    pid: int
    run_id: str
    machine: str = ""
    process_started: int = 0
    save_interval_seconds: int = 300


@dataclass(frozen=True)
class RunState:
    """All that a state message says of a scope. ``started`` and ``timestamp`` are UTC.

    Every message up to ``last_message_id`` is done, skipped, or among ``failed_ids``;
    ``failed_files`` are all failed files of those messages of which another than the first failed.
    In ``waiting_ids`` something may be a file at another time (``model.MAY_OPEN``).
    ``done_above_ids`` are done beyond the watermark. The totals count over all runs of the scope.
    ``upload_bytes_per_second`` is what the run has measured, 0 for nothing yet; it has moved
    ``run_bytes`` in its ``run_seconds``.
    ``reader`` has read all up to ``last_message_id`` (``model.READER``; 1 for versions that do not
    say it), and ``seen`` are the messages up to there by kind, ``None`` where that is not known.
    ``adopted`` is what is done of it by another program, and not by us (``adopt``).
    ``balance`` is what the last comparison with Telegram's counts came to, if there was one.
    ``shard`` is the part of the chat that the scope is about, and ``whole_scope_key`` then the key
    of the same scope over the whole chat: all shards of it have that one.
    ``cut_short``: the run has ended while files were being sent, and what of them arrives may be
    listed later only.
    """

    scope_key: str
    channel_id: int
    channel_name: str
    last_message_id: int
    total_downloaded: int
    total_uploaded: int
    total_size_bytes: int
    timestamp: datetime
    status: RunStatus
    remote: str
    folder: str
    started: datetime
    done_above_ids: Sequence[int]
    failed_ids: Sequence[int]
    failures_by_reason: Mapping[str, int]
    run: RunIdentity
    lower_bound: int = 0
    upload_bytes_per_second: int = 0
    run_bytes: int = 0
    run_seconds: int = 0
    failed_files: Sequence[FileNumber] = ()
    waiting_ids: Sequence[int] = ()
    reader: int = 1
    seen: Mapping[MediaType, int] | None = None
    balance: Balance | None = None
    adopted: Moved = field(default_factory=Moved)
    cut_short: bool = False
    shard: Shard = WHOLE
    whole_scope_key: str = ""

    @property
    def reading(self) -> Reading:
        return Reading(self.last_message_id, self.reader, self.seen)

    @property
    def is_finished(self) -> bool:
        """Nothing is left but what failed for good: a further run would find nothing to do.

        Earlier versions called a scope complete in which files had failed for now.
        """
        is_complete = self.status is RunStatus.COMPLETE
        return is_complete and all(map(is_for_good, self.failures_by_reason))

    @property
    def failed_numbers(self) -> list[FileNumber]:
        """All that ``failed_ids`` and ``failed_files`` say: of a message that is not among the
        latter it is the first file."""
        of_several = [each for each in self.failed_files if each.message_id in self.failed_ids]
        several_ids = {number.message_id for number in of_several}
        firsts = [FileNumber(each) for each in self.failed_ids if each not in several_ids]
        return sorted([*firsts, *of_several])


def files_of_several(failed: Iterable[FileNumber]) -> tuple[FileNumber, ...]:
    """For ``failed_files``: all that failed of messages of which another than the first did."""
    numbers = sorted(set(failed))
    several_ids = {number.message_id for number in numbers if number.index != FIRST}
    return tuple(number for number in numbers if number.message_id in several_ids)
