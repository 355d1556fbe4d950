"""Which data centres still know the keys that we speak with.

A data centre that does not says so with a transport error, to whatever is sent
(https://core.telegram.org/mtproto/mtproto-transports#transport-errors).
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict


class KeyUnknown(ConnectionError):
    """A data centre has forgotten the key that this run had made with it; another one will do."""


class Keys:
    """Lives on the loop.

    There is one key for each data centre. The one of the account's home is the session itself;
    any other can be made anew, and be given the account's rights again.
    """

    def __init__(self) -> None:
        self.home_dc_id: int | None = None
        self._unknown: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self._renewed_at_seconds: defaultdict[int, float] = defaultdict(float)
        self.session_unknown = asyncio.Event()
        """The key of the account's home is forgotten: the session is over."""

    def home_is(self, dc_id: int) -> None:
        """Until this is told, every data centre counts as the account's home."""
        self.home_dc_id = dc_id

    def is_home(self, dc_id: int) -> bool:
        return self.home_dc_id in (None, dc_id)

    def unknown(self, dc_id: int) -> asyncio.Event:
        """Set when that data centre does not know its key any more."""
        return self.session_unknown if self.is_home(dc_id) else self._unknown[dc_id]

    def refused(self, dc_id: int, opened_at_seconds: float) -> None:
        """That data centre has refused the key on a connection that was made at this time."""
        if opened_at_seconds >= self._renewed_at_seconds[dc_id]:
            self.unknown(dc_id).set()

    def renewed(self, dc_id: int) -> None:
        """From now on connections are made with a new key of that data centre."""
        self._renewed_at_seconds[dc_id] = time.monotonic()
        self._unknown.pop(dc_id, None)
