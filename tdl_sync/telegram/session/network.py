"""Whether Telegram can be reached at all, as its connections show: one place knows, all ask it.

A connection that breaks costs the requests that it carried one try. Where no connection lives and
none can be opened it is the network that is gone: everything waits here then, and no try is
counted, for as long as it takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tdl_sync.core.errors import Stopped
from tdl_sync.core.text import human_seconds

REST_SECONDS = 30.0
"""Between two attempts to connect while the network is gone."""


class Network:
    """Lives on the loop. Until ``watch`` it takes every failure for one of a single connection:
    a start without a network fails instead of waiting."""

    def __init__(self, stopping: asyncio.Event, on_line: Callable[[str], None]) -> None:
        """``on_line`` is told when the network goes and when it is back."""
        self._stopping = stopping
        self._on_line = on_line
        self._there = asyncio.Event()
        self._there.set()
        self.gone = asyncio.Event()
        self._living: set[object] = set()
        self._watching = False
        self._gone_since = 0.0
        self.outages = 0
        """How often it was gone so far. What failed across a change was not anybody's fault."""

    @property
    def is_there(self) -> bool:
        return self._there.is_set()

    def watch(self) -> None:
        self._watching = True

    # --- what connections report ---------------------------------------------------------------

    def heard(self, connection: object) -> None:
        """Something came over this connection."""
        self._living.add(connection)
        if not self._there.is_set():
            self._there.set()
            self.gone.clear()
            seconds = time.monotonic() - self._gone_since
            self._on_line(f"the network is back after {human_seconds(seconds)}: the run goes on")

    def ended(self, connection: object) -> None:
        """The other side, or silence, ended it. One that never lived was a failure to connect."""
        if connection in self._living:
            self._living.remove(connection)
        else:
            self.failed()

    def closed(self, connection: object) -> None:
        """We have closed it."""
        self._living.discard(connection)

    def failed(self) -> None:
        """A connection could not be opened."""
        if self._watching and not self._living and self._there.is_set():
            self._there.clear()
            self.gone.set()
            self.outages += 1
            self._gone_since = time.monotonic()
            self._on_line(
                "warning: the network is gone: no connection to Telegram can be opened; it is "
                f"tried again every {REST_SECONDS:.0f} s, no file counts as failed, and uploads "
                "go on"
            )

    # --- what waits on it ----------------------------------------------------------------------

    async def rest(self) -> None:
        """After a failure to connect: wait for the next time, while the network is gone."""
        if not self._there.is_set():
            await first_of(self._there, self._stopping, seconds=REST_SECONDS)

    async def wait(self) -> None:
        """Wait until the network is there. Raises ``Stopped``."""
        if not self._there.is_set():
            await first_of(self._there, self._stopping)
            if not self._there.is_set():
                raise Stopped("the run is stopping")


async def first_of(*events: asyncio.Event, seconds: float | None = None) -> None:
    """Wait for any of these events, or for so long."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
