"""Telegram leaves out of its pages what it does not show to an account: no list ends there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from standins.telegram.world.world import Community, World
from tdl_sync.core.model import Chat
from tdl_sync.telegram.messages.dialogs import newest_message_ids
from tdl_sync.telegram.messages.saved_messages import TelegramSavedMessages
from tests.connected import ConnectedTelegram, ConnectTelegram

MESSAGES = 381
EVERY = 19


def posted(
    kind: str = "supergroup", topic_id: int | None = None, messages: int = MESSAGES
) -> World:
    """A chat of texts, with a file in every 19th message, and one in its last."""
    world = worlds.files(sizes=[100], kind=kind)
    for number in range(2, messages + 1):
        is_file = number % EVERY == 0 or number == messages
        file = FilePlan("document", number, "a.bin", "text/plain", 2) if is_file else None
        world.source.append(
            "" if is_file else "talk", file=file, topic_id=topic_id, date=1_700_000_000 + number
        )
    return world


def read(telegram: ConnectedTelegram, chat: Chat, listing: str = "pages") -> tuple[list[int], int]:
    """The ids of the files, from the first message to the newest, and how many calls it took."""
    before = calls(telegram)
    newest_id = telegram.reader.newest_message_id(chat)
    pages = getattr(telegram.reader, listing)(chat, 0, newest_id)
    ids = [entry.key.message_id for page in pages for entry in page.entries]
    return sorted(ids), calls(telegram) - before


def calls(telegram: ConnectedTelegram) -> int:
    counts = telegram.standin.statistics.counts().calls
    return counts.get("messages.GetHistory", 0) + counts.get("messages.GetReplies", 0)


def shown(channel: Channel, topic_id: int | None = None) -> list[int]:
    return [item.message_id for item in channel.items() if topic_id is None or item.message_id > 1]


Withhold = Callable[[int], range]
WITHHELD: dict[str, Withhold] = {
    "one of the first page": lambda newest: range(newest - 321, newest - 320),
    "the newest": lambda newest: range(newest, newest + 1),
    "whole pages": lambda newest: range(newest - 300, newest - 60),
    "the newest pages": lambda newest: range(newest - 220, newest + 1),
    "one of each hundred": lambda newest: range(newest - 350, newest, 100),
}


@pytest.mark.parametrize("as_empty", [False, True], ids=["left out", "empty"])
@pytest.mark.parametrize("which", WITHHELD)
def test_all_that_is_shown_is_read_up_and_down_of_a_chat_and_of_a_topic(
    which: str, as_empty: bool, connect_telegram: ConnectTelegram
) -> None:
    telegram = connect_telegram(posted(topic_id=1))
    source = telegram.standin.world.source
    source.withheld = frozenset(WITHHELD[which](source.newest_id()))
    source.withheld_as_empty = as_empty
    for listing in ("pages", "pages_newest_first"):
        found, asked = read(telegram, telegram.chat, listing)
        assert found == shown(source)
        assert asked <= 1 + 4 + 6
        found, asked = read(telegram, replace(telegram.chat, topic_id=1), listing)
        assert found == shown(source, topic_id=1)
        assert asked <= 1 + 4 + 6


@pytest.mark.parametrize("kind", ["channel", "group", "saved"])
@pytest.mark.parametrize("which", WITHHELD)
def test_other_kinds_of_chats_are_read_alike(
    which: str, kind: str, connect_telegram: ConnectTelegram
) -> None:
    telegram = connect_telegram(posted(kind))
    source = telegram.standin.world.source
    source.withheld = frozenset(WITHHELD[which](source.newest_id()))
    for listing in ("pages", "pages_newest_first"):
        assert read(telegram, telegram.chat, listing)[0] == shown(source)


def test_a_chat_of_which_nothing_is_shown_is_read_as_empty(
    connect_telegram: ConnectTelegram,
) -> None:
    telegram = connect_telegram(posted(messages=250))
    telegram.standin.world.source.withheld = frozenset(range(1, 251))
    assert telegram.reader.newest_message_id(telegram.chat) == 0
    assert list(telegram.reader.pages(telegram.chat, 0, 250)) != []


@pytest.mark.parametrize("withheld", [range(0), range(150, 151), range(40, 151), range(1, 151)])
def test_the_last_message_before_a_date_is_the_last_that_is_shown(
    withheld: range, connect_telegram: ConnectTelegram
) -> None:
    telegram = connect_telegram(posted())
    telegram.standin.world.source.withheld = frozenset(withheld)
    moment = datetime.fromtimestamp(1_700_000_000 + 151, timezone.utc)
    expected = max(set(range(1, 151)) - set(withheld), default=0)
    assert telegram.reader.last_id_before(telegram.chat, moment) == expected
    long_ago = datetime(2015, 1, 1, tzinfo=timezone.utc)
    assert telegram.reader.last_id_before(telegram.chat, long_ago) == 0


def test_no_chat_is_missing_from_the_list_where_the_newest_message_of_many_is_not_shown(
    connect_telegram: ConnectTelegram,
) -> None:
    world = worlds.files(sizes=[1])
    for number in range(250):
        chat = world.add(chat_id=-(2_000_000_000_000 + number), kind="channel", title=f"{number}")
        chat.append("shown", date=1_600_000_000)
        message_id = chat.append("newest", date=1_700_000_000 + number)
        chat.withheld = frozenset([message_id])
    world.communities.append(Community(42, "A row of the list that is no chat"))
    telegram = connect_telegram(world)
    chat_ids = {chat.chat_id for chat in world.channels.values() if chat.joined}
    newest = newest_message_ids(telegram.client, chat_ids)
    assert newest == {
        chat_id: max(set(range(chat.newest_id() + 1)) - chat.withheld)
        for chat_id, chat in world.channels.items()
        if chat.joined
    }


def test_a_state_is_found_behind_pages_of_which_nothing_is_shown(
    connect_telegram: ConnectTelegram,
) -> None:
    telegram = connect_telegram(worlds.files(sizes=[1]))
    saved = telegram.standin.world.saved_messages
    oldest_id = saved.append("📊 TDL Progress\nthe first")
    later = [saved.append("📊 TDL Progress\nagain") for _ in range(230)]
    others = [saved.append("talk") for _ in range(101)]
    saved.withheld = frozenset([*later, *others[50:]])
    found = TelegramSavedMessages(telegram.client).find("📊 TDL Progress")
    assert [text.message_id for text in found] == [oldest_id]
