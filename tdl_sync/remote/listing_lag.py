"""What earlier runs have sent to Drive is not listed at once: who must know of it waits here."""

from __future__ import annotations

import threading
import time

from tdl_sync.remote.drive_folder import ARRIVING_SECONDS, LISTING_LAG_SECONDS
from tdl_sync.remote.folders import ChatFolders
from tdl_sync.remote.turns import Turns


class ListingLag:
    """All methods may be called from any thread."""

    def __init__(
        self, turns: Turns, folders: ChatFolders, began_at: float | None, *, lags: bool
    ) -> None:
        """Only Drive's listings lag, as far as we know. ``began_at``, by the monotonic clock: since
        then no rclone of an earlier run lives here; ``None``: now."""
        self._turns = turns
        self._folders = folders
        self._lags = lags
        lag_seconds = ARRIVING_SECONDS + LISTING_LAG_SECONDS if lags else 0.0
        self._all_listed_at = (time.monotonic() if began_at is None else began_at) + lag_seconds
        self._expects_more = False
        self._unlisted: set[str] = set()
        self._listing_again = threading.Lock()

    @property
    def seconds_left(self) -> float:
        """See ``ports.HandOff.seconds_until_listed``."""
        return max(0.0, self._all_listed_at - time.monotonic())

    def wait(self) -> None:
        """Until what earlier runs have sent is listed. Raises ``Stopped``."""
        seconds = self.seconds_left
        if seconds > 0.0:
            self._turns.sleep(seconds)

    def expect_more(self) -> None:
        """See ``ports.HandOff.expect_more``."""
        self._expects_more = self._lags

    def before_listing(self, chat_folder: str) -> None:
        """Waits only where the folder itself may be there, and is not listed yet."""
        if self._expects_more and not self._folders.is_seen(chat_folder):
            self.wait()
            self._folders.forget_seen()
        if self._expects_more and self.seconds_left > 0.0:
            self._unlisted.add(chat_folder)

    def before_sending(self, chat_folder: str) -> None:
        """Where an earlier run may have sent what its listing did not show: once it does."""
        if chat_folder not in self._unlisted:
            return
        with self._listing_again:
            if chat_folder in self._unlisted:
                self.wait()
                self._turns.run(lambda: self._folders.list_again(chat_folder))
                self._unlisted.remove(chat_folder)
