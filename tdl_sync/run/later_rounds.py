"""What a run that stays with its chat does after each round: wait, look, choose the next job."""

from __future__ import annotations

from collections.abc import Callable

from tdl_sync.core.errors import EXIT_COME_BACK_LATER, ComeBackLater, TdlSyncError
from tdl_sync.core.human_units import human_bytes
from tdl_sync.core.model import Chat
from tdl_sync.core.ports import Marks
from tdl_sync.run.beginning import Beginning, Start
from tdl_sync.run.following import Following, Retries
from tdl_sync.state.lease import Lease
from tdl_sync.transfer.ledger import Ledger
from tdl_sync.transfer.pipeline import Job


class LaterRounds:
    """Of one chat; made when its first round is over. Used by one thread."""

    def __init__(
        self,
        chat: Chat,
        start: Start,
        beginning: Beginning,
        marks: Marks,
        following: Following,
        on_line: Callable[[str], None],
        lease: Lease,
    ) -> None:
        self._chat = chat
        self._start = start
        self._beginning = beginning
        self._marks = marks
        self._following = following
        self._on_line = on_line
        self._lease = lease
        self._retries = Retries()
        self._retries.round_ended(self._failing_ids(), ())

    def next_job(self, watermark: int) -> Job:
        """Block until there is something above the watermark, or something to try again.

        What may pass while it looks for that is told and tried again; anything else is raised,
        as is ``Stopped``, and ``HeldByAnotherRun`` when the lease was lost.
        """
        with self._lease.idle():
            return self._next_job(watermark)

    def _next_job(self, watermark: int) -> Job:
        while True:
            self._following.wait(self._chat.id, self._retries.seconds_left)
            self._lease.check_not_lost()
            due_ids = self._retries.due()
            try:
                job = self._start.later_job(self._beginning, watermark, due_ids)
            except TdlSyncError as error:
                if isinstance(error, ComeBackLater) or error.exit_status != EXIT_COME_BACK_LATER:
                    raise
                self._on_line(f"warning: {error}; looking for new messages is tried again")
                self._following.rest()
                continue
            if job is not None:
                return job
            self._retries.round_ended(self._failing_ids(), due_ids)

    def ended(self, job: Job, ledger: Ledger) -> None:
        """The round is over: say what it has moved, if anything, and plan what has failed."""
        self._retries.round_ended(self._failing_ids(), job.leftovers_of or ())
        report = ledger.report()
        if report.moved or report.failed:
            failed = f", {report.failed} failed" if report.failed else ""
            self._on_line(
                f"{self._chat.title!r}: {report.moved} moved "
                f"({human_bytes(report.uploaded_bytes)}){failed}, "
                f"up to message {ledger.position().watermark}"
            )

    def _failing_ids(self) -> frozenset[int]:
        """What failed and may pass."""
        failures = self._marks.failures(self._beginning.scope.remote, self._chat.id, 0)
        return frozenset(each.key.message_id for each in failures if not each.for_good)
