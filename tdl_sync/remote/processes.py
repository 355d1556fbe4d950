"""The one place that starts processes: with an argument list, never through a shell.

Children run in a session (on Windows: a process group) of their own, so that Ctrl-C in the
terminal reaches only us and a running transfer gets its grace time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from tdl_sync.core import operating_system
from tdl_sync.core.operating_system import CREATION_FLAGS

_HOOK_LOOK_SECONDS = 0.1
_MOST_WORDS_BYTES = 1_000_000
"""A hook that never stops complaining fills no disk."""

_LAST_WORDS_BYTES = 2000


_OF_BUNDLE = ("_PYI_", "_MEIPASS")
"""By these the program to unpack and run tells itself what it is; another of its kind would believe
them."""

_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "LIBPATH")
"""Where other programs look for libraries; while ours runs they name its own, and with ``_ORIG`` at
the end what the user has set."""


def of_the_user(environment: Mapping[str, str], *, is_bundle: bool | None = None) -> dict[str, str]:
    """The variables for a child. Of a program to unpack and run they are as if its user had started
    the child: another program would find our libraries in the place of its own
    (https://pyinstaller.org/en/stable/runtime-information.html)."""
    if not (getattr(sys, "frozen", False) if is_bundle is None else is_bundle):
        return dict(environment)
    given = {name: value for name, value in environment.items() if not name.startswith(_OF_BUNDLE)}
    for name in _LIBRARY_PATHS:
        original = given.pop(f"{name}_ORIG", None)
        given.pop(name, None)
        if original is not None:
            given[name] = original
    return given


class Unanswered(Exception):
    """A child did not end within its time and was killed."""


def start(
    arguments: Sequence[str], environment: Mapping[str, str], inherited_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    """A child that lives until its stdin is closed, and whose stderr is a pipe to read from.

    It keeps ``inherited_fds`` open: a lock on one of them is not free before the child is gone,
    even if we were killed. Raises ``OSError`` if the program can't be started.
    """
    return subprocess.Popen(
        list(arguments),
        env=of_the_user(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        creationflags=CREATION_FLAGS,
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
            env=of_the_user(environment),
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
    return subprocess.run(list(arguments), env=of_the_user(environment), check=False).returncode


def has_ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the end of the child at most this long."""
    try:
        process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return False
    return True


def ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """The child, and what it has started."""
    if process.poll() is None:
        operating_system.ask_to_end(process.pid)


def kill(process: subprocess.Popen[bytes]) -> None:
    """The child, and what it has started."""
    if process.poll() is None:
        operating_system.kill_all(process.pid)


@dataclass(frozen=True)
class HookEnd:
    """How a program of the user's has ended. ``status`` is ``None`` for one that was ended by us;
    ``last_words`` is the end of what it wrote to its standard error."""

    status: int | None
    last_words: bytes = b""


def run_hook(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    timeout_seconds: float,
    is_to_end: Callable[[], bool],
) -> HookEnd:
    """Run a program of the user's until it ends, or its time is over, or ``is_to_end`` says so:
    then it is killed, with all that it has started. Nobody sees what it prints.

    Raises ``OSError`` if it can't be started.
    """
    # A file, no pipe: what it leaves behind in the background would hold that open.
    before = b""
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            list(arguments),
            env=of_the_user(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            start_new_session=True,
            creationflags=CREATION_FLAGS,
        )
        end_at = time.monotonic() + timeout_seconds
        while not has_ended_within(process, _HOOK_LOOK_SECONDS):
            if os.fstat(words.fileno()).st_size > _MOST_WORDS_BYTES:
                before = _last_of(words)
                # Its place in the file is the hook's, too, which goes on from there.
                words.seek(0)
                words.truncate()
            if time.monotonic() >= end_at or is_to_end():
                kill(process)
                process.wait()
                return HookEnd(None)
        return HookEnd(process.returncode, (before + _last_of(words))[-_LAST_WORDS_BYTES:])


def _last_of(words: IO[bytes]) -> bytes:
    words.seek(max(0, words.seek(0, os.SEEK_END) - _LAST_WORDS_BYTES))
    return words.read()
