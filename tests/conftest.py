"""The real Telegram parts, connected to a stand-in in this process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import pytest

from standins.telegram.inject import standin_public_key
from standins.telegram.server import API_HASH, API_ID, StandIn
from standins.telegram.world.world import World
from tdl_sync.core import retry
from tdl_sync.core.model import Chat
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.chat_spelling import ByMarkedId, ByUsername, OwnSavedMessages
from tdl_sync.options.credentials import Proxy
from tdl_sync.telegram.messages.chats import ChatBook
from tdl_sync.telegram.messages.history import TelegramChatReader
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.event_loop import EventLoopThread
from tdl_sync.telegram.session.settings import TelegramSettings

# A shell that put the tests in the background, or nohup, has these ignored; the programs that the
# tests start would inherit that, and are to meet signals as at a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

FIRST = ("torture", "faults", "state", "recipes", "drive", "follow", "looking")
"""The folders with the longest tests: begun last, one of them would keep all others waiting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {folder: rank for rank, folder in enumerate(FIRST)}

    def rank(item: pytest.Item) -> int:
        whole_runs = {"e2e", "torture", "recipes"} & set(item.path.parts)
        return ranks.get(item.path.parent.name, len(FIRST)) if whole_runs else len(FIRST)

    items.sort(key=rank)


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


@pytest.fixture
def connect_telegram(tmp_path: Path) -> Iterator[ConnectTelegram]:
    """Call it with a world, and ``listening=True`` to be told of news.

    A call that the stand-in could not answer fails the test.
    """
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

            def on_wait(what: str, why: str, until: datetime) -> None:
                waits.append((what, why))

            settings = TelegramSettings(
                session_directory=tmp_path,
                api_id=API_ID,
                api_hash=API_HASH,
                session_string=standin.session_string(),
                proxy=Proxy("socks5", "127.0.0.1", standin.port),
            )
            on_news = news.append if listening else None
            client = TelegramClient(loop, settings, stop, on_wait, lines.append, on_news)
            client.start()
            closing.callback(client.stop)
            chats = ChatBook(client)
            reader = TelegramChatReader(client, chats)
            return ConnectedTelegram(standin, stop, client, chats, reader, waits, lines, news)

        yield connect
        assert [name for standin in standins for name in standin.unknown_rpcs] == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB, where one byte too many is ENOSPC. Linux, and only who may mount one."""
    directory = tmp_path / "small disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(directory)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this account may not mount a disk")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once."""
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)
