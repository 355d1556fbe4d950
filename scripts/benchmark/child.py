"""What all children of the benchmark share: their clock, and the line that they end with."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict

from scripts.benchmark.frame import Measured

_MEMORY_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


class Meter:
    """Measures from its making to ``report``."""

    def __init__(self) -> None:
        self._cpu_seconds = _cpu_seconds()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def report(self, moved_bytes: int) -> None:
        """Print the figures for the parent."""
        if sys.platform == "win32":
            raise NotImplementedError
        measured = Measured(
            seconds=self.seconds,
            bytes=moved_bytes,
            cpu_seconds=_cpu_seconds() - self._cpu_seconds,
            peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            * _MEMORY_UNIT_BYTES,
        )
        print(json.dumps(asdict(measured)), flush=True)


def _cpu_seconds() -> float:
    """Of this process and of the children that it has waited for."""
    if sys.platform == "win32":
        raise NotImplementedError
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
