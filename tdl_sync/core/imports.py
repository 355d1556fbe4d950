"""Importing a lot at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """While modules are imported nothing becomes free. To look for that again and again, through
    all that was imported so far, takes a fourteenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
