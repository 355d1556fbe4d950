"""Whether the chat is still ours: as long as that is not certain no further item begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

from tdl_sync.core.futures import in_thread
from tdl_sync.core.model import Chat
from tdl_sync.core.ports import HandOff, Notices, ProgressListener
from tdl_sync.core.stop import StopFlag
from tdl_sync.state.lease import Lease

_POLL_SECONDS = 0.5
_LOOK_SECONDS = 0.05
"""So long after it has woken may a machine go on with what it was sending."""


def wait_until_ours(lease: Lease, stop: StopFlag, notices: Notices) -> None:
    """Blocks while the lease may have lapsed, and says so. Raises ``Stopped``."""
    if not lease.admits:
        notices.waiting(
            "beginning new files",
            "the state could not be saved in Saved Messages for two save intervals, so that "
            "another run may take the chat",
            None,
        )
    while not lease.admits:
        stop.sleep(_POLL_SECONDS)


def wait_until_not_lapsed(lease: Lease, stop: StopFlag) -> None:
    """Blocks while the lease has lapsed. Raises ``Stopped``."""
    while lease.has_lapsed:
        stop.sleep(_POLL_SECONDS)


@contextmanager
def cut_when_lapsed(
    lease: Lease,
    hand_off: HandOff,
    progress: ProgressListener,
    save_soon: Callable[[], None],
    chat: Chat,
) -> Iterator[None]:
    """While it lasts: what is being sent is ended as soon as the lease has lapsed, which is the
    first thing after a long sleep of the machine, for another run may have sent it meanwhile.

    ``save_soon`` then renews the lease, or finds that it is lost.
    """
    over = Event()

    def watch() -> None:
        was_lapsed, was_certain = False, True
        while not over.wait(_LOOK_SECONDS):
            if lease.has_lapsed and not was_lapsed:
                hand_off.cut()
                progress.message(
                    "the hold on this chat was not renewed in time (did this machine sleep?), so "
                    "that another run may have it: uploads are broken off until that is known"
                )
                save_soon()
            was_lapsed = lease.has_lapsed
            if lease.admits != was_certain:
                was_certain = not was_certain
                progress.held(chat, is_ours=was_certain)

    in_thread(watch, "lease watch")
    try:
        # What wakes in the midst of a wait may be quicker than the watch.
        with hand_off.held_back_while(lambda: lease.has_lapsed):
            yield
    finally:
        over.set()
