"""A child: what others have published for the same, each as its page says to use it.

    PYTHON -m scripts.benchmark.public_peers WAY CHAT --at-once 4

Runs in an environment of its own (``peer_environment``): nothing of this program's, nor of what
that needs, is imported here.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import io
import os
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from scripts.benchmark.frame import temporary_directory
from scripts.benchmark.meter_downloads import download_all

API_ID, API_HASH = 1, "0" * 32
PYROGRAM_SESSION = ">BI?256sQ?"
ACCOUNT = "bench"


def proxy() -> tuple[str, int]:
    host, _, port = os.environ["TDL_SYNC_PROXY"].removeprefix("socks5://").partition(":")
    return host, int(port)


def log_in(session: Any) -> Any:
    """Telethon's session with the key of the stand-in's account."""
    from telethon.crypto import AuthKey

    packed = os.environ["TDL_SYNC_SESSION_STRING"]
    packed += "=" * (-len(packed) % 4)
    dc_id, _, _, key, _, _ = struct.unpack(PYROGRAM_SESSION, base64.urlsafe_b64decode(packed))
    host, _, port = os.environ["BENCH_HOME_ADDRESS"].partition(":")
    session.set_dc(dc_id, host, int(port))
    session.auth_key = AuthKey(key)
    return session


@asynccontextmanager
async def with_telethon(chat: str, session: Any) -> AsyncIterator[tuple[Any, list[Any]]]:
    import telethon

    client = telethon.TelegramClient(
        log_in(session), API_ID, API_HASH, proxy=("socks5", *proxy()), receive_updates=False
    )
    await client.connect()
    try:
        yield client, [m async for m in client.iter_messages(chat, reverse=True) if m.media]
    finally:
        await client.disconnect()


async def telethon_way(chat: str, at_once: int) -> None:
    from telethon.sessions import StringSession

    async with with_telethon(chat, StringSession()) as (client, messages):

        async def download(message: Any, path: Path) -> None:
            await client.download_media(message, str(path))

        await download_all(messages, download, at_once)


async def fast_way(chat: str, at_once: int) -> None:
    """FastTelethonHelper: parallel connections for each file, which it closes after it."""
    from FastTelethonhelper.FastTelethon import (  # type: ignore[import-not-found]
        download_file,
    )
    from telethon.sessions import StringSession

    async with with_telethon(chat, StringSession()) as (client, messages):

        async def download(message: Any, path: Path) -> None:
            with path.open("wb") as out:
                await download_file(client, message.document, out)

        await download_all(messages, download, at_once)


async def fast_asynchronous_way(chat: str, at_once: int) -> None:
    """aiofasttelethonhelper, a younger branch of the same."""
    from aiofasttelethonhelper import (  # type: ignore[import-not-found]
        fast_download,
    )
    from telethon.sessions import StringSession

    async with with_telethon(chat, StringSession()) as (client, messages):

        async def download(message: Any, path: Path) -> None:
            await fast_download(client=client, message=message, file_path=str(path))

        await download_all(messages, download, at_once)


async def teleget_way(chat: str, at_once: int) -> None:
    """teleget9527: a process of its own with a pool of connections."""
    from telethon import utils
    from telethon.sessions import SQLiteSession

    with temporary_directory() as directory:
        session_path = directory / ACCOUNT
        async with with_telethon(chat, SQLiteSession(str(session_path))) as (client, messages):
            chat_id = utils.get_peer_id(await client.get_input_entity(chat))
        os.environ["https_proxy"] = os.environ["TDL_SYNC_PROXY"]
        os.chdir(directory)
        # What it prints is not for the line that our parent reads.
        with contextlib.redirect_stdout(sys.stderr):
            from tg_downloader import TGDownloader  # type: ignore[import-not-found]

            downloader = TGDownloader(API_ID, API_HASH, session_dir=str(directory))
            if not await downloader.start(ACCOUNT):
                raise RuntimeError("teleget9527 did not start")

        async def download(message: Any, path: Path) -> None:
            ended: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

            def complete(success: bool, _path: Any = None, error: Any = None) -> None:
                if not ended.done():
                    ended.set_result(None if success else str(error))

            await downloader.download(
                chat_id,
                message.id,
                str(path),
                file_size=message.file.size,
                complete_callback=complete,
                error_callback=lambda error: complete(False, None, error),
            )
            if (error := await asyncio.wait_for(ended, 300)) is not None:
                raise RuntimeError(error)

        try:
            await download_all(messages, download, at_once)
        finally:
            with contextlib.redirect_stdout(io.StringIO()):
                await downloader.shutdown()


WAYS: dict[str, Callable[[str, int], Awaitable[None]]] = {
    "telethon": telethon_way,
    "FastTelethonHelper": fast_way,
    "aiofasttelethonhelper": fast_asynchronous_way,
    "teleget9527": teleget_way,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("chat")
    parser.add_argument("--at-once", type=int, default=1)
    arguments = parser.parse_args()
    way = WAYS[arguments.way]

    async def run() -> None:
        await way(arguments.chat, arguments.at_once)

    asyncio.run(run())


if __name__ == "__main__":
    main()
