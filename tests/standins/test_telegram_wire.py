"""The wire itself: framings, encryption, message ids, and what is wrong with them."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrogram import raw
from pyrogram.connection.transport import TCPAbridged, TCPFull, TCPIntermediate
from pyrogram.crypto import mtproto
from pyrogram.raw.core import Message

from standins.telegram.mtproto import wire
from standins.telegram.mtproto.auth_keys import AuthKey, Session
from standins.telegram.mtproto.transports import FramingError, detect
from standins.telegram.world import worlds
from tests.standins.conftest import Connect, StartStandIn

KEY = os.urandom(256)
KEY_ID = AuthKey(KEY, 2).key_id


@pytest.mark.parametrize("transport", [TCPAbridged, TCPIntermediate, TCPFull])
def test_a_client_may_use_any_framing(
    transport: Any, start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.files(sizes=[2_000_000]))

    async def run() -> bytes:
        async with connect(telegram, protocol_factory=transport) as client:
            message = await client.get_messages("stand_in_source", 1)
            file = await client.download_media(message, in_memory=True)
            return bytes(file.getbuffer())

    (item,) = telegram.world.source.items()
    assert asyncio.run(run()) == item.file.read(0, 2_000_000)


@given(
    st.sampled_from([b"\xef", b"\xee" * 4, b""]),
    st.lists(st.binary(min_size=1, max_size=200).map(lambda b: b * 4), min_size=1, max_size=5),
)
def test_packets_of_every_length_survive_each_framing(marker: bytes, packets: list[bytes]) -> None:
    async def run() -> list[bytes]:
        sending = asyncio.StreamReader()
        sending.feed_data(marker or struct.pack("<I", len(packets[0]) + 12))
        writer_side = await detect(sending)
        frames = b"".join(b"".join(writer_side.frame(packet)) for packet in packets)
        receiving = asyncio.StreamReader()
        receiving.feed_data(marker + frames)
        reader_side = await detect(receiving)
        return [await reader_side.read(receiving) for _ in packets]

    assert asyncio.run(run()) == packets


def test_a_full_packet_with_a_wrong_checksum_is_refused() -> None:
    async def run() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(struct.pack("<II", 16, 0) + b"body" + bytes(4))
        transport = await detect(reader)
        with pytest.raises(FramingError, match="CRC32"):
            await transport.read(reader)

    asyncio.run(run())


def client_packet(ping_id: int = 5) -> bytes:
    ping = raw.functions.Ping(ping_id=ping_id)
    message = Message(ping, 1 << 34, 1, len(ping))
    return mtproto.pack(message, 7, b"sessions", KEY, KEY_ID)


def test_what_a_client_encrypts_is_read_whole() -> None:
    packet = wire.decrypt(client_packet(), KEY)
    assert (packet.salt, packet.session_id) == (7, b"sessions")
    assert (packet.message.msg_id, packet.message.seq_no) == (1 << 34, 1)
    assert wire.read_object(packet.message.body) == raw.functions.Ping(ping_id=5)


@given(st.integers(min_value=8), st.integers(min_value=1, max_value=255))
def test_a_packet_with_one_changed_byte_is_refused(position: int, difference: int) -> None:
    packet = bytearray(client_packet())
    packet[8 + position % (len(packet) - 8)] ^= difference
    with pytest.raises(wire.WireError):
        wire.decrypt(bytes(packet), KEY)


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 32])
def test_a_packet_that_is_too_short_is_refused(length: int) -> None:
    with pytest.raises(wire.WireError):
        wire.decrypt(KEY_ID + bytes(16) + bytes(length), KEY)


@pytest.mark.parametrize(
    ("seconds_off", "added", "code"),
    [(0, 0, None), (-200, 0, None), (-400, 0, 16), (60, 0, 17), (0, 1, 18)],
)
def test_a_client_s_message_id_must_be_near_the_clock_and_divisible_by_four(
    seconds_off: int, added: int, code: int | None
) -> None:
    msg_id = (int((time.time() + seconds_off) * 2**32) & ~3) + added
    assert wire.msg_id_error(msg_id) == code


def test_server_message_ids_rise_and_tell_answers_from_notifications() -> None:
    ids = wire.ServerMessageIds()
    answers = [ids.answer() for _ in range(1000)]
    notifications = [ids.notification() for _ in range(1000)]
    assert answers + notifications == sorted({*answers, *notifications})
    assert {i % 4 for i in answers} == {1}
    assert {i % 4 for i in notifications} == {3}


def test_sequence_numbers_count_what_must_be_acknowledged() -> None:
    ids = wire.ServerMessageIds()
    numbers = [ids.seq_no(content_related=wanted) for wanted in (False, True, True, False)]
    assert numbers == [0, 1, 3, 4]


def test_a_session_answers_a_message_once_however_often_it_comes() -> None:
    session = Session(b"sessions")
    assert [session.is_new(msg_id) for msg_id in (4, 8, 4, 8)] == [True, True, False, False]


def test_a_vector_of_bare_constructors_is_read_as_objects() -> None:
    request = raw.functions.users.GetUsers(id=[raw.types.InputUserSelf()])
    assert wire.read_object(request.write()) == request


def test_large_answers_are_gzipped_and_file_parts_never() -> None:
    users = raw.types.messages.Chats(chats=[raw.types.ChatEmpty(id=n) for n in range(1000)])
    assert sum(map(len, wire.rpc_result(1, users.write()))) < len(users.write())
    part = struct.pack("<I", wire.UPLOAD_FILE) + bytes(100_000)
    assert wire.rpc_result(1, part)[1] is part
