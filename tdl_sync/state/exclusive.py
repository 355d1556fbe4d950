"""A chat is ours: by a lock on this machine, which ends with its owner, and by a lease among all of
them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import time

from tdl_sync.core.errors import ConfigurationError, HeldByAnotherRun
from tdl_sync.core.futures import in_thread
from tdl_sync.core.model import Chat, Scope, scope_key
from tdl_sync.core.operating_system import FileLock, LockHeld, open_here
from tdl_sync.core.ports import SavedMessages
from tdl_sync.core.stop import StopFlag
from tdl_sync.state.claims import Subject
from tdl_sync.state.holds import Others
from tdl_sync.state.lease import Lease
from tdl_sync.state.run_identity import is_gone
from tdl_sync.state.run_state import RunIdentity
from tdl_sync.state.state_message import run_in, run_record
from tdl_sync.state.strict_json import Fields, Unexpected


@dataclass(frozen=True)
class ChatLock:
    """``<key>.lock`` is locked; ``<key>.json`` beside it says by whom, also after its end.

    ``previous`` is the run that had the lock before: since the lock is ours, it has ended.
    """

    lock: FileLock
    previous: RunIdentity | None

    @classmethod
    def acquire(cls, directory: Path, key: str, run: RunIdentity, title: str) -> ChatLock:
        """Take it without waiting. Raises ``HeldByAnotherRun`` or ``ConfigurationError``."""
        owner_path = directory / f"{key}.json"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                lock = FileLock.acquire(directory / f"{key}.lock")
            except LockHeld:
                owner = _owner(owner_path)
                who = "" if owner is None else f" (process {owner.pid})"
                raise HeldByAnotherRun(
                    f"another run{who} on this machine moves {title!r} to the same remote; "
                    "wait for it or end it"
                ) from None
            previous = _owner(owner_path)
            writing = open_here(owner_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with open(writing, "w", encoding="utf-8") as file:
                file.write(json.dumps(run_record(run)))
        except OSError as error:
            raise ConfigurationError(
                f"the locks in {directory} cannot be used: {error.strerror}. "
                "Make this directory writable for you, or name another --data-dir"
            ) from error
        return cls(lock, previous)

    def release(self) -> None:
        self.lock.release()


def _owner(path: Path) -> RunIdentity | None:
    with contextlib.suppress(FileNotFoundError, UnicodeDecodeError, Unexpected):
        return run_in(Fields.load(path.read_text(encoding="utf-8")))
    return None


@contextmanager
def exclusive(
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

    others = Others(Subject(remote, chat.id, key, chat.title), run, has_ended)
    lease = Lease(saved_messages, others, stop)
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
