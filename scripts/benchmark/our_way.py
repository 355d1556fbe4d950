"""A child: this program's own parts move the files of a chat, as its pipeline uses them.

    python -m scripts.benchmark.our_way download CHAT

Each file is deleted as soon as it is complete. Telegram is found by the program's own variables.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from scripts.benchmark.child import Meter
from scripts.benchmark.frame import temporary_directory
from tdl_sync.cli.usage import OPTIONS
from tdl_sync.core.model import MediaItem, Reservation
from tdl_sync.core.operating_system import share_freed_memory
from tdl_sync.core.steps import Steps
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.chat_spelling import ByUsername
from tdl_sync.options.credentials import Proxy, TelegramSettings
from tdl_sync.telegram.files.parts import TelegramPartSource
from tdl_sync.telegram.messages.chats import ChatBook
from tdl_sync.telegram.messages.history import TelegramChatReader
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.event_loop import EventLoopThread
from tdl_sync.transfer.disk.budget import DiskBudget
from tdl_sync.transfer.disk.part_journal import PartialFiles
from tdl_sync.transfer.disk.staging import Staging
from tdl_sync.transfer.download import Downloader
from tdl_sync.transfer.pools import DownloadPool, DownloadPools

BUDGET_BYTES = 10**12

CLAIM_SECONDS = 0.5
"""So long a run claims its chat while connections for its files are opened: six round trips."""


def shipped(option: str) -> int:
    """The default of an option that is a number."""
    return int(OPTIONS[option].default or "")


class Silent:
    """``Notices`` that nobody reads."""

    def waiting(self, what: str, why: str, until: datetime | None) -> None: ...
    def message(self, line: str) -> None: ...


@dataclass(frozen=True)
class Parts:
    """The program's parts, connected to the stand-in."""

    items: list[MediaItem]
    downloader: Downloader
    pools: DownloadPools
    budget: DiskBudget


@contextmanager
def connected(chat_name: str, downloads: int, connections: int) -> Iterator[Parts]:
    with ExitStack() as closing:
        directory = closing.enter_context(temporary_directory())
        stop = StopFlag()
        telegram = _telegram(closing, directory, stop)
        chats = ChatBook(telegram)
        reader = TelegramChatReader(telegram, chats)
        chat = chats.resolve(ByUsername(chat_name))
        staging = Staging.open(directory / "staging", BUDGET_BYTES)
        closing.callback(staging.close)
        partials = PartialFiles(staging, directory / "partial")
        parts = TelegramPartSource(telegram, reader, connections)
        newest = reader.newest_message_id(chat)
        items = [
            entry
            for page in reader.pages(chat, 0, newest)
            for entry in page.entries
            if isinstance(entry, MediaItem)
        ]
        downloader = Downloader(parts, staging, partials, Silent(), stop)
        downloader.expect(items)
        time.sleep(CLAIM_SECONDS)
        yield Parts(
            items=items,
            downloader=downloader,
            pools=DownloadPools(downloads, stop),
            budget=DiskBudget(BUDGET_BYTES, staging.block_bytes, stop),
        )


def _telegram(closing: ExitStack, directory: Path, stop: StopFlag) -> TelegramClient:
    host, _, port = os.environ["TDL_SYNC_PROXY"].removeprefix("socks5://").partition(":")
    settings = TelegramSettings(
        session_directory=directory,
        session_string=os.environ["TDL_SYNC_SESSION_STRING"],
        proxy=Proxy("socks5", host, int(port)),
    )
    loop = EventLoopThread()
    loop.start()
    closing.callback(loop.stop)
    client = TelegramClient(loop, settings, stop, lambda *_: None, lambda _: None)
    client.start()
    closing.callback(client.stop)
    return client


def download_all(parts: Parts) -> None:
    """Download everything as the pipeline does; complete files are deleted."""

    def download(reservation: Reservation, pool: DownloadPool) -> None:
        try:
            staged = parts.downloader.download(reservation, Steps())
        finally:
            pool.slots.give_back()
        staged.path.unlink()
        parts.budget.release(reservation)

    downloads: list[Future[None]] = []
    for item in parts.items:
        pool = parts.pools.pool_of(item)
        pool.slots.take()
        downloads.append(pool.executor.submit(download, parts.budget.reserve(item), pool))
    for each in downloads:
        each.result()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=("download",))
    parser.add_argument("chat")
    parser.add_argument("--downloads", type=int, default=shipped("--downloads"))
    parser.add_argument("--connections", type=int, default=shipped("--connections"))
    arguments = parser.parse_args()
    share_freed_memory()  # as the program does first of all
    with connected(arguments.chat, arguments.downloads, arguments.connections) as parts:
        meter = Meter()
        download_all(parts)
        meter.report(sum(item.size_bytes for item in parts.items))


if __name__ == "__main__":
    main()
