"""A loop in which time passes only while everything waits, and then at once: what it measures is
the same on every machine, however busy."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _NobodyWaits(selectors.SelectSelector):
    """Instead of waiting it says that the time is over."""

    now_seconds = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everything waits, and for nothing that would ever come"
            self.now_seconds += max(timeout, 0.0)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Nothing in it may wait for a thread or a file."""

    def __init__(self) -> None:
        self._virtual = _NobodyWaits()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now_seconds


def in_virtual_time(work: Coroutine[Any, Any, Result]) -> Result:
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
