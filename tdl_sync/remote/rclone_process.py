"""One rclone that runs: its start, its log, its death, and that it hangs.

It lives as long as its stdin is open, so it ends with us, whatever ends us. A thread reads its log
to the end, since one that nobody reads stops it; another watches that the log goes on.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path

from tdl_sync.core.operating_system import KILLED_WITHOUT_A_SIGN
from tdl_sync.core.text import printable
from tdl_sync.remote import processes
from tdl_sync.remote.answers import ReadObject
from tdl_sync.remote.connections import Connections, Response
from tdl_sync.remote.program import USER, Program
from tdl_sync.remote.rclone_log import ConfigFile, RcloneLog, Serving, Told

HUNG_SECONDS = 5.0
"""Without an answer and without a line, of which there are two in a second. Only the time counts in
which this program itself ran: not a sleep of the machine, and not our own being stopped. Before
the first answer there are no such lines, and a password command may take its time."""

_LOOK_SECONDS = 0.5
_LONGEST_LOOK_SECONDS = 1.0

_PIECE_BYTES = 1024 * 1024
"""Longer lines are read in pieces: none of them tells us anything."""

_SECONDS_TO_TELL = 5.0
_SECONDS_TO_END = 1.0
_SECONDS_TO_DIE = 1.0


class NoAnswer(Exception):
    """rclone ended, hung or broke off before it answered: what it was to do may be done or not."""


class RcloneProcess:
    """Started when it is made. All methods may be called from any thread.

    ``tell`` is called from the thread that reads the log; it must return at once. Making it raises
    ``OSError`` if the program can't be started.
    """

    def __init__(
        self, program: Program, inherited_fds: Sequence[int], tell: Callable[[Told], None]
    ) -> None:
        self._password = secrets.token_hex(16)
        self._tell = tell
        self._log = RcloneLog()
        self._lines = 0
        self._answers = 0
        self._hung = False
        self._connections: Connections | None = None
        self._served = threading.Event()
        self._log_ended = threading.Event()
        self._config_file: Path | None = None
        self._config_told = threading.Event()
        self._process = processes.start(
            program.serving(), program.serving_environment(self._password), inherited_fds
        )
        for work, name in ((self._read_log, "rclone's log"), (self._watch, "rclone's watch")):
            threading.Thread(target=work, name=name, daemon=True).start()

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def was_killed(self) -> bool:
        """By a signal, or by us since it hung: it did not end of itself."""
        status = self._process.poll() or 0
        # Windows knows no signals: there who has no last words was killed.
        without_a_word = KILLED_WITHOUT_A_SIGN and status != 0 and not self.last_words
        return self._hung or status < 0 or without_a_word

    @property
    def end(self) -> str:
        """What ended it, in words, with its own last ones if it ended of itself."""
        if self._hung:
            return f"it gave no sign of life for {HUNG_SECONDS:g} s and was killed"
        status = self._process.poll() or 0
        if status < 0:
            return f"it was killed by signal {-status}"
        words = self.last_words
        return f"it ended with {status}: {words}" if words else f"it ended with {status}"

    @property
    def config_file(self) -> Path | None:
        """The one that it uses; it may not be there. ``None`` if it does not say."""
        # It does before its first answer, but who reads its log may not have come to that line.
        self._config_told.wait(_SECONDS_TO_TELL)
        return self._config_file

    @property
    def last_words(self) -> str:
        """Its reason, as one printable line without secrets; empty if it gave none."""
        return printable(self._log.last_words.replace(self._password, "…"))

    def serves_within(self, seconds: float) -> bool:
        """Wait until it says that it serves. False: it has ended, or the time is over."""
        self._served.wait(seconds)
        return self._connections is not None and not self.has_ended

    def post(
        self,
        path: str,
        body: bytes,
        content_type: str,
        timeout_seconds: float | None,
        read: ReadObject | None = None,
    ) -> Response:
        """One call. No call goes to an rclone that has ended, and no answer counts after its end.

        Raises ``TimeoutError``, which cancels the call, and ``NoAnswer``.
        """
        if self._connections is None or self.has_ended:
            raise NoAnswer(self.end)
        try:
            response = self._connections.post(path, body, content_type, timeout_seconds, read)
        except (OSError, HTTPException) as error:
            if isinstance(error, TimeoutError) and timeout_seconds is not None:
                raise
            # The connection of one that dies breaks a moment before it is dead.
            if self.has_ended_within(_SECONDS_TO_DIE):
                raise NoAnswer(self.end) from error
            raise NoAnswer(f"it broke off the call ({error})") from error
        if self.has_ended:
            raise NoAnswer(self.end)
        self._answers += 1
        return response

    def has_ended_within(self, seconds: float) -> bool:
        """Wait for its end at most this long; for its last words as well."""
        ended = processes.has_ended_within(self._process, seconds)
        if ended:
            self._log_ended.wait(_SECONDS_TO_END)
        return ended

    def close(self) -> None:
        """End it: it is idle, or what it does is to be broken off. Blocks until it is gone."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it is gone
            self._process.stdin.close()
        processes.ask_to_end(self._process)
        if not processes.has_ended_within(self._process, _SECONDS_TO_END):
            self.kill()
            self._process.wait()
        if self._connections is not None:
            self._connections.close()

    def kill(self) -> None:
        """Does not wait."""
        processes.kill(self._process)

    def _read_log(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        goes_on = False
        try:
            while line := stderr.readline(_PIECE_BYTES):
                self._lines += 1
                is_first_piece, goes_on = not goes_on, not line.endswith(b"\n")
                told = self._log.read(line) if is_first_piece else None
                if isinstance(told, Serving):
                    if self._connections is None:
                        self._connections = Connections(told.port, USER, self._password)
                        self._served.set()
                elif isinstance(told, ConfigFile):
                    self._config_file = told.path
                    self._config_told.set()
                elif told is not None:
                    self._tell(told)
        except BaseException:
            # It would stop for want of a reader, and all who wait for an answer with it.
            self.kill()
            raise
        finally:
            self._log_ended.set()
            self._served.set()
            self._config_told.set()

    def _watch(self) -> None:
        silent_seconds, signs, looked_at = 0.0, 0, time.monotonic()
        while not self._log_ended.wait(_LOOK_SECONDS):
            now = time.monotonic()
            ran_seconds, looked_at = now - looked_at, now
            signs_now = self._lines + self._answers
            if signs_now != signs or not self._answers:
                silent_seconds, signs = 0.0, signs_now
            elif ran_seconds < _LONGEST_LOOK_SECONDS:
                silent_seconds += ran_seconds
            if silent_seconds >= HUNG_SECONDS:
                self._hung = True
                self.kill()
                return
