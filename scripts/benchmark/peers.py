"""A child: the usual ways to get the files of a chat, each with its library's own downloads.

    python -m scripts.benchmark.peers download_media CHAT --at-once 4
    python -m scripts.benchmark.peers telethon CHAT
    python -m scripts.benchmark.peers obedient CHAT
    python -m scripts.benchmark.peers script CHAT REMOTE:PATH

``obedient`` does nothing but obey each wait. ``script`` is how people do the whole job today:
download one file, ``rclone moveto`` it, next.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyrogram
from pyrogram import raw
from pyrogram.file_id import FileId
from pyrogram.session import Session

from scripts.benchmark.child import Meter
from scripts.benchmark.frame import temporary_directory
from scripts.benchmark.meter_downloads import Download, download_all
from scripts.benchmark.obedient import CONNECTIONS, get_all

PART_BYTES = 1024 * 1024

API_ID, API_HASH = 1, "0" * 32
PYROGRAM_SESSION = ">BI?256sQ?"


def proxy() -> tuple[str, int]:
    host, _, port = os.environ["TDL_SYNC_PROXY"].removeprefix("socks5://").partition(":")
    return host, int(port)


@asynccontextmanager
async def with_pyrogram(chat: str, at_once: int) -> AsyncIterator[tuple[Any, list[Any], Download]]:
    host, port = proxy()
    client = pyrogram.Client(
        "bench",
        session_string=os.environ["TDL_SYNC_SESSION_STRING"],
        proxy={"scheme": "socks5", "hostname": host, "port": port},
        in_memory=True,
        no_updates=True,
        # By default one: whoever downloads several at once sets it.
        max_concurrent_transmissions=at_once,
    )
    async with client:
        found = [message async for message in client.get_chat_history(chat) if message.media]

        async def download(message: Any, path: Path) -> None:
            await client.download_media(message, file_name=str(path))

        yield client, found[::-1], download


@asynccontextmanager
async def with_telethon(chat: str) -> AsyncIterator[tuple[list[Any], Download]]:
    import telethon
    from telethon.crypto import AuthKey
    from telethon.sessions import StringSession

    from standins.telegram.service.data_centres import ADDRESSES, PORT

    packed = os.environ["TDL_SYNC_SESSION_STRING"]
    packed += "=" * (-len(packed) % 4)
    dc_id, _, _, key, _, _ = struct.unpack(PYROGRAM_SESSION, base64.urlsafe_b64decode(packed))
    session = StringSession()
    session.set_dc(dc_id, ADDRESSES[dc_id], PORT)
    session.auth_key = AuthKey(key)
    client = telethon.TelegramClient(session, API_ID, API_HASH, proxy=("socks5", *proxy()))
    await client.connect()
    try:
        found = [m async for m in client.iter_messages(chat, reverse=True) if m.media]

        async def download(message: Any, path: Path) -> None:
            await client.download_media(message, str(path))

        yield found, download
    finally:
        await client.disconnect()


async def obedient(client: Any, messages: list[Any], scope: str) -> None:
    """Measure the downloads of a client that obeys every wait."""
    meter = Meter()
    sessions = await asyncio.gather(*(_opened(client) for _ in range(CONNECTIONS)))
    wanted = [
        (message.document, offset)
        for message in messages
        for offset in range(0, message.document.file_size, PART_BYTES)
    ]
    moved_bytes = 0

    async def get(session: Any, part: tuple[Any, int]) -> None:
        nonlocal moved_bytes
        answer = await session.send(_part_of(*part), timeout=60)
        moved_bytes += len(answer.bytes)

    await get_all(sessions, wanted, get, scope)
    meter.report(moved_bytes)
    await asyncio.gather(*(session.stop() for session in sessions))


async def _opened(client: Any) -> Any:
    own = client.session
    session: Any = Session(
        client,
        own.dc_id,
        own.server_address,
        own.port,
        own.auth_key,
        own.test_mode,
        is_media=True,
    )
    session.salt = own.salt
    await session.start()
    return session


def _part_of(document: Any, offset: int) -> Any:
    file = FileId.decode(document.file_id)
    location = raw.types.InputDocumentFileLocation(
        id=file.media_id,
        access_hash=file.access_hash,
        file_reference=file.file_reference,
        thumb_size="",
    )
    return raw.functions.upload.GetFile(location=location, offset=offset, limit=PART_BYTES)


async def script_of_today(messages: list[Any], download: Download, remote: str) -> None:
    with temporary_directory() as directory:
        meter = Meter()
        moved_bytes = 0
        for message in messages:
            path = directory / f"{message.id}_{message.document.file_name}"
            await download(message, path)
            moved_bytes += path.stat().st_size
            subprocess.run(["rclone", "moveto", str(path), f"{remote}/{path.name}"], check=True)
        meter.report(moved_bytes)


async def run(arguments: argparse.Namespace) -> None:
    if arguments.way == "telethon":
        async with with_telethon(arguments.chat) as (messages, download):
            await download_all(messages, download, arguments.at_once)
        return
    async with with_pyrogram(arguments.chat, arguments.at_once) as (client, messages, download):
        if arguments.way == "obedient":
            await obedient(client, messages, arguments.scope)
        elif arguments.way == "script":
            await script_of_today(messages, download, arguments.remote)
        else:
            await download_all(messages, download, arguments.at_once)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=("download_media", "telethon", "obedient", "script"))
    parser.add_argument("chat")
    parser.add_argument("remote", nargs="?")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--scope", default="account")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
