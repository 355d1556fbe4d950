"""How much each leg moved in the last day, kept from run to run for the page (``--page``)."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tdl_sync.core.operating_system import replace_file

SLOT_SECONDS = 300
SLOTS = 24 * 3600 // SLOT_SECONDS
_MOST_BYTES = 100_000


@dataclass(frozen=True)
class Rate:
    """The bytes of one slot, which is counted since 1970."""

    slot: int
    down_bytes: int
    up_bytes: int


def refuse_what_is_no_file(path: Path) -> None:
    """What is written whole takes the place of what is there: of ``/dev/null``, too, for a root.

    Raises ``OSError``.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is there, and is no file")


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Whoever reads it finds all of it, or what was there before. Raises ``OSError``."""
    refuse_what_is_no_file(path)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.chmod(name, mode)
        replace_file(Path(name), path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


class RateHistory:
    """A small file beside the other records. What can't be read or written is no reason to stop:
    it is a picture. Used by one thread."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    def rates(self) -> tuple[Rate, ...]:
        """Of the last day, oldest first."""
        try:
            with self._path.open("rb") as file:
                stored = json.loads(file.read(_MOST_BYTES))
            found = [Rate(int(slot), int(down), int(up)) for slot, down, up in stored["rates"]]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return ()
        now = int(self._clock() // SLOT_SECONDS)
        kept = [
            rate
            for rate in found
            if now - SLOTS < rate.slot <= now and rate.down_bytes >= 0 and rate.up_bytes >= 0
        ]
        return tuple(sorted(kept, key=lambda rate: rate.slot))

    def add(self, down_bytes: int, up_bytes: int) -> tuple[Rate, ...]:
        """What was moved since the last time; the rates with it. Another run's are kept."""
        now = int(self._clock() // SLOT_SECONDS)
        by_slot = {rate.slot: rate for rate in self.rates()}
        before = by_slot.get(now, Rate(now, 0, 0))
        by_slot[now] = Rate(now, before.down_bytes + down_bytes, before.up_bytes + up_bytes)
        rates = tuple(by_slot.values())
        rows = [[rate.slot, rate.down_bytes, rate.up_bytes] for rate in rates]
        with suppress(OSError):
            write_whole(self._path, json.dumps({"version": 1, "rates": rows}).encode(), 0o600)
        return rates
