"""How often one request to Telegram may fail before that is the user's concern."""

from __future__ import annotations

import asyncio

from pyrogram.errors import RPCError

from tdl_sync.telegram.session.network import Network

TRIES = 5
FIRST_PAUSE_SECONDS = 0.5

INTERNAL = 500
"""With this code and higher ones, or with a minus before it, Telegram speaks of itself
(https://core.telegram.org/api/errors#error-type)."""


def passes(error: BaseException) -> bool:
    """No answer came, or one with which Telegram speaks of itself, whether the library has a class
    for it (500, -503) or not (502, 504, of servers in between)."""
    if isinstance(error, RPCError):
        return abs(error.CODE or 0) >= INTERNAL
    return isinstance(error, OSError)


class Tries:
    """The tries of one request, with a pause between them that doubles.

    Those that failed when the network went are forgotten: they say nothing about the request.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._outages = network.outages
        self.failed = 0

    async def another(self, error: RPCError | OSError) -> None:
        """One has failed: return when it is time for the next, or raise the error after the last.

        The second follows at once, as another connection may be there to take it.
        """
        self.failed += 1
        if self._outages != self._network.outages or not self._network.is_there:
            self._outages = self._network.outages
            self.failed = 0
        if self.failed >= TRIES:
            raise error
        if self.failed > 1:
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2 ** (self.failed - 2))
