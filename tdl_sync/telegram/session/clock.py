"""This machine's clock and Telegram's."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any

from pyrogram import Client
from pyrogram.errors import RPCError

from tdl_sync.core.operating_system import steady_seconds
from tdl_sync.core.text import human_seconds

NAMED_SECONDS = 60.0
TRUSTED_SECONDS = 10.0
"""Telegram takes message ids of up to 30 s in the future."""


class SteadyClient(Client):
    """The library's client, whose idea of Telegram's time does not jump with this machine's clock.

    The library adds to the clock what it was off when it connected. When the clock is set during
    a run all message ids would be of another hour, all answers would seem to be, and it would
    drop each of them for as long as that hour.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self._telegram_ahead_seconds: float | None = None
        self.on_connection_refused: Callable[[RPCError, bool], Awaitable[None]] | None = None
        super().__init__(*arguments, **settings)

    async def connection_refused(self, error: RPCError, *, for_files: bool) -> None:
        """Telegram has refused the first calls of a connection; on return it is tried again."""
        if self.on_connection_refused is not None:
            await self.on_connection_refused(error, for_files)

    @property
    def server_time(self) -> float:
        """Seconds since 1970, as the library asks for them. Until Telegram was heard, a guess."""
        if self._telegram_ahead_seconds is None:
            return time.time()
        return steady_seconds() + self._telegram_ahead_seconds

    def _set_server_time(self, msg_id: int) -> None:
        """Called by the library for what Telegram says first on a connection; a message's id tells
        when it was made: https://core.telegram.org/mtproto/description#message-identifier-msg-id
        """
        self._telegram_ahead_seconds = msg_id / 2**32 - steady_seconds()


def ahead_seconds(client: Client) -> float:
    """How far this machine's clock is ahead; negative when it is behind."""
    return time.time() - float(client.server_time)


def utc(telegrams_seconds: float) -> datetime:
    """A time as Telegram tells it."""
    return datetime.fromtimestamp(telegrams_seconds, timezone.utc)


def telegrams_now(client: Client) -> datetime:
    return utc(float(client.server_time))


def warning(client: Client) -> str | None:
    """A line for the user whose clock is wrong."""
    ahead = ahead_seconds(client)
    if abs(ahead) <= NAMED_SECONDS:
        return None
    way = "ahead of" if ahead > 0 else "behind"
    return (
        f"warning: this machine's clock is {human_seconds(abs(ahead))} {way} Telegram's: the "
        "times that are shown are wrong by as much; set the clock"
    )


async def keep_telegrams(client: Client) -> None:
    """Begin the session anew where it began with message ids of a clock that is far off.

    Ids only grow, so a session whose clock was ahead has none that Telegram takes until its own
    clock is there (https://core.telegram.org/mtproto/service_messages_about_messages).
    """
    if abs(ahead_seconds(client)) <= TRUSTED_SECONDS:
        return
    first: Any = client.session
    await first.stop()
    storage: Any = client.storage
    client.session = await client.get_session(
        server_address=await storage.server_address(),
        port=await storage.port(),
        export_authorization=False,
        temporary=True,
    )
