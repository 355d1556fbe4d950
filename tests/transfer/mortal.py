"""The whole line on real done-marks, whose runs can be killed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tdl_sync.core.failures import Failure
from tdl_sync.core.model import DoneMark, FormerFile, MediaItem, Scope
from tdl_sync.state.done_marks import DoneMarks
from tests.fakes.chat import CHAT_ID
from tests.transfer.line import REMOTE, Ended, Event, Line, Run


class Killed(BaseException):
    """What ends each thread of a run that dies. Nothing in the program catches it."""


class WatchedMarks(DoneMarks):
    """The real records, which tell when one is about to be written."""

    on_write: Callable[[DoneMark], None] | None = None
    dead = False

    def write(
        self, mark: DoneMark, moved_in: Scope | None = None, former: FormerFile | None = None
    ) -> None:
        if self.on_write is not None:
            self.on_write(mark)
        super().write(mark, moved_in, former)

    def forget_former(self, remote: str, former: FormerFile) -> None:
        if self.dead:
            raise Killed
        super().forget_former(remote, former)

    def record_failure(self, remote: str, failure: Failure) -> Failure:
        if self.dead:
            raise Killed
        return super().record_failure(remote, failure)


class MortalLine(Line):
    """A line on real done-marks, whose runs can be killed."""

    def __init__(self, directory: Path, items: list[MediaItem]) -> None:
        super().__init__(directory, items)
        self._use_records(directory / "marks")

    def lose_machine(self, directory: Path) -> None:
        """The records are gone, but for what the state message says: failures and watermark."""
        failures = self.marks.failures(REMOTE, CHAT_ID, 0)
        self.records.close()
        self._use_records(directory)
        for failure in failures:
            self.marks.record_failure(REMOTE, failure)

    def _use_records(self, directory: Path) -> None:
        self.records = WatchedMarks(directory)
        self.marks = self.records  # type: ignore[assignment]

    def close(self) -> None:
        super().close()
        self.records.close()

    def dying_run(self, name: str, count: int, dice: random.Random, budget_bytes: int) -> Ended:
        """Killed at the ``count``-th event of this name, if there are so many.

        The watermark that the next run finds may be any that was saved since the last one.
        """
        watermark_before = self.after_id

        def prepare(run: Run) -> None:
            def on_event(event: Event) -> None:
                if self.records.dead or (event[0] == name and run.watch.count(name) >= count):
                    self.records.dead = True
                    raise Killed

            run.watch.on_event = on_event

        ended = self.run(budget_bytes=budget_bytes, prepare=prepare)
        self.records.dead = False
        if dice.random() < 0.5:
            self.after_id = watermark_before
        return ended
