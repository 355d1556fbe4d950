"""Makes the session that another program has our own, once Telegram has taken it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from pyrogram import raw
from pyrogram.errors import RPCError

from tdl_sync.core.errors import CredentialsRefused
from tdl_sync.core.program import PROGRAM
from tdl_sync.telegram.session.answers import translated
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.login import CONNECT_SECONDS, TRIES, name_of
from tdl_sync.telegram.session.session_copy import store_copy


def take_over(telegram: TelegramClient, path: Path) -> str:
    """With a client of that session: see that Telegram takes it, and store it in ``path``, which
    appears when it is whole. Returns the account's name. Blocks; any thread but the loop's.

    Raises ``CredentialsRefused`` or ``NetworkUnreachable``.
    """
    try:
        return telegram.loop.call(_take_over, telegram, path)
    except (RPCError, OSError, asyncio.TimeoutError) as error:
        raise translated(error, "signing in") from error


async def _take_over(telegram: TelegramClient, path: Path) -> str:
    client = await telegram.make_client(no_updates=True)
    await telegram.guarded(client.connect(), "connecting", CONNECT_SECONDS)
    query = raw.functions.users.GetUsers(id=[raw.types.InputUserSelf()])
    users: Any = await client.invoke(query, retries=TRIES)
    user, storage = users[0], cast(Any, client.storage)
    if user.bot:
        raise CredentialsRefused(
            "Telegram",
            "the session is a bot's, which can't read a chat's history",
            f"Sign in with an account: {PROGRAM} login",
        )
    await storage.user_id(user.id)
    await storage.is_bot(False)
    await storage.save()
    store_copy(storage.conn, path)
    return name_of(user)
