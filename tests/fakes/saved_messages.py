"""Saved Messages in memory, with Telegram's rules, for the tests of what is kept in it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from tdl_sync.core.errors import NetworkUnreachable, TdlSyncError
from tdl_sync.core.ports import SavedText

FIRST_EDIT = datetime(2024, 5, 6, 12, 0, tzinfo=timezone.utc)


class FakeSavedMessages:
    """``ports.SavedMessages`` without a network. All threads may call everything.

    ``errors`` is what the next calls raise, one each; a ``None`` lets a call through.
    ``arrives_anyway`` makes a failing send leave its message, as when the answer gets lost.
    ``hanging`` holds, by a call's name, the event that such calls wait for. ``calls`` are the
    names of all calls. ``now`` is the server's time, which only the tests move on.
    """

    def __init__(self) -> None:
        self.messages: dict[int, SavedText] = {}
        self.forwarded: set[int] = set()
        self.errors: list[TdlSyncError | None] = []
        self.arrives_anyway = False
        self.hanging: dict[str, threading.Event] = {}
        self.calls: list[str] = []
        self.now = FIRST_EDIT
        self._lock = threading.Lock()
        self._next_id = 100

    def find(self, header: str) -> list[SavedText]:
        self._call("find")
        with self._lock:
            return [
                message
                for message in sorted(self.messages.values(), key=lambda one: -one.message_id)
                if message.text.startswith(header) and message.message_id not in self.forwarded
            ]

    def read(self, message_id: int) -> SavedText | None:
        self._call("read")
        with self._lock:
            return self.messages.get(message_id)

    def send(self, text: str) -> SavedText:
        return self._send("send", text)

    def send_pinned(self, text: str) -> SavedText:
        return self._send("send_pinned", text)

    def edit(self, message_id: int, text: str) -> bool:
        self._call("edit")
        self._check_text(text)
        with self._lock:
            if message_id not in self.messages:
                return False
            old = self.messages[message_id]
            if old.text != text:
                edited_at = max(old.edited_at + timedelta(seconds=1), self.now)
                self.messages[message_id] = replace(old, text=text, edited_at=edited_at)
            return True

    def delete(self, message_ids: Iterable[int]) -> None:
        self._call("delete")
        with self._lock:
            for message_id in message_ids:
                self.messages.pop(message_id, None)

    def _send(self, name: str, text: str) -> SavedText:
        try:
            self._call(name)
        except TdlSyncError:
            if self.arrives_anyway:
                self.put(text)
            raise
        return self.put(text)

    def put(self, text: str, forwarded: bool = False) -> SavedText:
        """The user, or another program, writes a message."""
        self._check_text(text)
        with self._lock:
            self._next_id += 1
            message = SavedText(self._next_id, text, self.now, pinned=not forwarded)
            self.messages[message.message_id] = message
            if forwarded:
                self.forwarded.add(message.message_id)
            return message

    @property
    def texts(self) -> list[str]:
        with self._lock:
            return [message.text for message in self.messages.values()]

    def fail(self, times: int, error: TdlSyncError | None = None) -> None:
        """The next calls fail."""
        self.errors.extend([error or NetworkUnreachable("no network")] * times)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.hanging:
            self.hanging[name].wait()
        with self._lock:
            error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error

    @staticmethod
    def _check_text(text: str) -> None:
        units = len(text.encode("utf-16-le")) // 2
        if not 0 < units <= 4096:
            raise AssertionError(f"Telegram refuses a text of {units} UTF-16 units")
