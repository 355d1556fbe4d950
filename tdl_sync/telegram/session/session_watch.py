"""Ends a run whose session Telegram has ended, also while the run asks Telegram for nothing.

While a large file is uploaded and the disk is full, a run may be silent for hours; meanwhile its
lease would lapse, and what it still did would be for nothing.
"""

from __future__ import annotations

from pyrogram import raw
from pyrogram.errors import RPCError

from tdl_sync.core.errors import CredentialsRefused, NetworkUnreachable, Stopped
from tdl_sync.core.stop import StopFlag
from tdl_sync.telegram.session.answers import SESSION_ENDED, translated
from tdl_sync.telegram.session.client import TelegramClient

QUIET_SECONDS = 12.0
"""Together with the time that a stop takes this is less than half a minute."""

DOING = "asking whether the session lives"


def watch_session(telegram: TelegramClient, stop: StopFlag) -> None:
    """From now on set ``stop`` when the session has ended, ``CredentialsRefused`` being the cause.

    Returns at once. The watch ends with the run.
    """
    telegram.loop.submit(_watch, telegram, stop)


async def _watch(telegram: TelegramClient, stop: StopFlag) -> None:
    try:
        while True:
            await telegram.sleep(max(0.0, QUIET_SECONDS - telegram.quiet_seconds))
            if telegram.quiet_seconds >= QUIET_SECONDS:
                await _ask(telegram)
    except CredentialsRefused as error:
        stop.set(error)
    except Stopped:
        return


async def _ask(telegram: TelegramClient) -> None:
    query = raw.functions.users.GetUsers(id=[raw.types.InputUserSelf()])
    try:
        await telegram.invoke(query, DOING)
    except SESSION_ENDED as error:
        raise translated(error, DOING) from error
    except (RPCError, NetworkUnreachable):
        # Whether Telegram is there and well is for those who need an answer.
        await telegram.sleep(QUIET_SECONDS)
