"""A client that wants updates is told of new messages, as Telegram tells an unmodified pyrogram."""

from __future__ import annotations

import asyncio
from typing import Any

from pyrogram import raw
from pyrogram.handlers import RawUpdateHandler

from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.standins.conftest import Connect, StartStandIn

FILE = FilePlan("document", 10, "new.txt", "text/plain", 2)


def told_of(telegram: StandIn, connect: Connect, *, no_updates: bool = False) -> list[Any]:
    """What a client hears of while somebody posts, and it itself saves a message: kinds and ids."""
    world = telegram.world
    strangers = next(chat for chat in world.channels.values() if not chat.joined)
    heard: list[tuple[str, int]] = []

    async def on_update(_: object, update: Any, *__: object) -> None:
        heard.append((type(update).__name__, update.message.id))

    async def run() -> None:
        async with connect(telegram, no_updates=no_updates) as client:
            client.add_handler(RawUpdateHandler(on_update))
            await client.invoke(raw.functions.updates.GetState())
            await client.send_message("me", "my own")
            strangers.append("not for us", file=FILE)
            world.source.append(file=FILE)
            world.saved_messages.append("from a phone")
            for _ in range(500):
                # An answer comes after what was sent before it.
                await client.invoke(raw.functions.updates.GetState())
                if len(heard) >= telegram.statistics.counts().updates:
                    break

    asyncio.run(run())
    return heard


def test_a_member_hears_of_new_messages_but_for_its_own(
    start_stand_in: StartStandIn, connect: Connect
) -> None:
    telegram = start_stand_in(worlds.files(sizes=[10]))
    heard = told_of(telegram, connect)
    phone_id = telegram.world.saved_messages.newest_id()
    assert heard == [("UpdateNewChannelMessage", 2), ("UpdateNewMessage", phone_id)]
    assert telegram.statistics.counts().updates == 2


def test_who_wants_no_updates_gets_none(start_stand_in: StartStandIn, connect: Connect) -> None:
    telegram = start_stand_in(worlds.files(sizes=[10]))
    assert told_of(telegram, connect, no_updates=True) == []
    assert telegram.statistics.counts().updates == 0


def test_updates_can_get_lost(start_stand_in: StartStandIn, connect: Connect) -> None:
    telegram = start_stand_in(worlds.files(sizes=[10]))
    telegram.faults.updates_lost = True
    assert told_of(telegram, connect) == []
    assert telegram.statistics.counts().updates == 0
