"""Every way to name a chat finds it, on a connection that has met no chat before."""

from __future__ import annotations

import pytest

from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.world import World
from tdl_sync.options.chat_spelling import parse_chat
from tests.connected import ConnectTelegram


@pytest.fixture
def world() -> World:
    return worlds.files(sizes=[1000])


def chat_of(world: World, which: str) -> Channel:
    for chat in world.channels.values():
        if which == "invited" and chat.invite_hash == worlds.INVITE_JOINED:
            return chat
        if which in (chat.kind, chat.username):
            return chat
    raise AssertionError(which)


@pytest.mark.parametrize(
    ("spelling", "which", "from_message_id"),
    [
        ("@stand_in_source", "stand_in_source", 0),
        ("stand_in_source", "stand_in_source", 0),
        ("https://t.me/stand_in_source", "stand_in_source", 0),
        ("t.me/STAND_IN_SOURCE", "stand_in_source", 0),
        ("https://t.me/stand_in_source/4", "stand_in_source", 4),
        ("-100{raw_id}", "stand_in_source", 0),
        ("https://t.me/c/{raw_id}/4", "stand_in_source", 4),
        ("-100{raw_id}", "invited", 0),
        (f"https://t.me/+{worlds.INVITE_JOINED}", "invited", 0),
        (f"https://t.me/joinchat/{worlds.INVITE_JOINED}", "invited", 0),
        ("@stand_in_talk", "supergroup", 0),
        ("-{raw_id}", "group", 0),
        ("me", "saved", 0),
    ],
)
def test_a_chat_is_found_however_it_is_named(
    spelling: str,
    which: str,
    from_message_id: int,
    world: World,
    connect_telegram: ConnectTelegram,
) -> None:
    wanted = world.saved_messages if which == "saved" else chat_of(world, which)
    parsed = parse_chat(spelling.format(raw_id=wanted.raw_id), "-u")
    telegram = connect_telegram(world)
    found = telegram.chats.resolve(parsed)
    assert (found.id, found.title) == (wanted.chat_id, wanted.title)
    assert parsed.from_message_id == from_message_id
    assert telegram.reader.newest_message_id(found) == wanted.newest_id()
