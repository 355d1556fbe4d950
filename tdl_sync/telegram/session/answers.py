"""Telegram's refusals and the library's ways to fail, as this program's errors.

Names of the errors: https://core.telegram.org/api/errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pyrogram.errors import (
    AuthKeyDuplicated,
    Flood,
    FloodPremiumWait,
    FloodWait,
    RPCError,
    SecurityCheckMismatch,
    Unauthorized,
)

from tdl_sync.core.errors import NetworkUnreachable, SessionEnded, TdlSyncError
from tdl_sync.core.program import PROGRAM

SESSION_ENDED = (AuthKeyDuplicated, Unauthorized)
"""Telegram ends a session, or, where it comes from a data centre that is not the account's home,
what that data centre knows of it."""

LOG_IN_AGAIN = f"log in again: {PROGRAM} login"


def flood_wait_seconds(error: BaseException) -> int | None:
    """How long Telegram asks us to wait, if that is what it says.

    FLOOD_PREMIUM_WAIT is what accounts without Premium get for fast downloads; the library's
    class for it is no subclass of the other.
    """
    if isinstance(error, (FloodWait, FloodPremiumWait)):
        return int(error.seconds or 0)
    if isinstance(error, Flood) and not isinstance(error.value, int):
        # One without a name in the library; all of them end with their seconds.
        seconds = re.search(r"_(\d+)$", error_name(error))
        return int(seconds[1]) if seconds else None
    return None


def error_name(error: RPCError) -> str:
    """Telegram's own name of the error, such as ``CHANNEL_PRIVATE``."""
    return str(error.ID or error.value or type(error).__name__)


def session_refused(name: str) -> SessionEnded:
    return SessionEnded(
        "Telegram", f"it does not accept this session any more ({name})", f"Please {LOG_IN_AGAIN}"
    )


def translated(error: BaseException, doing: str) -> TdlSyncError:
    """What an exception of the library means for a user, ``doing`` being what was tried."""
    if isinstance(error, AuthKeyDuplicated):
        return SessionEnded(
            "Telegram",
            "this session was used on two machines at once, and Telegram has ended it "
            "(AUTH_KEY_DUPLICATED)",
            f"Make one session for each machine: {PROGRAM} login",
        )
    if isinstance(error, Unauthorized):
        name = error_name(error)
        if not name.startswith("USER_DEACTIVATED"):
            return session_refused(name)
        return SessionEnded(
            "Telegram",
            f"it has closed this account ({name})",
            f"Its own app says why; with another account: {PROGRAM} login",
        )
    if isinstance(error, RPCError):
        return TelegramRefuses(doing, error_name(error))
    if isinstance(error, SecurityCheckMismatch):
        return TelegramRefuses(doing, f"its answer failed a security check ({error})")
    if isinstance(error, (OSError, TimeoutError)):
        return NetworkUnreachable(
            f"Telegram does not answer ({doing}): check the network or --proxy, then run again"
        )
    raise error


@contextmanager
def translating(doing: str) -> Iterator[None]:
    """Within it what Telegram refuses is raised as ``translated`` says."""
    try:
        yield
    except RPCError as error:
        raise translated(error, doing) from error


class TelegramRefuses(TdlSyncError):
    """Telegram answered a call with an error that no stage knows how to deal with."""

    exit_status = NetworkUnreachable.exit_status

    def __init__(self, doing: str, answer: str) -> None:
        self.answer = answer
        super().__init__(f"Telegram refuses ({doing}): {answer}; run again later")
