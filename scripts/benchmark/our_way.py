"""A child: this program's own parts move the files of a chat, as its pipeline uses them.

    python -m scripts.benchmark.our_way download CHAT
    python -m scripts.benchmark.our_way upload CHAT REMOTE:PATH

``download`` deletes each file as soon as it is complete; ``upload`` measures the hand-offs of files
that were downloaded before. Telegram is found by the program's own variables.
"""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from scripts.benchmark.child import Meter
from scripts.benchmark.frame import temporary_directory
from tdl_sync.cli.usage import OPTIONS
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import Chat, ChatTotals, MediaItem, MessageKey, Reservation, StagedFile
from tdl_sync.core.naming import file_name
from tdl_sync.core.reports import RunReport
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.chat_spelling import ByUsername
from tdl_sync.options.credentials import Proxy, TelegramSettings
from tdl_sync.remote.check import check_remote
from tdl_sync.remote.handoff import RcloneHandOff
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.rclone import Rclone
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
FOLDER = "bench"


def shipped(option: str) -> int:
    """The default of an option that is a number."""
    return int(OPTIONS[option].default or "")


class NullProgress:
    """``ProgressListener`` that shows nothing."""

    def started(self, chat: Chat, totals: ChatTotals, budget_bytes: int) -> None: ...
    def seen(self, items: int) -> None: ...
    def done_before(self, item: MediaItem) -> None: ...
    def skipped(self, key: MessageKey, rule: str) -> None: ...
    def admitted(self, item: MediaItem) -> None: ...
    def download_started(self, item: MediaItem) -> None: ...
    def resumed(self, item: MediaItem, bytes_there: int) -> None: ...
    def downloaded(self, item: MediaItem, more_bytes: int) -> None: ...
    def download_finished(self, item: MediaItem) -> None: ...
    def staged(self, item: MediaItem) -> None: ...
    def upload_started(self, item: MediaItem) -> None: ...
    def uploaded(self, item: MediaItem, total_bytes: int) -> None: ...
    def upload_finished(self, item: MediaItem) -> None: ...
    def moved(self, item: MediaItem, freed_bytes: int) -> None: ...
    def failed(self, failure: Failure, name: str) -> None: ...
    def tried_again(self, item: MediaItem, why: str, pause_seconds: float) -> None: ...
    def disk(self, used_bytes: int) -> None: ...
    def waiting(self, what: str, why: str, until: datetime | None) -> None: ...
    def message(self, line: str) -> None: ...
    def idle(self, why: str) -> None: ...
    def finished(self, chat: Chat, report: RunReport) -> None: ...


@dataclass(frozen=True)
class Parts:
    """The program's parts, connected to the stand-in."""

    items: list[MediaItem]
    downloader: Downloader
    pools: DownloadPools
    budget: DiskBudget
    staging: Staging
    stop: StopFlag


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
        yield Parts(
            items=[
                entry
                for page in reader.pages(chat, 0, newest)
                for entry in page.entries
                if isinstance(entry, MediaItem)
            ],
            downloader=Downloader(parts, staging, partials, NullProgress(), stop),
            pools=DownloadPools(downloads, stop),
            budget=DiskBudget(BUDGET_BYTES, staging.block_bytes, stop),
            staging=staging,
            stop=stop,
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


def download_all(parts: Parts, keep: bool) -> list[StagedFile]:
    """Download everything as the pipeline does; complete files are deleted unless kept."""

    def download(reservation: Reservation, pool: DownloadPool) -> StagedFile:
        try:
            staged = parts.downloader.download(reservation)
        finally:
            pool.slots.give_back()
        if not keep:
            staged.path.unlink()
            parts.budget.release(reservation)
        return staged

    downloads: list[Future[StagedFile]] = []
    for item in parts.items:
        pool = parts.pools.pool_of(item)
        pool.slots.take()
        downloads.append(pool.executor.submit(download, parts.budget.reserve(item), pool))
    return [each.result() for each in downloads]


def upload_all(staged: list[StagedFile], hand_off: RcloneHandOff, workers: int) -> None:
    def move(file: StagedFile) -> None:
        hand_off.move(file, FOLDER, file_name(file.item), lambda _: None)

    with ThreadPoolExecutor(workers) as pool:
        for moved in [pool.submit(move, file) for file in staged]:
            moved.result()


def end_after(seconds: float, meter: Meter, parts: Parts) -> None:
    """Measure no longer than this: what was downloaded until then counts."""

    def end() -> None:
        meter.report(sum(path.stat().st_blocks * 512 for path in parts.staging.directory.iterdir()))
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("leg", choices=("download", "upload"))
    parser.add_argument("chat")
    parser.add_argument("remote", nargs="?")
    parser.add_argument("--downloads", type=int, default=shipped("--downloads"))
    parser.add_argument("--connections", type=int, default=shipped("--connections"))
    parser.add_argument("--most-seconds", type=float)
    arguments = parser.parse_args()
    with connected(arguments.chat, arguments.downloads, arguments.connections) as parts:
        item_bytes = sum(item.size_bytes for item in parts.items)
        if arguments.leg == "download":
            meter = Meter()
            if arguments.most_seconds is not None:
                end_after(arguments.most_seconds, meter, parts)
            download_all(parts, keep=False)
            meter.report(item_bytes)
            return
        staged = download_all(parts, keep=True)
        rclone = Rclone.find()
        remote = check_remote(rclone, arguments.remote)
        pace = Pace(parts.stop, lambda *_: None)
        hand_off = RcloneHandOff(rclone, remote, pace, lambda _: None)
        hand_off.prepare_folder(FOLDER)
        meter = Meter()
        upload_all(staged, hand_off, shipped("--workers"))
        meter.report(item_bytes)


if __name__ == "__main__":
    main()
