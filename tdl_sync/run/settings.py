"""What the user asked for, as far as the run over one chat is concerned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tdl_sync.options.choice import Choice
from tdl_sync.options.config import Config
from tdl_sync.options.name_template import Keeping
from tdl_sync.run.time_left import Deadline


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

    @classmethod
    def of(cls, config: Config, free_bytes: int | None, deadline: Deadline | None) -> RunSettings:
        """``free_bytes`` are the remote's, where it says."""
        return cls(
            remote=config.remote,
            remote_free_bytes=free_bytes,
            downloads=config.downloads,
            workers=config.workers,
            save_interval_seconds=config.save_interval_seconds,
            grace_seconds=config.grace_seconds,
            demand_saved_state=config.resume,
            ignore_watermark=config.restart,
            only_failed=config.retry_failed,
            take_over=config.take_over,
            lock_directory=config.data_dir / "locks",
            deadline=deadline,
            choice=config.choice,
            keeping=config.keeping,
            texts_directory=config.data_dir / "texts" if config.texts else None,
        )
