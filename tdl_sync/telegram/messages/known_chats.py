"""What this account has learnt of chats, kept between runs: which name led where, and how to
address it.

Telegram allows few questions for a user name, and asks whoever has too many to wait for most of a
day; an id with its access hash needs no such question. What is kept is never believed: whoever uses
it asks the chat itself whether it still bears the name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdl_sync.core.operating_system import open_here, replace_file
from tdl_sync.options.chat_spelling import ByInviteHash, ByMarkedId, ByUsername, ChatSpelling

VERSION = 1
_MOST_BYTES = 4_000_000


@dataclass(frozen=True)
class KnownChat:
    """By its marked id. ``access_hash`` is this account's own, 0 for a basic group."""

    chat_id: int
    access_hash: int


class KnownChats:
    """One file for each account, 0600; losing it costs some questions, and nothing else. Who writes
    at the same time may undo what another has just learnt."""

    def __init__(self, directory: Path | None = None, *, writes: bool = True) -> None:
        """Without a directory, or where it may not write, only this run learns."""
        self._directory = directory
        self._writes = writes
        self._learnt: dict[str, KnownChat] = {}

    def find(self, account_id: int, spelling: ChatSpelling) -> KnownChat | None:
        key = _key(spelling)
        return self._learnt.get(key) or self._read(account_id).get(key)

    def learn(self, account_id: int, spelling: ChatSpelling, chat: KnownChat) -> None:
        key = _key(spelling)
        if not key or self.find(account_id, spelling) == chat:
            return
        self._learnt[key] = chat
        if self._directory is not None and self._writes:
            # What can't be kept is asked for again.
            with contextlib.suppress(OSError):
                self._write(account_id, {**self._read(account_id), key: chat})

    def _path(self, account_id: int) -> Path | None:
        return None if self._directory is None else self._directory / f"{account_id}.json"

    def _read(self, account_id: int) -> dict[str, KnownChat]:
        """Empty where there is nothing, or nothing that can be read."""
        path = self._path(account_id)
        if path is None:
            return {}
        try:
            with path.open("rb") as file:
                return _parsed(json.loads(file.read(_MOST_BYTES)))
        except (OSError, ValueError, RecursionError):
            return {}

    def _write(self, account_id: int, chats: dict[str, KnownChat]) -> None:
        path = self._path(account_id)
        assert path is not None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        record = {
            "version": VERSION,
            "chats": {key: [each.chat_id, each.access_hash] for key, each in chats.items()},
        }
        new = path.with_suffix(f".{os.getpid()}.new")
        descriptor = open_here(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(record, file)
        replace_file(new, path)


def _key(spelling: ChatSpelling) -> str:
    """What is kept of an invite does not let anybody in."""
    if isinstance(spelling, ByUsername):
        return f"@{spelling.username}"
    if isinstance(spelling, ByInviteHash):
        return f"+{hashlib.sha256(spelling.invite_hash.encode()).hexdigest()[:32]}"
    return str(spelling.marked_id) if isinstance(spelling, ByMarkedId) else ""


def _parsed(record: Any) -> dict[str, KnownChat]:
    """What is not as it was written is left out."""
    if not isinstance(record, dict) or record.get("version") != VERSION:
        return {}
    chats = record.get("chats")
    return {
        key: KnownChat(*value)
        for key, value in (chats.items() if isinstance(chats, dict) else ())
        if isinstance(value, list) and [type(each) for each in value] == [int, int]
        if all(-(2**63) <= each < 2**63 for each in value)
    }
