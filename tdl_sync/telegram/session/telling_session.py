"""The library's session, which tells what it would keep to itself.

When Telegram refuses the first calls of a connection, the library connects again, at once and for
ever, and says nothing of it. And errors that it has no name for it writes into a file in the
working directory, which is not ours to write to, and fails where it may not. So both are seen here,
on every session that it opens, whoever asks: a run, a command, or the library while it signs in.
"""

from __future__ import annotations

from typing import Any

import pyrogram.client
from pyrogram.errors import RPCError
from pyrogram.raw.core import TLObject
from pyrogram.session import Session
from pyrogram.session.session import SessionState

from tdl_sync.telegram.session.clock import SteadyClient
from tdl_sync.telegram.session.unnamed_errors import Answers


class TellingSession(Session):
    """Its client is a ``SteadyClient``, which is told of a refusal before the library acts on it,
    and may take its time."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.results = Answers()

    async def send(
        self, data: TLObject[Any], wait_response: bool = True, timeout: float = Session.WAIT_TIMEOUT
    ) -> Any:
        try:
            return await super().send(data, wait_response, timeout)
        except RPCError as error:
            if self.state is SessionState.STARTING and isinstance(self.client, SteadyClient):
                await self.client.connection_refused(error, for_files=self.is_media)
            raise


def use_telling_sessions() -> None:
    """From now on the library's clients make their sessions so: they know the class by this name
    alone."""
    vars(pyrogram.client)["Session"] = TellingSession
