"""A chat is ours: by a lock on this machine, which ends with its owner, and by a lease among all of
them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from tdl_sync.core.errors import ConfigurationError, HeldByAnotherRun
from tdl_sync.core.futures import in_thread
from tdl_sync.core.model import Chat, Scope, scope_key
from tdl_sync.core.operating_system import FileLock, LockHeld, open_here
from tdl_sync.core.ports import SavedMessages
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.core.stop import StopFlag
from tdl_sync.state.claims import Subject
from tdl_sync.state.holds import Others, named_part
from tdl_sync.state.lease import Lease
from tdl_sync.state.run_identity import is_gone
from tdl_sync.state.run_state import RunIdentity
from tdl_sync.state.state_message import run_in, run_record
from tdl_sync.state.strict_json import Fields, Unexpected


@dataclass(frozen=True)
class ChatLock:
    """The run of a whole chat locks ``<key>.lock``; ``<key>.json`` beside it says who, also after
    its end. The run of a shard locks ``<key>-<K>of<N>.lock`` so, and shares the lock of the whole
    chat with the other shards: so it was before there were any, and no run of an earlier version
    can begin beside a shard, nor a shard beside that. While it is found out whether an overlapping
    shard is locked nobody else takes one: ``<key>-begin.lock`` is held for that moment.

    ``previous`` are the runs that had ours and the overlapping ones before: they have ended.
    """

    locks: tuple[FileLock, ...]
    previous: frozenset[RunIdentity]

    @classmethod
    def acquire(
        cls, directory: Path, key: str, run: RunIdentity, title: str, shard: Shard = WHOLE
    ) -> ChatLock:
        """Take it without waiting for who holds it. Raises ``HeldByAnotherRun`` or
        ``ConfigurationError``."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            beginning = _briefly_locked(directory / f"{key}-begin.lock", title)
            try:
                return cls._compared(directory, key, run, title, shard)
            finally:
                beginning.release()
        except OSError as error:
            raise ConfigurationError(
                f"the locks in {directory} cannot be used: {error.strerror}. "
                "Make this directory writable for you, or name another --data-dir"
            ) from error

    @classmethod
    def _compared(
        cls, directory: Path, key: str, run: RunIdentity, title: str, shard: Shard
    ) -> ChatLock:
        taken: list[FileLock] = []
        previous: set[RunIdentity] = set()
        overlapping = {each for each in _shards_locked(directory, key) if each.overlaps(shard)}
        try:
            # The whole last: that a shard shares it is not to be taken for a run of the whole.
            for each in (*sorted({*overlapping, shard} - {WHOLE}, key=str), WHOLE):
                path = directory / f"{_stem(key, each)}.lock"
                shares = each.is_whole and not shard.is_whole
                owner = _owner(path.with_suffix(".json"))
                try:
                    lock = FileLock.share(path) if shares else FileLock.acquire(path)
                except LockHeld:
                    who = "" if owner is None else f" (process {owner.pid})"
                    raise HeldByAnotherRun(
                        f"another run{who} on this machine moves {named_part(title, each)} to the "
                        "same remote; wait for it or end it"
                    ) from None
                if owner is not None:
                    previous.add(owner)
                if each == shard or shares:
                    taken.append(lock)
                else:
                    lock.release()
            _write_owner(directory / f"{_stem(key, shard)}.json", run)
        except BaseException:
            for lock in taken:
                lock.release()
            raise
        return cls(tuple(taken), frozenset(previous))

    def release(self) -> None:
        for lock in self.locks:
            lock.release()


_BEGINNING_SECONDS = 5.0
_BEGINNING_POLL_SECONDS = 0.02


def _briefly_locked(path: Path, title: str) -> FileLock:
    """Held by each run for the moment in which it takes its own."""
    deadline = time.monotonic() + _BEGINNING_SECONDS
    while True:
        try:
            return FileLock.acquire(path)
        except LockHeld:
            if time.monotonic() >= deadline:
                raise HeldByAnotherRun(
                    f"another run of {title!r} begins on this machine, and does not come on; end "
                    "it, or try again"
                ) from None
            time.sleep(_BEGINNING_POLL_SECONDS)


def _stem(key: str, shard: Shard) -> str:
    return key if shard.is_whole else f"{key}-{shard.number}of{shard.count}"


def _shards_locked(directory: Path, key: str) -> list[Shard]:
    """Those of which there are locks, held or not."""
    found = (
        re.fullmatch(r"([0-9]{1,6})of([0-9]{1,6})", path.stem.removeprefix(f"{key}-"))
        for path in directory.glob(f"{key}-*of*.lock")
    )
    pairs = [(int(match[1]), int(match[2])) for match in found if match is not None]
    return [Shard(number, count) for number, count in pairs if 1 <= number <= count > 1]


def _write_owner(path: Path, run: RunIdentity) -> None:
    writing = open_here(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with open(writing, "w", encoding="utf-8") as file:
        file.write(json.dumps(run_record(run)))


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
    shard: Shard = WHOLE,
) -> Iterator[Lease]:
    """While it lasts the claim is renewed, until a save has replaced it; see ``Lease``. Of a
    ``shard`` no more than that is ours.

    Raises ``HeldByAnotherRun``, ``ConfigurationError``, or what a call to Telegram raises.
    """
    # Scopes of one chat share its folder on the remote, so they share the lock.
    key = scope_key(Scope(remote, chat.id))
    lock = ChatLock.acquire(lock_directory, key, run, chat.title, shard)

    def has_ended(other: RunIdentity) -> bool:
        return other in lock.previous or is_gone(other)

    others = Others(Subject(remote, chat.id, key, chat.title, shard), run, has_ended)
    lease = Lease(saved_messages, others, stop)
    ended = Event()

    def renew() -> None:
        while not ended.wait(run.save_interval_seconds) and lease.renew_claim():
            pass

    try:
        lease.take(seconds_since_start=time.time() - run.process_started, take_over=take_over)
        in_thread(renew, "claim")
        yield lease
    finally:
        ended.set()
        lease.release()
        lock.release()
