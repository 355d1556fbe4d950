"""A connection is opened by as few round trips as Telegram allows."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pyrogram.session import Session

from standins.telegram.world import worlds
from tdl_sync.core.model import MediaItem
from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files.parts import TelegramPartSource
from tdl_sync.telegram.session.library import SteadyClient
from tests.connected import ConnectTelegram
from tests.fakes.from_world import messages_of
from tests.waiting import result_of

OPENING = "InvokeWithLayer"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is sent before a connection counts as open, for each of them."""
    found: dict[Session, list[str]] = {}
    sending: Any = Session.send

    async def send(session: Session, data: Any, *more: Any, **settings: Any) -> Any:
        if not session.is_started.is_set():
            if session not in found:
                found[session] = []
                connections.append(found[session])
            found[session].append(type(data).__name__)
        return await sending(session, data, *more, **settings)

    connections: list[list[str]] = []
    monkeypatch.setattr(Session, "send", send)
    return connections


def test_nothing_is_asked_before_the_call_that_opens_it(
    sent: list[list[str]], connect_telegram: ConnectTelegram
) -> None:
    """Twice on the first one: Telegram refuses it for the salt, which it tells thereby, and which
    the connections for files begin with."""
    world = worlds.files(sizes=[PART_BYTES])
    telegram = connect_telegram(world)
    parts = TelegramPartSource(telegram.client, telegram.reader, connections=1)
    (item,) = messages_of(world).values()
    assert isinstance(item, MediaItem)
    assert result_of(parts.fetch_part(item, 0, PART_BYTES))
    assert result_of(parts.fetch_part(item, 0, PART_BYTES))
    assert sent == [[OPENING, OPENING], [OPENING]]


def test_where_this_machines_clock_is_wrong_it_is_opened_by_telegrams(
    sent: list[list[str]],
    connect_telegram: ConnectTelegram,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def server_time(client: SteadyClient) -> float:
        right: float = told.fget(client)
        return right if client._telegram_ahead_seconds is not None else time.time() - 7200

    told: Any = SteadyClient.server_time
    monkeypatch.setattr(SteadyClient, "server_time", property(server_time))
    telegram = connect_telegram(worlds.files(sizes=[1000]))
    assert telegram.chat
    assert sent == [[OPENING] * 3]  # refused for the time, then for the salt
    assert telegram.standin.statistics.counts().calls["help.GetConfig"] == 1
