"""An unmodified Telethon works against the stand-in, too: another client, written by others.

It uses another transport (full), sends containers and gzipped requests, and checks what pyrogram
does not. Both have the same layer; a client of another layer is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import rsa
from pyrogram.raw.all import layer as pyrogram_layer
from telethon import TelegramClient
from telethon.crypto import AuthKey
from telethon.crypto import rsa as trusted_keys
from telethon.sessions import StringSession
from telethon.tl.alltlobjects import LAYER as telethon_layer

from standins.telegram.inject import standin_public_key
from standins.telegram.server import API_HASH, API_ID, StandIn
from standins.telegram.service.data_centres import ADDRESSES, PORT
from standins.telegram.world import worlds
from tests.standins.conftest import StartStandIn

MIB = 1024 * 1024
pytestmark = pytest.mark.skipif(
    telethon_layer != pyrogram_layer,
    reason=f"Telethon speaks layer {telethon_layer}, pyrogram and so the stand-in {pyrogram_layer}",
)
LARGER_THAN_AN_EMBEDDED_THUMBNAIL_BYTES = 1000


@pytest.fixture(autouse=True, scope="module")
def telethon_trusts_the_stand_in() -> None:
    key = rsa.PublicKey(standin_public_key.MODULUS, standin_public_key.EXPONENT)
    trusted_keys.add_key(key.save_pkcs1(), old=False)


@asynccontextmanager
async def telethon(telegram: StandIn) -> AsyncIterator[Any]:
    """Connected through the proxy, logged in by a key that both sides know."""
    key = telegram.new_auth_key()
    session = StringSession()
    session.set_dc(key.dc_id, ADDRESSES[key.dc_id], PORT)
    session.auth_key = AuthKey(key.key)
    client = TelegramClient(session, API_ID, API_HASH, proxy=("socks5", "127.0.0.1", telegram.port))
    await client.connect()
    try:
        yield client
    finally:
        await client.disconnect()


def test_telethon_reads_the_history_and_downloads_every_file(
    start_stand_in: StartStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=150, too_large_bytes=None))
    source = telegram.world.source
    expected = {
        item.message_id: item.file.sha256()
        for item in source.items()
        if item.kind != "photo" or item.file.size_bytes > LARGER_THAN_AN_EMBEDDED_THUMBNAIL_BYTES
    }

    async def run() -> tuple[int, dict[int, str]]:
        count, hashes = 0, {}
        async with telethon(telegram) as client:
            assert (await client.get_me()).id == telegram.world.account.user_id
            async for message in client.iter_messages(source.username):
                count += 1
                if message.id in expected:
                    data = await client.download_media(message, bytes)
                    hashes[message.id] = hashlib.sha256(data or b"").hexdigest()
        return count, hashes

    count, hashes = asyncio.run(run())
    assert count == source.page(0, 0, 0, 1, 0, 0)[1]
    assert hashes == expected
    # One key of 256 begins with a byte of zero, which Telethon leaves out: it tries again then.
    again = sum("new auth_key failed" in record.message for record in caplog.records)
    assert telegram.statistics.counts().key_exchanges == 4 + again


@pytest.mark.parametrize("dc_id", [2, 5])
def test_telethon_downloads_a_file_of_many_parts(dc_id: int, start_stand_in: StartStandIn) -> None:
    telegram = start_stand_in(worlds.files(sizes=[5 * MIB + 77], dc_id=dc_id))
    (item,) = telegram.world.source.items()

    async def run() -> bytes:
        async with telethon(telegram) as client:
            message = await client.get_messages(telegram.world.source.username, ids=1)
            data: bytes = await client.download_media(message, bytes)
            return data

    assert asyncio.run(run()) == item.file.read(0, item.file.size_bytes)


def test_telethon_writes_edits_pins_and_deletes_a_message_to_itself(
    start_stand_in: StartStandIn,
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=5))
    saved = telegram.world.saved_messages

    async def run() -> None:
        async with telethon(telegram) as client:
            sent = await client.send_message("me", "first")
            assert (await client.edit_message("me", sent.id, "second")).text == "second"
            await client.pin_message("me", sent.id)
            assert saved.pinned_ids() == [sent.id]
            await client.delete_messages("me", sent.id)
            assert saved.message(sent.id) is None

    asyncio.run(run())


def test_a_gzipped_request_is_read_like_any_other(start_stand_in: StartStandIn) -> None:
    telegram = start_stand_in(worlds.mixed(messages=5))
    text = ("long enough to be packed " * 100).strip()

    async def run() -> str:
        async with telethon(telegram) as client:
            sent = await client.send_message("me", text)
            return str((await client.get_messages("me", ids=sent.id)).text)

    assert asyncio.run(run()) == text


def test_telethon_lists_the_dialogs(start_stand_in: StartStandIn) -> None:
    telegram = start_stand_in(worlds.mixed(messages=5))

    async def run() -> set[int]:
        async with telethon(telegram) as client:
            return {dialog.id async for dialog in client.iter_dialogs()}

    joined = {chat.chat_id for chat in telegram.world.channels.values() if chat.joined}
    assert asyncio.run(run()) == joined


def test_telethon_finds_an_archived_chat_in_its_folder_and_a_lost_one_as_forbidden(
    start_stand_in: StartStandIn,
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=5))
    chats = {chat.title: chat for chat in telegram.world.channels.values()}
    chats["Talk"].archived = True
    chats["News"].banned = True
    chats["Family"].migrated_to = chats["Talk"]

    async def run() -> tuple[set[str], set[str], dict[str, str], int]:
        async with telethon(telegram) as client:
            everything = [dialog async for dialog in client.iter_dialogs()]
            kinds = {dialog.name: type(dialog.entity).__name__ for dialog in everything}
            moved = next(dialog.entity for dialog in everything if dialog.name == "Family")
            return (
                {dialog.name for dialog in everything},
                {dialog.name async for dialog in client.iter_dialogs(folder=1)},
                kinds,
                int(moved.migrated_to.channel_id),
            )

    everything, archived, kinds, moved_to = asyncio.run(run())
    assert {"Talk", "News", "Family"} <= everything
    assert archived == {"Talk"}
    assert (kinds["News"], kinds["Talk"]) == ("ChannelForbidden", "Channel")
    assert moved_to == chats["Talk"].raw_id


def test_telethon_gets_through_a_new_salt_and_a_dropped_connection(
    start_stand_in: StartStandIn,
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=5))

    async def run() -> None:
        async with telethon(telegram) as client:
            telegram.rotate_salts()
            assert (await client.get_me()).id == telegram.world.account.user_id
            await asyncio.to_thread(telegram.drop_connections)
            assert (await client.get_me()).id == telegram.world.account.user_id

    asyncio.run(run())
