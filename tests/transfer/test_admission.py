"""A run that could not renew its lease for two save intervals begins nothing more, since another
one may take the chat; what it has begun it ends, and after the next renewal it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from tdl_sync.core.errors import Stopped
from tdl_sync.core.steps import Admitted, Moved, Step
from tdl_sync.core.stop import StopFlag
from tdl_sync.run.admission import wait_until_ours
from tdl_sync.state.holds import Others
from tdl_sync.state.lease import Lease
from tdl_sync.state.state_message import encode
from tdl_sync.state.state_store import StateMessage
from tests.fakes.chat import item_of
from tests.fakes.progress import RecordingProgress
from tests.fakes.saved_messages import FakeSavedMessages
from tests.transfer.line import BLOCK, Ended, Line, Run, assert_complete
from tests.unit.state.test_lease import HERE, INTERVAL_SECONDS, SUBJECT
from tests.unit.state.test_state_message import PLAIN
from tests.waiting import in_thread, result_of, until

FILES = 8


@dataclass
class Held:
    """A chat that a run holds, and its machine's clock. ``wait`` is what the run waits by."""

    line: Line
    saved: FakeSavedMessages
    seconds: float = 0.0

    def wait(self, stop: StopFlag, progress: RecordingProgress) -> Callable[[], None]:
        self.stop, self.progress = stop, progress
        self.lease = Lease(
            self.saved, Others(SUBJECT, HERE, lambda run: False), stop, lambda: self.seconds
        )
        self.lease.take(seconds_since_start=1, take_over=False)
        self.lease.hold_by(StateMessage(self.saved, PLAIN.scope_key, None))
        return partial(wait_until_ours, self.lease, stop, progress)

    def renew(self) -> None:
        self.lease.write(encode(replace(PLAIN, run=HERE)))

    def run(self) -> Ended:
        """With a clock that is two intervals further when the first file is on the remote."""

        def later(event: tuple[str, int]) -> None:
            if event[0] == "marked" and self.seconds == 0:
                self.seconds = 2 * INTERVAL_SECONDS

        def prepare(run: Run) -> None:
            run.watch.on_event = later

        return self.line.run(
            budget_bytes=2 * BLOCK, downloads=1, workers=1, prepare=prepare, wait=self.wait
        )

    def count(self, told: type[Step]) -> int:
        return len(self.progress.steps(told))

    @property
    def waits(self) -> bool:
        """Whether it was told by now that the run waits."""
        return hasattr(self, "progress") and bool(self.progress.calls("waiting"))


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    line = Line(tmp_path, [item_of(number, BLOCK) for number in range(1, FILES + 1)])
    yield Held(line, FakeSavedMessages())
    line.close()


def test_nothing_more_is_begun_until_the_lease_is_renewed(held: Held) -> None:
    running = in_thread(held.run)
    until(lambda: running.done() or held.waits)
    until(lambda: held.count(Moved) == held.count(Admitted))
    assert 1 <= held.count(Moved) < FILES
    assert not running.done()
    held.renew()
    ended = result_of(running)
    assert_complete(ended)
    held.line.assert_all_moved()
    ((what, why, when),) = ended.progress.calls("waiting")
    assert (what, when) == ("beginning new files", None)
    assert "could not be saved in Saved Messages for two save intervals" in str(why)


def test_a_stop_ends_the_wait_for_the_lease(held: Held) -> None:
    running = in_thread(held.run)
    until(lambda: running.done() or held.waits)
    held.stop.set()
    ended = result_of(running)
    assert isinstance(ended.error, Stopped)
    assert ended.report.moved < FILES
