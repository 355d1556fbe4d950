"""Keeps one rclone running: starts it, says why it can't be started, and starts it again when it
has died, until it dies too often."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tdl_sync.core.errors import ComeBackLater, ConfigurationError, NetworkUnreachable, Stopped
from tdl_sync.core.text import printable
from tdl_sync.remote.program import INSTALL, OLDEST_VERSION, Program, older_than_needed
from tdl_sync.remote.rclone_errors import RcloneFailure, classified
from tdl_sync.remote.rclone_log import Told
from tdl_sync.remote.rclone_process import NoAnswer, RcloneProcess

ANSWER_SECONDS = 90.0

MOST_DEATHS = 5
DEATHS_SECONDS = 60.0
"""So many deaths within this time, and nothing sent in between: starting it again is no use."""

_SERVES_WITHIN_SECONDS = 20.0
_SECONDS_TO_DIE = 1.0


class TooOld(Exception):
    """Another rclone may be new enough."""

    def __init__(self, error: ConfigurationError) -> None:
        self.error = error


class Keeper:
    """All methods may be called from any thread."""

    def __init__(
        self, program: Program, inherited_fds: Sequence[int], tell: Callable[[Told], None]
    ) -> None:
        """``tell`` is called with what the log tells; it must return at once."""
        self.program = program
        self._inherited_fds = tuple(inherited_fds)
        self._tell = tell
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._process: RcloneProcess | None = None
        self._answers: RcloneProcess | None = None
        self._deaths: deque[float] = deque()
        self.stopping = False
        self.starts = 0
        """How often it was started. What another one has opened, this one has not."""

    def running(self) -> RcloneProcess:
        """One that has answered. Raises ``Stopped``, ``TooOld``, ``ConfigurationError``,
        ``NetworkUnreachable`` if it does not answer, and ``ComeBackLater`` if it keeps being
        killed."""
        self.check_not_stopping()
        process = self._answers
        if process is not None and not process.has_ended:
            return process
        with self._starting:
            if self._answers is not None:
                if not self._answers.has_ended:
                    return self._answers
                died, self._answers = self._answers, None
                self._count_death(died)
            self._answers = self._started()
            self.starts += 1
            return self._answers

    def worked(self) -> None:
        """Something was sent: deaths before that do not count any more."""
        self._deaths.clear()

    def use_config_copy(self, config_copy: Path) -> None:
        """Go on with this configuration. Only while no call is under way."""
        self._go_on_with(replace(self.program, config_copy=config_copy))

    def leave_out_defaults(self) -> None:
        """Go on without them. Only while no call is under way."""
        if self.program.has_defaults:
            self._go_on_with(replace(self.program, has_defaults=False))

    def _go_on_with(self, program: Program) -> None:
        with self._starting:
            process, self._answers = self._answers, None
            self.program = program
        if process is not None:
            process.close()

    def check_not_stopping(self) -> None:
        """Raise ``Stopped`` once nothing more is to be begun."""
        if self.stopping:
            raise Stopped("the run is stopping")

    def begin_nothing_more(self) -> None:
        with self._lock:
            self.stopping = True

    def cut(self) -> None:
        """End what runs, at once; who needs one starts another. Does not wait."""
        if self._process is not None:
            self._process.kill()

    def kill(self) -> None:
        """Begin nothing more and end what runs, at once. Does not wait."""
        self.begin_nothing_more()
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End it, also in mid-transfer. Blocks until it is gone."""
        self.begin_nothing_more()
        if self._process is not None:
            self._process.close()

    def _started(self) -> RcloneProcess:
        """A death before the first answer is one of its configuration, or somebody killed it."""
        while True:
            # Under the lock, so that none can slip in behind the end.
            with self._lock:
                self.check_not_stopping()
                try:
                    process = RcloneProcess(self.program, self._inherited_fds, self._tell)
                except OSError as error:
                    raise ConfigurationError(
                        f"{self.program.executable} can't be run ({error}); {INSTALL}"
                    ) from error
                self._process = process
            try:
                self._greet(process)
                return process
            except NoAnswer:
                self.check_not_stopping()
                process.has_ended_within(_SECONDS_TO_DIE)  # its log ends a moment before it does
                if not process.was_killed:
                    raise self._unfit(process) from None
                self._count_death(process)
            except BaseException:
                process.kill()
                raise

    def _greet(self, process: RcloneProcess) -> None:
        """It says that it serves before it reads its configuration: the first answer counts."""
        process.serves_within(_SERVES_WITHIN_SECONDS)
        answer: Mapping[str, Any] = {}
        for command in ("config/listremotes", "core/version"):
            try:
                response = process.post(f"/{command}", b"{}", "application/json", ANSWER_SECONDS)
            except TimeoutError as error:
                process.kill()
                raise NetworkUnreachable(
                    f"rclone gave no answer within {ANSWER_SECONDS:g} s of its start; start again, "
                    "and look at a password command of its configuration, if there is one"
                ) from error
            answer = response.answer or {}
            if response.status != 200:
                raise self._refused(str(answer.get("error", "without a reason")))
        match answer.get("decomposed"):
            case [int(major), int(minor), *_]:
                version = (major, minor)
            case _:
                raise ConfigurationError(
                    f"{self.program.executable} does not say its version as rclone does; {INSTALL}"
                )
        if version < OLDEST_VERSION:
            raise TooOld(older_than_needed(self.program, version))

    def _unfit(self, process: RcloneProcess) -> Exception:
        """Why one that did not come to its first answer did so."""
        if not process.has_ended:
            process.kill()
            return self._refused(f"it does not serve within {_SERVES_WITHIN_SECONDS:g} s")
        version = self.program.version()
        if version < OLDEST_VERSION:
            return TooOld(older_than_needed(self.program, version))
        return self._refused(process.last_words or "without a reason")

    def _refused(self, reason: str) -> Exception:
        reason = one_line(reason)
        failure = RcloneFailure("", 0, reason, self.program.config_file)
        return classified(failure) or ConfigurationError(
            f"rclone can't be started ({reason}); check its configuration, --rclone-arg and the "
            "RCLONE_* environment variables"
        )

    def _count_death(self, process: RcloneProcess) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths[0] < now - DEATHS_SECONDS:
            self._deaths.popleft()
        if len(self._deaths) < MOST_DEATHS:
            return
        how = f"rclone ended {len(self._deaths)} times in a minute, at last: {process.end}"
        if process.was_killed:
            raise ComeBackLater(f"{how}; see what kills it (memory?) and start again")
        raise ConfigurationError(f"{how}; mend that and start again")


def one_line(reason: str) -> str:
    return printable(" ".join(reason.split()))
