"""Trying again what may pass: three attempts, with a pause that doubles."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from tdl_sync.core.errors import ItemFailed
from tdl_sync.core.stop import StopFlag

ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 1.0

Result = TypeVar("Result")


def nobody(why: str, pause_seconds: float) -> None:
    """Is not interested in attempts that failed."""


def with_attempts(
    work: Callable[[], Result],
    stop: StopFlag,
    on_retry: Callable[[str, float], None] = nobody,
) -> Result:
    """Call ``work`` until it returns; blocks between the attempts. ``on_retry`` is told before
    each pause why it is made, and its seconds.

    Only ``ItemFailed`` of a class that says ``tried_again`` is tried again, not before the time
    that it names; after the last attempt it is raised, as is anything else at once. Raises
    ``Stopped`` when the run stops. A library for retries would sleep through a stop.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except ItemFailed as failure:
            if not failure.tried_again:
                raise
            asked_seconds, why = failure.retry_after_seconds, str(failure)
        # Spread out, so that what failed together does not come back together.
        pause_seconds = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
        pause_seconds = max(pause_seconds, asked_seconds)
        on_retry(why, pause_seconds)
        stop.sleep(pause_seconds)
    return work()
