"""What the user asked for, as far as the run over one chat is concerned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tdl_sync.choice import Choice
from tdl_sync.deadline import Deadline
from tdl_sync.keeping import Keeping


@dataclass(frozen=True)
class RunSettings:
    """What the user asked for, as far as a chat's run is concerned."""

    remote: str
    remote_free_bytes: int | None
    downloads: int
    workers: int
    save_interval_seconds: float
    grace_seconds: float
    demand_saved_state: bool
    ignore_watermark: bool
    only_failed: bool
    choice: Choice
    keeping: Keeping
    texts_directory: Path | None
    take_over: bool
    lock_directory: Path
    deadline: Deadline | None
