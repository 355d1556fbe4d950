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

    async def of(self, dc_id: int) -> tuple[Address, ...]:
        """Where a data centre serves files, at least one: those for files alone, if it has any, and
        at last the one for everything. Some networks block the first and let the last one through,
        or the other way.

        Raises ``DownloadFailed`` for one that does not exist, and what ``TelegramClient.ask`` does.
        """
        # Shielded: who is cancelled must not take the answer from the others.
        config = await asyncio.shield(self._config())
        ipv6 = self._telegram.client.ipv6
        options = [
            each
            for each in config.dc_options
            if each.id == dc_id and bool(each.ipv6) == ipv6 and _takes_plain_connections(each)
        ]
        if not options:
            raise DownloadFailed(f"Telegram names no address of data centre {dc_id}")
        for_all = [each for each in options if not each.media_only][:1]
        for_files = [each for each in options if each.media_only]
        return tuple(Address(each.ip_address, each.port) for each in (*for_files, *for_all))

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


def _takes_plain_connections(option: Any) -> bool:
    """Not those of a content delivery network, which have keys of their own, and not those that
    take obfuscated connections alone (https://core.telegram.org/constructor/dcOption)."""
    return not (option.cdn or option.tcpo_only or option.secret)
