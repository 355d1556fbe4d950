"""What a run that stays with its chat does between two rounds."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from tdl_sync.core.errors import HeldByAnotherRun
from tdl_sync.core.model import Chat, ChatKind
from tdl_sync.run.following import Following, LaterRounds
from tdl_sync.run.resume import Resumption
from tdl_sync.transfer.job import Job
from tests.fakes.saved_messages import FakeSavedMessages
from tests.unit.state.test_lease import HERE, THERE, Runner
from tests.unit.state.test_state_message import PLAIN, SCOPE
from tests.waiting import in_thread, result_of, until


def test_a_chat_that_another_run_took_is_not_waited_for_any_more_and_others_go_on() -> None:
    saved = FakeSavedMessages()
    here, there = Runner(saved, HERE), Runner(saved, THERE)
    looks: list[int] = []

    class NothingNew:
        def later_job(self, *arguments: object) -> None:
            looks.append(1)

        def failures(self) -> tuple[()]:
            return ()

    here.take()
    here.save()
    chat = Chat(SCOPE.chat_id, PLAIN.channel_name, ChatKind.CHANNEL)
    rounds = LaterRounds(
        cast(Resumption, NothingNew()),
        cast(Job, SimpleNamespace(chat=chat, remote=SCOPE.remote, scope=SCOPE)),
        Following(here.stop, poll_seconds=0.01),
        lambda line: None,
        here.lease,
    )
    waiting = in_thread(lambda: rounds.next_job(0))
    until(lambda: bool(looks))
    saved.now += timedelta(seconds=20)
    there.take(take_over=True, seconds_since_start=5)
    there.save()
    with pytest.raises(HeldByAnotherRun):
        here.save()
    with pytest.raises(HeldByAnotherRun, match="has taken over"):
        result_of(waiting)
    assert not here.stop.is_set
