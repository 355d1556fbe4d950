"""While rclone makes up a listing its memory has a limit, and then none again; and while its answer
is read it gives back what that was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from standins.drive.server import DriveStandIn
from standins.drive.shaping import Shaping
from tdl_sync.core.errors import AnswerOverdue
from tdl_sync.remote import remote_control
from tdl_sync.remote.rclone import Rclone
from tdl_sync.remote.remote_control import Remote, RemoteControl
from tests.contract.old_rclone import old_rclone
from tests.contract.rclones import opened_control
from tests.standins.rclone_on_drive import executable
from tests.waiting import in_thread, result_of, until

NO_LIMIT = 2**63 - 1
OF_THE_USER = 300 * 1024 * 1024
SET_LIMIT = "debug/set-soft-memory-limit"
TIDY_UP = "core/gc"
LIST = "operations/list"


@pytest.fixture
def closing(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    monkeypatch.delenv("GOMEMLIMIT", raising=False)
    with ExitStack() as stack:
        yield stack


def limit_bytes(rclone: Rclone) -> object:
    only_ask = {"mem-limit": -1}
    return rclone.call(SET_LIMIT, only_ask)["existing-mem-limit"]


@pytest.mark.parametrize(
    ("variable", "before"), [(None, NO_LIMIT), (f"{OF_THE_USER}B", OF_THE_USER)]
)
def test_a_limit_for_memory_holds_while_something_is_listed_and_the_users_always(
    tmp_path: Path,
    closing: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    variable: str | None,
    before: int,
) -> None:
    if variable is not None:
        monkeypatch.setenv("GOMEMLIMIT", variable)
    drive = closing.enter_context(DriveStandIn())
    for name, value in drive.environment().items():
        monkeypatch.setenv(name, value)
    control = opened_control(closing, None, drive.rclone_config(tmp_path))
    rclone, remote = control.rclone, Remote("gdrive:")
    assert control.files(remote) == []
    assert limit_bytes(rclone) == before
    drive.shaping = Shaping(call_seconds=3.0)
    calls_before = drive.statistics.counts().api_calls
    listing = in_thread(lambda: control.files(remote))
    until(lambda: drive.statistics.counts().api_calls > calls_before)
    assert (limit_bytes(rclone) == before) == (variable is not None)
    drive.shaping = Shaping()
    assert result_of(listing) == []
    assert limit_bytes(rclone) == before


@pytest.mark.parametrize("lost", ["which it has", "which it is to have"])
def test_a_listing_whose_beginning_fails_leaves_no_limit_and_the_next_has_one_again(
    tmp_path: Path, closing: ExitStack, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    control = opened_control(closing)
    rclone, call = control.rclone, control.rclone.call
    limits: list[object] = []

    def losing(command: str, parameters: Mapping[str, object], *others: Any) -> Mapping[str, Any]:
        answer = call(command, parameters, *others)
        if command == SET_LIMIT and (parameters["mem-limit"] == -1) == (lost == "which it has"):
            raise AnswerOverdue("lost on the way")
        return answer

    def noting(command: str, parameters: Mapping[str, object], *others: Any) -> Mapping[str, Any]:
        if command == LIST:
            limits.append(limit_bytes(rclone))
        return call(command, parameters, *others)

    remote = Remote(str(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(rclone, "call", losing)
        with pytest.raises(AnswerOverdue):
            control.files(remote)
    assert limit_bytes(rclone) == NO_LIMIT
    with monkeypatch.context() as patched:
        patched.setattr(rclone, "call", noting)
        assert control.files(remote) == []
    (limit,) = limits
    assert limit != NO_LIMIT
    assert limit_bytes(rclone) == NO_LIMIT


def noted(control: RemoteControl, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said to rclone from now on, and when a listing ends."""
    said: list[str] = []
    call: Callable[..., Mapping[str, Any]] = control.rclone.call

    def noting(command: str, *others: Any) -> Mapping[str, Any]:
        if command in (LIST, TIDY_UP):
            said.append(command)
        answer = call(command, *others)
        if command == LIST:
            said.append("its end")
        return answer

    monkeypatch.setattr(control.rclone, "call", noting)
    return said


@pytest.mark.parametrize("version", ["current", "oldest"])
def test_while_a_long_answer_is_read_rclone_gives_back_what_it_was_made_of(
    tmp_path: Path, closing: ExitStack, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(remote_control, "_FILES_BETWEEN_TIDYING", 100)
    for number in range(250):
        (tmp_path / f"{number}_a").touch()
    (tmp_path / "below").mkdir()
    control = opened_control(closing, executable() if version == "current" else old_rclone())
    said = noted(control, monkeypatch)
    assert control.files(Remote(str(tmp_path / "below"))) == []
    assert said == [LIST, "its end"]
    said.clear()
    assert len(control.files(Remote(str(tmp_path))) or ()) == 250
    assert said == [LIST, TIDY_UP, TIDY_UP, "its end", TIDY_UP, TIDY_UP]
    assert control.rclone.call(TIDY_UP, {}) == {}
