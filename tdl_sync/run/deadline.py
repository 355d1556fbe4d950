"""When a run with ``--max-runtime`` must be gone, and when it must have finished its work."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil

CLOSING_SECONDS = 4.0
"""From the end of the last upload to the end of the process: the state is saved, all is closed."""


@dataclass(frozen=True)
class Deadline:
    """Moments on the monotonic clock. ``exit_at``: the process must have ended."""

    begun_at: float
    exit_at: float
    grace_seconds: float

    @classmethod
    def of_this_process(cls, max_runtime_seconds: float, grace_seconds: float) -> Deadline:
        """Counted from the start of the process, not from here."""
        age_seconds = max(0.0, time.time() - psutil.Process().create_time())
        begun_at = time.monotonic() - age_seconds
        return cls(begun_at, begun_at + max_runtime_seconds, grace_seconds)

    @property
    def stop_at(self) -> float:
        """Then running uploads get their grace, which should find none."""
        return self.exit_at - CLOSING_SECONDS - self.grace_seconds

    @property
    def working_seconds(self) -> float:
        """What the whole run has for its work."""
        return max(0.0, self.stop_at - self.begun_at)

    def seconds_left(self) -> float:
        """Until everything must be uploaded; negative afterwards."""
        return self.stop_at - time.monotonic()
