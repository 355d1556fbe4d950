"""Trying again what may pass: three attempts, with a pause that doubles."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from tdl_sync.core.errors import ItemFailed
from tdl_sync.core.stop import StopFlag

ATTEMPTS = 3
MOST_TRIES = 9
"""Also of what is not the item's own fault."""

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
    that it names; after the last attempt it is raised, as is anything else at once. One that
    ``spends_an_attempt`` not is no attempt. Raises ``Stopped`` when the run stops. A library for
    retries would sleep through a stop.
    """
    spent = 0
    for tries in range(1, MOST_TRIES + 1):
        try:
            return work()
        except ItemFailed as failure:
            spent += failure.spends_an_attempt
            if not failure.tried_again or spent == ATTEMPTS or tries == MOST_TRIES:
                raise
            asked_seconds, why = failure.retry_after_seconds, str(failure)
        # Spread out, so that what failed together does not come back together.
        pause_seconds = FIRST_PAUSE_SECONDS * 2 ** max(spent - 1, 0) * random.uniform(0.75, 1.25)
        pause_seconds = max(pause_seconds, asked_seconds)
        on_retry(why, pause_seconds)
        stop.sleep(pause_seconds)
    raise AssertionError("the last try returns or raises")
