"""One call renews a token for all; and where somebody else has done so, none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack
from pathlib import Path

import pytest

from standins.drive.server import DriveStandIn
from tdl_sync.core.errors import RemoteCredentialsRefused
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import OnQuota
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.remote_control import RemoteControl
from tdl_sync.remote.token_renewal import TokenRenewal, config_lock
from tdl_sync.remote.turns import Turns
from tests.contract.rclones import opened_control
from tests.waiting import in_thread, result_of

WriteConfig = Callable[[int], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closing: ExitStack) -> WriteConfig:
    """A configuration whose token lives that long, in the place of the one before."""
    drive = closing.enter_context(DriveStandIn())
    for name, value in drive.environment().items():
        monkeypatch.setenv(name, value)
    return lambda seconds: drive.rclone_config(tmp_path, token_seconds=seconds)


@pytest.fixture
def control(write: WriteConfig, closing: ExitStack) -> RemoteControl:
    return opened_control(closing, None, write(3000))


def test_after_a_refused_grant_a_token_that_is_new_in_the_configuration_is_tried_once(
    control: RemoteControl, write: WriteConfig
) -> None:
    renewal = TokenRenewal(control, "gdrive:")
    renewal.in_time()
    turns = Turns(Pace(StopFlag(), lambda *_: None), renewal, OnQuota.EXIT)
    calls: list[None] = []

    def send() -> None:
        calls.append(None)
        raise RemoteCredentialsRefused("gdrive", "invalid_grant", "Run that")

    with pytest.raises(RemoteCredentialsRefused):
        turns.run(send)
    assert len(calls) == 1
    write(3000)
    with pytest.raises(RemoteCredentialsRefused):
        turns.run(send)
    assert len(calls) == 3


def test_a_new_token_that_has_ended_already_is_none(
    control: RemoteControl, write: WriteConfig
) -> None:
    renewal = TokenRenewal(control, "gdrive:")
    renewal.in_time()
    write(0)
    assert not renewal.is_another_by_now("gdrive")


@pytest.mark.skipif(sys.platform == "win32", reason="there an open file cannot be replaced")
def test_the_lock_is_kept_while_the_configuration_is_replaced(
    control: RemoteControl, tmp_path: Path
) -> None:
    """As rclone does with each token: who comes then waits as well."""
    config = control.rclone.config_file
    assert config is not None
    order: list[str] = []

    def wait_for_it() -> None:
        with config_lock(control):
            order.append("second")

    with config_lock(control):
        (tmp_path / "new").write_bytes(config.read_bytes())
        (tmp_path / "new").replace(config)
        second = in_thread(wait_for_it)
        with pytest.raises(FutureTimeout):
            second.result(0.5)
        order.append("first")
    result_of(second)
    assert order == ["first", "second"]
