"""The state that a run over one chat leaves, for its state message and on this disk."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone

from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.failures import reasons_for_others
from tdl_sync.core.model import Chat, RunIdentity, RunState, RunStatus, scope_key
from tdl_sync.core.ports import Marks
from tdl_sync.core.stop import StopFlag
from tdl_sync.run.beginning import Beginning
from tdl_sync.run.time_left import TimeLeft
from tdl_sync.transfer.rounds import Rounds


@dataclass
class ChatState:
    """``status`` may be set by any thread, and ``save_watermark_and_snapshot`` be called by any."""

    chat: Chat
    beginning: Beginning
    identity: RunIdentity
    marks: Marks
    stop: StopFlag
    rounds: Rounds
    time_left: TimeLeft | None
    status: RunStatus = RunStatus.RUNNING
    begun_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def save_watermark_and_snapshot(self) -> RunState:
        """What to save now. The watermark is on this disk when this returns."""
        scope, rounds = self.beginning.scope, self.rounds
        report, position = rounds.report(), rounds.position()
        earlier = self.beginning.loaded.state if self.beginning.loaded else None
        failures = self.marks.failures(scope.remote, self.chat.id, 0)
        self._save_watermark(position.watermark)
        return RunState(
            scope_key=scope_key(scope),
            channel_id=self.chat.id,
            channel_name=self.chat.title,
            last_message_id=position.watermark,
            total_downloaded=rounds.downloaded_files + (earlier.total_downloaded if earlier else 0),
            total_uploaded=report.moved + (earlier.total_uploaded if earlier else 0),
            total_size_bytes=report.uploaded_bytes + (earlier.total_size_bytes if earlier else 0),
            timestamp=datetime.now(timezone.utc),
            status=self.status,
            remote=scope.remote,
            folder=self.beginning.folder,
            started=earlier.started if earlier else self.begun_at,
            done_above_ids=position.done_above,
            failed_ids=tuple(sorted(failure.key.message_id for failure in failures)),
            failures_by_reason=Counter(reasons_for_others(failures)),
            run=self.identity,
            lower_bound=scope.lower_bound,
            upload_bytes_per_second=self._upload_bytes_per_second(earlier),
            run_bytes=report.uploaded_bytes,
            run_seconds=round(report.seconds),
        )

    def _upload_bytes_per_second(self, earlier: RunState | None) -> int:
        if self.time_left is not None:
            return self.time_left.upload_bytes_per_second
        return earlier.upload_bytes_per_second if earlier else 0

    def _save_watermark(self, message_id: int) -> None:
        """On this disk. Where it can't be written the run ends, but its state is still saved."""
        try:
            self.marks.save_watermark(self.beginning.scope, message_id)
        except TdlSyncError as error:
            self.stop.set(error)
