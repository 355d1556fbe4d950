"""Whether the chat is still ours: as long as that is not certain no further item begins."""

from __future__ import annotations

from tdl_sync.core.ports import ProgressListener
from tdl_sync.core.stop import StopFlag
from tdl_sync.state.lease import Lease

_POLL_SECONDS = 0.5


def wait_until_ours(lease: Lease, stop: StopFlag, progress: ProgressListener) -> None:
    """Blocks while the lease may have lapsed, and says so. Raises ``Stopped``."""
    if not lease.admits:
        progress.waiting(
            "new files",
            "the state could not be saved in Saved Messages for two save intervals, so that "
            "another run may take the chat",
            None,
        )
    while not lease.admits:
        stop.sleep(_POLL_SECONDS)
