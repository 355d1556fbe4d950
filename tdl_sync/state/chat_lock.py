"""One run for a chat on one machine: a lock that ends with its owner, however that ends."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError, HeldByAnotherRun
from tdl_sync.core.model import RunIdentity
from tdl_sync.core.operating_system import FileLock, LockHeld
from tdl_sync.state.state_message import run_in, run_record
from tdl_sync.state.strict_json import Fields, Unexpected


class ChatLock:
    """``<key>.lock`` is locked; ``<key>.json`` beside it says by whom, also after its end.

    ``previous`` is the run that had the lock before: since the lock is ours, it has ended.
    """

    def __init__(self, lock: FileLock, previous: RunIdentity | None) -> None:
        self._lock = lock
        self.previous = previous

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
            owner_path.write_text(json.dumps(run_record(run)), encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(
                f"the locks in {directory} cannot be used: {error.strerror}. "
                "Make this directory writable for you, or name another --data-dir"
            ) from error
        return cls(lock, previous)

    def release(self) -> None:
        self._lock.release()


def _owner(path: Path) -> RunIdentity | None:
    with contextlib.suppress(FileNotFoundError, UnicodeDecodeError, Unexpected):
        return run_in(Fields.load(path.read_text(encoding="utf-8")))
    return None
