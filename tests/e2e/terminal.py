"""A person at a terminal: reads what the program shows there, and types."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path

from tests.e2e.program import PATIENCE_SECONDS, Machine, Variables

# The terminal on standard input becomes the one that /dev/tty means; then the program is run.
_AT_THIS_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program whose standard input and error are a terminal. Make it with ``at_terminal``."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int, stdout: Path) -> None:
        self.process = process
        self._descriptor = descriptor
        self._stdout = stdout
        self._raw = b""
        self._read_to = 0

    @property
    def shown(self) -> str:
        """All that was shown, without escapes that move the cursor."""
        return _ESCAPES.sub("", self._raw.decode(errors="replace")).replace("\r", "")

    @property
    def sent(self) -> str:
        """All that the program sent to the terminal, as it is."""
        return self._raw.decode(errors="replace")

    @property
    def stdout(self) -> str:
        """What went to standard output, which is no terminal."""
        return self._stdout.read_text()

    def expect(self, text: str) -> None:
        """Until this is shown, after what was expected before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := self.shown.find(text, self._read_to)) < 0:
            assert self._read(deadline), f"never showed {text!r}:\n{self.shown}"
        self._read_to = found + len(text)

    def read_until(self, condition: Callable[[], bool]) -> None:
        """Until it is true of what was sent so far."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert self._read(deadline), f"it never came true:\n{self.shown}"

    def type(self, text: str) -> None:
        """``\\n`` is the Enter key, ``\\x03`` is Ctrl-C."""
        os.write(self._descriptor, text.encode())

    def answer(self, question: str, text: str) -> None:
        self.expect(question)
        self.type(text + "\n")

    def wait(self) -> int:
        """The exit status."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE_SECONDS)

    def _read(self, deadline: float) -> bool:
        """A little more; ``False`` when the program has closed its terminal."""
        seconds = deadline - time.monotonic()
        assert seconds > 0.0, f"it went on for too long:\n{self.shown}"
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        assert ready, f"nothing more was shown, and it did not end:\n{self.shown}"
        try:
            more = os.read(self._descriptor, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            return False
        self._raw += more
        return bool(more)


@contextmanager
def at_terminal(
    machine: Machine, *arguments: str, variables: Variables | None = None
) -> Iterator[Terminal]:
    """Start the program at a terminal of its own, of 100 columns and 30 rows."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    stdout = machine.directory / "terminal.out"
    with stdout.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", _AT_THIS_TERMINAL, *machine.command(*arguments)],
            cwd=machine.working_directory,
            env={**machine.environment(variables), "TERM": "xterm"},
            stdin=theirs,
            stdout=out,
            stderr=theirs,
            start_new_session=True,
        )
    os.close(theirs)
    try:
        yield Terminal(process, ours, stdout)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
