"""Tasks that go on beside the one that has begun them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Asides:
    """Keeps them until they end, since the loop alone would not. Lives on the loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        """Its error is for whoever asks for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(has_succeeded)
        return task


def has_succeeded(task: asyncio.Task[Any]) -> bool:
    """Whether it has ended, and well. Its error is taken note of."""
    return task.done() and not task.cancelled() and task.exception() is None
