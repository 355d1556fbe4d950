"""The one place that starts processes: with an argument list, never through a shell.

Children run in a session (on Windows: a process group) of their own, so that Ctrl-C in the
terminal reaches only us and a running transfer gets its grace time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tdl_sync.core.errors import Stopped

_SECONDS_FROM_TERM_TO_KILL = 1.0


class Unanswered(Exception):
    """A child did not end within its time and was killed."""


@dataclass(frozen=True)
class Answer:
    """What a child that ended by itself left behind."""

    exit_status: int
    stdout: bytes
    stderr: bytes


class Children:
    """The running children of one kind. All methods may be called from any thread.

    ``inherited_fds`` are file descriptors that every child keeps open (POSIX only): a lock on
    one of them is not free before the last child is gone, even if we were killed.
    """

    def __init__(self, inherited_fds: Sequence[int] = ()) -> None:
        self._inherited_fds = tuple(inherited_fds)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopping = False

    @property
    def stopping(self) -> bool:
        """True from the first call of ``terminate`` on."""
        return self._stopping

    @contextmanager
    def reporting(
        self, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A child whose stderr is a pipe to read from; it has no stdin and no stdout.

        The child is gone when the block is left, killed if need be. Raises ``Stopped`` after
        ``terminate``, and ``OSError`` if the program can't be started.
        """
        process = self._start(arguments, environment, takes_input=False, gives_output=False)
        with self._registered(process):
            yield process

    def ask(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        timeout_seconds: float,
        stdin: bytes | None = None,
    ) -> Answer:
        """Run a child to its end and return what it said.

        Raises ``Unanswered`` after ``timeout_seconds``, ``Stopped`` if ``terminate`` was called
        before or meanwhile, and ``OSError`` if the program can't be started.
        """
        process = self._start(
            arguments, environment, takes_input=stdin is not None, gives_output=True
        )
        with self._registered(process):
            try:
                stdout, stderr = process.communicate(stdin, timeout_seconds)
            except subprocess.TimeoutExpired as error:
                raise Unanswered(f"no answer within {timeout_seconds:g} s") from error
        if process.returncode != 0 and self._stopping:
            raise Stopped("the run is stopping")
        return Answer(process.returncode, stdout, stderr)

    def terminate(self, grace_seconds: float) -> None:
        """Start nothing more; give what runs this long to end, then end it. Blocks until then.

        A second call with a shorter grace, from another thread, cuts the first one short.
        """
        with self._lock:
            self._stopping = True
            running = tuple(self._running)
        _wait_for_all(running, grace_seconds)
        for process in running:
            _ask_to_end(process)
        _wait_for_all(running, _SECONDS_FROM_TERM_TO_KILL)
        for process in running:
            _kill(process)

    def kill(self) -> None:
        """Start nothing more and end what runs, at once. Does not wait."""
        with self._lock:
            self._stopping = True
            running = tuple(self._running)
        for process in running:
            _kill(process)

    def _start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        takes_input: bool,
        gives_output: bool,
    ) -> subprocess.Popen[bytes]:
        # Under the lock, so that no child can slip in behind a terminate().
        with self._lock:
            if self._stopping:
                raise Stopped("the run is stopping")
            process = _start_detached(
                arguments,
                environment,
                self._inherited_fds,
                stdin=subprocess.PIPE if takes_input else subprocess.DEVNULL,
                stdout=subprocess.PIPE if gives_output else subprocess.DEVNULL,
            )
            self._running.add(process)
            return process

    @contextmanager
    def _registered(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        try:
            with process:
                try:
                    yield
                except BaseException:
                    _kill(process)
                    raise
        finally:
            with self._lock:
                self._running.discard(process)


def run_at_terminal(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program that has our terminal to itself until it ends; returns its exit status.

    Ctrl-C reaches both; raises ``KeyboardInterrupt`` then.
    """
    return subprocess.run(list(arguments), env=dict(environment), check=False).returncode


def _start_detached(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    inherited_fds: tuple[int, ...],
    stdin: int,
    stdout: int,
) -> subprocess.Popen[bytes]:
    if sys.platform == "win32":
        return subprocess.Popen(
            list(arguments),
            env=dict(environment),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        list(arguments),
        env=dict(environment),
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=inherited_fds,
    )


def _wait_for_all(processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return


if sys.platform == "win32":

    def _ask_to_end(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.send_signal(signal.CTRL_BREAK_EVENT)

    def _kill(process: subprocess.Popen[bytes]) -> None:
        process.kill()

else:

    def _ask_to_end(process: subprocess.Popen[bytes]) -> None:
        _signal_group(process, signal.SIGTERM)

    def _kill(process: subprocess.Popen[bytes]) -> None:
        _signal_group(process, signal.SIGKILL)

    def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        # The whole group: what the child started (ssh, a password command) holds its pipes open.
        # A child that was not waited for keeps its id, so the id can't be another process's.
        if process.poll() is None:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                return
