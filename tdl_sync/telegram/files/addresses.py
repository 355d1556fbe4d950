"""Where the data centres are: asked once for all of them, and known before the first download."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from pyrogram import raw

from tdl_sync.core.errors import DownloadFailed
from tdl_sync.telegram.session.client import CALL_SECONDS, TelegramClient


@dataclass(frozen=True)
class Address:
    host: str
    port: int


class DataCentreAddresses:
    """Lives on the loop.

    The library's ``get_dc_option`` asks Telegram each time, which is a round trip before the
    first connection to each data centre; the answer holds all of them.
    """

    def __init__(self, telegram: TelegramClient) -> None:
        self._telegram = telegram
        self._asking: asyncio.Task[Any] | None = None

    async def learn(self) -> None:
        """Ask, unless that was done. An error is for whoever needs an address: it asks again."""
        await asyncio.wait({self._config()})

    async def of(self, dc_id: int, *, media: bool) -> Address:
        """A data centre's address; the one for media where it has one.

        Raises ``DownloadFailed`` for one that does not exist, and what ``TelegramClient.ask`` does.
        """
        # Shielded: who is cancelled must not take the answer from the others.
        config = await asyncio.shield(self._config())
        ipv6 = self._telegram.client.ipv6
        options = [each for each in config.dc_options if each.id == dc_id and each.ipv6 == ipv6]
        wanted = [each for each in options if bool(each.media_only) is media and not each.cdn]
        option = next(iter(wanted or options), None)
        if option is None:
            raise DownloadFailed(f"Telegram names no address of data centre {dc_id}")
        return Address(option.ip_address, option.port)

    def _config(self) -> asyncio.Task[Any]:
        """The question, asked once; anew after an error."""
        asking = self._asking
        if asking is None or (asking.done() and (asking.cancelled() or asking.exception())):
            asking = asyncio.get_running_loop().create_task(self._ask())
            # Whoever needs an address is told; where the run ends before, nobody has to be.
            asking.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._asking = asking
        return asking

    async def _ask(self) -> Any:
        query = raw.functions.InvokeWithoutUpdates(query=raw.functions.help.GetConfig())
        session: Any = self._telegram.client.session
        return await self._telegram.ask(session, query, CALL_SECONDS)
