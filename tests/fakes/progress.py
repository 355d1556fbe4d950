"""Who is told of a run: a listener that remembers it, and the numbers of a display."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from tdl_sync.core.model import Chat, ChatTotals
from tdl_sync.core.reports import RunReport
from tdl_sync.core.steps import DiskUsed, Seen, Step, Steps
from tdl_sync.reporting.numbers import ProgressNumbers
from tdl_sync.transfer.tally import Tally

Kind = TypeVar("Kind", bound=Step)


class Shown(Steps):
    """Steps that are told to the numbers of a display and to the account that these are read with,
    as a chat's run does it."""

    def __init__(
        self,
        chat: Chat,
        totals: ChatTotals,
        budget_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        tally = Tally()
        self.numbers = ProgressNumbers(chat, totals, budget_bytes, tally.of_round, clock)
        super().__init__(tally.told, self.numbers.told)


class RecordingProgress:
    """``ports.ProgressListener`` for tests. ``calls`` are (method, arguments), in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[tuple[str, tuple[object, ...]]] = []
        self._steps: list[Step] = []
        self.breaks_at: tuple[type[Step], Exception] | None = None
        """The kind of step at which it raises, and what."""

    def calls(self, method: str) -> list[tuple[object, ...]]:
        """The arguments of all calls of this method so far."""
        with self._lock:
            return [arguments for name, arguments in self._calls if name == method]

    def steps(self, kind: type[Kind]) -> list[Kind]:
        """All steps of this kind so far."""
        with self._lock:
            return [step for step in self._steps if isinstance(step, kind)]

    def order(self, message_id: int) -> list[type[Step]]:
        """The kinds of steps that the file of this message took."""
        with self._lock:
            steps = list(self._steps)
        return [
            type(step)
            for step in steps
            if not isinstance(step, Seen | DiskUsed) and step.key.message_id == message_id
        ]

    def _record(self, method: str, *arguments: object) -> None:
        with self._lock:
            self._calls.append((method, arguments))

    def started(
        self, chat: Chat, totals: ChatTotals, budget_bytes: int, account: Callable[[], RunReport]
    ) -> None:
        self._record("started", chat, totals, budget_bytes, account)

    def counted(self, chat: Chat, totals: ChatTotals) -> None:
        self._record("counted", chat, totals)

    def told(self, step: Step) -> None:
        with self._lock:
            self._steps.append(step)
        if self.breaks_at is not None and isinstance(step, self.breaks_at[0]):
            raise self.breaks_at[1]

    def waiting(self, what: str, why: str, until: datetime | None) -> None:
        self._record("waiting", what, why, until)

    def message(self, line: str) -> None:
        self._record("message", line)

    def held(self, chat: Chat, *, is_ours: bool) -> None:
        self._record("held", chat, is_ours)

    def idle(self, why: str) -> None:
        self._record("idle", why)

    def finished(self, chat: Chat, report: RunReport) -> None:
        self._record("finished", chat, report)
