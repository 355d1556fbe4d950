"""The real client is told where there is news, and asks for nothing because of it."""

from __future__ import annotations

from typing import Any

import pytest
from pyrogram import raw

from standins.telegram.world import worlds
from tdl_sync.telegram.messages.saved_messages import TelegramSavedMessages
from tdl_sync.telegram.session.updates import chats_with_news
from tests.connected import ConnectTelegram
from tests.waiting import until


def test_a_new_message_names_its_chat_in_every_kind_of_chat(
    connect_telegram: ConnectTelegram,
) -> None:
    world = worlds.files(sizes=[10])
    telegram = connect_telegram(world, listening=True)
    telegram.standin.statistics.reset()
    chats = [chat for chat in world.channels.values() if chat.joined]
    for chat in chats:
        chat.append("news")
    wanted = [chat.chat_id for chat in chats]
    until(lambda: telegram.news == wanted)
    assert {chat.kind for chat in chats} == {"channel", "supergroup", "group", "user", "saved"}
    assert telegram.standin.statistics.counts().calls == {}


def test_what_the_program_writes_itself_is_no_news(connect_telegram: ConnectTelegram) -> None:
    world = worlds.files(sizes=[10])
    telegram = connect_telegram(world, listening=True)
    TelegramSavedMessages(telegram.client).send_pinned("a state")
    world.source.append("news")
    until(lambda: telegram.news == [world.source.chat_id])


def test_after_a_new_connection_the_next_call_brings_the_news_again(
    connect_telegram: ConnectTelegram,
) -> None:
    world = worlds.files(sizes=[10])
    telegram = connect_telegram(world, listening=True)
    chat = telegram.chat
    telegram.standin.drop_connections()
    telegram.reader.newest_message_id(chat)
    world.source.append("news")
    until(lambda: telegram.news == [chat.id])


def test_without_a_listener_no_update_is_sent(connect_telegram: ConnectTelegram) -> None:
    world = worlds.files(sizes=[10])
    telegram = connect_telegram(world)
    world.source.append("news")
    assert telegram.reader.newest_message_id(telegram.chat) == 2
    assert telegram.standin.statistics.counts().updates == 0


@pytest.mark.parametrize(
    ("updates", "chats"),
    [
        (raw.types.UpdatesTooLong(), [None]),
        (
            raw.types.UpdateShort(update=raw.types.UpdateChannelTooLong(channel_id=7), date=0),
            [-1_000_000_000_007],
        ),
        (
            raw.types.UpdateShort(
                update=raw.types.UpdateNewMessage(
                    message=raw.types.MessageEmpty(id=1), pts=1, pts_count=1
                ),
                date=0,
            ),
            [None],
        ),
        (raw.types.UpdateShort(update=raw.types.UpdateConfig(), date=0), []),
        (raw.types.Pong(msg_id=1, ping_id=1), []),
    ],
)
def test_where_telegram_has_lost_count_every_chat_may_have_news(
    updates: Any, chats: list[int | None]
) -> None:
    assert list(chats_with_news(updates)) == chats
