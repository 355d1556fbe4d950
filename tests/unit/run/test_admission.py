"""What is told of the hold on a chat while it lasts."""

from __future__ import annotations

from tdl_sync.core.model import Chat, ChatKind
from tdl_sync.run.admission import cut_when_lapsed
from tests.fakes.handoff import FakeHandOff
from tests.fakes.progress import RecordingProgress
from tests.fakes.saved_messages import FakeSavedMessages
from tests.unit.state.test_lease import HERE, INTERVAL_SECONDS, Runner
from tests.waiting import until

CHAT = Chat(-1001, "Films", ChatKind.CHANNEL)


def test_who_counts_is_told_while_the_chat_may_be_anothers_and_when_it_is_ours_again() -> None:
    here, progress = Runner(FakeSavedMessages(), HERE), RecordingProgress()
    here.take()
    here.save()
    hand_off = FakeHandOff()
    with cut_when_lapsed(here.lease, hand_off, progress, lambda: None, CHAT):
        here.seconds = 2 * INTERVAL_SECONDS
        until(lambda: progress.calls("held") == [(CHAT, False)])
        here.save()
        until(lambda: progress.calls("held") == [(CHAT, False), (CHAT, True)])
