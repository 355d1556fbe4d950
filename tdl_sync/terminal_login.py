"""``login``: a person at a terminal signs in to Telegram, and the session is stored."""

from __future__ import annotations

import getpass
import sys
from contextlib import ExitStack
from dataclasses import replace

import qrcode

from tdl_sync.config import Config
from tdl_sync.credentials import Credentials, credentials_from
from tdl_sync.errors import CredentialsRefused, UsageError
from tdl_sync.event_loop import EventLoopThread
from tdl_sync.naming import printable
from tdl_sync.stop import StopFlag
from tdl_sync.sync import make_data_dir, telegram_settings
from tdl_sync.telegram.client import TelegramClient
from tdl_sync.telegram.login import Login

API_PAGE = "https://my.telegram.org/apps"


class Terminal:
    """``telegram.login.Prompter`` on standard input and standard error."""

    def ask(self, question: str) -> str:
        sys.stderr.write(question)
        sys.stderr.flush()
        answer = sys.stdin.readline()
        if not answer:
            raise CredentialsRefused("Telegram", "signing in was given up", "Run login again")
        return answer.strip()

    def ask_secret(self, question: str) -> str:
        return getpass.getpass(printable(question))

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
            "which tdl_sync.py login --print-session shows on a machine that has one"
        )
    make_data_dir(config)
    terminal = Terminal()
    settings = replace(telegram_settings(config), session_string=None)
    existed = settings.session_path.exists()
    if not existed and settings.api_id is None:
        credentials = _asked_credentials(terminal)
        settings = replace(settings, api_id=credentials.api_id, api_hash=credentials.api_hash)
    try:
        with ExitStack() as closing:
            loop = EventLoopThread()
            loop.start()
            closing.callback(loop.stop)
            telegram = TelegramClient(loop, settings, StopFlag(), lambda *_: None, lambda _: None)
            closing.callback(telegram.stop)
            signing_in = Login(telegram, terminal)
            name = signing_in.sign_in(by_qr=config.login_by_qr)
            terminal.show(f"Signed in as {name}. The session is in {settings.session_path}")
            if config.print_session:
                terminal.show("Keep this secret, and use it on one machine only:")
                sys.stdout.write(signing_in.session_string() + "\n")
    except BaseException:
        # A file without a signed-in session would be taken for one by the next run.
        if not existed:
            settings.session_path.unlink(missing_ok=True)
        raise
    return 0


def offer_login(config: Config) -> None:
    """Before a run without a session: sign in now, if there is a person to do it."""
    settings = telegram_settings(config)
    if settings.session_string or settings.session_path.exists() or not at_a_terminal():
        return
    answer = Terminal().ask("There is no Telegram session yet. Sign in now? [Y/n] ")
    if answer.lower() in ("", "y", "yes"):
        login(config)


def _asked_credentials(terminal: Terminal) -> Credentials:
    terminal.show(f"Telegram wants to know which app this is: copy both from {API_PAGE}")
    return credentials_from(
        {
            "TDL_SYNC_API_ID": terminal.ask("API id: "),
            "TDL_SYNC_API_HASH": terminal.ask_secret("API hash: "),
        }
    )
