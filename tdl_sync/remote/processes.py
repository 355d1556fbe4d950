"""The one place that starts processes: with an argument list, never through a shell.

Children run in a session (on Windows: a process group) of their own, so that Ctrl-C in the
terminal reaches only us and a running transfer gets its grace time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence


class Unanswered(Exception):
    """A child did not end within its time and was killed."""


def start(
    arguments: Sequence[str], environment: Mapping[str, str], inherited_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    """A child that lives until its stdin is closed, and whose stderr is a pipe to read from.

    It keeps ``inherited_fds`` open (POSIX only): a lock on one of them is not free before the
    child is gone, even if we were killed. Raises ``OSError`` if the program can't be started.
    """
    if sys.platform == "win32":
        return subprocess.Popen(
            list(arguments),
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        list(arguments),
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=tuple(inherited_fds),
    )


def output_of(
    arguments: Sequence[str], environment: Mapping[str, str], timeout_seconds: float
) -> bytes:
    """What a short program prints. Raises ``Unanswered`` after that time, and ``OSError`` if it
    can't be started."""
    try:
        return subprocess.run(
            list(arguments),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_seconds,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as error:
        raise Unanswered(f"no answer within {timeout_seconds:g} s") from error


def run_at_terminal(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program that has our terminal to itself until it ends; returns its exit status.

    Ctrl-C reaches both; raises ``KeyboardInterrupt`` then.
    """
    return subprocess.run(list(arguments), env=dict(environment), check=False).returncode


def has_ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the end of the child at most this long."""
    try:
        process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return False
    return True


if sys.platform == "win32":

    def ask_to_end(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            # There may be no console to send it by, or the process has just ended.
            with contextlib.suppress(OSError):
                process.send_signal(signal.CTRL_BREAK_EVENT)

    def kill(process: subprocess.Popen[bytes]) -> None:
        process.kill()

else:

    def ask_to_end(process: subprocess.Popen[bytes]) -> None:
        _signal_group(process, signal.SIGTERM)

    def kill(process: subprocess.Popen[bytes]) -> None:
        _signal_group(process, signal.SIGKILL)

    def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        # The whole group: what the child started (ssh, a password command) holds its pipes open.
        # A child that was not waited for keeps its id, so the id can't be another process's.
        if process.poll() is None:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                return
