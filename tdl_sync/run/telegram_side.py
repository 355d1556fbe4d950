"""Telegram as a run uses it: one client, and the ports on it.

Whoever imports this imports the library, which takes most of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import Config
from tdl_sync.reporting.reporter import Reporter
from tdl_sync.run.following import News
from tdl_sync.run.telegram_session import telegram_settings
from tdl_sync.telegram.files.parts import TelegramPartSource
from tdl_sync.telegram.messages.chats import ChatBook
from tdl_sync.telegram.messages.history import TelegramChatReader
from tdl_sync.telegram.messages.saved_messages import TelegramSavedMessages
from tdl_sync.telegram.messages.takeout import Takeout
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.event_loop import EventLoopThread
from tdl_sync.telegram.session.session_watch import watch_session


class TelegramSide:
    """Made by ``opened``. Everything may be called from any thread but the loop's."""

    def __init__(self, client: TelegramClient, connections: int) -> None:
        self._client = client
        self._takeout = Takeout()
        self.chats = ChatBook(client)
        self.reader = TelegramChatReader(client, self.chats, self._takeout)
        self.parts = TelegramPartSource(client, self.reader, connections, self._takeout)
        self.saved_messages = TelegramSavedMessages(client)

    @classmethod
    def opened(
        cls,
        loop: EventLoopThread,
        config: Config,
        stop: StopFlag,
        progress: Reporter,
        news: News | None,
        check: Callable[[], None],
    ) -> TelegramSide:
        """Signed in, and watched: ``stop`` is set when Telegram ends the session.

        With ``news`` Telegram tells of new messages. See ``TelegramClient.start`` for ``check``
        and for what is raised.
        """

        def on_wait(what: str, why: str, until: datetime) -> None:
            progress.waiting(what, why, until)

        on_news = None if news is None else news.tell
        client = TelegramClient(
            loop, telegram_settings(config), stop, on_wait, progress.message, on_news
        )
        client.start(check)
        watch_session(client, stop)
        return cls(client, config.connections)

    def begin_takeout(self) -> None:
        """What is read from here on is read within it. Raises ``ComeBackLater``."""
        self._takeout.begin(self._client)

    def end_takeout(self, *, success: bool) -> str | None:
        """A line for the user where that failed."""
        return self._takeout.end(self._client, success=success)

    def close(self) -> None:
        """Never raises for a network that is gone."""
        self._client.stop()
