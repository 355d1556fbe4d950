"""``login``, and what a person at a terminal is asked where a sign-in or a token has ended."""

from __future__ import annotations

import contextlib
import getpass
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeVar

import qrcode

from tdl_sync.commands.output import StandardOutput
from tdl_sync.core.errors import (
    CredentialsRefused,
    RemoteCredentialsRefused,
    SessionEnded,
    UsageError,
)
from tdl_sync.core.futures import in_thread
from tdl_sync.core.operating_system import open_here, remove_file
from tdl_sync.core.program import PROGRAM
from tdl_sync.core.text import printable
from tdl_sync.options.config import Config
from tdl_sync.options.credentials import TelegramSettings, is_api_hash, is_api_id
from tdl_sync.remote.program import find_program
from tdl_sync.run.telegram_session import is_signed_in, make_data_dir, telegram_client

API_PAGE = "https://my.telegram.org/apps"
_TRIES = 3


Result = TypeVar("Result")


@dataclass(frozen=True)
class Question:
    """What ``read`` is to find out at the terminal, and where the answer is waited for."""

    read: Callable[[], str]
    answer: Future[str]


class Terminal:
    """``session.login.Prompter`` on standard input and standard error.

    Only the main thread reads there, since only the main thread is interrupted by Ctrl-C; in any
    other thread the answer would be waited for even when the program has ended.
    """

    def __init__(self) -> None:
        self._questions: queue.SimpleQueue[Question | None] = queue.SimpleQueue()

    def ask(self, question: str) -> str:
        return self._asked(lambda: _read_line(question))

    def agrees(self, question: str) -> bool:
        return self.ask(f"{question} [Y/n] ").lower() in ("", "y", "yes")

    def ask_secret(self, question: str) -> str:
        return self._asked(lambda: _read_secret(question))

    def attend(self, work: Callable[[], Result]) -> Result:
        """Run ``work`` in another thread and answer its questions until it ends.

        Main thread only. Raises what ``work`` raises, and ``KeyboardInterrupt`` at once.
        """
        done = in_thread(work, "login")
        done.add_done_callback(lambda _: self._questions.put(None))
        while (question := self._questions.get()) is not None:
            try:
                question.answer.set_result(question.read())
            except BaseException:
                question.answer.set_exception(_given_up())
                raise
        return done.result()

    def _asked(self, read: Callable[[], str]) -> str:
        if threading.current_thread() is threading.main_thread():
            return read()
        question = Question(read, Future())
        self._questions.put(question)
        return question.answer.result()

    def show(self, text: str) -> None:
        sys.stderr.write(printable(text) + "\n")

    def show_qr(self, link: str) -> None:
        code = qrcode.QRCode(border=2)
        code.add_data(link)
        sys.stderr.write(
            "\nIn the Telegram app: Settings > Devices > Link Desktop Device, then scan this "
            "(it is renewed every half minute):\n\n"
        )
        code.print_ascii(out=sys.stderr, tty=False, invert=True)
        sys.stderr.flush()


def at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def login(config: Config) -> int:
    """Sign in, store the session (0600) in the data directory; returns the exit status 0.

    With ``--print-session`` the session is printed on standard output. A session that is signed
    in already is only shown. Raises ``UsageError`` without a terminal.
    """
    if not at_a_terminal():
        raise UsageError(
            "login asks questions, so it needs a terminal; elsewhere set TDL_SYNC_SESSION_STRING, "
            f"which {PROGRAM} login --print-session shows on a machine that has one"
        )
    terminal = Terminal()
    for line in make_data_dir(config.places):
        terminal.show(line)
    settings = replace(config.telegram, session_string=None)
    if settings.session_path.exists():
        try:
            _sign_in(config, settings, terminal)
            return 0
        except SessionEnded:
            terminal.show("The stored session has ended; a new one takes its place.")
            remove_file(settings.session_path)
    try:
        _sign_in_with_app(config, settings, terminal)
    except BaseException:
        # A file without a signed-in session would be taken for one by the next run; one that is
        # signed in is kept, whatever failed after that.
        if not is_signed_in(settings.session_path):
            remove_file(settings.session_path)
        raise
    return 0


def _sign_in(config: Config, settings: TelegramSettings, terminal: Terminal) -> None:
    with telegram_client(settings, terminal.show) as telegram:
        # Not above: each run looks here whether there is a session, before it needs the library.
        from tdl_sync.telegram.session.login import Login

        signing_in = Login(telegram, terminal)
        name = terminal.attend(lambda: signing_in.sign_in(by_qr=config.login_by_qr))
        who = f" as {name}" if name else ""
        terminal.show(f"Signed in{who}. The session is in")
        terminal.show(str(settings.session_path))
        if config.print_session:
            terminal.show("Keep this secret, and use it on one machine only:")
            StandardOutput(sys.stdout).line(signing_in.session_string())


def offer_login(config: Config) -> None:
    """Before a run without a session: sign in now, if there is a person to do it."""
    settings = config.telegram
    if settings.session_string or settings.session_path.exists() or not at_a_terminal():
        return
    if Terminal().agrees("There is no Telegram session yet. Sign in now?"):
        login(config)


def _sign_in_with_app(config: Config, settings: TelegramSettings, terminal: Terminal) -> None:
    """By the environment's api id and hash, those of the last login, or what the person copies,
    which is kept beside the session."""
    from tdl_sync.telegram.session.login import AppRefused

    if settings.api_id is not None:
        _sign_in(config, settings, terminal)
        return
    known = _known_app(settings)
    tries_left = _TRIES
    while True:
        app = known or _asked_for_app(settings, terminal)
        try:
            _sign_in(config, app, terminal)
        except AppRefused as error:
            known, tries_left = None, tries_left - 1
            if tries_left == 0:
                raise
            terminal.show(str(error))
            continue
        if known is None:
            _keep_app(app)
        return


def _asked_for_app(settings: TelegramSettings, terminal: Terminal) -> TelegramSettings:
    terminal.show("Telegram wants to know which app this is. Copy both from")
    terminal.show(API_PAGE)
    while not is_api_id(api_id := terminal.ask("API id: ")):
        if api_id:
            terminal.show("The API id is a number such as 1234567.")
    while not is_api_hash(api_hash := terminal.ask_secret("API hash: ").strip()):
        if api_hash:
            terminal.show("The API hash is 32 digits and letters from a to f.")
    return replace(settings, api_id=int(api_id), api_hash=api_hash)


def _known_app(settings: TelegramSettings) -> TelegramSettings | None:
    try:
        api_id, api_hash = settings.app_path.read_text("ascii").split()
    except (OSError, ValueError):
        return None
    if not is_api_id(api_id) or not is_api_hash(api_hash):
        return None
    return replace(settings, api_id=int(api_id), api_hash=api_hash)


def _keep_app(settings: TelegramSettings) -> None:
    """What can't be kept is asked again by the next login; the session needs it no more."""
    with contextlib.suppress(OSError):
        descriptor = open_here(settings.app_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(f"{settings.api_id} {settings.api_hash}\n")


def _read_line(question: str) -> str:
    sys.stderr.write(printable(question))
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        raise _given_up()
    return answer.strip()


def _read_secret(question: str) -> str:
    try:
        return getpass.getpass(printable(question))
    except EOFError:
        raise _given_up() from None


def _given_up() -> CredentialsRefused:
    return CredentialsRefused("Telegram", "signing in was given up", "Run login again")


def offer_reconnect(config: Config, errors: Iterable[BaseException]) -> bool:
    """After a run that ``errors`` ended; whether the remote was reconnected, so that it may go on.

    Never asks where there is no terminal.
    """
    refused = next((each for each in errors if isinstance(each, RemoteCredentialsRefused)), None)
    if refused is None or not at_a_terminal() or not Terminal().agrees("Run that now?"):
        return False
    # A process of its own, since it talks with the person at the terminal.
    program, _ = find_program(replace(config.rclone, arguments=()))
    return program.converse(["config", "reconnect"], f"{refused.remote_name}:") == 0
