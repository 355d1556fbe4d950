"""Calls the user's own programs: after each file that was moved, and at the end of the run.

A hook is told by variables, whose names begin with ``SYNC_``; it gets no variable with a secret of
ours. It can't harm the run: it is called beside it, one at a time, has a time limit, and what goes
wrong with it is a warning, and counted.
"""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait

from tdl_sync.core.errors import ConfigurationError, TimeIsUp
from tdl_sync.core.links import message_link
from tdl_sync.core.model import Chat, DoneMark, path_at
from tdl_sync.core.reports import Outcome, RunReport
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import printable
from tdl_sync.options.hooks import NO_HOOKS, HookCommands
from tdl_sync.remote.processes import run_hook
from tdl_sync.remote.program import environment_for_others

FILE_SECONDS = 60.0
END_SECONDS = 600.0
AFTER_STOP_SECONDS = 1.0
"""A stop waits no longer for hooks that run, and begins those for files no more."""

_LOOK_SECONDS = 0.2

_MOST_TOLD = 5
"""So many failures of hooks get a line; all are counted."""

_MOST_WORDS = 200

Variables = Mapping[str, object]


class Hooks:
    """All methods may be called from any thread; ``end`` once, when nothing is moved any more."""

    def __init__(
        self,
        commands: HookCommands,
        remotes: Sequence[str],
        stop: StopFlag,
        on_line: Callable[[str], None],
        file_seconds: float = FILE_SECONDS,
    ) -> None:
        self._commands = commands
        self._remotes = remotes
        self._stop = stop
        self._on_line = on_line
        self._file_seconds = file_seconds
        self._chats: dict[int, Chat] = {}
        self._waiting: queue.SimpleQueue[Variables | Future[None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self.failed = 0
        """How many hooks have failed, or were not called since the run was stopped."""

    def check(self) -> None:
        """Raises ``ConfigurationError`` for a program that is not there: else that would be found
        out after hours."""
        commands = {"--exec": self._commands.at_end, "--exec-file": self._commands.for_file}
        for option, command in commands.items():
            if command and shutil.which(command[0]) is None:
                self._commands = NO_HOOKS
                raise ConfigurationError(
                    f"{option}: there is no such program on this machine (no shell reads the line: "
                    "for what a shell does, sh -c '...')"
                )

    def begin(self, chat: Chat) -> None:
        """Files of this chat will be moved."""
        self._chats[chat.id] = chat

    def file_moved(self, mark: DoneMark) -> None:
        """Returns at once."""
        if not self._commands.for_file:
            return
        self._waiting.put(self._about(mark))
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._call_all, name="hooks", daemon=True)
                self._thread.start()

    def end(self, outcome: Outcome, reports: Sequence[RunReport], text: str) -> None:
        """Wait for the hooks of files, then call the one of the run. ``text`` says in some lines
        how it went."""
        if self._thread is not None:
            ended: Future[None] = Future()
            self._waiting.put(ended)
            while not ended.done() and not self._is_hurried:
                wait((ended,), _LOOK_SECONDS)
            wait((ended,), AFTER_STOP_SECONDS + 2 * _LOOK_SECONDS)  # the last one is killed by then
        if self._commands.at_end:
            about = {
                "EVENT": "run",
                "RESULT": outcome.value,
                "REMOTE": "\n".join(self._remotes),
                "TEXT": text,
                "CHATS": "\n".join(printable(chat.title) for chat in self._chats.values()),
                "SEEN": sum(report.seen for report in reports),
                "DONE": sum(report.done for report in reports),
                "MOVED": sum(report.moved for report in reports),
                "SKIPPED": sum(report.skipped for report in reports),
                "FAILED": sum(report.failed for report in reports),
                "BYTES": sum(report.uploaded_bytes for report in reports),
                "HOOKS_FAILED": self.failed,
            }
            self._call("--exec", self._commands.at_end, about, END_SECONDS)
        if self.failed > _MOST_TOLD:
            self._on_line(f"warning: {self.failed} hooks failed; the first were told")

    @property
    def _is_hurried(self) -> bool:
        """By a signal or by ``--max-runtime``: not by an error, which the hook is there to tell."""
        cause = self._stop.cause
        return self._stop.is_set and (cause is None or isinstance(cause, TimeIsUp))

    def _about(self, mark: DoneMark) -> Variables:
        file, item = mark.file, mark.file.item
        chat = self._chats.get(item.key.chat_id)
        username = None if chat is None or chat.topic_id else chat.username
        return {
            "EVENT": "file",
            "RESULT": "done",
            "REMOTE": mark.remote,
            "PATH": path_at(mark.remote, f"{file.folder}/{file.name}"),
            "FOLDER": file.folder,
            "NAME": file.name,
            "BYTES": item.size_bytes,
            "TYPE": item.media_type.value,
            "DATE": item.date.isoformat(),
            "SHA256": file.sha256 or "",
            "CHAT_ID": item.key.chat_id,
            "CHAT": "" if chat is None else printable(chat.title),
            "MESSAGE_ID": item.message_id,
            "LINK": message_link(item.key.chat_id, username, item.message_id) or "",
        }

    def _call_all(self) -> None:
        while True:
            about = self._waiting.get()
            if isinstance(about, Future):
                about.set_result(None)
                return
            if self._is_hurried:
                self._count("--exec-file: the run was stopped, and the rest was not called")
                continue
            self._call("--exec-file", self._commands.for_file, about, self._file_seconds)

    def _call(self, option: str, command: Sequence[str], about: Variables, seconds: float) -> None:
        """The command's arguments may hold secrets, so nothing of them is told."""
        told = {f"SYNC_{name}": _fit(str(value)) for name, value in about.items()}
        began_at = time.monotonic()

        def is_to_end() -> bool:
            now = time.monotonic()
            since = max(began_at, now - self._stop.seconds_ago)
            return self._is_hurried and now >= since + AFTER_STOP_SECONDS

        try:
            end = run_hook(command, {**environment_for_others(), **told}, seconds, is_to_end)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "a variable can't be spelt"
            self._count(f"{option} can't be run: {why}")
            return
        if end.status is None:
            took = time.monotonic() - began_at
            self._count(f"{option} had not ended after {took:.0f} s and was killed")
        elif end.status != 0:
            words = printable(end.last_words.decode(errors="replace").strip()[-_MOST_WORDS:])
            self._count(f"{option} ended with {end.status}" + (f": {words}" if words else ""))

    def _count(self, why: str) -> None:
        self.failed += 1
        if self.failed <= _MOST_TOLD:
            self._on_line(f"warning: {why}")


def _fit(text: str) -> str:
    """What a variable can hold, in any locale: no NUL, and half a pair of UTF-16 is none."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
