"""A chat is ours: by a lock on this machine, by a lease among all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import time

from tdl_sync.core.futures import in_thread
from tdl_sync.core.model import Chat, RunIdentity, Scope, scope_key
from tdl_sync.core.ports import SavedMessages
from tdl_sync.core.stop import StopFlag
from tdl_sync.state.chat_lock import ChatLock
from tdl_sync.state.claims import Subject
from tdl_sync.state.lease import Lease
from tdl_sync.state.run_identity import is_gone


@contextmanager
def holding(
    chat: Chat,
    remote: str,
    run: RunIdentity,
    saved_messages: SavedMessages,
    lock_directory: Path,
    stop: StopFlag,
    *,
    take_over: bool,
) -> Iterator[Lease]:
    """While it lasts the claim is renewed, until a save has replaced it; see ``Lease``.

    Raises ``HeldByAnotherRun``, ``ConfigurationError``, or what a call to Telegram raises.
    """
    # Scopes of one chat share its folder on the remote, so they share the lock.
    key = scope_key(Scope(remote, chat.id))
    lock = ChatLock.acquire(lock_directory, key, run, chat.title)

    def has_ended(other: RunIdentity) -> bool:
        return other == lock.previous or is_gone(other)

    lease = Lease(saved_messages, Subject(remote, chat.id, key, chat.title), run, has_ended, stop)
    ended = Event()

    def renew() -> None:
        while not ended.wait(run.save_interval_seconds) and lease.renew_claim():
            pass

    try:
        lease.take(seconds_since_start=time() - run.process_started, take_over=take_over)
        in_thread(renew, "claim")
        yield lease
    finally:
        ended.set()
        lease.release()
        lock.release()
