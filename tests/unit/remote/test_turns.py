"""What a call that failed means for the ones that come: wait, renew, or end the run."""

from __future__ import annotations

from datetime import datetime

import pytest

from tdl_sync.core.errors import (
    AnswerOverdue,
    ComeBackLater,
    RateLimited,
    RemoteUnreachable,
    TdlSyncError,
)
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import OnQuota, RcloneSettings
from tdl_sync.remote import pace as pace_module
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.program import candidates
from tdl_sync.remote.rclone import CallFailed, Rclone
from tdl_sync.remote.remote_control import RemoteControl
from tdl_sync.remote.token_renewal import TokenRenewal
from tdl_sync.remote.turns import Turns


class Told:
    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self, what: str, why: str, until: datetime | None) -> None:
        self.reasons.append(why)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr(pace_module, "SHORTEST_PAUSE_SECONDS", 0.001)
    return Told()


@pytest.fixture
def turns(told: Told, closing_rclone: RemoteControl) -> Turns:
    token = TokenRenewal(closing_rclone, "/a/directory")
    return Turns(Pace(StopFlag(), told), token, OnQuota.EXIT)


@pytest.fixture
def closing_rclone() -> RemoteControl:
    """Never started: a directory has no token."""
    (program, *_) = candidates(RcloneSettings(None, None, (), must_be_drive=False))
    return RemoteControl(Rclone(program))


@pytest.mark.parametrize(
    "error",
    [
        RemoteUnreachable("box:", "no such host"),
        AnswerOverdue("`operations/list` of rclone gave no answer within 90 s"),
        RateLimited("box:", "slower, please"),
    ],
)
def test_what_passes_is_waited_out_and_told(
    turns: Turns, told: Told, error: TdlSyncError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that swallows what it is given is as dead as one that refuses it."""
    monkeypatch.setattr(turns.token, "in_time", lambda: None)
    errors = [error, error]

    def send() -> str:
        if errors:
            raise errors.pop()
        return "sent"

    assert turns.run(send) == "sent"
    assert len(told.reasons) == 2


def test_a_call_that_should_always_work_ends_the_run_in_one_line(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise CallFailed(500, "what nobody has seen")

    monkeypatch.setattr(turns.token, "in_time", fail)
    with pytest.raises(ComeBackLater, match=r"\(what nobody has seen\); start again$"):
        turns.run(lambda: None)


def test_nothing_is_sent_while_it_is_held_back_however_long_it_has_waited_before(
    turns: Turns,
) -> None:
    """A machine wakes in the midst of a wait, and another one may have sent the file meanwhile."""
    asked: list[bool] = []

    def is_so() -> bool:
        asked.append(True)
        return len(asked) < 3

    with turns.held_back_while(is_so):
        assert turns.run(lambda: len(asked)) == 3
    assert turns.run(lambda: len(asked)) == 3
