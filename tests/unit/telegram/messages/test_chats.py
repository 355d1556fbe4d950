"""Every way to name a chat finds it, on a connection that has met no chat before."""

from __future__ import annotations

import pytest

from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.world import World
from tdl_sync.core.errors import ChatUnreadable
from tdl_sync.core.model import ChatKind
from tdl_sync.options.chat_spelling import parse_chat
from tdl_sync.telegram.messages.chat_list import TelegramChatList
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


@pytest.mark.parametrize("kind", ["channel", "supergroup", "group", "saved"])
def test_what_is_listed_can_be_named(kind: str, connect_telegram: ConnectTelegram) -> None:
    """Whatever the list of an account holds: what ``chats`` prints, ``-u`` takes for that chat."""
    world = worlds.files(sizes=[1000], kind=kind)
    worlds.add_every_kind_of_dialog(world)
    telegram = connect_telegram(world)
    listed = TelegramChatList(telegram.client).chats()
    joined = {chat.chat_id for chat in world.channels.values() if chat.joined}
    assert {each.chat.id for each in listed} == joined
    for each in listed:
        spelling = parse_chat(each.spelling, "-u")
        if each.unreadable is not None:
            with pytest.raises(ChatUnreadable, match=each.unreadable.partition(".")[0]):
                telegram.chats.resolve(spelling)
            continue
        found = telegram.chats.resolve(spelling)
        assert (found.id, found.title, found.kind) == (
            each.chat.id,
            each.chat.title,
            each.chat.kind,
        )
        assert telegram.reader.newest_message_id(found) == each.newest_message_id
    assert {each.chat.kind for each in listed} == set(ChatKind)


@pytest.mark.parametrize("spelling", ["me", "@ada_stand_in", "{own_id}"])
def test_saved_messages_are_the_same_chat_by_the_accounts_own_name_and_id(
    spelling: str, world: World, connect_telegram: ConnectTelegram
) -> None:
    telegram = connect_telegram(world)
    parsed = parse_chat(spelling.format(own_id=world.account.user_id), "-u")
    found = telegram.chats.resolve(parsed)
    assert (found.title, found.kind) == ("Saved Messages", ChatKind.SAVED_MESSAGES)


def test_a_number_that_is_nobodys_is_said_to_lack_what_a_channels_id_has(
    world: World, connect_telegram: ConnectTelegram
) -> None:
    telegram = connect_telegram(world)
    with pytest.raises(ChatUnreadable, match="A channel's id has -100 before it"):
        telegram.chats.resolve(parse_chat(str(world.source.raw_id), "-u"))
