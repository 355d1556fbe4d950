"""Starts stand-ins for tests, and fails each test that made a call that one could not answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import Any, TypeAlias

import pytest
from pyrogram import Client

from standins.shaping import Shaping
from standins.telegram.inject import standin_public_key
from standins.telegram.server import API_HASH, API_ID, StandIn
from standins.telegram.world.world import World

StartStandIn: TypeAlias = Callable[..., StandIn]
Connect: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture(autouse=True, scope="session")
def trust_the_stand_in() -> None:
    standin_public_key.trust_in_this_process()


@pytest.fixture
def start_stand_in() -> Iterator[StartStandIn]:
    """Call it with a world; `unknown=True` for a test that makes unknown calls on purpose."""
    with ExitStack() as stack:
        started: list[tuple[StandIn, bool]] = []

        def start(
            world: World, *, shaping: Shaping | None = None, unknown: bool = False
        ) -> StandIn:
            telegram = stack.enter_context(StandIn(world, shaping))
            started.append((telegram, unknown))
            return telegram

        yield start
        for telegram, unknown_expected in started:
            if not unknown_expected:
                assert telegram.unknown_rpcs == []


def proxy_of(telegram: StandIn) -> dict[str, object]:
    """As pyrogram wants it."""
    return {"scheme": "socks5", "hostname": "127.0.0.1", "port": telegram.port}


@pytest.fixture
def connect() -> Connect:
    """An unmodified pyrogram client, started, as an async context manager."""

    @asynccontextmanager
    async def connected(telegram: StandIn, **settings: Any) -> AsyncIterator[Client]:
        client = Client(
            "test",
            **{
                "api_id": API_ID,
                "api_hash": API_HASH,
                "session_string": telegram.session_string(),
                "in_memory": True,
                "proxy": proxy_of(telegram),
                "no_updates": True,
                **settings,
            },
        )
        await client.start()
        try:
            yield client
        finally:
            await client.stop()

    return connected
