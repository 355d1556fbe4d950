"""A takeout session: an export that the user has asked for, with milder limits for reading.

https://core.telegram.org/api/takeout. Only the calls that read messages and files are put into
it; what is written (the state message) never is.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pyrogram import raw
from pyrogram.errors import RPCError, TakeoutInitDelay
from pyrogram.raw.core import TLObject

from tdl_sync.core.errors import ComeBackLater, TdlSyncError
from tdl_sync.core.text import human_seconds
from tdl_sync.telegram.session.answers import TelegramRefuses, error_name, translated
from tdl_sync.telegram.session.client import TelegramClient

LARGEST_FILE_BYTES = 4000 * 1024 * 1024
"""What Telegram takes from Premium accounts; a larger declared size is not to be believed."""

_DOING = "beginning a takeout session"

Answer = TypeVar("Answer")


class TakeoutEnded(TelegramRefuses):
    """Telegram says that the session is over."""


class Takeout:
    """May be open or not; any thread may call everything, ``begin`` and ``end`` block."""

    def __init__(self) -> None:
        self._takeout_id: int | None = None

    def begin(self, telegram: TelegramClient) -> None:
        """Open it. Raises ``ComeBackLater`` while Telegram waits for the user's consent."""
        request = raw.functions.account.InitTakeoutSession(
            message_users=True,
            message_chats=True,
            message_megagroups=True,
            message_channels=True,
            files=True,
            file_max_size=LARGEST_FILE_BYTES,
        )
        try:
            answer: Any = telegram.call(request, _DOING)
        except TakeoutInitDelay as error:
            raise ComeBackLater(
                "Telegram wants the export of --takeout confirmed: allow it in the message that "
                "Telegram has sent to your app, and run again; without that it begins in "
                f"{human_seconds(float(error.seconds or 0))}. Or run without --takeout"
            ) from error
        except RPCError as error:
            raise translated(error, _DOING) from error
        self._takeout_id = answer.id

    def wrapped(self, query: TLObject[Answer]) -> TLObject[Answer]:
        """The request within the session, or as it is if there is none."""
        takeout_id = self._takeout_id
        if takeout_id is None:
            return query
        return raw.functions.InvokeWithTakeout(takeout_id=takeout_id, query=query)

    def is_over(self) -> None:
        """Telegram has ended it (TAKEOUT_INVALID), which a user can do: requests go without."""
        self._takeout_id = None

    def end(self, telegram: TelegramClient, *, success: bool) -> str | None:
        """Close it, if it is open; a line for the user where that failed."""
        finish = raw.functions.account.FinishTakeoutSession(success=success or None)
        query = self.wrapped(finish)
        if query is finish:
            return None
        self.is_over()
        try:
            telegram.call_if_there(query, "ending the takeout session")
        except RPCError as error:
            return f"warning: the takeout session could not be ended ({error_name(error)})"
        except TdlSyncError as error:
            return f"warning: the takeout session could not be ended ({error})"
        return None
