"""An unmodified pyrogram client works against the stand-in as it does against Telegram."""

from __future__ import annotations

import asyncio
import hashlib
import math
from typing import Any

import pytest
from pyrogram import raw

from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from tests.standins.conftest import Connect, StartStandIn

MIB = 1024 * 1024


async def peer_of(client: Any, channel: Channel) -> Any:
    """The chat, found as a user would find it."""
    return await client.resolve_peer(channel.username)


def history_request(peer: Any, **wanted: int) -> raw.functions.messages.GetHistory:
    standard = dict.fromkeys(
        ("offset_id", "offset_date", "add_offset", "limit", "max_id", "min_id", "hash"), 0
    )
    return raw.functions.messages.GetHistory(peer=peer, **{**standard, **wanted})


def location_of(message: Any) -> raw.types.InputDocumentFileLocation:
    document = message.media.document
    return raw.types.InputDocumentFileLocation(
        id=document.id,
        access_hash=document.access_hash,
        file_reference=document.file_reference,
        thumb_size="",
    )


def test_a_session_string_logs_in_and_names_the_account(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=20))

    async def run() -> None:
        async with connect(telegram) as client:
            me = await client.get_me()
            assert (me.id, me.first_name, me.phone_number) == (
                telegram.world.account.user_id,
                telegram.world.account.first_name,
                telegram.world.account.phone,
            )

    asyncio.run(run())


def test_each_session_string_has_its_own_key_and_both_work_at_once(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=20))
    assert telegram.session_string() != telegram.session_string()

    async def run() -> None:
        async with connect(telegram) as one, connect(telegram) as two:
            assert (await one.get_me()).id == (await two.get_me()).id

    asyncio.run(run())


def test_history_is_read_upwards_in_full_pages(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=320))
    source = telegram.world.source

    async def run() -> list[int]:
        ids: list[int] = []
        async with connect(telegram) as client:
            peer = await peer_of(client, source)
            while True:
                page = await client.invoke(
                    history_request(
                        peer, offset_id=ids[-1] + 1 if ids else 1, add_offset=-100, limit=100
                    )
                )
                new = [m.id for m in reversed(page.messages) if not ids or m.id > ids[-1]]
                if not new:
                    return ids
                ids += new

    expected, total = source.page(0, 0, 0, 100, 0, 0)
    ids = asyncio.run(run())
    assert len(ids) == total
    assert ids[-100:] == [m.id for m in reversed(expected)]
    assert telegram.statistics.counts().calls["messages.GetHistory"] <= math.ceil(total / 100) + 1


def test_every_file_of_every_kind_and_data_centre_arrives_byte_for_byte_by_download_media(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=150, too_large_bytes=None))
    items = {item.message_id: item for item in telegram.world.source.items()}

    async def run() -> dict[int, str]:
        hashes = {}
        async with connect(telegram) as client:
            async for message in client.get_chat_history(telegram.world.source.username):
                if message.id in items:
                    file = await client.download_media(message, in_memory=True)
                    hashes[message.id] = hashlib.sha256(file.getbuffer()).hexdigest()
        return hashes

    assert asyncio.run(run()) == {i: item.file.sha256() for i, item in items.items()}
    foreign = {item.file.dc_id for item in items.values()} - {telegram.world.home_dc_id}
    assert telegram.statistics.counts().key_exchanges == len(foreign) > 0


@pytest.mark.parametrize("dc_id", [2, 4])
def test_parts_arrive_over_media_sessions_in_the_home_and_in_a_foreign_data_centre(
    dc_id: int, start_stand_in: StartStandIn, connect: Connect
) -> None:
    size_bytes = 3 * MIB + 12345
    telegram = start_stand_in(worlds.files(sizes=[size_bytes], dc_id=dc_id))
    (item,) = telegram.world.source.items()

    async def run() -> bytes:
        async with connect(telegram) as client:
            peer = await peer_of(client, telegram.world.source)
            page = await client.invoke(history_request(peer, limit=1))
            location = location_of(page.messages[0])
            sessions = [
                await client.get_session(dc_id, is_media=True, temporary=True) for _ in range(2)
            ]
            parts = await asyncio.gather(
                *(
                    sessions[n % 2].invoke(
                        raw.functions.upload.GetFile(location=location, offset=n * MIB, limit=MIB)
                    )
                    for n in range(5)
                )
            )
            for session in sessions:
                await session.stop()
            return b"".join(part.bytes for part in parts)

    data = asyncio.run(run())
    assert data == item.file.read(0, size_bytes)
    counts = telegram.statistics.counts()
    assert counts.bytes_by_file == {item.file.file_id: size_bytes}
    assert counts.key_exchanges == (0 if dc_id == telegram.world.home_dc_id else 1)


def test_dialogs_name_every_joined_chat_page_by_page(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=20))

    async def run() -> list[int]:
        found: list[int] = []
        async with connect(telegram) as client:
            offset: Any = raw.types.InputPeerEmpty()
            while True:
                answer = await client.invoke(
                    raw.functions.messages.GetDialogs(
                        offset_date=0, offset_id=0, offset_peer=offset, limit=2, hash=0
                    )
                )
                if not answer.dialogs:
                    return found
                await client.fetch_peers([*answer.users, *answer.chats])
                for dialog in answer.dialogs:
                    found.append(_marked_id(dialog.peer))
                offset = await client.resolve_peer(found[-1])

    joined = {chat.chat_id for chat in telegram.world.channels.values() if chat.joined}
    found = asyncio.run(run())
    assert len(found) == len(set(found))
    assert set(found) == joined


def test_the_main_list_of_dialogs_has_the_archive_as_one_row_above_the_others(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=5))
    archived = next(c for c in telegram.world.channels.values() if c.title == "Talk")
    archived.archived = True

    async def run(folder_id: int) -> list[Any]:
        async with connect(telegram) as client:
            request = raw.functions.messages.GetDialogs(
                offset_date=0,
                offset_id=0,
                offset_peer=raw.types.InputPeerEmpty(),
                limit=100,
                hash=0,
                folder_id=folder_id,
            )
            return list((await client.invoke(request)).dialogs)

    first, *others = asyncio.run(run(0))
    assert isinstance(first, raw.types.DialogFolder)
    assert archived.chat_id not in {_marked_id(dialog.peer) for dialog in others}
    assert [_marked_id(dialog.peer) for dialog in asyncio.run(run(1))] == [archived.chat_id]


def _marked_id(peer: Any) -> int:
    match peer:
        case raw.types.PeerChannel():
            return -1_000_000_000_000 - peer.channel_id
        case raw.types.PeerChat():
            return -int(peer.chat_id)
        case _:
            return int(peer.user_id)


def test_totals_come_from_one_call_of_get_search_counters(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=150))
    filters: list[Any] = [
        raw.types.InputMessagesFilterDocument(),
        raw.types.InputMessagesFilterPhotos(),
        raw.types.InputMessagesFilterPinned(),
    ]

    async def run() -> list[int]:
        async with connect(telegram) as client:
            peer = await peer_of(client, telegram.world.source)
            answer = await client.invoke(
                raw.functions.messages.GetSearchCounters(peer=peer, filters=filters)
            )
            return [counter.count for counter in answer]

    items = list(telegram.world.source.items())
    assert asyncio.run(run()) == [
        sum(item.kind == "document" for item in items),
        sum(item.kind == "photo" for item in items),
        len(telegram.world.source.pinned_ids()),
    ]


def test_a_message_to_oneself_is_sent_edited_pinned_found_and_deleted(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.mixed(messages=20))
    saved = telegram.world.saved_messages

    async def run() -> None:
        async with connect(telegram) as client:
            sent = await client.send_message("me", "first")
            assert text_of(saved, sent.id) == "first"
            edited = await client.edit_message_text("me", sent.id, "second")
            assert edited.text == "second"
            await client.pin_chat_message("me", sent.id)
            found = await client.invoke(search_request(raw.types.InputMessagesFilterPinned()))
            assert [message.id for message in found.messages] == [sent.id]
            by_text = await client.invoke(
                search_request(raw.types.InputMessagesFilterEmpty(), q="second")
            )
            assert [message.id for message in by_text.messages] == [sent.id]
            assert (await client.get_messages("me", sent.id)).text == "second"
            assert await client.delete_messages("me", sent.id) == 1
            assert (await client.get_messages("me", sent.id)).empty
            assert saved.message(sent.id) is None

    asyncio.run(run())


def text_of(channel: Channel, message_id: int) -> str:
    message = channel.message(message_id)
    assert isinstance(message, raw.types.Message)
    return message.message


def search_request(wanted: raw.base.MessagesFilter, q: str = "") -> raw.functions.messages.Search:
    return raw.functions.messages.Search(
        peer=raw.types.InputPeerSelf(),
        q=q,
        filter=wanted,
        min_date=0,
        max_date=0,
        offset_id=0,
        add_offset=0,
        limit=10,
        max_id=0,
        min_id=0,
        hash=0,
    )


def test_the_stand_in_stops_while_clients_are_connected(connect: Connect) -> None:
    telegram = StandIn(worlds.mixed(messages=20))
    telegram.start()

    async def run() -> None:
        async with connect(telegram) as client:
            await client.get_me()
            await asyncio.to_thread(telegram.stop)

    asyncio.run(run())
    assert telegram.statistics.counts().open_connections == 0
