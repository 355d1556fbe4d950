"""The real Telegram parts, connected to a stand-in in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from standins.telegram.inject import standin_public_key
from standins.telegram.server import API_HASH, API_ID, StandIn
from standins.telegram.world.world import World
from tdl_sync.core.model import Chat
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.chat_spelling import ByMarkedId, ByUsername, OwnSavedMessages
from tdl_sync.options.credentials import Proxy, TelegramSettings
from tdl_sync.telegram.messages.chats import ChatBook
from tdl_sync.telegram.messages.history import TelegramChatReader
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.event_loop import EventLoopThread


@dataclass(frozen=True)
class ConnectedTelegram:
    """The program's Telegram parts over TCP, and the stand-in that they talk to."""

    standin: StandIn
    stop: StopFlag
    client: TelegramClient
    chats: ChatBook
    reader: TelegramChatReader
    waits: list[tuple[str, str]]
    lines: list[str]
    news: list[int | None]
    edited: list[tuple[int | None, int]]

    @property
    def chat(self) -> Chat:
        """The chat that the stand-in's world is about."""
        source = self.standin.world.source
        if source.kind == "saved":
            return self.chats.resolve(OwnSavedMessages())
        if source.username is not None:
            return self.chats.resolve(ByUsername(source.username))
        return self.chats.resolve(ByMarkedId(source.chat_id))


ConnectTelegram: TypeAlias = Callable[..., ConnectedTelegram]


@contextmanager
def connecting(session_directory: Path) -> Iterator[ConnectTelegram]:
    """What the fixture ``connect_telegram`` gives."""
    standin_public_key.trust_in_this_process()
    with ExitStack() as closing:
        standins: list[StandIn] = []

        def connect(world: World, *, listening: bool = False) -> ConnectedTelegram:
            standin = closing.enter_context(StandIn(world))
            standins.append(standin)
            loop = EventLoopThread()
            loop.start()
            closing.callback(loop.stop)
            stop = StopFlag()
            waits: list[tuple[str, str]] = []
            lines: list[str] = []
            news: list[int | None] = []
            edited: list[tuple[int | None, int]] = []

            def on_wait(what: str, why: str, until: datetime) -> None:
                waits.append((what, why))

            settings = TelegramSettings(
                session_directory=session_directory,
                api_id=API_ID,
                api_hash=API_HASH,
                session_string=standin.session_string(),
                proxy=Proxy("socks5", "127.0.0.1", standin.port),
            )

            def hear(chat_id: int | None, edited_id: int | None = None, /) -> None:
                if edited_id is None:
                    news.append(chat_id)
                else:
                    edited.append((chat_id, edited_id))

            on_news = hear if listening else None
            client = TelegramClient(loop, settings, stop, on_wait, lines.append, on_news)
            client.start()
            closing.callback(client.stop)
            chats = ChatBook(client)
            reader = TelegramChatReader(client, chats)
            return ConnectedTelegram(
                standin, stop, client, chats, reader, waits, lines, news, edited
            )

        yield connect
        assert [name for standin in standins for name in standin.unknown_rpcs] == []
