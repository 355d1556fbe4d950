"""This machine's clock and Telegram's."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from tdl_sync.core.text import human_seconds
from tdl_sync.telegram.session import library
from tdl_sync.telegram.session.library import Client

NAMED_SECONDS = 60.0
TRUSTED_SECONDS = 10.0
"""Telegram takes message ids of up to 30 s in the future."""


def ahead_seconds(client: Client) -> float:
    """How far this machine's clock is ahead; negative when it is behind."""
    return time.time() - library.telegrams_seconds(client)


def utc(telegrams_seconds: float) -> datetime:
    """A time as Telegram tells it."""
    return datetime.fromtimestamp(telegrams_seconds, timezone.utc)


def telegrams_now(client: Client) -> datetime:
    return utc(library.telegrams_seconds(client))


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
    await library.begin_anew(client)
