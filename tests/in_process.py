"""The program without a process of its own: its ``main`` is called, with everything that it reads
and writes on one of the tests' machines.

Most of what a short run costs is the start of a process and of its libraries. What only a process
shows (its end, its signals, what other processes see of it) is for ``Machine.run``; so is what
counts from the start of the process, which here is that of the tests: ``--max-runtime`` and
``--take-over``.
"""

from __future__ import annotations

import getpass
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from unittest import mock

import pytest

from standins.telegram.inject import standin_public_key
from tdl_sync.cli import main as cli
from tdl_sync.telegram.session import client
from tests.e2e.program import Ended, Machine, Variables
from tests.waiting import in_thread, until

client.SILENCE_SECONDS = 50.0
"""A busy machine may need longer to answer than a person is to wait without a word, and here all
that is said counts."""


@dataclass(frozen=True)
class Answer:
    """What a person types when what is shown ends with ``question``. ``None`` ends the input, as
    Ctrl-D does, and an exception is raised, as Ctrl-C raises one."""

    question: str
    text: str | BaseException | None


class Person:
    """Sits at the terminal and gives these answers, in this order and no others."""

    def __init__(self, *answers: Answer) -> None:
        self._to_come = list(answers)

    @property
    def was_asked_all(self) -> bool:
        return not self._to_come

    def type(self, shown: str) -> str:
        """The line with its end, or the empty text that is the end of the input."""
        assert self._to_come, f"a question too many: {shown[-200:]!r}"
        answer = self._to_come.pop(0)
        assert shown.endswith(answer.question), f"{shown[-200:]!r} and not {answer.question!r}"
        if isinstance(answer.text, BaseException):
            raise answer.text
        return "" if answer.text is None else f"{answer.text}\n"


class _Screen(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


class _Keyboard:
    """As much of ``sys.stdin`` as the program uses."""

    def __init__(self, person: Person, screen: _Screen) -> None:
        self._person = person
        self._screen = screen

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._person.type(self._screen.getvalue())

    def secret(self, question: str) -> str:
        """``getpass.getpass``, which would ask whoever runs the tests, at their own terminal."""
        self._screen.write(question)
        line = self.readline()
        if not line:
            raise EOFError
        return line.removesuffix("\n")


@dataclass(frozen=True)
class SignalWhen:
    """Comes as soon as it is true, or when that was waited for in vain."""

    condition: Callable[[], bool]
    number: signal.Signals = signal.SIGINT

    @contextmanager
    def coming(self) -> Iterator[None]:
        """To this thread, and only while it is in here."""
        over, sending = threading.Event(), threading.Lock()
        this_thread = threading.get_ident()

        def send() -> None:
            try:
                until(lambda: over.is_set() or self.condition())
            finally:
                with sending:
                    if not over.is_set():
                        signal.pthread_kill(this_thread, self.number)

        in_thread(send)
        try:
            yield
        finally:
            with sending:
                over.set()


def run_here(
    machine: Machine,
    *arguments: str,
    variables: Variables | None = None,
    person: Person | None = None,
    signal_when: SignalWhen | None = None,
) -> Ended:
    """As ``Machine.run``, but in this process. At a terminal only if there is a ``person``.

    Main thread only.
    """
    if sys.platform == "win32":
        pytest.skip("the tests' machines are POSIX ones")
    standin_public_key.trust_in_this_process()
    stdout, stderr = io.StringIO(), _Screen(is_terminal=person is not None)
    stdin = io.StringIO() if person is None else _Keyboard(person, stderr)
    with (
        _process_as_it_was(),
        mock.patch.dict(os.environ, machine.environment(variables), clear=True),
        mock.patch.multiple(sys, stdin=stdin, stdout=stdout, stderr=stderr),
        mock.patch.object(getpass, "getpass", getattr(stdin, "secret", None)),
        signal_when.coming() if signal_when else nullcontext(),
    ):
        os.chdir(machine.working_directory)
        status = cli.main(arguments)
    assert person is None or person.was_asked_all
    return Ended(status, stdout.getvalue(), stderr.getvalue(), peak_memory_bytes=0)


@contextmanager
def _process_as_it_was() -> Iterator[None]:
    """Afterwards: what the program changes for the whole of its process."""
    directory, mask = os.getcwd(), os.umask(0o022)
    hook, handlers = threading.excepthook, list(logging.getLogger().handlers)
    try:
        yield
    finally:
        os.chdir(directory)
        os.umask(mask)
        threading.excepthook = hook
        logging.getLogger().handlers[:] = handlers
