"""Whether a further item may begin: the chat must be ours, and the time must suffice."""

from __future__ import annotations

from tdl_sync.core.model import MediaItem
from tdl_sync.core.ports import ProgressListener
from tdl_sync.core.stop import StopFlag
from tdl_sync.run.time_left import TimeLeft
from tdl_sync.state.lease import Lease
from tdl_sync.transfer.admission import OpenGate

_POLL_SECONDS = 0.5


class LeaseGate(OpenGate):
    """Waits while it is not certain that the chat is still ours."""

    def __init__(self, lease: Lease, stop: StopFlag, progress: ProgressListener) -> None:
        self._lease = lease
        self._stop = stop
        self._progress = progress

    def admits(self, item: MediaItem) -> bool:
        if not self._lease.admits:
            self._progress.waiting(
                "new files",
                "the state could not be saved in Saved Messages for two save intervals, so that "
                "another run may take the chat",
                None,
            )
        while not self._lease.admits:
            self._stop.sleep(_POLL_SECONDS)
        return True


class TimedGate(LeaseGate):
    """The same for a run that must be gone by a certain time."""

    def __init__(
        self, lease: Lease, stop: StopFlag, progress: ProgressListener, time_left: TimeLeft
    ) -> None:
        super().__init__(lease, stop, progress)
        self._time_left = time_left

    @property
    def is_over(self) -> bool:
        return self._time_left.is_over

    def admits(self, item: MediaItem) -> bool:
        return super().admits(item) and self._time_left.admits(item)

    def put_off(self, item: MediaItem) -> None:
        self._time_left.put_off(item)

    def taken_up(self, item: MediaItem) -> None:
        self._time_left.taken_up(item)

    def downloading(self, item: MediaItem) -> None:
        self._time_left.downloading(item)

    def staged(self, item: MediaItem) -> None:
        self._time_left.staged(item)

    def sending(self, item: MediaItem) -> None:
        self._time_left.sending(item)

    def sent(self, item: MediaItem, total_bytes: int) -> None:
        self._time_left.sent(item, total_bytes)

    def settled(self, item: MediaItem, *, moved: bool) -> None:
        self._time_left.settled(item, moved=moved)
