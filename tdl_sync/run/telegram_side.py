"""Telegram as runs and looks use it: one client, and the ports on it.

Whoever imports this imports the library, which takes most of a second.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime

from tdl_sync.options.config import Config, Running, Verbosity
from tdl_sync.reporting.lines import waiting_line
from tdl_sync.reporting.numbers import Waiting
from tdl_sync.reporting.stderr import teller
from tdl_sync.run.telegram_session import make_data_dir, telegram_client
from tdl_sync.telegram.files.parts import TelegramPartSource
from tdl_sync.telegram.messages.chats import ChatBook
from tdl_sync.telegram.messages.history import TelegramChatReader
from tdl_sync.telegram.messages.known_chats import KnownChats
from tdl_sync.telegram.messages.saved_messages import TelegramSavedMessages
from tdl_sync.telegram.messages.takeout import Takeout
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.session_copy import session_string_of


class TelegramSide:
    """On a client that is started. Everything may be called from any thread but the loop's."""

    def __init__(
        self,
        client: TelegramClient,
        known: KnownChats | None = None,
        *,
        names_topics: bool = False,
    ) -> None:
        self.client = client
        self._takeout = Takeout()
        self.chats = ChatBook(client, known)
        self.reader = TelegramChatReader(
            client, self.chats, self._takeout, names_topics=names_topics
        )
        self.saved_messages = TelegramSavedMessages(client)

    def begin_takeout(
        self, closing: ExitStack, on_line: Callable[[str], None], success: Callable[[], bool]
    ) -> None:
        """What is read from here on is read within it. Raises ``ComeBackLater``.

        ``closing`` ends it, with what ``success`` says then.
        """

        def end() -> None:
            line = self._takeout.end(self.client, success=success())
            if line is not None:
                on_line(line)

        self._takeout.begin(self.client)
        closing.callback(end)


class TelegramToMove(TelegramSide):
    """The same, and the files' bytes."""

    def __init__(
        self,
        client: TelegramClient,
        running: Running,
        known: KnownChats,
        *,
        names_topics: bool = False,
    ) -> None:
        super().__init__(client, known, names_topics=names_topics)
        self.parts = TelegramPartSource(
            client, self.reader, running.connections, self._takeout, running.bandwidth
        )


@contextmanager
def opened_to_look(config: Config, *, on_a_copy: bool = False) -> Iterator[TelegramSide]:
    """Signed in, for a command that moves nothing; closed on leaving.

    What there is to say meanwhile (a flood wait, a network that is gone) is told. With
    ``on_a_copy`` of the session in memory nothing is written on this machine.
    Raises what ``TelegramClient.start`` raises.
    """
    settings, on_line = config.telegram, teller(config.telling)
    if not on_a_copy:
        for line in make_data_dir(config.places):
            on_line(line)
    elif settings.session_string is None and settings.session_path.exists():
        settings = replace(settings, session_string=session_string_of(settings.session_path))

    def on_wait(what: str, why: str, until: datetime) -> None:
        on_line(waiting_line(Waiting(what, why, until)))

    with telegram_client(settings, on_line, on_wait) as client:
        if sys.stderr.isatty() and config.telling.verbosity is not Verbosity.QUIET:
            on_line(settings.connecting_line)
        client.start()
        known = KnownChats(config.places.chats, writes=not on_a_copy)
        yield TelegramSide(client, known, names_topics=config.names_topics)
