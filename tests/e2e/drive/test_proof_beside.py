"""While a remote is proven Telegram is asked already; nothing is moved before that is done."""

from __future__ import annotations

import pytest

from standins.drive.faults import Fault
from standins.drive.refusals import refusal
from standins.telegram.service.faults import Fault as TelegramFault
from standins.telegram.world import worlds
from tdl_sync.state import own_claim
from tdl_sync.telegram.session import client, session_watch
from tests.e2e.conftest import REMOTE, DriveScene, SetScene
from tests.e2e.expectations import assert_moved, state_texts
from tests.in_process import run_here
from tests.waiting import PATIENCE_SECONDS, until

PROOF = "upload.start"


def held_back(on: DriveScene, monkeypatch: pytest.MonkeyPatch, until_asked: str) -> None:
    """Drive does not go on with the proof before Telegram was asked this."""
    began, telegram = on.drive.statistics.call_began, on.telegram.statistics
    asked_before = telegram.counts().calls.get(until_asked, 0)

    def hold(name: str) -> None:
        if name == PROOF:
            until(lambda: telegram.counts().calls.get(until_asked, 0) > asked_before)
        began(name)

    monkeypatch.setattr(on.drive.statistics, "call_began", hold)


def test_the_chat_is_claimed_and_its_folder_listed_while_the_remote_is_proven(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = scene(worlds.files(sizes=[1000, 2000]))
    assert_moved(on.run(), 2)
    lists = on.drive.statistics.counts().calls["files.list"]
    # The books are balanced with what is counted beside the listing of the chat's folder.
    held_back(on, monkeypatch, "messages.GetSearchCounters")
    ended = on.run()
    assert (ended.exit_status, ended.numbers()["seen"]) == (0, 0), ended.stderr
    assert on.drive.statistics.counts().calls["files.list"] > lists


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (refusal("insufficientParentPermissions", call=PROOF), 2, "lets its account not write"),
        (refusal("insufficientPermissions", call=PROOF), 4, "refuses its credentials"),
        (Fault("storage_full", call=PROOF, times=None), 75, "is full"),
    ],
)
def test_what_is_wrong_with_the_remote_ends_the_run_and_leaves_the_chat_to_others(
    scene: SetScene,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    status: int,
    said: str,
) -> None:
    """Though the chat was ours by then: its claim is taken back, and nothing was made or read."""
    on = scene(worlds.files(sizes=[1000, 2000]))
    monkeypatch.setattr(own_claim, "RELEASE_SECONDS", PATIENCE_SECONDS)
    on.drive.faults.add(fault)
    held_back(on, monkeypatch, "messages.SendMessage")
    ended = on.run()
    assert ended.exit_status == status, ended.stderr
    (line,) = ended.said.splitlines()
    assert said in line
    assert state_texts(on.world) == {}
    assert sorted(file.path for file in on.present()) == ["a", "a/b"]
    assert "upload.GetFile" not in on.telegram.statistics.counts().calls


def test_nothing_new_is_downloaded_before_the_remote_is_proven(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of a chat that was moved before the state stays as it is."""
    on = scene(worlds.files(sizes=[1000]))
    assert_moved(on.run(), 1)
    on.world.source.append(file_of=(on.world.source, 1))
    before, parts = state_texts(on.world), on.telegram.statistics.counts().calls["upload.GetFile"]
    on.drive.faults.add(refusal("insufficientParentPermissions", call=PROOF))
    monkeypatch.setattr(own_claim, "RELEASE_SECONDS", PATIENCE_SECONDS)
    held_back(on, monkeypatch, "messages.Search")
    ended = on.run()
    assert ended.exit_status == 2, ended.stderr
    assert on.telegram.statistics.counts().calls["upload.GetFile"] == parts
    assert state_texts(on.world) == before


def test_who_hears_nothing_of_telegram_is_told_at_once_what_is_wrong_with_the_remote(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CALL_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(session_watch, "QUIET_SECONDS", PATIENCE_SECONDS)
    on = scene(worlds.files(sizes=[1000]))
    assert_moved(on.run(), 1)  # else Telegram is asked who else may make the folder
    on.telegram.statistics.reset()
    on.drive.faults.add(refusal("insufficientParentPermissions", call=PROOF))
    on.telegram.faults.add(TelegramFault("stall", rpc="users.GetUsers", times=None))
    ended = on.run()
    assert ended.exit_status == 2, ended.stderr
    (line,) = ended.said.splitlines()
    assert "lets its account not write" in line
    assert on.telegram.statistics.counts().calls["users.GetUsers"] == 1  # and is not asked again


def test_of_a_chat_that_is_not_there_nothing_is_said_where_the_remote_does_not_take_files(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = scene(worlds.files(sizes=[1000]))
    on.drive.faults.add(refusal("insufficientParentPermissions", call=PROOF))
    held_back(on, monkeypatch, "contacts.ResolveUsername")
    ended = run_here(on.machine, "-u", "@nobody_is_called_so", "--remote", REMOTE)
    assert ended.exit_status == 2, ended.stderr
    (line,) = ended.said.splitlines()
    assert "lets its account not write" in line
